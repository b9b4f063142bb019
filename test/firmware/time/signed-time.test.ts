import { suite } from "uvu"
import * as assert from "uvu/assert"
import { randomBytes } from "node:crypto"
import { createTimeKeeper } from "../../../firmware/time-keeper.ts"
import { createSignedTimes, NONCE_MS, type SignedTimes } from "../../../firmware/time/signed-time.ts"
import { approveTime, createTimeVerifier, readSignedTime, signTime } from "../../../firmware/time/statement.ts"
import { signBundle } from "../../../firmware/bundles/sign.ts"
import { alterations } from "../../../firmware/assess/probes/tampering.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { TimeStatement } from "../../../policy/time/signed-time.ts"
import { aStatement, makeSigner } from "../../support/bundles.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/time/signed-time")
const BUILT_AT = Date.UTC(2026, 10, 23)
const DAY_MS = 86_400_000

const owner = await makeSigner("owner")
const technician = await makeSigner("technician", "EdDSA")
const stranger = await makeSigner("stranger")
const verify = createTimeVerifier([owner.trusted, technician.trusted])

/** A gateway's signed times on a clock that stands still, with what was told and stored. */
async function desk(present = false) {
  const clock = new MemoryClock(0, false)
  const storage = new MemoryStorage()
  const time = await createTimeKeeper({ clock, storage, builtAt: BUILT_AT })
  const told: AuditEvent[] = []
  const audit = async (event: AuditEvent): Promise<number> => told.push(event)
  const random = (): string => randomBytes(16).toString("base64url")
  const times = createSignedTimes({ gateway: "gw", clock, time, verify, audit, random, present: () => present })
  const answer = (change: Partial<TimeStatement> = {}, by: SignedTimes = times) => {
    const { nonce } = by.nonce()
    return signTime(
      { gateway: "gw", nonce, at: BUILT_AT + DAY_MS, withinMs: 1000, purpose: "set", ...change },
      owner.signing,
    )
  }
  return { clock, storage, time, told, times, answer }
}

test("[CR 2.11] a signed answer sets the time from both sides, is told with before and after, and is on disk", async () => {
  const { clock, storage, time, told, times, answer } = await desk()
  const text = await answer()
  clock.advance(60_000)
  const { signers, before, after } = await times.set(text, "local:owner")
  assert.equal(signers, ["owner"])
  assert.equal([before.latestAt, after.earliestAt], [null, BUILT_AT + DAY_MS - 1000])
  assert.ok(after.latestAt! >= BUILT_AT + DAY_MS + 61_000 && after.latestAt! < BUILT_AT + DAY_MS + 61_100)
  assert.is(time.report().boundedBy, "owner-signed")
  assert.equal([told.length, told[0]?.id, told[0]?.subject], [1, "time.set", "local:owner"])
  assert.equal(
    [told[0]?.detail?.["latestBefore"], told[0]?.detail?.["earliestAfter"]],
    ["unbounded", "2026-11-23T23:59:59.000Z"],
  )
  const next = await createTimeKeeper({ clock: new MemoryClock(0, false), storage, builtAt: BUILT_AT })
  assert.equal(next.report().floor, { at: BUILT_AT + DAY_MS - 1000, source: "owner-signed" })
  assert.is(next.report().latestAt, null, "nobody knows how long the power was off")
})

test("[CR 2.11 RE(2)] an answer is good once, for one gateway, for a nonce that is out, and for a day", async () => {
  const { clock, times, answer, told, time } = await desk()
  const text = await answer()
  await times.set(text, "a")
  await rejects(() => times.set(text, "a"), "ERR_TIME_NONCE")
  await rejects(async () => times.set(await answer({ gateway: "other" }), "a"), "ERR_TIME_GATEWAY")
  await rejects(async () => times.set(await answer({ nonce: "A".repeat(22) }), "a"), "ERR_TIME_NONCE")
  const late = await answer()
  clock.advance(NONCE_MS + 1)
  await rejects(() => times.set(late, "a"), "ERR_TIME_NONCE")
  const first = await answer()
  for (let k = 0; k < 8; k++) times.nonce()
  await rejects(() => times.set(first, "a"), "ERR_TIME_NONCE")
  const other = await desk()
  await rejects(async () => other.times.set(await answer(), "a"), "ERR_TIME_NONCE")
  assert.is(told.length, 1)
  assert.ok(time.bounded)
})

test("[CR 2.11 RE(2)] what nobody may sign, what was altered, and a policy bundle are refused; examining changes nothing", async () => {
  const { times, told, time } = await desk()
  const { nonce } = times.nonce()
  const statement: TimeStatement = { gateway: "gw", nonce, at: BUILT_AT + DAY_MS, withinMs: 0, purpose: "set" }
  const good = await signTime(statement, owner.signing)
  assert.is(await times.examine(await signTime(statement, stranger.signing)), "ERR_TIME_SIGNATURES")
  for (const { what, text } of alterations(good)) {
    assert.match((await times.examine(text)) ?? "taken", /^ERR_(TIME_SIGNATURES|BUNDLE_\w+)$/, what)
    await rejects(() => times.set(text, "a"), (await times.examine(text))!)
  }
  assert.is(await times.examine(await signBundle(aStatement(), owner.signing)), "ERR_BUNDLE_HEADER")
  assert.is(await times.examine("x".repeat(20_000)), "ERR_TIME_STATEMENT")
  for (const text of ["", "{}", "[]", "null"]) assert.match((await times.examine(text)) ?? "", /^ERR_BUNDLE_/)
  assert.equal([told.length, time.bounded], [0, false])
  assert.is(await times.examine(good), null)
  await times.set(good, "a")
})

test("[CR 2.11] over 400 days takes two signers or presence; one key twice is one signer; a refusal is told", async () => {
  const far = { at: BUILT_AT + 500 * DAY_MS }
  const { times, answer, told, time } = await desk()
  const refused = await rejects(async () => times.set(await answer(far), "a"), "ERR_TIME_PRESENCE")
  assert.match(refused.message, "two signers")
  assert.equal([told[0]?.id, told[0]?.reason, told[0]?.outcome], ["time.refused", "needs-presence", "denied"])
  assert.not(time.bounded)
  await rejects(async () => approveTime(await answer(far), owner.signing), "ERR_ALREADY_SIGNED")
  const twice = await approveTime(await approveTime(await answer(far), stranger.signing), technician.signing)
  const { signers } = await times.set(twice, "a")
  assert.equal(signers, ["owner", "technician"])
  assert.ok(time.report().earliestAt > BUILT_AT + 499 * DAY_MS)
  const stood = await desk(true)
  await stood.times.set(await stood.answer(far), "a")
  assert.ok(stood.time.bounded)
})

test("[CR 2.11] the floor is set back with presence alone, and loudly; two signers without it are refused", async () => {
  const lower = { at: BUILT_AT + DAY_MS, purpose: "lower" } as const
  const away = await desk()
  away.time.certificateSeen(BUILT_AT + 300 * DAY_MS)
  const two = await approveTime(await away.answer(lower), technician.signing)
  const refused = await rejects(() => away.times.set(two, "a"), "ERR_TIME_PRESENCE")
  assert.match(refused.message, "cannot tell presence yet")
  assert.ok(away.time.report().floor.at > BUILT_AT + 299 * DAY_MS)
  const there = await desk(true)
  there.time.certificateSeen(BUILT_AT + 300 * DAY_MS)
  await there.times.set(await there.answer(lower), "local:owner")
  assert.is(there.time.report().floor.at, BUILT_AT + DAY_MS)
  assert.is(there.told[0]?.id, "time.floor-lowered")
  const next = await createTimeKeeper({ clock: new MemoryClock(0, false), storage: there.storage, builtAt: BUILT_AT })
  assert.is(next.report().floor.at, BUILT_AT + DAY_MS)
})

test("[CR 2.11] what contradicts is refused with a word that says what to do", async () => {
  const { times, answer, clock } = await desk()
  const early = await rejects(
    async () => times.set(await answer({ at: BUILT_AT - DAY_MS }), "a"),
    "ERR_TIME_CONTRADICTS",
  )
  assert.match(early.message, "earlier than what is proved")
  await times.set(await answer(), "a")
  const late = await rejects(
    async () => times.set(await answer({ at: BUILT_AT + 9 * DAY_MS }), "a"),
    "ERR_TIME_CONTRADICTS",
  )
  assert.match(late.message, "a restart forgets that one")
  clock.advance(1000)
  await rejects(async () => times.set(await answer({ withinMs: 60_000 }), "a"), "ERR_TIME_KNOWN")
})

test("a signed time is shown to its second signer as it is", async () => {
  const statement: TimeStatement = { gateway: "gw", nonce: "A".repeat(22), at: BUILT_AT, withinMs: 500, purpose: "set" }
  assert.equal(readSignedTime(await signTime(statement, technician.signing)), statement)
})

test.run()
