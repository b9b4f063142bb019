/** The connection of witnesses: tried again, given up, and what comes over it; the broker is a function call here. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { MqttLink, MqttMessage } from "../../firmware/audit/mqtt-link.ts"
import { DEFAULT_AUDIT, type GatewayConfig } from "../../firmware/config/gateway-config.ts"
import { startWitnessing } from "../../firmware/witnessing.ts"
import { nodeKeyFunctions } from "../../hal/linux/key-functions.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryKeyStore } from "../../hal/memory/key-store.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { HardwareError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { DEFAULT_ALARMS } from "../../policy/audit/alarm-rule.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { openTestLog, sampleEvent, settled } from "../support/audit.ts"
import { testCosigner } from "../support/cosigners.ts"

const test = suite("firmware/witnessing")
const WITNESS = testCosigner("gw-2")
const COLLECTOR = testCosigner("desk")

/** A link as a test holds it in hand. */
function testLink() {
  const takers: ((message: MqttMessage) => Promise<void>)[] = []
  const losers: ((reason: string) => void)[] = []
  const state = { subscribed: [] as string[], closed: 0, destroyed: 0 }
  const link = {
    subscribe: async (filters: readonly string[]) => void state.subscribed.push(...filters),
    unsubscribe: async () => undefined,
    publish: async () => undefined,
    onMessage: (take: (message: MqttMessage) => Promise<void>) => void takers.push(take),
    onLost: (lost: (reason: string) => void) => void losers.push(lost),
    close: async () => void (state.closed += 1),
    destroy: () => void (state.destroyed += 1),
  } as unknown as MqttLink
  return {
    ...{ link, state },
    async says(topic: string, text: string) {
      for (const take of takers) await take({ topic, payload: Buffer.from(text), retained: true })
    },
    lose: () => losers.forEach((lost) => lost("closed")),
  }
}

async function world(dialWith: (clock: MemoryClock) => Promise<MqttLink>) {
  const clock = new MemoryClock()
  const log = await openTestLog(new MemoryStorage(), { clock, gateway: "gw" })
  await log.append(sampleEvent("one"))
  const events: AuditEvent[] = []
  const dial = (): Promise<MqttLink> => dialWith(clock)
  const told = { cosigned: [] as number[], collected: [] as number[], putBack: 0 }
  const config = {
    gateway: "gw",
    audit: { ...DEFAULT_AUDIT, witnesses: [WITNESS.key], collectors: [COLLECTOR.key] },
    management: { mqtt: {} },
  } as unknown as GatewayConfig
  const witnessing = await startWitnessing({
    ...{ config, log, clock, dial, storage: new MemoryStorage(), keyStore: new MemoryKeyStore(nodeKeyFunctions) },
    trust: { material: {} as never, revoked: () => [] as never },
    time: { interval: () => ({ earliestAt: 0, latestAt: 1 }), cosigned: (at) => void told.cosigned.push(at) },
    retention: { collected: async (size) => void told.collected.push(size) },
    report: (event) => void events.push(event),
    putBack: () => void (told.putBack += 1),
    paceMs: 1,
  })
  return { clock, log, events, told, witnessing }
}

const lost = (): Promise<MqttLink> => Promise.reject(new HardwareError("ERR_LINK", "nobody there"))

test("nothing is dialled where the board file names nobody, or no broker", async () => {
  const config = { gateway: "gw", audit: DEFAULT_AUDIT, management: { mqtt: {} } }
  const none = { ...config, audit: { ...DEFAULT_AUDIT, witnesses: [WITNESS.key] }, management: { mqtt: null } }
  for (const one of [config, none]) {
    const off = await startWitnessing({ config: one, dial: () => assert.unreachable() } as never)
    assert.equal([off.status, off.isPutBack], [{ by: [], of: [] }, false])
    off.trustChanged()
    await off.stop()
  }
})

test("a broker that is not there is dialled again, less and less often, once a minute at least", async () => {
  const dialled: number[] = []
  const { clock, witnessing } = await world((running) => {
    dialled.push(running.monotonicMs())
    return lost()
  })
  for (let second = 0; second < 600; second++) {
    clock.advance(1_000)
    await settled()
  }
  const gaps = dialled.slice(1).map((at, n) => at - dialled[n]!)
  assert.ok(gaps[0]! <= 2_000, `at first soon: ${gaps[0]} ms`)
  assert.ok(Math.max(...gaps) <= 61_000 && gaps.at(-1)! >= 29_000, gaps.join(" "))
  await witnessing.stop()
  const count = dialled.length
  clock.advance(600_000)
  await settled()
  assert.is(dialled.length, count, "stopped is stopped")
})

test("a lost link is dialled anew, and what the witness says over the new one counts", async () => {
  const links = [testLink(), testLink()]
  let next = 0
  const { clock, log, told, events, witnessing } = await world(async () => links[next++]!.link)
  await settled()
  assert.equal(links[0]!.state.subscribed, ["lockgate/gw/witness/#"])
  links[0]!.lose()
  await settled()
  assert.is(links[0]!.state.destroyed, 1)
  clock.advance(1_000)
  await settled()
  assert.is(next, 2)
  const note = log.checkpoint.note
  await links[1]!.says("lockgate/gw/witness/gw-2", WITNESS.cosign(note, 5_000_000_000))
  await links[1]!.says("lockgate/gw/witness/desk", COLLECTOR.cosign(note, 5_000_000_000))
  const { size } = log.checkpoint
  assert.equal(told, { cosigned: [5_000_000_000_000], collected: [size], putBack: 0 })
  assert.equal(witnessing.status.by.map((one) => [one.name, one.size]), [["gw-2", size], ["desk", size]]) // prettier-ignore
  assert.equal(events, [])
  await witnessing.stop()
  assert.equal([links[1]!.state.closed, links[1]!.state.destroyed], [1, 1])
})

test("a link that comes only after the stop is closed at once, and the stop waits for it", async () => {
  let come: (link: MqttLink) => void = () => undefined
  const late = testLink()
  const { witnessing } = await world(() => new Promise((resolve) => (come = resolve)))
  let isStopped = false
  const stopped = witnessing.stop().then(() => (isStopped = true))
  await settled()
  assert.not.ok(isStopped)
  come(late.link)
  await stopped
  assert.equal([late.state.closed, late.state.destroyed], [1, 1])
})

test("[CR 3.9] a refusal becomes an event that is an alarm; a larger size than ours puts the gateway back", async () => {
  const one = testLink()
  const { log, told, events, witnessing } = await world(async () => one.link)
  await settled()
  const { size, root } = log.checkpoint
  const tree = (at: number) => ({ size: at, root })
  const statement = { origin: originOf("gw"), reason: "fork", known: tree(size), shown: tree(size), evidence: null } as const // prettier-ignore
  await one.says("lockgate/gw/witness/gw-2/refused", WITNESS.refuse(statement, 5_000_000_000))
  assert.equal(events.map(({ id, object, reason }) => [id, object, reason]), [["witness.accused", "gw-2", "fork"]]) // prettier-ignore
  assert.ok(
    DEFAULT_ALARMS.some(({ on }) => on.includes("witness.accused")),
    "without a word of policy an alarm",
  )
  assert.is(witnessing.status.by[0]?.refused, "fork")
  assert.is(told.putBack, 0)
  const other = await openTestLog(new MemoryStorage(), { gateway: "gw" })
  for (let n = 0; n < 5; n++) await other.append(sampleEvent("another"))
  await one.says("lockgate/gw/witness/gw-2", WITNESS.cosign(other.checkpoint.note, 5_000_000_001))
  assert.ok(events.some(({ id }) => id === "witness.rolled-back"))
  assert.equal([told.putBack, witnessing.isPutBack], [1, true])
  await witnessing.stop()
  await other.close()
})

test.run()
