import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openOverrides } from "../../../firmware/management/overrides.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { MemoryLog } from "../../support/commands.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/management/overrides")
const by = "local:owner"
const MINUTE = 60_000
const naming = (...emergencies: readonly string[]) =>
  makePolicy(emergencies.map((emergency) => makeRule({ topics: ["t"], emergency })))

async function open(storage = new MemoryStorage(), policy = naming("fire", "leak")) {
  const clock = new MemoryClock()
  const log = new MemoryLog()
  const applied: (readonly string[])[] = []
  const overrides = await openOverrides({ storage, clock, audit: log.audit, apply: (names) => applied.push(names) })
  overrides.policyChanged(policy)
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    storage,
    clock,
    log,
    applied,
    overrides,
    settle,
    on: () => overrides.status().flatMap(({ emergency, on }) => (on === null ? [] : [emergency])),
    said: () => log.events.map(({ id, object, subject, reason }) => [id, object, subject, reason ?? null]),
  }
}

test("[CR 2.1] nothing is on until somebody says so, for how long and why", async () => {
  const { overrides, applied, log, on } = await open()
  assert.equal(on(), [])
  assert.equal(
    overrides.status().map(({ emergency }) => emergency),
    ["fire", "leak"],
  )
  assert.is(await overrides.start("fire", 30, "smoke in hall 2", by), null)
  assert.equal(applied, [["fire"]])
  assert.equal(overrides.status()[0], {
    emergency: "fire",
    on: { remainingSeconds: 1800, by, reason: "smoke in hall 2" },
  })
  assert.equal(log.events, [
    {
      id: "override.started",
      outcome: "success",
      source: "management",
      subject: by,
      object: "fire",
      detail: { minutes: 30, why: "smoke in hall 2" },
    },
  ])
})

test("[CR 2.1] it ends by itself when its time is over, whatever the wall clock says, and the log says so", async () => {
  const { overrides, clock, applied, on, said, settle } = await open()
  await overrides.start("fire", 30, "smoke", by)
  await overrides.start("leak", 60, "drip", by)
  clock.setWall(Date.UTC(2050, 0, 1), true)
  clock.advance(30 * MINUTE - 1)
  assert.equal(on(), ["fire", "leak"])
  clock.setWall(Date.UTC(2001, 0, 1), true)
  clock.advance(1)
  assert.equal(on(), ["leak"])
  assert.equal(applied.at(-1), ["leak"])
  await settle()
  assert.equal(said().at(-1), ["override.ended", "fire", by, "expired"])
  clock.advance(30 * MINUTE)
  assert.equal(applied.at(-1), [])
  assert.equal(on(), [])
})

test("a board that slept through its timer ends it at the next look", async () => {
  const { overrides, clock, on } = await open()
  await overrides.start("fire", 1, "smoke", by)
  // Ten seconds are looked at again and again, so a timer that counts no sleep is late by ten seconds at most.
  clock.advance(10_000)
  assert.is(overrides.status()[0]?.on?.remainingSeconds, 50)
  clock.advance(50_000)
  assert.equal(on(), [])
})

test("somebody ends it; to start it again sets the time anew, and is in the log with what was left", async () => {
  const { overrides, clock, applied, log, said } = await open()
  await overrides.start("fire", 30, "smoke", by)
  clock.advance(10 * MINUTE)
  assert.is(await overrides.start("fire", 5, "still smoke", "anna"), 20 * 60)
  assert.equal(log.events.at(-1)?.detail, { minutes: 5, why: "still smoke", secondsLeft: 1200 })
  clock.advance(MINUTE)
  assert.is(await overrides.end("fire", by), 240)
  assert.is(await overrides.end("fire", by), null)
  assert.equal(applied, [["fire"], ["fire"], []])
  assert.equal(said().at(-1), ["override.ended", "fire", by, "command"])
  clock.advance(480 * MINUTE)
  assert.is(said().length, 3, "it ends once")
})

test("[CR 2.1] an emergency that the policy in force does not name, or without a reason, is refused", async () => {
  const { overrides, applied, log } = await open()
  const error = await rejects(() => overrides.start("flood", 5, "water", by), "ERR_OVERRIDE_UNKNOWN")
  assert.match(error.message, "it names fire, leak")
  for (const reason of ["", " ", "\t"]) {
    await rejects(() => overrides.start("fire", 5, reason, by), "ERR_OVERRIDE_REASON")
  }
  overrides.policyChanged(null)
  await rejects(() => overrides.start("fire", 5, "smoke", by), "ERR_OVERRIDE_UNKNOWN")
  assert.equal([applied, log.events], [[], []])
})

test("[CR 2.1] it survives a policy that names it, and no other", async () => {
  const { overrides, applied, on, said, settle } = await open()
  await overrides.start("fire", 30, "smoke", by)
  await overrides.start("leak", 30, "drip", by)
  overrides.policyChanged(naming("leak", "flood"))
  assert.equal(on(), ["leak"])
  assert.equal(applied.at(-1), ["leak"])
  await settle()
  assert.equal(said().at(-1), ["override.ended", "fire", null, "policy"])
  overrides.policyChanged(naming("fire", "leak"))
  assert.equal(on(), ["leak"], "it does not come back")
  overrides.policyChanged(null)
  assert.equal(applied.at(-1), [])
})

test("[CR 2.10] what cannot be written down is not switched on; switching off needs no log and no disk", async () => {
  const { overrides, applied, log, storage, on } = await open()
  await overrides.start("fire", 30, "smoke", by)
  log.failsFrom = log.events.length
  storage.fail({ step: "create", errno: "EIO", times: 99 })
  await rejects(() => overrides.start("leak", 30, "drip", by), "ERR_IO")
  assert.equal(on(), ["fire"])
  assert.is(await overrides.end("fire", by), 1800)
  assert.equal(applied, [["fire"], []])
})

test("a policy that comes while the start is being written down has the last word", async () => {
  const storage = new MemoryStorage()
  const log = new MemoryLog()
  const applied: (readonly string[])[] = []
  let swap = (): void => undefined
  const overrides = await openOverrides({
    storage,
    clock: new MemoryClock(),
    audit: (event) => {
      if (event.id === "override.started") swap()
      return log.audit(event)
    },
    apply: (names) => applied.push(names),
  })
  overrides.policyChanged(naming("fire"))
  swap = () => overrides.policyChanged(naming("leak"))
  await rejects(() => overrides.start("fire", 30, "smoke", by), "ERR_OVERRIDE_UNKNOWN")
  assert.equal(applied, [])
  assert.equal(
    log.events.map(({ id }) => id),
    ["override.started", "override.ended"],
  )
})

test("[CR 2.1] a restart ends it, power cuts included, and the log says so", async () => {
  const first = await open()
  await first.overrides.start("fire", 30, "smoke", by)
  await first.overrides.start("leak", 30, "drip", by)
  await first.overrides.end("leak", by)
  await first.settle()
  first.overrides.stop()
  const storage = first.storage.powerCut()
  const second = await open(storage)
  assert.equal([second.on(), second.applied], [[], []])
  assert.equal(second.said(), [["override.ended", "fire", null, "restart"]])
  const third = await open(storage.powerCut())
  assert.equal(third.said(), [], "it is said once")
})

test("[CR 3.5] a damaged record switches nothing on and holds up no start", async () => {
  const good = new TextEncoder().encode('{"format":1,"on":["fire"]}\n')
  for (const bytes of [
    ...truncations(good),
    ...bitFlips(good),
    Uint8Array.of(0xff),
    new TextEncoder().encode("null"),
  ]) {
    const storage = new MemoryStorage()
    await storage.write("overrides.json", bytes)
    const { on, applied, said } = await open(storage)
    assert.equal([on(), applied], [[], []])
    assert.ok(said().every(([id]) => id === "override.ended"))
  }
})

test.run()
