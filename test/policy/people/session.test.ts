import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { MAX_SESSIONS, sessionOf, split, stateOf, touched, withSession } from "../../../policy/people/session.ts"
import type { Session } from "../../../policy/people/session.ts"
import type { SessionRules } from "../../../policy/people/rules.ts"

const test = suite("policy/people/session")

const RULES: SessionRules = { idleMs: 100, longestMs: 1000, perPerson: 2 }
let next = 0
const made = (account: string, openedMs: number, channel = "local") => ({
  id: `s${next++}`,
  tokenHash: `hash-${next}`,
  account,
  name: account,
  factors: ["key"] as const,
  channel,
  openedMs,
})
const code = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    return (error as { code: string }).code
  }
  return "none"
}

test("[CR 2.5] a session locks after idleness or on demand, lives again by signing in, and is over when its time is", () => {
  let all = withSession([], made("alice", 0), RULES)
  const state = (nowMs: number): string => stateOf(all[0] as Session, nowMs, RULES)
  assert.equal([state(0), state(99), state(100), state(999), state(1000)], ["open", "open", "locked", "locked", "over"])
  const { id } = all[0] as Session
  all = touched(all, id, 90)
  assert.equal([state(189), state(190)], ["open", "locked"])
  all = touched(all, id, 120, true)
  assert.is(state(120), "locked")
  all = touched(all, id, 130)
  assert.is(state(130), "open")
  for (let at = 200; at < 1000; at += 50) all = touched(all, id, at)
  assert.is(state(1000), "over")
})

test("[CR 2.7] one person has so many sessions, all together so many; those that are over do not count", () => {
  let all: readonly Session[] = []
  for (const at of [0, 10]) all = withSession(all, made("alice", at), RULES)
  assert.is(
    code(() => withSession(all, made("alice", 20), RULES)),
    "ERR_TOO_MANY_SESSIONS",
  )
  all = withSession(all, made("bob", 20), RULES)
  assert.is(withSession(all, made("alice", 1000), RULES).length, 3)
  for (let k = all.length; k < MAX_SESSIONS; k++) all = withSession(all, made(`p${k}`, 30), RULES)
  assert.is(
    code(() => withSession(all, made("zoe", 30), RULES)),
    "ERR_TOO_MANY_SESSIONS",
  )
})

test("[CR 3.8] a token is somebody's on the channel on which it was given out, and nowhere else", () => {
  const one = made("alice", 0, "serial-7")
  const all = withSession([], one, RULES)
  assert.is(sessionOf(all, one.tokenHash, "serial-7")?.id, one.id)
  for (const channel of ["local", "serial-8", "serial-", ""]) assert.is(sessionOf(all, one.tokenHash, channel), null)
  assert.is(sessionOf(all, "another", "serial-7"), null)
})

test("[CR 2.6] what is ended is gone, the others are as they were", () => {
  const all = [made("alice", 0), made("bob", 0), made("alice", 1)].reduce<readonly Session[]>(
    (before, one) => withSession(before, one, RULES),
    [],
  )
  const { left, ended } = split(all, ({ account }) => account === "alice")
  assert.equal([left.map(({ account }) => account), ended.length], [["bob"], 2])
})

test("[CR 2.7] whatever people do, no more sessions of one are open than there may be", () => {
  const step = fc.record({ account: fc.constantFrom("a", "b", "c"), waitMs: fc.nat(300), end: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let [now, all]: [number, readonly Session[]] = [0, []]
      for (const { account, waitMs, end } of steps) {
        now += waitMs
        if (end) all = split(all, (one) => one.account === account).left
        else if (code(() => (all = withSession(all, made(account, now), RULES))) !== "none") continue
        const open = all.filter((one) => one.account === account && stateOf(one, now, RULES) !== "over")
        assert.ok(open.length <= RULES.perPerson)
      }
    }),
  )
})

test.run()
