import { suite } from "uvu"
import * as assert from "uvu/assert"
import { heard, rested, UNKNOWN_CONTACT } from "../../../firmware/gpio/debounce.ts"
import { orderedByInputs } from "../../../firmware/gpio/island-order.ts"
import { startGpio } from "../../../firmware/gpio/lines.ts"
import { holdOutputs } from "../../../firmware/gpio/outputs.ts"
import { openIsland } from "../../../firmware/management/island.ts"
import type { GpioConfig } from "../../../firmware/config/gateway-config.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryGpio } from "../../../hal/memory/gpio.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { IslandOrder } from "../../../policy/language/policy.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/gpio")

const place = (name: string, line: number) => ({ name, chip: "gpiochip0", line })
const CONFIG: GpioConfig = {
  inputs: [
    { ...place("key", 1), bias: "as-is", debounceMs: 50, states: { low: "run", high: "island" }, tamper: null },
    { ...place("door", 2), bias: "as-is", debounceMs: 10, states: { low: "shut", high: "open" }, tamper: "open" },
  ],
  outputs: [
    { ...place("fault-led", 3), activeLow: true, safe: "on", shows: "fault" },
    { ...place("relay", 4), activeLow: false, safe: "on", shows: "island" },
    { ...place("horn", 5), activeLow: false, safe: "off", shows: "tamper" },
  ],
}

async function world(given: { storage?: MemoryStorage; gpio?: MemoryGpio; order?: IslandOrder | null } = {}) {
  const clock = new MemoryClock()
  const gpio = given.gpio ?? new MemoryGpio()
  const storage = given.storage ?? new MemoryStorage()
  const events: AuditEvent[] = []
  const audit = async (event: AuditEvent): Promise<number> => events.push(event)
  const applied: boolean[] = []
  const island = orderedByInputs(await openIsland({ storage, audit, apply: async (on) => void applied.push(on) }))
  const lines = await startGpio({
    gpio,
    clock,
    storage,
    config: CONFIG,
    outputs: await holdOutputs(gpio, CONFIG.outputs),
    audit,
    note: (event) => void events.push(event),
    changed: (inputs) => island.inputsChanged(inputs),
    shows: () => ({ island: island.on, fault: false }),
  })
  await island.policyChanged(given.order ?? null)
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return {
    clock, gpio, storage, island, lines, applied, settled,
    said: () => events.map(({ id, object, detail }) => [id, object, detail?.["state"] ?? detail?.["on"]].filter((x) => x !== undefined).join(" ")),
    states: () => lines.status().inputs.map(({ state }) => state),
    /** A level that lasts. */
    set: (name: string, level: "low" | "high") => {
      gpio.drive(name, level)
      clock.advance(50)
    },
  } // prettier-ignore
}

const ON: IslandOrder = { when: [{ input: "key", is: true, state: "island" }], restore: "command" }

test("a contact counts at once when it is first heard, and later only when it has lasted", () => {
  const first = heard(UNKNOWN_CONTACT, "low", 5)
  assert.is(first.settled, "low")
  let contact = first
  for (let ms = 10; ms < 60; ms += 10) contact = heard(contact, ms % 20 === 0 ? "low" : "high", ms)
  assert.is(rested(contact, 60, 20).settled, "low")
  contact = heard(contact, "high", 60)
  assert.is(rested(contact, 79, 30).settled, "low")
  assert.is(rested(contact, 90, 30).settled, "high")
  // The same level again does not begin anew.
  assert.is(rested(heard(contact, "high", 85), 90, 30).settled, "high")
})

test("[CR 2.8] bounces and glitches are no change; a change that lasts is one entry; a loss is known at once", async () => {
  const own = await world()
  assert.equal(own.states(), ["run", "shut"])
  own.gpio.bounce("key", "high", 5)
  own.clock.advance(49)
  assert.equal(own.states(), ["run", "shut"])
  own.clock.advance(1)
  assert.equal(own.states(), ["island", "shut"])
  own.gpio.drive("key", "low")
  own.clock.advance(20)
  own.gpio.drive("key", "high")
  own.clock.advance(500)
  assert.equal(own.said().filter((text) => text.startsWith("input.changed key")), ["input.changed key run", "input.changed key island"]) // prettier-ignore
  own.gpio.lose("key")
  assert.equal(own.states(), [null, "shut"])
  assert.ok(own.said().includes("input.lost key"))
  own.gpio.mend("key")
  assert.equal(own.states(), ["island", "shut"])
  await own.lines.stop()
})

test("[CR 3.6] outputs are safe at start and at stop, show their state between, and each switching is an entry", async () => {
  const gpio = new MemoryGpio()
  await holdOutputs(gpio, CONFIG.outputs)
  assert.equal([...gpio.outputs], [["fault-led", "low"], ["relay", "high"], ["horn", "low"]]) // prettier-ignore
  const own = await world({ gpio })
  await own.settled()
  assert.equal([...gpio.outputs.values()], ["high", "low", "low"])
  assert.ok(own.said().includes("output.changed relay false"))
  await own.island.set(true, "ada")
  own.lines.refresh()
  await own.settled()
  assert.is(gpio.outputs.get("relay"), "high")
  gpio.lose("relay")
  own.lines.refresh()
  await own.settled()
  assert.equal(own.lines.status().outputs.map(({ on }) => on), [true, null, false]) // prettier-ignore
  assert.ok(own.said().includes("output.lost relay"))
  gpio.mend("relay")
  gpio.failing = 1
  own.lines.refresh()
  await own.settled()
  own.lines.refresh()
  await own.settled()
  assert.is(gpio.outputs.get("fault-led"), "high")
  await own.lines.stop()
  assert.equal([...gpio.outputs].toSorted(), [["fault-led", "low"], ["horn", "low"], ["relay", "high"]]) // prettier-ignore
})

test("[NDR 3.11] opening the enclosure is an alarm, latched over a restart until a person clears it, and closes nothing", async () => {
  const own = await world()
  own.set("door", "high")
  await own.settled()
  assert.equal([own.lines.tamper.latched, own.applied, own.gpio.outputs.get("horn")], [["door"], [], "high"])
  assert.ok(own.said().includes("tamper.detected door"))
  await rejects(() => own.lines.tamper.clear("looked at", "ada"), "ERR_TAMPER_OPEN")
  own.set("door", "low")
  await own.lines.stop()
  const after = await world({ storage: own.storage.powerCut() })
  assert.equal(after.lines.tamper.latched, ["door"])
  await rejects(() => after.lines.tamper.clear("  ", "ada"), "ERR_TAMPER_REASON")
  assert.equal(await after.lines.tamper.clear("a wasps' nest", "ada"), ["door"])
  after.lines.refresh()
  await after.settled()
  assert.equal([after.lines.tamper.latched, after.gpio.outputs.get("horn")], [[], "low"])
  assert.ok(after.said().includes("tamper.cleared"))
  const last = await world({ storage: after.storage.powerCut() })
  assert.equal(last.lines.tamper.latched, [])
  await last.storage.write("tamper.json", new TextEncoder().encode("{"))
  assert.equal((await world({ storage: last.storage })).lines.tamper.latched, ["unknown"])
})

test("[NDR 5.2 RE(2)] an input orders island mode in the very turn in which it counts; only a person ends it", async () => {
  const own = await world({ order: ON })
  assert.equal(own.applied, [])
  own.gpio.drive("key", "high")
  own.clock.advance(50)
  assert.equal(own.applied, [true])
  await own.settled()
  assert.ok(own.said().includes("island.on"))
  await rejects(() => own.island.set(false, "ada"), "ERR_ISLAND_INPUT")
  own.set("key", "low")
  await own.settled()
  assert.equal(own.applied, [true])
  await own.island.set(false, "ada")
  assert.equal(own.applied, [true, false])
})

test("[NDR 5.2 RE(2)] an input that is lost orders island mode, and a person may open again until it says something new", async () => {
  const own = await world({ order: ON })
  own.gpio.lose("key")
  assert.equal(own.applied, [true])
  await own.settled()
  await own.island.set(false, "ada")
  await own.island.policyChanged(ON)
  assert.is(own.island.on, false)
  own.gpio.mend("key")
  own.set("key", "high")
  assert.is(own.island.on, true)
})

test("restore: input opens again by itself, but never what a person ordered", async () => {
  const own = await world({ order: { ...ON, restore: "input" } })
  own.set("key", "high")
  await own.settled()
  own.set("key", "low")
  await own.settled()
  assert.equal([own.applied, own.island.on], [[true, false], false])
  await own.island.set(true, "ada")
  own.set("key", "high")
  await own.settled()
  own.set("key", "low")
  await own.settled()
  assert.is(own.island.on, true)
})

test("a policy that comes into force orders island mode by the inputs as they are, unknown ones too", async () => {
  const own = await world()
  own.set("key", "high")
  assert.is(own.island.on, false)
  await own.island.policyChanged(ON)
  assert.is(own.island.on, true)
  const other = await world({ order: { when: [{ input: "none", is: true, state: "x" }], restore: "command" } })
  assert.is(other.island.on, true)
})

test("inputs are simulated on a simulated board alone, in the words of the board file", async () => {
  const own = await world()
  assert.is(own.lines.inputs.simulate("key", "island"), "run")
  own.clock.advance(50)
  assert.equal(own.states(), ["island", "shut"])
  await rejects(() => own.lines.inputs.simulate("key", "maintenance"), "ERR_GPIO_LINE")
  await rejects(() => own.lines.inputs.simulate("relay", "on"), "ERR_GPIO_LINE")
  // Who mistyped is told what there is.
  assert.throws(() => own.lines.inputs.simulate("key", "on"), "key is either run or island")
  assert.throws(() => own.lines.inputs.simulate("kye", "run"), "inputs are: key, door")
  const real = await world({ gpio: Object.assign(new MemoryGpio(), { simulate: null }) as unknown as MemoryGpio })
  await rejects(() => real.lines.inputs.simulate("key", "run"), "ERR_BOARD_NOT_SIMULATED")
})

test.run()
