import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { copiesAreKept, logFailureIsAnswered, logHasRoom, logWarns } from "../../../firmware/assess/probes/log-room.ts"
import type { CosignerStatus } from "../../../firmware/audit/witnessed.ts"
import { runProbe } from "../../../firmware/assess/run.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { breaks, openingUnder, POLICY_VALUE, roomyLog } from "../../support/probe-world.ts"

const test = suite("firmware/assess/probes-log-room")

type Room = ProbeContext["auditRoom"]

const vital = { ...POLICY_VALUE, rules: POLICY_VALUE.rules.map((rule) => ({ ...rule, essential: true })) }
const OPENING = openingUnder(vital)

function contextOf(room: Room, change: Partial<ProbeContext> = {}): ProbeContext {
  const seen: Partial<ProbeContext> = {
    policy: () => vital,
    openUnder: OPENING,
    essentialOnly: () => false,
    auditRoom: room,
    ...change,
  }
  return seen as ProbeContext
}
const outcome = async (probe: typeof logWarns, room: Room, change: Partial<ProbeContext> = {}): Promise<string> => {
  const result = await runProbe(probe, contextOf(room, change))
  return result.outcome === "failed" ? `failed: ${result.seen}` : result.outcome
}
/** The same room, seen otherwise. */
const seenAs = (room: Room, change: Partial<Room>): Room => ({
  status: room.status,
  fill: room.fill,
  rehearse: (...asked) => room.rehearse(...asked),
  measure: () => room.measure(),
  ...change,
})

test("[CR 2.9] a log with room passes; one over its room, or on a disk that is too small for it, is found", async () => {
  const room = await roomyLog()
  assert.is(await outcome(logHasRoom, room), "passed")
  const measured = await room.measure()
  assert.match(
    await outcome(logHasRoom, seenAs(room, { measure: async () => ({ ...measured, usedBytes: 3e6 }) })),
    "2.9 MiB",
  )
  assert.match(
    await outcome(logHasRoom, seenAs(room, { measure: async () => ({ ...measured, freeBytes: 1e6 }) })),
    "free some",
  )
})

test("[CR 2.9] rules that do nothing with a full log are found", async () => {
  const room = await roomyLog()
  const idle = seenAs(room, { rehearse: (_used, before) => room.rehearse(0, before) })
  assert.is(await outcome(logHasRoom, idle), "failed: neither")
  await breaks(
    ({ auditRoom }) => ({
      auditRoom: seenAs(auditRoom, { rehearse: (_used, before) => auditRoom.rehearse(0, before) }),
    }),
    ["audit.failure-answered", "audit.has-room", "audit.warns-in-time"],
  )
})

test("[CR 2.9 RE(1)] a log that warns late, always, again and again, or not at all is found", async () => {
  const room = await roomyLog()
  assert.is(await outcome(logWarns, room), "passed")
  const late = seenAs(room, { rehearse: (used, before) => room.rehearse(used - 1, before) })
  assert.is(await outcome(logWarns, late), "failed: none")
  const early = seenAs(room, { rehearse: (used, before) => room.rehearse(used + 1, before) })
  assert.is(await outcome(logWarns, early), "failed: a warning")
  const forgetful = seenAs(room, { rehearse: (used, before) => room.rehearse(used, { ...before, near: false }) })
  assert.is(await outcome(logWarns, forgetful), "failed: a second one")
  const measured = await room.measure()
  const silent = seenAs(room, { measure: async () => ({ ...measured, usedBytes: 3e6 }) })
  assert.is(await outcome(logWarns, silent), "failed: none")
})

test("[CR 2.10] an engine that closes essential flows for the log's sake, or leaves normal ones open, is found", async () => {
  const room = await roomyLog()
  assert.is(await outcome(logFailureIsAnswered, room), "passed")
  assert.is(await outcome(logFailureIsAnswered, room, { policy: () => null }), "not-tested")
  const strict: ProbeContext["openUnder"] = async (posture, failed) =>
    posture.normal === "closed" ? [] : OPENING(posture, failed)
  assert.is(await outcome(logFailureIsAnswered, room, { openUnder: strict }), "failed: closed")
  const lax = { policy: () => POLICY_VALUE, openUnder: async () => ["telemetry"] }
  assert.is(await outcome(logFailureIsAnswered, room, lax), "failed: open")
})

test("[CR 2.10] a log that fails now, that is full while all is open, or whose rules close nothing is found", async () => {
  const room = await roomyLog()
  assert.is(
    await outcome(logFailureIsAnswered, seenAs(room, { status: { ...room.status, failing: true } })),
    "failed: it fails now",
  )
  const full = { fill: { near: true, full: true, blocked: true } }
  assert.is(await outcome(logFailureIsAnswered, seenAs(room, full)), "failed: all are open")
  assert.is(await outcome(logFailureIsAnswered, seenAs(room, full), { essentialOnly: () => true }), "passed")
  const idle = seenAs(room, { rehearse: (_used, before) => ({ ...room.rehearse(0, before), condition: "log-full" }) })
  assert.is(await outcome(logFailureIsAnswered, idle), "failed: log-full")
})

test("[CR 2.9] the probes pass on a log whose disk has little more than the board file gives the log", async () => {
  const storage = new MemoryStorage()
  storage.freeBytes = 3 * 2 ** 20
  const room = await roomyLog(storage)
  for (const probe of [logHasRoom, logWarns, logFailureIsAnswered]) assert.is(await outcome(probe, room), "passed")
})

test("[CR 2.9] copies that are kept pass; collectors that are silent, not counted, or came after what was dropped are found", async () => {
  const room = await roomyLog()
  const desk = { ...{ name: "desk", kind: "collector", size: 300, at: 0, behind: 4 }, ...{ silent: false, putBack: false, refused: null } } as const // prettier-ignore
  const of = (collected: number, firstSeq: number, ...all: readonly object[]): Promise<string> =>
    outcome(copiesAreKept, seenAs(room, { status: { ...room.status, collected, firstSeq } }), {
      audit: { gateway: "gw", readBack: async () => "shown", witnesses: () => all as readonly CosignerStatus[] },
      trail: { size: 304 } as ProbeContext["trail"],
    })
  assert.is(await of(0, 0), "passed", "nobody is named")
  assert.is(await of(0, 0, { ...desk, kind: "witness", silent: true }), "passed", "a witness keeps no copy")
  assert.is(await of(300, 256, desk), "passed")
  assert.is(await of(300, 256, { ...desk, size: null }, { ...desk, name: "other" }), "passed", "one is enough")
  for (const change of [{ size: null }, { silent: true }, { putBack: true }, { refused: "fork" }])
    assert.match(await of(300, 256, { ...desk, ...change }), /^failed: nothing of desk/)
  assert.is(await of(200, 0, desk), "failed: those below 200")
  assert.is(await of(305, 0, { ...desk, size: 305 }), "failed: 305")
  assert.is(await of(300, 512, desk), "failed: those below 300 are")
})

test.run()
