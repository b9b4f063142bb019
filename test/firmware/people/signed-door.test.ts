import { generateKeyPairSync, createHash, createHmac, randomBytes } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseAccountKey } from "../../../firmware/people/account-key.ts"
import type { Accounts } from "../../../firmware/people/accounts.ts"
import { createSignedDoor, MAX_JWS_LENGTH, type SignedDoor } from "../../../firmware/people/signed-door.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { CommandRequest, Principal } from "../../../policy/command/port.ts"
import { NONCE_MS } from "../../../policy/people/nonce.ts"
import { encodeSignedCommand, type SignedCommand } from "../../../policy/people/signed-command.ts"
import { makePersonKey, readPersonKey, signCommand, type PersonKey } from "../../../firmware/cli/person-key.ts"
import { AccountsWorld } from "../../support/accounts.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"

const test = suite("firmware/people/signed-door")
const ISLAND: CommandRequest = { command: "island", arguments: { state: "on" } }
const TYPE = "lockgate-command+jws"

interface Person {
  readonly key: PersonKey
  readonly publicPem: string
}
const person = async (): Promise<Person> => {
  const { privatePem, publicPem } = makePersonKey(null)
  return { key: await readPersonKey(privatePem, null), publicPem }
}
const enrolled = (publicPem: string, onToken = false) => ({ ...parseAccountKey(publicPem), onToken })

/** A door behind which whoever gets in is written down. */
class World extends AccountsWorld {
  readonly clock = new MemoryClock()
  readonly executed: [Principal | null, CommandRequest, string][] = []
  accounts!: Accounts
  door!: SignedDoor
  anna!: Person
  bob!: Person

  async start(): Promise<this> {
    this.anna = await person()
    this.bob = await person()
    this.accounts = await this.open()
    const anna = { name: "anna", roles: ["security-admin"], expiresAt: null, key: enrolled(this.anna.publicPem) }
    await this.accounts.create(anna, "local:owner")
    const bob = { name: "bob", roles: ["operator"], expiresAt: null, key: enrolled(this.bob.publicPem, true) }
    await this.accounts.create(bob, "anna")
    this.door = this.doorOf()
    this.log.events.length = 0
    return this
  }

  doorOf(gateway = "melter-7"): SignedDoor {
    return createSignedDoor({
      gateway,
      accounts: this.accounts,
      clock: this.clock,
      interval: () => this.now,
      random: (n) => randomBytes(n),
      audit: this.log.audit,
      commands: {
        execute: async (principal, request, received) => {
          this.executed.push([principal, request, Buffer.from(received ?? []).toString()])
          return { ok: true, result: this.executed.length }
        },
      },
    })
  }

  command(change: Partial<SignedCommand> = {}): SignedCommand {
    const nonce = this.door.nonce(change.account ?? "bob")
    const expiresAt = this.now.latestAt + 60_000
    return { gateway: "melter-7", account: "bob", nonce, expiresAt, request: ISLAND, ...change }
  }

  sign(change: Partial<SignedCommand> = {}, who = this.bob): Promise<string> {
    return signCommand(this.command(change), who.key)
  }

  /** What the log says of a text that must not pass. */
  async refused(jws: string, door = this.door): Promise<string | undefined> {
    const before = this.executed.length
    const answer = await door.take(jws, "local")
    assert.is(answer.ok, false)
    assert.is(answer.ok ? "" : answer.code, "ERR_NOT_AUTHENTICATED")
    assert.is(this.executed.length, before)
    // Beyond the first they are counted: a quiet time writes each.
    this.clock.advance(3_000)
    await Promise.resolve()
    return this.log.events.at(-1)?.reason
  }
}

test("[CR 1.1] a signed command is its person's, with their rights, and what is kept is the proof", async () => {
  const world = await new World().start()
  const jws = await world.sign()
  assert.equal(await world.door.take(jws, "mqtt"), { ok: true, result: 1 })
  const [principal, request, received] = world.executed[0]!
  assert.equal([principal?.name, principal?.via, request, received], ["bob", "mqtt", ISLAND, jws])
  assert.equal(principal?.permissions, ["read", "alarm", "island"])
})

test("[CR 1.1 RE(2)] a key on a token is the factor `token`, one in a file is `key`", async () => {
  const world = await new World().start()
  await world.door.take(await world.sign(), "local")
  await world.door.take(await world.sign({ account: "anna" }, world.anna), "local")
  assert.equal(
    world.executed.map(([who]) => who?.person?.factors),
    [["token"], ["key"]],
  )
})

test("Ed25519 signs as well as P-256", async () => {
  const world = await new World().start()
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const key = await readPersonKey(privateKey.export({ type: "pkcs8", format: "pem" }).toString(), null)
  const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString()
  await world.accounts.addKey("bob", enrolled(publicPem), "anna")
  assert.is((await world.door.take(await world.sign({}, { key, publicPem }), "local")).ok, true)
})

test("[CR 3.8] replayed, duplicated, reordered and late commands are refused", async () => {
  const world = await new World().start()
  const [first, second, third] = [await world.sign(), await world.sign(), await world.sign()]
  assert.is((await world.door.take(second, "local")).ok, true)
  assert.is(await world.refused(second), "ERR_NONCE_USED")
  assert.is(await world.refused(first), "ERR_NONCE_USED")
  const both = await Promise.all([world.door.take(third, "local"), world.door.take(third, "mqtt")])
  assert.equal(both.map(({ ok }) => ok).sort(), [false, true])
  assert.is(world.executed.length, 2)
  const late = await world.sign()
  world.clock.advance(NONCE_MS)
  assert.is(await world.refused(late), "ERR_NONCE_OVER")
})

test("[CR 3.8] what was signed before a restart, or for another gateway or account, is worth nothing", async () => {
  const world = await new World().start()
  assert.is(await world.refused(await world.sign(), world.doorOf()), "ERR_NONCE_FOREIGN")
  assert.is(await world.refused(await world.sign({ gateway: "melter-8" })), "ERR_OTHER_GATEWAY")
  assert.is(await world.refused(await world.sign({ account: "anna" })), "ERR_OTHER_ACCOUNT")
  assert.is(await world.refused(await world.sign({ nonce: world.door.nonce("anna") })), "ERR_NONCE_FOREIGN")
})

test("[CR 1.1] a command that is surely expired is refused; one that may be is not", async () => {
  const world = await new World().start()
  world.now = { earliestAt: 1_000, latestAt: 9_000 }
  assert.is(await world.refused(await world.sign({ expiresAt: 999 })), "ERR_COMMAND_EXPIRED")
  assert.is((await world.door.take(await world.sign({ expiresAt: 5_000 }), "local")).ok, true)
})

test("[CR 1.3] a key that was removed, an account that was disabled meanwhile", async () => {
  const world = await new World().start()
  const spare = await person()
  await world.accounts.addKey("bob", enrolled(spare.publicPem), "anna")
  const signed = await world.sign({}, spare)
  await world.accounts.removeKey("bob", spare.key.thumbprint, "anna")
  assert.is(await world.refused(signed), "ERR_SIGNATURE")
  const good = await world.sign()
  const taking = world.door.take(good, "local")
  await world.accounts.change("bob", { enabled: false }, "anna")
  const meanwhile = await taking
  assert.is(meanwhile.ok, world.executed.length === 1)
  world.clock.advance(3_000)
  world.executed.length = 0
  assert.is(await world.refused(await world.sign()), "ERR_ACCOUNT_CLOSED")
  assert.is(await world.refused(await world.sign({}, await person())), "ERR_SIGNATURE")
})

test("[CR 1.1] headers that say anything else are refused: none, a shared secret, another's key, more members", async () => {
  const world = await new World().start()
  const command = world.command()
  const b64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64url")
  const payload = b64(encodeSignedCommand(command))
  const kid = world.bob.key.thumbprint
  const made = async (header: unknown, signature?: (text: string) => Uint8Array | Promise<Uint8Array>) => {
    const text = `${b64(JSON.stringify(header))}.${payload}`
    return `${text}.${b64(await (signature ?? ((t) => world.bob.key.sign(Buffer.from(t))))(text))}`
  }
  const hs = (text: string): Uint8Array =>
    Buffer.concat([createHmac("sha256", world.bob.publicPem).update(text).digest(), Buffer.alloc(32)])
  const none = `${b64(JSON.stringify({ alg: "none", typ: TYPE, kid }))}.${payload}.`
  for (const [jws, reason] of [
    [none, "ERR_SIGNED_COMMAND"],
    [await made({ alg: "HS256", typ: TYPE, kid }, hs), "ERR_SIGNED_COMMAND"],
    [await made({ alg: "ES384", typ: TYPE, kid }), "ERR_SIGNED_COMMAND"],
    [await made({ alg: "EdDSA", typ: TYPE, kid }), "ERR_SIGNATURE"],
    [await made({ alg: "ES256", typ: TYPE, kid: world.anna.key.thumbprint }), "ERR_SIGNATURE"],
    [
      await made({ alg: "ES256", typ: TYPE, kid: createHash("sha256").update("x").digest("base64url") }),
      "ERR_SIGNATURE",
    ],
    [await made({ alg: "ES256", typ: "JWT", kid }), "ERR_SIGNED_COMMAND"],
    [await made({ alg: "ES256", typ: TYPE }), "ERR_SIGNED_COMMAND"],
    [await made({ alg: "ES256", typ: TYPE, kid, crit: ["b64"], b64: false }), "ERR_SIGNED_COMMAND"],
    [await made({ alg: "ES256", typ: TYPE, kid, jwk: {} }), "ERR_SIGNED_COMMAND"],
    [await made([]), "ERR_SIGNED_COMMAND"],
    [await made(null), "ERR_SIGNED_COMMAND"],
  ] as const) {
    assert.is(await world.refused(jws), reason)
  }
  assert.is((await world.door.take(await made({ alg: "ES256", typ: TYPE, kid }), "local")).ok, true)
})

test("[CR 3.5] whatever is cut off, flipped, added or too long is refused, and the untouched one is taken after it", async () => {
  const world = await new World().start()
  const jws = await world.sign()
  const bytes = Buffer.from(jws)
  for (const hostile of [...truncations(bytes), ...bitFlips(bytes)]) {
    const answer = await world.door.take(Buffer.from(hostile).toString("latin1"), "local")
    assert.is(answer.ok, false)
  }
  for (const text of [`${jws}=`, ` ${jws}`, `${jws}\n`, `${jws}.`, `${jws}.x`, "a".repeat(MAX_JWS_LENGTH + 1), ""]) {
    assert.is((await world.door.take(text, "local")).ok, false)
  }
  assert.is(world.executed.length, 0)
  world.clock.advance(3_000)
  world.clock.advance(20_000)
  // The same bytes, written in another way: the last letter's unused bits.
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  const loose = jws.slice(0, -1) + letters[letters.indexOf(jws.at(-1)!) + 1]!
  assert.equal(Buffer.from(loose.split(".")[2]!, "base64url"), Buffer.from(jws.split(".")[2]!, "base64url"))
  assert.is(await world.refused(loose), "ERR_SIGNED_COMMAND")
  assert.is((await world.door.take(jws, "local")).ok, true)
})

test("[CR 3.7] numbers are given to anybody, for any name, and a flood of refusals does not fill the log", async () => {
  const world = await new World().start()
  assert.is(world.door.nonce("nobody").length, world.door.nonce("bob").length)
  for (let k = 0; k < 500; k++) await world.door.take("x", "local")
  assert.is(world.log.events.length, 1)
  await world.door.stop()
  assert.equal(
    world.log.events.map(({ id, count }) => [id, count]),
    [
      ["command.refused", 1],
      ["command.refused", 499],
    ],
  )
})

test.run()
