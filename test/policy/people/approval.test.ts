import { suite } from "uvu"
import * as assert from "uvu/assert"
import { approvedBy, samePerson, stillWaiting, WAITING_BOUNDS, withWaiting } from "../../../policy/people/approval.ts"
import type { Waiting } from "../../../policy/people/approval.ts"

const test = suite("policy/people/approval")

const who = (account: string, keys: readonly string[] = [`key-of-${account}`]) => ({
  account,
  name: account,
  factors: ["key"] as const,
  keys,
})
const waiting = (hash: string, by = who("alice"), untilMs = 1000): Waiting<string> => ({
  hash,
  permission: "policy",
  by,
  untilMs,
  request: `request ${hash}`,
})
const code = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    return (error as { code: string }).code
  }
  return "none"
}

test("[CR 2.1 RE(4)] a second person approves exactly what waits under the hash, while it waits", () => {
  const all = withWaiting(withWaiting([], waiting("one"), 0), waiting("two", who("bob")), 0)
  assert.is(approvedBy(all, "one", who("bob"), 999).request, "request one")
  assert.is(approvedBy(all, "two", who("alice"), 0).request, "request two")
  assert.is(
    code(() => approvedBy(all, "one", who("bob"), 1000)),
    "ERR_APPROVAL_UNKNOWN",
  )
  assert.is(
    code(() => approvedBy(all, "on", who("bob"), 0)),
    "ERR_APPROVAL_UNKNOWN",
  )
  assert.equal(stillWaiting(all, 1000), [])
})

test("[CR 2.1 RE(4)] nobody approves for themselves: not by their account, nor by another that has one of its keys", () => {
  const all = withWaiting([], waiting("one", who("alice", ["k1", "k2"])), 0)
  for (const approver of [who("alice"), who("alice", []), who("mallory", ["k2"]), who("mallory", ["x", "k1"])]) {
    assert.is(
      code(() => approvedBy(all, "one", approver, 0)),
      "ERR_APPROVAL_SAME_PERSON",
      approver.account,
    )
  }
  assert.not(samePerson(who("a"), who("b")))
})

test("[CR 7.1] of one person a few wait, of all some; what is over makes room, and the same again waits once", () => {
  let all: readonly Waiting<string>[] = []
  for (let k = 0; k < WAITING_BOUNDS.perPerson; k++) all = withWaiting(all, waiting(`a${k}`), 0)
  assert.is(
    code(() => withWaiting(all, waiting("more"), 0)),
    "ERR_TOO_MANY_WAITING",
  )
  assert.is(withWaiting(all, waiting("a0"), 0).length, all.length)
  assert.equal(
    withWaiting(all, waiting("more", who("alice"), 2000), 1000).map(({ hash }) => hash),
    ["more"],
  )
  for (let k = all.length; k < WAITING_BOUNDS.all; k++) all = withWaiting(all, waiting(`b${k}`, who(`p${k}`)), 0)
  assert.is(
    code(() => withWaiting(all, waiting("last", who("zoe")), 0)),
    "ERR_TOO_MANY_WAITING",
  )
})

test.run()
