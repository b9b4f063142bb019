import { generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { accountHandlers } from "../../../firmware/people/account-handlers.ts"
import { parseAccountKey } from "../../../firmware/people/account-key.ts"
import type { Accounts } from "../../../firmware/people/accounts.ts"
import { InputError } from "../../../policy/base/errors.ts"
import { ALL_PERMISSIONS } from "../../../policy/command/permission.ts"
import type { CommandAnswer, CommandPort, Principal } from "../../../policy/command/port.ts"
import type { Factor } from "../../../policy/people/gate.ts"
import { AccountsWorld, GOOD_PASSWORD } from "../../support/accounts.ts"
import { recordingHandlers } from "../../support/commands.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/people/account-handlers")
const owner: Principal = { name: "local:owner", permissions: ALL_PERMISSIONS, via: "local" }
const pem = (type: "ed25519" | "ec" = "ed25519"): string => {
  const pair = type === "ec" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519")
  return pair.publicKey.export({ type: "spki", format: "pem" }).toString()
}

interface Door {
  readonly world: AccountsWorld
  readonly accounts: Accounts
  /** Give a command as somebody: the owner of the machine, or a person with these factors. */
  give(who: Principal | string, command: string, given?: object, factors?: readonly Factor[]): Promise<CommandAnswer>
  reason(): unknown
}

async function door(): Promise<Door> {
  const world = new AccountsWorld()
  const accounts = await world.open()
  const people = { accounts, rules: () => world.rules, interval: () => world.now }
  const handlers = { ...recordingHandlers([]), ...accountHandlers(people) }
  const commands: CommandPort = createManagement({ handlers, audit: world.log.audit })
  return {
    world,
    accounts,
    give: (who, command, given = {}, factors = ["key"]) => {
      const principal = typeof who === "string" ? accounts.principal(who, factors, "local") : who
      return commands.execute(principal, { command, arguments: given }, randomBytes(8))
    },
    reason: () => world.log.events.at(-1)?.reason,
  }
}

async function claimed(): Promise<Door> {
  const made = await door()
  const first = { name: "anna", roles: "security-admin", key: pem() }
  assert.is((await made.give(owner, "account.create", first)).ok, true)
  return made
}

test("[CR 1.3] who holds the machine makes the first account and no other; a person makes those after it", async () => {
  const { give, reason, accounts } = await claimed()
  assert.is((await give(owner, "account.create", { name: "eve", roles: "security-admin", key: pem() })).ok, false)
  assert.is(reason(), "ERR_NOT_A_PERSON")
  for (const command of ["account.change", "account.remove", "account.password-set"]) {
    assert.is(
      (await give(owner, command, { name: "anna", ...(command === "account.change" ? { enabled: "no" } : {}) })).ok,
      false,
    )
    assert.is(reason(), "ERR_NOT_A_PERSON")
  }
  assert.is(
    (await give("anna", "account.create", { name: "bob", roles: "operator viewer", key: pem("ec"), onToken: "yes" }))
      .ok,
    true,
  )
  assert.equal(accounts.people.accounts[1]?.roles, ["operator", "viewer"])
  assert.is(accounts.people.accounts[1]?.keys[0]?.onToken, true)
})

test("[CR 2.1] only the permission `people` opens the commands, but for one's own password", async () => {
  const { give, world } = await claimed()
  await give("anna", "account.create", { name: "bob", roles: "engineer technician operator", key: pem() })
  for (const [command, given] of [
    ["account.list", {}],
    ["account.create", { name: "eve", roles: "security-admin", key: pem() }],
    ["account.change", { name: "bob", roles: "security-admin" }],
    ["account.remove", { name: "anna" }],
    ["account.key-add", { name: "anna", key: pem() }],
    ["account.key-remove", { name: "anna", thumbprint: "x" }],
    ["account.password-set", { name: "anna", password: GOOD_PASSWORD }],
  ] as const) {
    assert.equal(await give("bob", command, given), {
      ok: false,
      code: "ERR_NOT_PERMITTED",
      entry: world.log.events.length - 1,
    })
  }
  assert.is((await give("bob", "account.password", { password: GOOD_PASSWORD })).ok, true)
})

test("[CR 1.5] a password that another chose lets its person do nothing but choose another", async () => {
  const { give, reason, accounts } = await claimed()
  await give("anna", "account.create", { name: "bob", roles: "viewer" })
  assert.is((await give("anna", "account.password-set", { name: "bob", password: GOOD_PASSWORD })).ok, true)
  assert.is((await accounts.checkPassword("bob", GOOD_PASSWORD))?.name, "bob")
  assert.is((await give("bob", "status", {}, ["password"])).ok, false)
  assert.is(reason(), "ERR_NOT_PERMITTED")
  for (const current of [undefined, "wrong", ""]) {
    const given = { password: "a mole digs at dusk", ...(current === undefined ? {} : { current }) }
    assert.is((await give("bob", "account.password", given, ["password"])).ok, false)
    assert.is(reason(), "ERR_PASSWORD_CURRENT")
  }
  const change = { password: "a mole digs at dusk", current: GOOD_PASSWORD }
  assert.is((await give("bob", "account.password", change, ["password"])).ok, true)
  assert.is((await give("bob", "status", {}, ["password"])).ok, true)
  assert.is(await accounts.checkPassword("bob", GOOD_PASSWORD), null)
  assert.is((await give("anna", "account.password-set", { name: "anna", password: GOOD_PASSWORD })).ok, false)
  assert.is(reason(), "ERR_PASSWORD_OWN")
})

test("[CR 2.8, CR 4.1] entries say what it was and is, and hold neither password nor hash; no secret's request is kept", async () => {
  const { give, world } = await claimed()
  await give("anna", "account.create", { name: "bob", roles: "viewer", expires: "2027-01-01T00:00:00Z" })
  await give("anna", "account.change", { name: "bob", roles: "operator", expires: "never" })
  const last = world.log.events.at(-1)
  assert.is(last?.subject, "anna")
  assert.is(last?.detail?.["before"], "viewer, enabled, 0 keys, no password, ends 2027-01-01T00:00:00.000Z")
  assert.is(last?.detail?.["after"], "operator, enabled, 0 keys, no password")
  await give("anna", "account.password-set", { name: "bob", password: GOOD_PASSWORD })
  await give("anna", "account.password-set", { name: "bob", password: "short" })
  const all = JSON.stringify(world.log.events)
  for (const secret of [GOOD_PASSWORD, "argon2", '"short"']) assert.not(all.includes(secret), secret)
  const { result } = (await give("anna", "account.list")) as { result: unknown }
  assert.not(JSON.stringify(result).includes("argon2"))
  assert.is(
    world.log.events.filter(
      ({ id, object, request }) =>
        id === "command.accepted" && object === "account.password-set" && request !== undefined,
    ).length,
    0,
  )
})

test("[CR 3.5] an end, a change or roles that are none are refused, and nothing changed", async () => {
  const { give, reason, accounts } = await claimed()
  await give("anna", "account.create", { name: "bob", roles: "viewer" })
  const before = accounts.people
  for (const expires of ["", "tomorrow", "2027-01-01", "2027-13-01T00:00:00Z", "2027-01-01T00:00:00", "1e9", "Never"]) {
    assert.is((await give("anna", "account.change", { name: "bob", expires })).ok, false, expires)
    assert.is(reason(), "ERR_ACCOUNT_EXPIRY")
  }
  for (const [given, code] of [
    [{ name: "bob" }, "ERR_ACCOUNT_CHANGE"],
    [{ name: "bob", roles: "king" }, "ERR_ACCOUNT_ROLE"],
    [{ name: "carl", enabled: "no" }, "ERR_ACCOUNT_UNKNOWN"],
    [{ name: "anna", enabled: "no" }, "ERR_LAST_ADMINISTRATOR"],
    [{ name: "anna", expires: "2027-01-01T00:00:00Z" }, "ERR_LAST_ADMINISTRATOR"],
    [{ name: "anna", roles: "viewer" }, "ERR_LAST_ADMINISTRATOR"],
  ] as const) {
    assert.is((await give("anna", "account.change", given)).ok, false)
    assert.is(reason(), code)
  }
  assert.is(accounts.people, before)
})

test("[CR 1.5] one key is one key, as JWK or PEM, with whatever else its JWK says", async () => {
  for (const type of ["ed25519", "ec"] as const) {
    const text = pem(type)
    const { thumbprint, jwk } = parseAccountKey(text)
    const { thumbprint: again } = parseAccountKey(JSON.stringify({ kid: "mine", use: "sig", ...jwk }))
    assert.is(again, thumbprint)
    assert.is(parseAccountKey(`\n${text.replaceAll("\n", "\r\n")}`).thumbprint, thumbprint)
  }
  // RFC 8037 appendix A.3.
  const known = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }
  assert.is(parseAccountKey(JSON.stringify(known)).thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
})

test("[CR 3.5] other keys, private keys, and texts that are none are refused, and never quoted", async () => {
  const { privateKey } = generateKeyPairSync("ed25519")
  const secret = privateKey.export({ format: "jwk" })
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  for (const text of [JSON.stringify(secret), pkcs8, `${pem()}${pkcs8}`]) {
    const error = await rejects(() => parseAccountKey(text), "ERR_ACCOUNT_KEY_PRIVATE")
    assert.not(error.message.includes(String(secret.d)))
  }
  const spki = (pair: { publicKey: KeyObject }): string =>
    pair.publicKey.export({ type: "spki", format: "pem" }).toString()
  const others = [
    spki(generateKeyPairSync("rsa", { modulusLength: 2048 })),
    spki(generateKeyPairSync("ec", { namedCurve: "secp256k1" })),
    spki(generateKeyPairSync("ec", { namedCurve: "P-384" })),
    spki(generateKeyPairSync("x25519")),
    JSON.stringify({ kty: "EC", crv: "P-256", x: "AA", y: "AA" }),
    JSON.stringify({ kty: "oct", x: "AA" }),
    "",
    "{}",
    "{null",
    "x".repeat(1e5),
    `${pem()}${pem()}`,
  ]
  for (const text of others) await rejects(() => parseAccountKey(text), "ERR_ACCOUNT_KEY")
})

test("[CR 3.5] a key that was cut or flipped is refused or is another key, and nothing else is thrown", () => {
  const text = pem("ec")
  const attempt = (hostile: string): void => {
    try {
      parseAccountKey(hostile)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
    }
  }
  const bytes = new TextEncoder().encode(text)
  for (const hostile of [...truncations(bytes), ...bitFlips(bytes)]) attempt(new TextDecoder().decode(hostile))
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), attempt), { numRuns: 200 })
})

test.run()
