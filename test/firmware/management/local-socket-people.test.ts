import { mkdtempSync } from "node:fs"
import { rm } from "node:fs/promises"
import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { signCommand } from "../../../firmware/cli/person-key.ts"
import { chunks, seeded } from "../../support/hostile.ts"
import { BOB, codeOf, field, MINUTE, PeopleSocket, Talk } from "../../support/people-socket.ts"

const test = suite("firmware/management/local-socket-people")
const top = mkdtempSync(join(tmpdir(), "lockgate-people-"))
const doors: PeopleSocket[] = []
const talks: Talk[] = []
const fresh = (): PeopleSocket => {
  const door = new PeopleSocket(join(top, `door-${doors.length}`, "command.sock"))
  doors.push(door)
  return door
}
const withPeople = (): Promise<PeopleSocket> => fresh().withPeople()
const talk = async (door: PeopleSocket): Promise<Talk> => {
  const made = await Talk.to(door.path)
  talks.push(made)
  return made
}
/** A connection that is bob's, and the token that made it so. */
const bobs = async (door: PeopleSocket): Promise<{ mine: Talk; token: string }> => {
  const mine = await talk(door)
  const token = await mine.token()
  assert.is(codeOf(await mine.say({ session: token })), "ok")
  return { mine, token }
}
test.after(async () => {
  for (const one of talks) one.destroy()
  for (const door of doors) await door.stop()
  await rm(top, { recursive: true })
})
const NOBODY = "ERR_NOT_AUTHENTICATED"

test("[CR 1.1] while nobody has an account, who holds the machine owns it; from the first account on nobody does", async () => {
  const door = await fresh().open()
  const mine = await talk(door)
  assert.is(await mine.ask("policy.rollback"), "ok")
  assert.is(door.log.events.at(-1)?.subject, "local:owner")
  assert.is(await mine.ask("session.open", BOB), NOBODY)
  const anna = { name: "anna", roles: "security-admin", key: door.annasPem }
  assert.is(await mine.ask("account.create", anna), "ok")
  for (const one of [mine, await talk(door)]) {
    assert.equal([await one.ask("status"), await one.ask("policy.rollback")], [NOBODY, NOBODY])
  }
  assert.is(door.executed.length, 1)
  assert.is(door.log.events.at(-1)?.subject, null, "nobody has no name in the log")
  await door.restart()
  assert.is(await (await talk(door)).ask("policy.rollback"), NOBODY, "nor after a restart")
})

test("[CR 1.1] nobody may ask for the notice, for numbers and to sign in, and for nothing else", async () => {
  const door = await withPeople()
  door.world.rules = { ...door.world.rules, notice: "Property of the plant. Every command is written down." }
  const mine = await talk(door)
  assert.equal(await mine.say({ command: "notice", arguments: {} }), {
    ok: true,
    result: { notice: "Property of the plant. Every command is written down." },
  })
  assert.is(await mine.ask("session.challenge", { account: "nobody-here" }), "ok")
  assert.is(codeOf(await mine.say({ nonce: "nobody-here" })), "ok")
  for (const command of ["status", "session.list", "session.lock", "account.list", "assess", "island"] as const)
    assert.is(await mine.ask(command, command === "island" ? { state: "on" } : {}), NOBODY, command)
  assert.equal([await mine.ask("session.close"), await mine.ask("session.unlock")], ["ERR_COMMAND_STATE", "ERR_COMMAND_STATE"]) // prettier-ignore
  assert.equal(door.executed, [])
})

test("[CR 1.1, CR 3.8] a token makes that connection its person's, and no other; a wrong one leaves it nobody's", async () => {
  const door = await withPeople()
  const mine = await talk(door)
  const token = await mine.token()
  assert.is(await mine.ask("status"), NOBODY, "to sign in is not to show the token")
  const shown = await mine.say({ session: token })
  assert.equal(shown, { ok: true, result: { id: field(shown, "id"), state: "open" } })
  assert.is(await mine.ask("island", { state: "on" }), "ok")
  assert.is(door.log.events.at(-1)?.subject, "bob")
  assert.is(await mine.ask("policy.rollback"), "ERR_NOT_PERMITTED", "an operator is no engineer")
  const other = await talk(door)
  assert.is(await other.ask("status"), NOBODY, "another connection is another's")
  const wrong = [token.slice(1), `${token}x`, field(shown, "id"), randomBytes(32).toString("base64url"), "x", "bob"]
  for (const session of wrong) {
    const answer = await other.say({ session })
    assert.equal([codeOf(answer), Object.keys(answer)], [NOBODY, ["ok", "code", "entry"]], session)
    assert.is(await other.ask("status"), NOBODY)
  }
  assert.is(codeOf(await mine.say({ session: randomBytes(32).toString("base64url") })), NOBODY)
  assert.is(await mine.ask("status"), NOBODY, "whose it was before, it is nobody's now")
  assert.is(codeOf(await mine.say({ session: token })), "ok", "the session itself goes on")
  assert.is(await mine.ask("status"), "ok")
})

test("[CR 2.1] what a session may do is asked anew for each line", async () => {
  const door = await withPeople()
  const { mine } = await bobs(door)
  assert.is(await mine.ask("island", { state: "on" }), "ok")
  await door.accounts.change("bob", { roles: ["viewer"] }, "anna")
  assert.equal([await mine.ask("status"), await mine.ask("island", { state: "on" })], ["ok", "ERR_NOT_PERMITTED"])
  door.world.rules = { ...door.world.rules, roles: { ...door.world.rules.roles, viewer: [] } }
  assert.is(await mine.ask("status"), "ERR_NOT_PERMITTED", "a policy takes a right away")
  await door.accounts.change("bob", { roles: ["engineer"] }, "anna")
  assert.is(await mine.ask("policy.rollback"), "ok")
  await door.accounts.change("bob", { enabled: false }, "anna")
  assert.is(await mine.ask("policy.rollback"), NOBODY)
})

test("[CR 2.5] a connection whose session is locked or idle is nobody's, until its person unlocks it", async () => {
  const door = await withPeople()
  const { mine, token } = await bobs(door)
  assert.is(await mine.ask("session.lock"), "ok")
  assert.is(await mine.ask("status"), NOBODY)
  assert.is(await mine.ask("session.unlock", { password: "not bob's at all" }), NOBODY)
  assert.is(await mine.ask("session.unlock", { password: BOB.password }), "ok")
  assert.is(await mine.ask("status"), "ok")
  door.clock.advance(10 * MINUTE)
  assert.is(await mine.ask("status"), NOBODY)
  const late = await talk(door)
  assert.equal(await late.say({ session: token }), { ok: true, result: { id: door.signingIn.sessions.list()[0]!.id, state: "locked" } }) // prettier-ignore
  assert.is(await late.ask("status"), NOBODY, "to show the token again opens nothing")
  assert.is(await late.ask("session.unlock", { password: BOB.password }), "ok")
  assert.equal([await late.ask("status"), await mine.ask("status")], ["ok", "ok"])
})

test("[CR 2.6, CR 3.8] a session that is over, ended, logged out of, or of before a restart is nobody's, on every connection", async () => {
  const door = await withPeople()
  const over = async (end: (mine: Talk, id: string) => unknown): Promise<void> => {
    const { mine, token } = await bobs(door)
    const other = await talk(door)
    const id = field(await other.say({ session: token }), "id")
    assert.is(await other.ask("status"), "ok")
    await end(mine, id)
    assert.equal([await mine.ask("status"), await other.ask("status")], [NOBODY, NOBODY])
    assert.is(codeOf(await other.say({ session: token })), NOBODY)
    assert.is(await other.ask("session.unlock", { password: BOB.password }), "ERR_COMMAND_STATE")
    mine.destroy()
    other.destroy()
  }
  await over(async (mine) => assert.is(await mine.ask("session.close"), "ok"))
  await over((_, id) => door.signingIn.sessions.end(id, "ended", "anna"))
  await over(() => door.accounts.setPassword("bob", "two ravens sit in rain", "anna"))
})

test("[CR 2.6] no session outlives its longest time, however busy it is", async () => {
  const door = await withPeople()
  const { mine, token } = await bobs(door)
  for (let n = 0; n < 59; n++) {
    door.clock.advance(8 * MINUTE)
    assert.is(await mine.ask("status"), "ok")
  }
  door.clock.advance(8 * MINUTE)
  assert.is(await mine.ask("status"), NOBODY)
  assert.is(codeOf(await mine.say({ session: token })), NOBODY)
})

test("[CR 3.8] a restart of the gateway makes every token worthless", async () => {
  const door = await withPeople()
  const { token } = await bobs(door)
  await door.restart()
  const mine = await talk(door)
  assert.is(codeOf(await mine.say({ session: token })), NOBODY)
  assert.is(await mine.ask("status"), NOBODY)
})

test("[CR 3.8] a session of another channel is nobody's here, even by its right token", async () => {
  const door = await withPeople()
  const bob = door.accounts.people.accounts.find(({ name }) => name === "bob")!
  const { token, id } = door.signingIn.sessions.open({ account: bob, factors: ["password"], key: null }, "serial")
  const mine = await talk(door)
  assert.is(codeOf(await mine.say({ session: token })), NOBODY)
  assert.is(await mine.ask("status"), NOBODY)
  assert.is(door.signingIn.who(id, "serial").name, "bob", "where it belongs, it is good")
  assert.equal([door.signingIn.who(id, "local").stranger, door.signingIn.who(id, "mqtt").stranger], [true, true])
})

test("[CR 1.1 RE(2), CR 2.12] a signed command is its signer's, on a connection of nobody or of another, and once", async () => {
  const door = await withPeople()
  const { mine } = await bobs(door)
  const sign = async (account = "anna"): Promise<string> => {
    const nonce = field(await mine.say({ nonce: account }), "nonce")
    const request = { command: "policy.rollback", arguments: {} }
    return signCommand({ gateway: "gw-test", account, nonce, expiresAt: door.world.now.latestAt + MINUTE, request }, door.annasKey) // prettier-ignore
  }
  const jws = await sign()
  assert.is(codeOf(await mine.say({ signed: jws })), "ok")
  const executed = door.log.events.at(-1)
  assert.equal([executed?.id, executed?.subject], ["command.executed", "anna"])
  const kept = await door.world.storage.read(`audit/requests/${executed?.request}`)
  assert.is(Buffer.from(kept ?? []).toString(), jws, "the proof is what is kept")
  assert.is(codeOf(await mine.say({ signed: jws })), NOBODY)
  assert.is(codeOf(await mine.say({ signed: await sign("bob") })), NOBODY, "bob has not signed that")
  assert.is(await mine.ask("policy.rollback"), "ERR_NOT_PERMITTED", "the connection is still bob's")
  assert.equal(door.executed, ["policy.rollback"])
})

test("[CR 1.5, CR 3.8] nothing of a token or a password is in answers, in the log or in requests that are kept", async () => {
  const door = await withPeople()
  const { mine, token } = await bobs(door)
  const before = mine.answers.length
  await mine.say({ session: token })
  await mine.say({ session: `${token}x` })
  await mine.ask("island", { state: "on" })
  await mine.ask("session.list")
  await mine.ask("session.lock")
  await mine.ask("session.unlock", { password: "not bob's at all" })
  await mine.ask("session.unlock", { password: BOB.password })
  await mine.ask("account.password", { password: "two ravens sit in rain", current: "nor is this" })
  assert.not.match(mine.answers.slice(before).join("\n"), new RegExp(token.slice(0, 12)))
  const kept = await door.everythingKept()
  assert.match(kept, /command.read/)
  assert.match(kept, /"island"/)
  for (const secret of [token.slice(0, 12), token.slice(-12), BOB.password, "two ravens", "nor is this", "not bob's"])
    assert.not.ok(kept.includes(secret), secret)
})

test("[CR 3.5] chunked, truncated and altered lines make nobody somebody", async () => {
  const door = await withPeople()
  const { mine, token } = await bobs(door)
  mine.destroy()
  const line = Buffer.from(`{"session":"${token}"}\n{"command":"status","arguments":{}}\n`)
  for (let seed = 0; seed < 5; seed++) {
    const one = await talk(door)
    const answers = [one.next(), one.next()]
    for (const chunk of chunks(line, 9, seeded(seed))) await one.write(chunk)
    assert.equal((await Promise.all(answers)).map(codeOf), ["ok", "ok"])
    one.destroy()
  }
  const whole = `{"session":"${token}"}`
  const one = await talk(door)
  const wrong = [
    ...Array.from({ length: whole.length - 1 }, (_, n) => whole.slice(0, n + 1)),
    `{"session":"${token}","command":"status"}`,
    `{"session":["${token}"]}`,
    `{"session":null}`,
    `{"session":""}`,
    `{"token":"${token}"}`,
    `[{"session":"${token}"}]`,
    `{"command":"status","arguments":{},"session":"${token}"}`,
    `{"command":"status","arguments":{"session":"${token}"}}`,
  ]
  for (const text of wrong) {
    const answer = one.next()
    await one.write(text + "\n")
    assert.is((await answer).ok, false, text)
    assert.is(await one.ask("status"), NOBODY, text)
  }
  assert.not.ok((await door.everythingKept()).includes(token), "not even of what was malformed")
  // Cut off in the middle: what never ended is never looked at.
  const cut = await talk(door)
  await cut.write(whole)
  cut.end()
  await cut.closed
  assert.equal(cut.answers, [])
  assert.is(await one.ask("status"), NOBODY)
})

test("[CR 2.6] a session that ends while its command runs: the command is answered, the next line is nobody's", async () => {
  const door = await withPeople()
  const { mine } = await bobs(door)
  door.act = () => door.signingIn.sessions.list().forEach(({ id }) => door.signingIn.sessions.end(id, "ended", "anna"))
  assert.is(await mine.ask("island", { state: "on" }), "ok")
  assert.is(await mine.ask("status"), NOBODY)
})

test("[CR 1.11] who guesses for ever at the local socket keeps nobody with a key from giving commands", async () => {
  const door = await withPeople()
  const mine = await talk(door)
  const guess = (): Promise<string> => mine.ask("session.open", { account: "anna", password: "guess" })
  for (let n = 0; n < 40; n++) {
    await guess()
    door.clock.advance(30_000)
  }
  await guess()
  assert.is(door.log.events.filter(({ id }) => id === "session.refused").at(-1)?.reason, "wrong-password")
  assert.is(await mine.ask("session.open", BOB), "ok", "another's account is not locked with it")
  const nonce = field(await mine.say({ nonce: "anna" }), "nonce")
  const request = { command: "policy.rollback", arguments: {} }
  const jws = await signCommand({ gateway: "gw-test", account: "anna", nonce, expiresAt: door.world.now.latestAt + MINUTE, request }, door.annasKey) // prettier-ignore
  assert.is(codeOf(await mine.say({ signed: jws })), "ok")
})

test("[CR 3.8] a token that somebody planted before never becomes another's: signing in makes a new one each time", async () => {
  const door = await withPeople()
  const planted = randomBytes(32).toString("base64url")
  const victim = await talk(door)
  assert.is(codeOf(await victim.say({ session: planted })), NOBODY)
  const first = await victim.token()
  await victim.say({ session: first })
  const second = await victim.token()
  assert.is(new Set([planted, first, second]).size, 3)
  const { anna } = Object.fromEntries(door.accounts.people.accounts.map((one) => [one.name, one]))
  const annas = door.signingIn.sessions.open({ account: anna!, factors: ["key"], key: null }, "local")
  // A connection that was anna's, and then is bob's: nothing of her is left on it.
  const shared = await talk(door)
  assert.is(codeOf(await shared.say({ session: annas.token })), "ok")
  assert.is(await shared.ask("session.close"), "ok")
  assert.is(await shared.ask("status"), NOBODY)
  assert.is(codeOf(await shared.say({ session: annas.token })), NOBODY)
  assert.is(codeOf(await shared.say({ session: second })), "ok")
  await shared.ask("island", { state: "on" })
  assert.is(door.log.events.at(-1)?.subject, "bob")
})

test.run()
