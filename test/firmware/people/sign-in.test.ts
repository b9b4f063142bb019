import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { accountHandlers } from "../../../firmware/people/account-handlers.ts"
import { parseAccountKey } from "../../../firmware/people/account-key.ts"
import type { SigningIn } from "../../../firmware/people/at-the-door.ts"
import { sessionHandlers } from "../../../firmware/people/session-handlers.ts"
import { signSessionProof } from "../../../firmware/people/session-proof.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { strangerOn, type CommandAnswer, type Principal } from "../../../policy/command/port.ts"
import { AccountsWorld, GOOD_PASSWORD } from "../../support/accounts.ts"
import { MemoryLog, recordingHandlers } from "../../support/commands.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { signingInOf } from "../../support/signing-in.ts"

const test = suite("firmware/people/sign-in")
const MINUTE = 60_000

class Door {
  readonly world = new AccountsWorld()
  readonly clock = new MemoryClock()
  readonly events: AuditEvent[] = []
  readonly log = new MemoryLog()
  readonly key: KeyObject
  signingIn!: SigningIn
  accounts!: Awaited<ReturnType<AccountsWorld["open"]>>
  execute!: (who: Principal, command: string, given?: object) => Promise<CommandAnswer>

  constructor(kind: "ed25519" | "ec" = "ed25519") {
    const pair = kind === "ec" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519")
    this.key = pair.privateKey
    this.pem = pair.publicKey.export({ type: "spki", format: "pem" }).toString()
  }
  readonly pem: string

  /** With anna, who has key and password, and bob, who has a password alone. */
  async open(): Promise<this> {
    this.accounts = await this.world.open()
    const key = { ...parseAccountKey(this.pem), onToken: false }
    await this.accounts.create({ name: "anna", roles: ["security-admin"], expiresAt: null, key }, "local:owner")
    await this.accounts.create({ name: "bob", roles: ["operator"], expiresAt: null, key: null }, "anna")
    for (const name of ["anna", "bob"]) await this.accounts.setPassword(name, GOOD_PASSWORD + name.charAt(0), name)
    return this.start()
  }
  /** As after a restart. */
  async start(): Promise<this> {
    this.signingIn = await signingInOf(this.world, this.accounts, this.clock, this.events)
    const people = { accounts: this.accounts, rules: () => this.world.rules, interval: () => this.world.now }
    const handlers = { ...recordingHandlers([]), ...accountHandlers(people), ...sessionHandlers(this.signingIn) }
    const port = createManagement({ handlers, audit: this.log.audit })
    this.execute = (who, command, given = {}) =>
      port.execute(who, { command, arguments: given }, new TextEncoder().encode(JSON.stringify(given)))
    return this
  }
  signIn(given: object, via: Principal["via"] = "local"): Promise<CommandAnswer> {
    return this.execute(strangerOn(via), "session.open", given)
  }
  async token(given: object = { account: "bob", password: `${GOOD_PASSWORD}b` }): Promise<string> {
    const answer = await this.signIn(given)
    assert.ok(answer.ok, JSON.stringify([answer, this.events.at(-1)]))
    return (answer.result as { token: string }).token
  }
  who(token: string, via: Principal["via"] = "local"): Principal {
    return this.signingIn.who(this.signingIn.find(token, via)?.id ?? null, via)
  }
  isOpen(token: string): boolean {
    return this.who(token).stranger !== true
  }
  async proof(account = "anna", key = this.key, gateway = "gw-test"): Promise<string> {
    const answer = await this.execute(strangerOn("local"), "session.challenge", { account })
    assert.ok(answer.ok)
    return signSessionProof({ gateway, account, challenge: (answer.result as { challenge: string }).challenge }, key)
  }
  reason(): unknown {
    return this.events.filter(({ id }) => id === "session.refused").at(-1)?.reason
  }
}
const bob = { account: "bob", password: `${GOOD_PASSWORD}b` }

test("[CR 1.1] a password, a signature, or both open a session with the rights of its person", async () => {
  for (const kind of ["ed25519", "ec"] as const) {
    const door = await new Door(kind).open()
    const who = door.who(await door.token())
    assert.equal([who.name, who.person?.factors, who.via], ["bob", ["password"], "local"])
    assert.equal([...who.permissions].sort(), ["alarm", "island", "read"])
    const byKey = door.who(await door.token({ account: "anna", proof: await door.proof() }))
    assert.equal([byKey.name, byKey.person?.factors], ["anna", ["key"]])
    const both = { account: "anna", password: `${GOOD_PASSWORD}a`, proof: await door.proof() }
    assert.equal(door.who(await door.token(both)).person?.factors, ["password", "key"])
  }
})

test("[CR 1.10, CR 1.11] wrong user, password, proof, disabled, expired, locked out: one code, one hash each; the log knows", async () => {
  const door = await new Door().open()
  const { world, accounts } = door
  await accounts.create({ name: "carl", roles: ["viewer"], expiresAt: null, key: null }, "anna")
  await accounts.create({ name: "dora", roles: ["viewer"], expiresAt: Date.UTC(2025, 0, 1), key: null }, "anna")
  for (const name of ["carl", "dora"]) await accounts.setPassword(name, `${GOOD_PASSWORD}x`, name)
  await accounts.change("carl", { enabled: false }, "anna")
  const good = `${GOOD_PASSWORD}x`
  const cases: readonly (readonly [object, string])[] = [
    [{ account: "nobody-here", password: good }, "unknown-account"],
    [{ account: "", password: good }, "unknown-account"],
    [{ account: "bob", password: good }, "wrong-password"],
    [{ account: "bob", password: "" }, "wrong-password"],
    [{ account: "bob" }, "nothing-shown"],
    [{ account: "carl", password: good }, "disabled"],
    [{ account: "dora", password: good }, "expired"],
    [{ account: "anna", proof: "x" }, "wrong-proof"],
    [{ account: "anna", password: `${GOOD_PASSWORD}a`, proof: "x" }, "wrong-proof"],
    [{ account: "anna", password: "wrong", proof: await door.proof() }, "wrong-password"],
  ]
  await door.signIn(bob)
  for (const [given, reason] of cases) {
    const before = world.quick.count()
    const answer = await door.signIn(given)
    assert.is(world.quick.count() - before, 1, reason)
    assert.equal([!answer.ok && answer.code, Object.keys(answer)], ["ERR_NOT_AUTHENTICATED", ["ok", "code", "entry"]])
    assert.is(door.reason(), reason)
  }
  while (door.reason() !== "locked-out") {
    const before = world.quick.count()
    const answer = await door.signIn({ account: "bob", password: good })
    assert.is(!answer.ok && answer.code, "ERR_NOT_AUTHENTICATED")
    assert.is(world.quick.count() - before, 1)
  }
  assert.not.match(JSON.stringify([door.events, door.log.events]), /herons|nobody-here/)
})

test("[CR 1.11] a locked-out guesser gets no more guesses, locks nobody out on another way, and gains nothing by a restart", async () => {
  const door = await new Door().open()
  const guess = (): Promise<CommandAnswer> => door.signIn({ account: "bob", password: "guess" })
  const { free } = door.world.rules.attempts
  for (let n = 0; n <= free; n++) await guess()
  assert.is(door.events.filter(({ id }) => id === "session.locked-out").length, 1)
  assert.is((await door.signIn(bob)).ok, false, "not even the right one")
  assert.is(door.reason(), "locked-out")
  assert.is((await door.signIn(bob, "serial")).ok, true, "who stands before the device is let in")
  door.clock.advance(1_000)
  await Promise.all([guess(), guess(), guess()])
  const reasons = door.events.filter(({ id }) => id === "session.refused").map(({ reason }) => reason)
  assert.equal(reasons.slice(-3), ["wrong-password", "locked-out", "locked-out"], "one guess, however many ask at once")
  for (let n = 0; n < 20; n++) {
    door.clock.advance(30_000)
    await guess()
  }
  await door.start()
  assert.is((await door.signIn(bob)).ok, false, "pulling the plug is no way round")
  assert.is(door.reason(), "locked-out")
  door.clock.advance(30_000)
  assert.is((await door.signIn(bob)).ok, true, "at the device it is never long")
  await door.start()
  assert.is((await door.signIn(bob)).ok, true, "and then it is forgotten")
})

test("[CR 1.11] guessing at names is told once, and again after a long silence", async () => {
  const door = await new Door().open()
  const alarms = (): number => door.events.filter(({ id }) => id === "session.locked-out").length
  const guess = async (times: number, everyMs: number): Promise<void> => {
    for (let n = 0; n < times; n++) {
      await door.signIn({ account: `nobody-${n}`, password: "guess" })
      door.clock.advance(everyMs)
    }
  }
  const { free, longestMs } = door.world.rules.attempts
  await guess(free, 30_000)
  assert.is(alarms(), 0)
  await guess(20, 30_000)
  assert.is(alarms(), 1, "one for all of them")
  door.clock.advance(longestMs + 30_000)
  await guess(20, 30_000)
  assert.is(alarms(), 2)
})

test("[CR 1.11] a damaged file of counts lets people in, and is told", async () => {
  for (const text of [
    "",
    "{",
    "[]",
    '{"format":2}',
    '{"format":1,"counts":{"local bob":-1}}',
    '{"format":1,"counts":{"x":1}}',
  ]) {
    const door = await new Door().open()
    await door.world.storage.write("people/attempts.json", new TextEncoder().encode(text))
    await door.start()
    assert.is((await door.signIn(bob)).ok, true)
    assert.is(
      door.events.some(({ id }) => id === "session.attempts-lost"),
      true,
      text,
    )
  }
})

test("[CR 3.8] a proof is good once, for one account, gateway and run, for two minutes; no altered one is", async () => {
  const door = await new Door().open()
  const wrong = generateKeyPairSync("ed25519").privateKey
  const refused = async (proof: string): Promise<void> => {
    // Past whatever failing before has cost.
    door.clock.advance(30_000)
    assert.is((await door.signIn({ account: "anna", proof })).ok, false, proof)
  }
  await refused(await door.proof("anna", wrong))
  await refused(await door.proof("bob"))
  await refused(await door.proof("anna", door.key, "other"))
  const late = await door.proof()
  door.clock.advance(2 * MINUTE)
  await refused(late)
  const earlier = await door.proof()
  const proof = await door.proof()
  await door.token({ account: "anna", proof })
  await refused(proof)
  await refused(earlier)
  const old = await door.proof()
  await door.start()
  await refused(old)
  const { signIn } = door.signingIn
  const fresh = await door.proof()
  const bytes = new TextEncoder().encode(fresh)
  for (const changed of [...truncations(bytes), ...bitFlips(bytes)].filter((_, n) => n % 41 === 0)) {
    const text = Buffer.from(changed).toString("latin1")
    if (text === fresh) continue
    // The unused bits at the end of base64url mean nothing.
    if (Buffer.from(text.slice(-86), "base64url").equals(Buffer.from(fresh.slice(-86), "base64url"))) continue
    door.clock.advance(500)
    const found = await signIn.prove({ account: "anna", proof: text }, "serial").catch(() => null)
    assert.is(found, null)
  }
})

test("[CR 2.5] a session that nobody uses is locked; its person signs in again and goes on, nobody else", async () => {
  const door = await new Door().open()
  const token = await door.token()
  door.clock.advance(9 * MINUTE)
  assert.ok(door.isOpen(token), "used just now")
  door.clock.advance(9 * MINUTE)
  assert.ok(door.isOpen(token))
  door.clock.advance(10 * MINUTE)
  assert.not.ok(door.isOpen(token))
  assert.is(door.events.at(-1)?.id, "session.locked")
  assert.equal(await door.execute(door.who(token), "status").then((answer) => !answer.ok && answer.code), "ERR_NOT_AUTHENTICATED") // prettier-ignore
  const again = (given: object): Promise<CommandAnswer> => door.execute(door.who(token), "session.unlock", given)
  assert.is((await again({ password: `${GOOD_PASSWORD}a` })).ok, false, "anna's")
  assert.is((await again({})).ok, false)
  assert.is((await again({ password: bob.password })).ok, true)
  assert.ok(door.isOpen(token))
  assert.is((await door.execute(door.who(token), "session.lock")).ok, true)
  assert.not.ok(door.isOpen(token))
})

test("[CR 2.6] an administrator ends a session at once; its time, a change of its account and its own person end it, too", async () => {
  const door = await new Door().open()
  const anna = door.who(await door.token({ account: "anna", proof: await door.proof() }))
  const token = await door.token()
  const id = door.signingIn.find(token, "local")!.id
  assert.is((await door.execute(door.who(token), "session.end", { id })).ok, false, "bob may not manage people")
  assert.is((await door.execute(anna, "session.end", { id })).ok, true)
  assert.not.ok(door.isOpen(token))
  const ended = door.events.at(-1)
  assert.equal([ended?.id, ended?.subject, ended?.object, ended?.reason], ["session.ended", "anna", "bob", "ended"])

  const second = await door.token()
  await door.accounts.change("bob", { roles: ["viewer"] }, "anna")
  assert.equal(door.who(second).permissions, ["read"], "rights are of this moment")
  await door.accounts.change("bob", { enabled: false }, "anna")
  assert.not.ok(door.isOpen(second))
  await door.accounts.change("bob", { enabled: true }, "anna")
  assert.not.ok(door.isOpen(second), "it does not come back")

  const next = { account: "bob", password: "two ravens sit in rain" }
  const third = await door.token()
  await door.accounts.setPassword("bob", "a mole digs at dusk", "anna")
  assert.not.ok(door.isOpen(third))
  const forced = await door.token({ account: "bob", password: "a mole digs at dusk" })
  const may = async (command: string, given = {}) => (await door.execute(door.who(forced), command, given)).ok
  assert.equal([await may("status"), await may("session.list"), await may("island", { state: "on" })], [false, false, false]) // prettier-ignore
  assert.ok(await may("account.password", { password: next.password, current: "a mole digs at dusk" }))

  assert.not.ok(door.isOpen(forced), "who changed it signs in with the new one")

  const fourth = await door.token(next)
  for (let n = 0; n < 8 * 7; n++) {
    door.clock.advance(8 * MINUTE)
    door.isOpen(fourth)
  }
  assert.ok(door.isOpen(fourth))
  for (let n = 0; n < 4; n++) {
    door.clock.advance(8 * MINUTE)
    door.isOpen(fourth)
  }
  assert.is(door.signingIn.find(fourth, "local"), null, "no session outlives its longest time")
  const fifth = await door.token(next)
  assert.is((await door.execute(door.who(fifth), "session.close")).ok, true)
  assert.not.ok(door.isOpen(fifth))
})

test("[CR 2.7] nobody has more sessions than the policy allows", async () => {
  const door = await new Door().open()
  const first = await door.token()
  await door.token()
  const third = await door.signIn(bob)
  assert.is(!third.ok && third.code, "ERR_COMMAND_STATE")
  await door.execute(door.who(first), "session.close")
  await door.token()
})

test("[CR 3.8] a token is of one channel and one run, kept nowhere, and none that somebody chose is taken", async () => {
  const door = await new Door().open()
  const token = await door.token()
  assert.is(Buffer.from(token, "base64url").length, 32)
  assert.is(door.signingIn.find(token, "serial"), null)
  assert.is(door.who(token, "mqtt").stranger, true)
  const id = door.signingIn.find(token, "local")!.id
  for (const chosen of [
    "",
    id,
    `${token}x`,
    token.slice(1),
    token.toUpperCase(),
    randomBytes(32).toString("base64url"),
  ]) {
    assert.is(door.signingIn.find(chosen, "local"), null)
  }
  assert.not.ok(JSON.stringify([door.events, door.log.events, door.signingIn.sessions.list()]).includes(token))
  const mqtt = await door.signIn(bob, "mqtt")
  assert.is(mqtt.ok, false, "no password goes over a broker")
  await door.start()
  assert.is(door.signingIn.find(token, "local"), null)
})

test.run()
