import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeState, parseState } from "../../../firmware/bundles/state-file.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { plainBundle, PolicyWorld, worldWith } from "../../support/policy-world.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/bundles/policy-store")
const by = "local:owner"
const STATE = "policy/state.json"

async function started(storage: MemoryStorage): Promise<PolicyWorld> {
  const world = new PolicyWorld(storage)
  await world.activation.start()
  return world
}
const told = (world: PolicyWorld): unknown => world.events.map(({ id, object, reason }) => [id, object, reason])

test("the state file reads back, and nothing else is one", async () => {
  const state = { active: 6, trial: 7, highest: 7 }
  const bytes = encodeState(state)
  assert.equal(parseState(bytes), state)
  for (const hostile of [...truncations(bytes), ...bitFlips(bytes)]) {
    await rejects(() => parseState(hostile), "ERR_POLICY_STATE_DAMAGED")
  }
  const contradictions = [
    { active: 7, trial: null, highest: 6 },
    { active: 7, trial: 6, highest: 7 },
    { active: null, trial: 3, highest: 4 },
    { active: 0, trial: null, highest: 0 },
  ]
  for (const wrong of contradictions) await rejects(() => parseState(encodeState(wrong)), "ERR_POLICY_STATE_DAMAGED")
  for (const text of ["", "null", "[]", "{}", `{"format":2}`, new TextDecoder().decode(bytes) + " "]) {
    await rejects(() => parseState(new TextEncoder().encode(text)), "ERR_POLICY_STATE_DAMAGED")
  }
})

test("the active bundle, the one before it and the one on trial are kept, and no more", async () => {
  const world = await worldWith(1, 2, 3)
  assert.equal(await world.storage.list("policy/bundles"), ["2.jws", "3.jws"])
  assert.equal(await world.storage.list("policy/trial"), [])
  await world.activation.activate(plainBundle({ version: 4 }), 60_000, by)
  assert.equal(await world.storage.list("policy/bundles"), ["2.jws", "3.jws"])
  assert.equal(await world.storage.list("policy/trial"), ["4.jws"])
  await world.activation.rollback("command", by)
  assert.equal(await world.storage.list("policy/trial"), [])
})

const DAMAGES: readonly (readonly [string, Uint8Array | null])[] = [
  ["gone", null],
  ["empty", new Uint8Array()],
  ["zeros", new Uint8Array(100)],
  ["altered", encodeState({ active: 1, trial: null, highest: 1 }).map((byte, i) => (i === 22 ? byte ^ 3 : byte))],
]
for (const [what, bytes] of DAMAGES) {
  test(`[CR 3.4] a state that is ${what} is rebuilt from the confirmed bundles, and told at every boot until a confirmation`, async () => {
    const world = await worldWith(1, 2)
    await world.activation.activate(plainBundle({ version: 3 }), 60_000, by)
    if (bytes === null) await world.storage.remove(STATE)
    else await world.storage.write(STATE, bytes)
    const next = await world.reboot()
    assert.equal([next.version, next.conditions], [2, ["integrity-failure"]])
    assert.equal(told(next), [["policy.damaged", "state", "ERR_POLICY_STATE_DAMAGED"]])
    assert.equal(next.activation.status().highest, 3)
    const again = await next.reboot()
    assert.equal([again.version, again.conditions], [2, ["integrity-failure"]])
    await again.activation.activate(plainBundle({ version: 4 }), 60_000, by)
    assert.equal(again.conditions, ["integrity-failure"])
    await again.activation.confirm(4, by)
    assert.equal(again.conditions, [])
    const after = await again.reboot()
    assert.equal([after.version, after.conditions, after.events], [4, [], []])
  })
}

test("[CR 3.4] a damaged or missing bundle gives way to the one before it, and both stay on disk", async () => {
  for (const bytes of [null, new Uint8Array(50), new TextEncoder().encode(plainBundle({ version: 1 }))]) {
    const world = await worldWith(1, 2)
    if (bytes === null) await world.storage.remove("policy/bundles/2.jws")
    else await world.storage.write("policy/bundles/2.jws", bytes)
    const next = await world.reboot()
    assert.equal([next.version, next.conditions], [1, ["integrity-failure"]])
    assert.equal([next.events[0]!.id, next.events[0]!.object], ["policy.damaged", "2"])
    assert.equal([next.activation.status().active, next.activation.status().highest], [2, 2])
    assert.is((await next.storage.list("policy/bundles")).length, bytes === null ? 1 : 2)
  }
})

test("[CR 3.4] the board file repairs the very version whose bundle is damaged, not an older one", async () => {
  const world = await worldWith(1, 2)
  await world.storage.remove("policy/bundles/2.jws")
  const next = await world.reboot()
  assert.is(await next.activation.installFromFile(plainBundle({ version: 1 })), "already")
  assert.is(await next.activation.installFromFile(plainBundle({ version: 1, policy: "other" })), "refused")
  assert.is(await next.activation.installFromFile(plainBundle({ version: 2 })), "installed")
  assert.equal([next.version, next.conditions], [2, []])
  const after = await next.reboot()
  assert.equal([after.version, after.conditions, after.events], [2, [], []])
})

test("[NDR 5.2 RE(1)] if nothing on disk is good, there is no policy, and a new one can be put in force", async () => {
  const world = await worldWith(1, 2)
  for (const version of [1, 2]) await world.storage.write(`policy/bundles/${version}.jws`, new Uint8Array(10))
  await world.storage.write(STATE, new Uint8Array(10))
  const next = await world.reboot()
  assert.equal([next.engine, next.conditions], [null, ["integrity-failure", "no-policy"]])
  await next.activation.activate(plainBundle({ version: 3 }), 60_000, by)
  await next.activation.confirm(3, by)
  assert.equal([next.version, next.conditions], [3, []])
})

test("a disk that can be read but not written still gives the policy back, and ends the trial", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  const storage = world.storage.powerCut()
  storage.fail({ step: "create", errno: "EIO", times: 99 })
  storage.fail({ step: "unlink", errno: "EIO", times: 99 })
  const next = await started(storage)
  assert.equal([next.version, next.conditions, next.activation.status().trial], [1, [], null])
  assert.equal(next.said("policy.rolled-back")[0]!.detail, { from: 2, to: 1, written: false })
  const fresh = new MemoryStorage()
  fresh.fail({ step: "create", errno: "EIO" })
  assert.equal((await started(fresh)).conditions, ["no-policy"])
})

test("names in the folders that are no versions are left alone", async () => {
  const world = await worldWith(1)
  for (const name of ["0.jws", "01.jws", "1.jws.bak", "99999999999.jws", "a.jws"]) {
    await world.storage.write(`policy/bundles/${name}`, new Uint8Array(3))
  }
  const next = await world.reboot()
  assert.equal([next.version, next.events], [1, []])
})

test.run()
