import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { LockgateError } from "../../../policy/base/errors.ts"
import {
  accountOfKey,
  administrators,
  isExpired,
  isUnclaimed,
  NOBODY,
  PEOPLE_BOUNDS,
  withAccount,
  withChange,
  withKey,
  withoutAccount,
  withoutKey,
  withPassword,
  type AccountKey,
  type People,
} from "../../../policy/people/account.ts"
import { DEFAULT_PEOPLE as RULES } from "../../../policy/people/rules.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/people/account")
const key = (name: string, onToken = false): AccountKey => ({
  thumbprint: name,
  jwk: { kty: "OKP", crv: "Ed25519", x: name },
  onToken,
})
const made = (name: string, roles = ["viewer"], one: AccountKey | null = null) => ({ id: `id-${name}`, name, roles, expiresAt: null, key: one }) // prettier-ignore
const FIRST = withAccount(NOBODY, made("anna", ["security-admin"], key("a")), RULES)

test("[CR 1.3] a name is plain, and none of the gateway's own", async () => {
  for (const name of [
    "",
    "Anna",
    "1a",
    "a b",
    "a".repeat(33),
    "ännä",
    "a\n",
    "root",
    "local",
    "owner",
    "gateway",
    "nobody",
    "supplier",
  ]) {
    await rejects(() => withAccount(FIRST, made(name), RULES), "ERR_ACCOUNT_NAME")
  }
  for (const name of ["b", "bob.b-b_1", "a".repeat(32)])
    assert.is(withAccount(FIRST, made(name), RULES).accounts.length, 2)
})

test("[CR 1.5] the first account has a key, no end, and a role that may manage people", async () => {
  const admin = made("anna", ["security-admin"], key("a"))
  for (const wrong of [
    { ...admin, key: null },
    { ...admin, roles: ["engineer"] },
    { ...admin, roles: [] },
    { ...admin, expiresAt: 1 },
  ]) {
    await rejects(() => withAccount(NOBODY, wrong, RULES), "ERR_FIRST_ADMINISTRATOR")
  }
  assert.is(isUnclaimed(FIRST), false)
})

test("[CR 1.4] a name, an id and a key are somebody's for ever, or until that key was removed", async () => {
  const two = withAccount(FIRST, made("bob", ["viewer"], key("b")), RULES)
  await rejects(() => withAccount(two, made("bob"), RULES), "ERR_ACCOUNT_EXISTS")
  await rejects(() => withAccount(two, { ...made("carl"), id: "id-bob" }, RULES), "ERR_ACCOUNT_EXISTS")
  await rejects(() => withAccount(two, made("carl", [], key("b")), RULES), "ERR_ACCOUNT_KEY_TAKEN")
  await rejects(() => withKey(two, "anna", key("b")), "ERR_ACCOUNT_KEY_TAKEN")
  await rejects(() => withKey(two, "bob", key("b", true)), "ERR_ACCOUNT_KEY_TAKEN")
  const gone = withoutAccount(two, "bob", RULES)
  await rejects(() => withAccount(gone, made("bob"), RULES), "ERR_ACCOUNT_RETIRED")
  await rejects(() => withAccount(gone, { ...made("carl"), id: "id-bob" }, RULES), "ERR_ACCOUNT_RETIRED")
})

test("[CR 2.1] the last administrator is not removed, disabled, ended, demoted or left without a proof", async () => {
  const last = [
    () => withoutAccount(FIRST, "anna", RULES),
    () => withChange(FIRST, "anna", { enabled: false }, RULES),
    () => withChange(FIRST, "anna", { expiresAt: 1e15 }, RULES),
    () => withChange(FIRST, "anna", { roles: ["viewer"] }, RULES),
    () => withoutKey(FIRST, "anna", "a", RULES),
  ]
  for (const change of last) await rejects(change, "ERR_LAST_ADMINISTRATOR")
  const two = withAccount(FIRST, made("carl", ["security-admin"], key("c")), RULES)
  assert.is(administrators(withoutAccount(two, "anna", RULES), RULES).length, 1)
})

test("roles, keys and accounts have their bounds", async () => {
  for (const roles of [["king"], ["viewer", "viewer"], ["constructor"]]) {
    await rejects(() => withChange(FIRST, "anna", { roles }, RULES), "ERR_ACCOUNT_ROLE")
  }
  await rejects(() => withChange(FIRST, "anna", { expiresAt: NaN }, RULES), "ERR_ACCOUNT_EXPIRY")
  let people = FIRST
  for (const name of ["b", "c", "d"]) people = withKey(people, "anna", key(name))
  await rejects(() => withKey(people, "anna", key("e")), "ERR_TOO_MANY_KEYS")
  await rejects(() => withoutKey(people, "anna", "e", RULES), "ERR_KEY_UNKNOWN")
  for (let n = 1; n < PEOPLE_BOUNDS.accounts; n++) people = withAccount(people, made(`n${n}`), RULES)
  await rejects(() => withAccount(people, made("more"), RULES), "ERR_TOO_MANY_ACCOUNTS")
})

test("[CR 1.3] an end is over, not over, or what no clock can tell", () => {
  const at = (earliestAt: number, latestAt: number) => isExpired({ expiresAt: 100 }, { earliestAt, latestAt })
  assert.equal([at(0, 100), at(0, 101), at(100, Infinity), at(101, Infinity)], ["no", "uncertain", "uncertain", "yes"])
  assert.is(isExpired({ expiresAt: null }, { earliestAt: 0, latestAt: Infinity }), "no")
})

const NAMES = ["anna", "bob", "carl", "dora"]
const KEYS = ["a", "b", "c", "d"]
const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const), name: fc.constantFrom(...NAMES), id: fc.integer({ min: 0, max: 5 }), admin: fc.boolean(), key: fc.constantFrom(...KEYS, null) }), // prettier-ignore
  fc.record({ do: fc.constant("change" as const), name: fc.constantFrom(...NAMES), admin: fc.boolean(), enabled: fc.boolean(), end: fc.constantFrom(null, 5) }), // prettier-ignore
  fc.record({ do: fc.constant("remove" as const), name: fc.constantFrom(...NAMES) }),
  fc.record({ do: fc.constant("key" as const), name: fc.constantFrom(...NAMES), key: fc.constantFrom(...KEYS), add: fc.boolean() }), // prettier-ignore
  fc.record({ do: fc.constant("password" as const), name: fc.constantFrom(...NAMES), set: fc.boolean() }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function taken(people: People, one: Step): People {
  const roles = (admin: boolean) => [admin ? "security-admin" : "viewer"]
  switch (one.do) {
    case "create":
      return withAccount(people, { id: `${one.id}`, name: one.name, roles: roles(one.admin), expiresAt: null, key: one.key === null ? null : key(one.key) }, RULES) // prettier-ignore
    case "change":
      return withChange(people, one.name, { roles: roles(one.admin), enabled: one.enabled, expiresAt: one.end }, RULES)
    case "remove":
      return withoutAccount(people, one.name, RULES)
    case "key":
      return one.add ? withKey(people, one.name, key(one.key)) : withoutKey(people, one.name, one.key, RULES)
    case "password":
      return withPassword(people, one.name, one.set ? { hash: "h", setAt: 0, earlier: [], mustChange: false } : null, RULES) // prettier-ignore
  }
}

test("[CR 1.4, CR 2.1] no sequence of changes loses the last administrator, gives a name or id again, or a key twice", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let people = NOBODY
      /** Which account each name and id ever meant. */
      const meant = new Map<string, string>()
      for (const one of steps) {
        const before = people
        try {
          people = taken(people, one)
        } catch (error) {
          if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
          assert.is(people, before)
          continue
        }
        assert.ok(administrators(people, RULES).length > 0, JSON.stringify(one))
        for (const { id, name } of [...people.accounts, ...people.retired]) {
          assert.is(meant.get(`name ${name}`) ?? id, id)
          assert.is(meant.get(`id ${id}`) ?? name, name)
          meant.set(`name ${name}`, id).set(`id ${id}`, name)
        }
        assert.is(people.accounts.length + people.retired.length, meant.size / 2, "nobody is forgotten")
        const keys = people.accounts.flatMap((account) => account.keys.map(({ thumbprint }) => thumbprint))
        assert.is(new Set(keys).size, keys.length)
        for (const thumbprint of keys) assert.ok(accountOfKey(people, thumbprint))
      }
    }),
    { numRuns: 400 },
  )
})

test.run()
