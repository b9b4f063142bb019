import { suite } from "uvu"
import * as assert from "uvu/assert"
import { addSignature, signBundle } from "../../../firmware/bundles/sign.ts"
import { createBundleVerifier } from "../../../firmware/bundles/verify.ts"
import { InvariantError } from "../../../policy/base/errors.ts"
import { aStatement, makeSigner } from "../../support/bundles.ts"
import { plainBundle, PolicyWorld, worldWith } from "../../support/policy-world.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/bundles/activation")
const by = "local:owner"
const day = 86_400_000

/** Refused with this reason, in the log as well, and nothing has changed. */
async function refusedWith(world: PolicyWorld, reason: string, text: string): Promise<void> {
  const before = JSON.stringify([world.activation.status(), world.version])
  const count = world.events.length
  const error = await rejects(() => world.activation.activate(text, 60_000, by), "ERR_POLICY_REFUSED")
  assert.is(error.detail["reason"], reason)
  assert.is(JSON.stringify([world.activation.status(), world.version]), before)
  const said = world.events.slice(count)
  assert.equal([said.length, said[0]!.id, said[0]!.reason, said[0]!.subject], [1, "policy.refused", reason, by])
}

test("[NDR 5.2 RE(1)] a gateway without policy puts none in force and says so", async () => {
  const world = await worldWith()
  assert.is(world.engine, null)
  assert.equal(world.conditions, ["no-policy"])
  assert.equal(world.events, [])
})

test("[CR 7.4] a policy is on trial, then confirmed, and survives the next boot", async () => {
  const world = await worldWith()
  const started = await world.activation.activate(plainBundle({ version: 3 }), 60_000, by)
  assert.equal([started.version, started.previous, started.trialEndsAt], [3, null, world.clock.wall().at + 60_000])
  assert.is(world.version, 3)
  assert.equal(world.conditions, [])
  world.clock.advance(20_000)
  assert.equal(world.activation.status().trial, { version: 3, endsInMs: 40_000, endsAt: started.trialEndsAt })
  assert.equal(await world.activation.confirm(3, by), { before: null })
  await world.advance(day)
  assert.is(world.version, 3)
  assert.equal(world.events.map((event) => event.id), ["policy.activated", "policy.confirmed"]) // prettier-ignore
  const next = await world.reboot()
  assert.is(next.version, 3)
  assert.equal(next.activation.status().inForce?.state, "confirmed")
  assert.equal(next.events, [])
})

test("[CR 7.4] a policy that nobody confirms is rolled back by itself", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  await world.advance(59_999)
  assert.is(world.version, 2)
  await world.advance(1)
  assert.is(world.version, 1)
  const [event] = world.said("policy.rolled-back")
  assert.equal([event!.reason, event!.object, event!.detail], ["expired", "2", { from: 2, to: 1, written: true }])
  await rejects(() => world.activation.confirm(2, by), "ERR_NO_TRIAL")
})

test("[CR 7.4] a first policy that nobody confirms leaves none in force", async () => {
  const world = await worldWith()
  await world.activation.activate(plainBundle(), 5000, by)
  await world.advance(5000)
  assert.is(world.engine, null)
  assert.equal(world.conditions, ["no-policy"])
})

test("[CR 7.4] a restart during a trial rolls back, and says so", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  const next = await world.reboot()
  assert.is(next.version, 1)
  assert.equal(next.events.map((event) => [event.id, event.reason, event.object]), [["policy.rolled-back", "restart", "2"]]) // prettier-ignore
  await next.advance(day)
  assert.is(next.version, 1)
  assert.is((await next.reboot()).events.length, 0)
})

test("[CR 7.4] a rollback by command goes back at once, and the timer of that trial does nothing later", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  assert.equal(await world.activation.rollback("command", by), { dropped: 2, inForce: 1 })
  assert.is(world.version, 1)
  await world.activation.activate(plainBundle({ version: 3 }), 600_000, by)
  await world.advance(60_001)
  assert.is(world.version, 3)
  await world.activation.rollback("command", by)
  await rejects(() => world.activation.rollback("command", by), "ERR_NO_TRIAL")
})

test("[CR 3.4] a version that was tried, confirmed or not, does not come again, nor after a boot", async () => {
  const world = await worldWith(2)
  await world.activation.activate(plainBundle({ version: 4 }), 60_000, by)
  await world.activation.rollback("command", by)
  for (const version of [1, 2, 3, 4]) await refusedWith(world, "ERR_BUNDLE_VERSION", plainBundle({ version }))
  const next = await world.reboot()
  for (const version of [1, 2, 3, 4]) await refusedWith(next, "ERR_BUNDLE_VERSION", plainBundle({ version }))
  await next.activation.activate(plainBundle({ version: 5 }), 60_000, by)
})

test("[CR 3.4] what is refused changes nothing and is in the log with its reason", async () => {
  const world = await worldWith(1)
  const at = world.interval.earliestAt
  const refused: readonly (readonly [string, string])[] = [
    ["ERR_BUNDLE_MALFORMED", "not a bundle"],
    ["ERR_BUNDLE_SIGNATURES", plainBundle({ version: 2 }, [])],
    ["ERR_BUNDLE_GATEWAY", plainBundle({ version: 2, gateways: ["other"] })],
    ["ERR_BUNDLE_EXPIRED", plainBundle({ version: 2, notAfterAt: at - 1 })],
    ["ERR_BUNDLE_NOT_YET", plainBundle({ version: 2, notBeforeAt: at + 1 })],
    ["ERR_POLICY_FAULTS", plainBundle({ version: 2, policy: "has a fault" })],
    ["ERR_POLICY_TOO_LARGE", plainBundle({ version: 2, policy: "compiler" })],
    ["ERR_ENGINE_REFUSED", plainBundle({ version: 2, policy: "engine" })],
  ]
  for (const [reason, text] of refused) await refusedWith(world, reason, text)
  assert.is((await world.reboot()).version, 1)
})

test("[CR 3.4] a policy that fails a case of its own bundle does not come into force; the log names the case", async () => {
  const world = await worldWith(1)
  await refusedWith(world, "ERR_BUNDLE_CASES", plainBundle({ version: 2, cases: "right\nwrong: a\nwrong: b" }))
  const { version, cases, case: first } = world.said("policy.refused")[0]!.detail!
  assert.equal([version ?? 2, cases, first], [2, 2, "wrong: a"])
  await world.activation.activate(plainBundle({ version: 2, cases: "right\nright too" }), 60_000, by)
  assert.is(world.version, 2)
})

test("[CR 7.4] a stored policy whose cases fail under this release gives way to the one before it, and is no damage", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2, cases: "right" }), 60_000, by)
  await world.activation.confirm(2, by)
  const next = new PolicyWorld(world.storage.powerCut(), {
    testCases: (_policy, _compiled, text) => [`now ${text} fails`],
  })
  await next.activation.start()
  assert.equal([next.version, next.conditions], [1, []])
  assert.equal(next.events.map(({ id, reason }) => [id, reason]), [["policy.refused", "ERR_BUNDLE_CASES"]]) // prettier-ignore
})

test("[CR 3.7] the refusal of a policy with faults names the first one and its place", async () => {
  const world = await worldWith()
  const text = plainBundle({ version: 9, policy: "fault" })
  const error = await rejects(() => world.activation.activate(text, 60_000, by), "ERR_POLICY_REFUSED")
  assert.equal(error.detail, { version: 9, faults: 2, fault: "policy-9.yaml:3:5: rules[0]: expected a rule", reason: "ERR_POLICY_FAULTS" }) // prettier-ignore
  assert.match(String(world.said("policy.refused")[0]!.detail!["fault"]), "policy-9.yaml:3:5")
})

test("a second trial is refused while one runs; confirming another version is refused", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  await rejects(() => world.activation.activate(plainBundle({ version: 3 }), 60_000, by), "ERR_POLICY_ON_TRIAL")
  for (const version of [1, 3]) await rejects(() => world.activation.confirm(version, by), "ERR_OTHER_TRIAL")
  assert.is(world.version, 2)
})

test("calls that overlap are carried out one after the other", async () => {
  const world = await worldWith(1)
  const { activation } = world
  const results = await Promise.allSettled([
    activation.activate(plainBundle({ version: 2 }), 60_000, by),
    activation.activate(plainBundle({ version: 3 }), 60_000, by),
    activation.confirm(2, by),
    activation.activate(plainBundle({ version: 4 }), 60_000, by),
    activation.rollback("command", by),
  ])
  assert.equal(results.map((result) => result.status), ["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled"]) // prettier-ignore
  assert.is(world.version, 2)
})

test("[CR 7.4] the end of a trial that races with its confirmation loses or wins whole", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  const confirming = world.activation.confirm(2, by)
  await world.advance(60_000)
  await confirming
  assert.is(world.version, 2)
  assert.is(world.said("policy.rolled-back").length, 0)
  assert.is((await world.reboot()).version, 2)
})

test("[CR 7.4] the end of a trial that waits behind a rollback does not end the next trial", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  const next = [
    world.activation.rollback("command", by),
    world.activation.activate(plainBundle({ version: 3 }), 600_000, by),
  ]
  await world.advance(60_000)
  await Promise.all(next)
  assert.equal([world.version, world.said("policy.rolled-back").length], [3, 1])
})

test("[CR 2.10] a policy that cannot be written into the log does not come into force", async () => {
  const world = await worldWith(1)
  world.auditFails = true
  await rejects(() => world.activation.activate(plainBundle({ version: 2 }), 60_000, by), "ERR_IO")
  assert.is(world.version, 1)
  assert.is(world.activation.status().trial, null)
  assert.is((await world.reboot()).version, 1)
})

test("[CR 7.4] a trial ends in time even if neither log nor disk takes it", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  world.auditFails = true
  for (const step of ["create", "unlink"] as const) world.storage.fail({ step, errno: "EIO", times: 99 })
  await world.advance(60_000)
  assert.is(world.version, 1)
  assert.is(world.activation.status().inForce?.version, 1)
  world.storage.heal()
  world.auditFails = false
  await world.activation.activate(plainBundle({ version: 3 }), 60_000, by)
  assert.is(world.version, 3)
})

test("[CR 7.4] if the engine does not take the last good policy back, none is in force", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  world.engineRefuses.add(1)
  await world.activation.rollback("command", by)
  assert.is(world.engine, null)
  assert.equal(world.conditions, ["no-policy"])
})

test("an engine that takes nothing at all is an invariant broken", async () => {
  const world = await worldWith(1)
  await world.activation.activate(plainBundle({ version: 2 }), 60_000, by)
  world.engineRefuses.add(1).add(null)
  const error = await world.activation.rollback("command", by).catch((e: unknown) => e)
  assert.instance(error, InvariantError)
})

test("[CR 2.11] the end of validity is noticed while the policy is in force, and a jump of the time at once", async () => {
  const world = await worldWith()
  const { earliestAt: at } = world.interval
  await world.activation.activate(plainBundle({ notBeforeAt: at - day, notAfterAt: at + day }), 60_000, by)
  await world.activation.confirm(1, by)
  assert.equal(world.conditions, [])
  world.interval = { earliestAt: at, latestAt: Infinity }
  world.activation.recheck()
  assert.equal(world.conditions, ["policy-uncertain"])
  world.interval = { earliestAt: at + 2 * day, latestAt: Infinity }
  await world.advance(10_000)
  assert.equal(world.conditions, ["policy-expired"])
  world.interval = { earliestAt: at - 3 * day, latestAt: at - 2 * day }
  await world.advance(10_000)
  assert.equal(world.conditions, ["policy-expired"])
  assert.is(world.version, 1)
})

test("an expired policy comes into force again at the next boot, with its condition", async () => {
  const world = await worldWith()
  const at = world.interval.earliestAt
  await world.activation.activate(plainBundle({ notAfterAt: at + 1 }), 60_000, by)
  await world.activation.confirm(1, by)
  const next = new PolicyWorld(world.storage.powerCut())
  next.interval = { earliestAt: at + day, latestAt: at + day }
  await next.activation.start()
  assert.equal([next.version, next.conditions], [1, ["policy-expired"]])
})

test("uncertain time refuses no bundle, and is told", async () => {
  const world = await worldWith()
  world.interval = { earliestAt: 0, latestAt: Infinity }
  const { timeUncertain } = await world.activation.activate(plainBundle({ notAfterAt: 1000 }), 60_000, by)
  assert.is(timeUncertain, true)
  assert.equal(world.conditions, ["policy-uncertain"])
})

test("[CR 3.4] a fork is told by the predecessor, and refuses nothing", async () => {
  const world = await worldWith(1)
  const right = `hash of ${JSON.stringify(aStatement({ version: 1 }))}`
  const wrong = "0".repeat(64)
  await world.activation.activate(plainBundle({ version: 2, predecessor: right }), 60_000, by)
  await world.activation.rollback("command", by)
  await world.activation.activate(plainBundle({ version: 3 }), 60_000, by)
  await world.activation.rollback("command", by)
  assert.equal(world.said("policy.fork"), [])
  await world.activation.activate(plainBundle({ version: 4, predecessor: wrong }), 60_000, by)
  assert.is(world.version, 4)
  const said = world.said("policy.activated").map((event) => event.detail!["successor"])
  assert.equal(said, ["unknown", "yes", "unknown", "fork"])
  const detail = { before: 1, inForce: right, named: wrong }
  assert.equal(world.said("policy.fork"), [
    { id: "policy.fork", outcome: "failure", source: "policy", subject: by, object: "4", detail },
  ])
})

test("[CR 3.4] a fork in the board file is told as well; a first policy that names a predecessor is none", async () => {
  const world = await worldWith()
  const wrong = "0".repeat(64)
  assert.is(await world.activation.installFromFile(plainBundle({ version: 1, predecessor: wrong })), "installed")
  assert.is(world.said("policy.fork").length, 0)
  assert.is(await world.activation.installFromFile(plainBundle({ version: 2, predecessor: wrong })), "installed")
  assert.equal(world.said("policy.fork").map((event) => [event.object, event.subject]), [["2", null]]) // prettier-ignore
})

test("the board file's bundle is in force and confirmed at once, once, and never a lower one", async () => {
  const world = await worldWith()
  assert.is(await world.activation.installFromFile(plainBundle({ version: 5 })), "installed")
  assert.equal([world.version, world.activation.status().trial, world.conditions], [5, null, []])
  const next = await world.reboot()
  const count = next.events.length
  assert.is(await next.activation.installFromFile(plainBundle({ version: 5 })), "already")
  assert.is(await next.activation.installFromFile(plainBundle({ version: 4 })), "already")
  assert.is(next.events.length, count)
  assert.is(await next.activation.installFromFile(plainBundle({ version: 5, policy: "another" })), "refused")
  assert.equal(
    next.said("policy.refused").map((event) => event.reason),
    ["ERR_BUNDLE_VERSION"],
  )
  assert.is(await next.activation.installFromFile(plainBundle({ version: 6, policy: "fault" })), "refused")
  assert.is(await next.activation.installFromFile(plainBundle({ version: 6, policy: "engine" })), "refused")
  assert.is(next.version, 5)
  assert.is(await next.activation.installFromFile(plainBundle({ version: 6 })), "installed")
  assert.is((await next.reboot()).version, 6)
})

test("an installation that cannot be written down, in the log or on disk, does not take place", async () => {
  const world = await worldWith(1)
  world.auditFails = true
  assert.is(await world.activation.installFromFile(plainBundle({ version: 2 })), "refused")
  world.auditFails = false
  world.storage.fail({ step: "write", errno: "ENOSPC" })
  assert.is(await world.activation.installFromFile(plainBundle({ version: 2 })), "refused")
  assert.is(world.version, 1)
  assert.is((await world.reboot()).version, 1)
})

test("[CR 2.1 RE(4)] with too few approvals the log says who has signed and how many must", async () => {
  const [anna, bert] = await Promise.all([makeSigner("anna"), makeSigner("bert", "EdDSA")])
  const verify = createBundleVerifier([anna.trusted, bert.trusted])
  const world = new PolicyWorld(undefined, { verify, threshold: 2 })
  await world.activation.start()
  const one = await signBundle(aStatement({ version: 5 }), anna.signing)
  await refusedWith(world, "ERR_BUNDLE_SIGNATURES", one)
  const { text, ...detail } = world.said("policy.refused")[0]!.detail!
  assert.equal(detail, { signers: "anna", signed: 1, needed: 2 })
  assert.is(text, "too few trusted signers have signed the bundle")
  const twice = JSON.parse(one)
  twice.signatures.push(JSON.parse(await signBundle(aStatement({ version: 5 }), anna.signing)).signatures[0])
  await refusedWith(world, "ERR_BUNDLE_SIGNATURES", JSON.stringify(twice))
  const { signers } = await world.activation.activate(await addSignature(one, bert.signing), 60_000, by)
  assert.equal([signers, world.version], [["anna", "bert"], 5])
  world.activation.stop()
})

test("[CR 3.4] bundles are verified again at boot: the threshold of today counts, and the last good one returns", async () => {
  const [anna, bert] = await Promise.all([makeSigner("anna"), makeSigner("bert", "EdDSA")])
  const verify = createBundleVerifier([anna.trusted, bert.trusted])
  const world = new PolicyWorld(undefined, { verify })
  await world.activation.start()
  const one = await addSignature(await signBundle(aStatement({ version: 1 }), anna.signing), bert.signing)
  for (const text of [one, await signBundle(aStatement({ version: 2 }), anna.signing)]) {
    const { version } = await world.activation.activate(text, 60_000, by)
    await world.activation.confirm(version, by)
  }
  const boot = async (trusted: typeof verify, threshold: number): Promise<PolicyWorld> => {
    const next = new PolicyWorld(world.storage.powerCut(), { verify: trusted, threshold })
    await next.activation.start()
    return next
  }
  assert.is((await boot(verify, 1)).version, 2)
  const strict = await boot(verify, 2)
  assert.equal([strict.version, strict.conditions], [1, []])
  assert.equal(strict.said("policy.refused")[0]!.reason, "ERR_BUNDLE_SIGNATURES")
  const without = await boot(createBundleVerifier([bert.trusted]), 1)
  assert.equal([without.version, without.conditions], [1, []])
  const nobody = await boot(createBundleVerifier([]), 1)
  assert.equal([nobody.engine, nobody.conditions], [null, ["no-policy"]])
})

test.run()
