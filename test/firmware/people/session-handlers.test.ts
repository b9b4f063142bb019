import { suite } from "uvu"
import * as assert from "uvu/assert"
import { sessionHandlers } from "../../../firmware/people/session-handlers.ts"
import type { SigningIn } from "../../../firmware/people/at-the-door.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { strangerOn, type Principal } from "../../../policy/command/port.ts"
import { AccountsWorld, GOOD_PASSWORD } from "../../support/accounts.ts"
import { rejects } from "../../support/rejects.ts"
import { signingInOf } from "../../support/signing-in.ts"

const test = suite("firmware/people/session-handlers")
const PASSWORD = `${GOOD_PASSWORD}b`

/** Signing in with anna and bob, who have a password each. */
async function started() {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  await accounts.create({ name: "bob", roles: ["operator"], expiresAt: null, key: null }, "anna")
  for (const name of ["anna", "bob"]) await accounts.setPassword(name, PASSWORD, name)
  const events: AuditEvent[] = []
  const clock = new MemoryClock()
  return { in: await signingInOf(world, accounts, clock, events), events, world, clock, accounts }
}
const open = async (signingIn: SigningIn, account: string, via: Principal["via"] = "local") => {
  const { result } = await sessionHandlers(signingIn)["session.open"]({ account, password: PASSWORD }, strangerOn(via))
  return result as { token: string; id: string; idleMs: number; longestMs: number; account: string }
}

test("[CR 3.8] nobody signs in or unlocks over MQTT, where the broker would hear the password: not even a hash is made", async () => {
  const { in: signingIn, world } = await started()
  const handlers = sessionHandlers(signingIn)
  const mqtt = strangerOn("mqtt", (await open(signingIn, "bob")).id)
  const hashed = world.quick.count()
  await rejects(() => handlers["session.open"]({ account: "bob", password: PASSWORD }, mqtt), "ERR_SESSION_CHANNEL")
  await rejects(() => handlers["session.unlock"]({ password: PASSWORD }, mqtt), "ERR_SESSION_CHANNEL")
  assert.is(world.quick.count(), hashed)
})

test("a session is told its times by the policy in force; who has none cannot lock, close or unlock one", async () => {
  const { in: signingIn, world, accounts } = await started()
  world.rules = { ...world.rules, sessions: { idleMs: 60_000, longestMs: 120_000, perPerson: 1 } }
  const { account, idleMs, longestMs } = await open(signingIn, "bob")
  assert.equal([account, idleMs, longestMs], ["bob", 60_000, 120_000])
  const handlers = sessionHandlers(signingIn)
  const byKey = accounts.principal("anna", ["key"], "local")!
  for (const who of [strangerOn("local"), byKey]) {
    for (const command of ["session.lock", "session.close", "session.unlock"] as const)
      await rejects(() => handlers[command]({}, who), "ERR_NO_SESSION")
  }
})

test("[CR 2.6] an end names who ended whose session, and what is not there cannot be ended", async () => {
  const { in: signingIn } = await started()
  const handlers = sessionHandlers(signingIn)
  const anna = signingIn.who((await open(signingIn, "anna")).id, "local")
  const { id, token } = await open(signingIn, "bob")
  assert.equal(await handlers["session.end"]({ id }, anna), {
    result: { id, account: "bob" },
    detail: { session: id, account: "bob", channel: "local" },
  })
  await rejects(() => handlers["session.end"]({ id }, anna), "ERR_SESSION_UNKNOWN")
  await rejects(() => handlers["session.end"]({ id: token }, anna), "ERR_SESSION_UNKNOWN")
  await rejects(() => handlers["session.lock"]({}, { ...anna, session: id }), "ERR_SESSION_UNKNOWN")
})

test("[CR 3.8] the list shows who is signed in, and nothing by which anybody could be them", async () => {
  const { in: signingIn, clock } = await started()
  const { id, token } = await open(signingIn, "bob")
  clock.advance(90_000)
  const { result } = await sessionHandlers(signingIn)["session.list"]({}, strangerOn("local"))
  const shown = { id, account: "bob", channel: "local", factors: ["password"], state: "open" }
  assert.equal(result, { sessions: [{ ...shown, openedSeconds: 90, unusedSeconds: 90 }] })
  assert.not.ok(JSON.stringify(result).includes(token))
})

test("[CR 2.5, CR 3.8] at the door: an open session is its person, a locked one a stranger who may unlock it there, else nobody", async () => {
  const { in: signingIn } = await started()
  const { id } = await open(signingIn, "bob")
  assert.equal(signingIn.who(null, "local"), strangerOn("local"))
  assert.equal(signingIn.who("0011", "local"), strangerOn("local"))
  const bob = signingIn.who(id, "local")
  assert.equal([bob.name, bob.session, bob.via, bob.stranger], ["bob", id, "local", undefined])
  signingIn.sessions.lock(id, "bob")
  assert.equal(signingIn.who(id, "local"), strangerOn("local", id))
  assert.equal(signingIn.who(id, "serial"), strangerOn("serial"), "elsewhere it is not even that")
  signingIn.sessions.end(id, "closed", "bob")
  assert.equal(signingIn.who(id, "local"), strangerOn("local"))
})

test("[CR 2.5] a policy with a longer idle time opens no session that was locked", async () => {
  const { in: signingIn, world, clock, events } = await started()
  const { id } = await open(signingIn, "bob")
  clock.advance(world.rules.sessions.idleMs)
  assert.is(signingIn.who(id, "local").stranger, true)
  world.rules = { ...world.rules, sessions: { ...world.rules.sessions, idleMs: 3_600_000 } }
  assert.is(signingIn.who(id, "local").stranger, true)
  assert.is(events.filter(({ id: event }) => event === "session.locked").length, 1)
})

test("[CR 3.8] what signing in knows of accounts ends with it: a stopped door follows no news", async () => {
  const { in: signingIn, accounts, events } = await started()
  await open(signingIn, "bob")
  signingIn.stop()
  const before = events.length
  await accounts.remove("bob", "anna")
  assert.is(events.length, before)
})

test.run()
