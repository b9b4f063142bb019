import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { CompactSign } from "jose/jws/compact/sign"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { claimsSignedBy } from "../../../firmware/people/identity-signature.ts"
import { sessionHandlers } from "../../../firmware/people/session-handlers.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { strangerOn, type CommandAnswer } from "../../../policy/command/port.ts"
import type { ProviderKey } from "../../../policy/people/identity-token.ts"
import { DEFAULT_PEOPLE } from "../../../policy/people/rules.ts"
import { AccountsWorld, makeAccountKey } from "../../support/accounts.ts"
import { MemoryLog, recordingHandlers } from "../../support/commands.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { signingInOf } from "../../support/signing-in.ts"

const test = suite("firmware/people/identity")

const KINDS = {
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
} as const
type Kind = keyof typeof KINDS

/** A provider with one key, which signs whatever it is told to. */
class Provider {
  readonly key: ProviderKey
  readonly #private: KeyObject
  readonly #alg: Kind

  constructor(alg: Kind = "ES256", kid: string | null = "k1") {
    const { publicKey, privateKey } = KINDS[alg]()
    this.#private = privateKey
    this.#alg = alg
    this.key = { kid, jwk: publicKey.export({ format: "jwk" }) as unknown as ProviderKey["jwk"] }
  }
  token(claims: object, header: object = {}): Promise<string> {
    const payload = new TextEncoder().encode(JSON.stringify(claims))
    return new CompactSign(payload)
      .setProtectedHeader({ alg: this.#alg, kid: "k1", typ: "JWT", ...header })
      .sign(this.#private)
  }
}

/** A gateway's door with anna and bob, who have neither key nor password here. */
async function door(provider: Provider): Promise<{
  readonly events: AuditEvent[]
  readonly world: AccountsWorld
  readonly clock: MemoryClock
  challenge(account?: string): Promise<string>
  claims(account?: string): Promise<Record<string, unknown>>
  open(identity: string, account?: string, via?: "local" | "mqtt"): Promise<CommandAnswer>
  accounts: Awaited<ReturnType<AccountsWorld["open"]>>
}> {
  const [world, clock, events] = [new AccountsWorld(), new MemoryClock(), [] as AuditEvent[]]
  const accounts = await world.open()
  const admin = { name: "zoe", roles: ["security-admin"], expiresAt: null, key: makeAccountKey() }
  await accounts.create(admin, "local:owner")
  for (const name of ["anna", "bob"]) {
    await accounts.create({ name, roles: ["operator"], expiresAt: null, key: null }, "zoe")
  }
  const identityProvider = { issuer: "https://id.example", audience: "gw", claim: "sub", keys: [provider.key] }
  world.rules = { ...DEFAULT_PEOPLE, identityProvider }
  const signingIn = await signingInOf(world, accounts, clock, events)
  const handlers = { ...recordingHandlers([]), ...sessionHandlers(signingIn) }
  const port = createManagement({ handlers, audit: new MemoryLog().audit })
  const execute = (command: string, given: object, via: "local" | "mqtt" = "local"): Promise<CommandAnswer> =>
    port.execute(strangerOn(via), { command, arguments: given }, new TextEncoder().encode("{}"))
  const challenge = async (account = "anna"): Promise<string> => {
    const answer = await execute("session.challenge", { account })
    assert.ok(answer.ok)
    return (answer.result as { challenge: string }).challenge
  }
  return {
    ...{ events, world, clock, accounts, challenge },
    claims: async (account = "anna") => {
      const iat = Math.floor(world.now.earliestAt / 1000)
      return {
        iss: "https://id.example",
        aud: "gw",
        sub: account,
        nonce: await challenge(account),
        iat,
        exp: iat + 300,
      }
    },
    open: (identity, account = "anna", via = "local") => execute("session.open", { account, identity }, via),
  }
}

const codeOf = (answer: CommandAnswer): string => (answer.ok ? "ok" : answer.code)

test("[CR 1.1] a token of the pinned provider, of each kind of key, opens a session with the rights of the account", async () => {
  for (const alg of Object.keys(KINDS) as Kind[]) {
    const provider = new Provider(alg)
    const at = await door(provider)
    const answer = await at.open(await provider.token(await at.claims()))
    assert.is(codeOf(answer), "ok", alg)
    const opened = at.events.find(({ id }) => id === "session.opened")
    assert.equal([opened?.object, opened?.detail?.["factors"]], ["anna", "identity"], alg)
  }
})

test("[CR 1.1, CR 3.8] a token counts once, for its account, within two minutes of its number, and never over MQTT", async () => {
  const provider = new Provider()
  const at = await door(provider)
  const token = await provider.token(await at.claims())
  // A secret over MQTT is refused before anybody looks at it.
  assert.is(codeOf(await at.open(token, "anna", "mqtt")), "ERR_COMMAND_ARGUMENT")
  assert.is(codeOf(await at.open(token, "bob")), "ERR_NOT_AUTHENTICATED")
  assert.is(codeOf(await at.open(token)), "ok")
  assert.is(codeOf(await at.open(token)), "ERR_NOT_AUTHENTICATED")
  const late = await provider.token(await at.claims())
  at.clock.advance(120_000)
  assert.is(codeOf(await at.open(late)), "ERR_NOT_AUTHENTICATED")
  const bobs = await provider.token({ ...(await at.claims()), nonce: await at.challenge("bob") })
  assert.is(codeOf(await at.open(bobs)), "ERR_NOT_AUTHENTICATED")
  const reasons = at.events.filter(({ id }) => id === "session.refused").map(({ reason }) => reason)
  assert.equal(reasons, ["wrong-identity", "wrong-identity", "wrong-identity", "wrong-identity"])
})

test("[CR 1.1] a disabled account, and a policy without a provider, let nobody in by a good token", async () => {
  const provider = new Provider()
  const at = await door(provider)
  await at.accounts.change("anna", { enabled: false }, "zoe")
  assert.is(codeOf(await at.open(await provider.token(await at.claims()))), "ERR_NOT_AUTHENTICATED")
  await at.accounts.change("anna", { enabled: true }, "zoe")
  const token = await provider.token(await at.claims())
  const { rules } = at.world
  at.world.rules = DEFAULT_PEOPLE
  assert.is(codeOf(await at.open(token)), "ERR_NOT_AUTHENTICATED")
  at.world.rules = rules
  assert.is(codeOf(await at.open(token)), "ok")
})

test("[CR 2.11] under a clock that cannot tell, a token is taken and written down; one that is surely over is not", async () => {
  const provider = new Provider()
  const at = await door(provider)
  const claims = await at.claims()
  at.world.now = { earliestAt: 0, latestAt: Infinity }
  assert.is(codeOf(await at.open(await provider.token(claims))), "ok")
  assert.is(at.events.filter(({ id }) => id === "session.identity-uncertain").length, 1)
  const over = await at.claims()
  at.world.now = { earliestAt: Date.UTC(2040, 0, 1), latestAt: Infinity }
  assert.is(codeOf(await at.open(await provider.token(over))), "ERR_NOT_AUTHENTICATED")
})

test("[CR 1.9, CR 3.5] other keys, other algorithms, a key that the token brings, and every flipped bit are no signature", async () => {
  const [provider, other] = [new Provider(), new Provider()]
  const keys = [provider.key]
  const good = await provider.token({ sub: "anna" })
  assert.equal(await claimsSignedBy(good, keys), { sub: "anna" })
  assert.equal(await claimsSignedBy(good, [other.key, provider.key]), { sub: "anna" })
  const { jwk } = other.key
  const bad = [
    await other.token({ sub: "anna" }),
    await other.token({ sub: "anna" }, { jwk }),
    await provider.token({ sub: "anna" }, { kid: "k2" }),
    await provider.token({ sub: "anna" }, { typ: "logout+jwt" }),
    `${Buffer.from('{"alg":"none"}').toString("base64url")}.${good.split(".")[1] ?? ""}.`,
    // The public key as a shared secret.
    await new CompactSign(new TextEncoder().encode("{}"))
      .setProtectedHeader({ alg: "HS256" })
      .sign(new TextEncoder().encode(JSON.stringify(provider.key.jwk).padEnd(32))),
    `${good}.${good}`,
    good.padEnd(9_000, "A"),
    "",
    "..",
  ]
  for (const token of bad) assert.is(await claimsSignedBy(token, keys), null, token.slice(0, 80))
  const bytes = Buffer.from(good)
  for (const part of [...truncations(bytes)].slice(0, -1)) {
    assert.is(await claimsSignedBy(Buffer.from(part).toString("latin1"), keys), null)
  }
  for (const flipped of bitFlips(bytes)) {
    const text = Buffer.from(flipped).toString("latin1")
    const claims = await claimsSignedBy(text, keys)
    // The last letter of a base64url text bears bits that mean nothing.
    if (text.slice(0, -1) !== good.slice(0, -1)) assert.is(claims, null, text)
  }
  const weak = { kid: null, jwk: { kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43) } } as const
  assert.is(await claimsSignedBy(good, [weak]), null)
})

test.run()
