import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext } from "../../../firmware/assess/probe-context.ts"
import {
  accountsAreUnique,
  noDefaultAccount,
  onlyAdmittedSignIn,
  passwordsHaveLifetime,
  weakPasswordsAreRefused,
} from "../../../firmware/assess/probes/people.ts"
import { runProbe } from "../../../firmware/assess/run.ts"
import { personOf } from "../../../policy/people/gate.ts"
import { AccountsWorld } from "../../support/accounts.ts"

const test = suite("firmware/assess/probes-people")
const PROBES = [accountsAreUnique, onlyAdmittedSignIn, noDefaultAccount, weakPasswordsAreRefused, passwordsHaveLifetime]
const ALL = ["passed", "passed", "passed", "passed", "passed"]
type View = ProbeContext["accounts"]

/** What the five say of a gateway with people, whose accounts are in order but for `change`. */
async function outcomes(change: (good: View) => Partial<View>, lifetime = true, unclaimed = false): Promise<string[]> {
  const world = new AccountsWorld()
  const accounts = unclaimed ? await world.open() : await world.withAnna()
  if (!unclaimed) {
    for (const name of ["bob", "carl"]) await accounts.create({ name, roles: [], expiresAt: null, key: null }, "anna")
    await accounts.remove("bob", "anna")
    await accounts.change("carl", { enabled: false }, "anna")
  }
  const good: View = {
    people: accounts.people,
    unclaimed: accounts.unclaimed,
    fault: accounts.fault,
    examine: accounts.examine,
    examinePassword: accounts.examinePassword,
    principal: accounts.principal,
    checkPassword: accounts.checkPassword,
  }
  const passwords = () =>
    lifetime ? { ...world.rules.passwords, longestDays: 90, shortestHours: 1 } : world.rules.passwords
  const context = { accounts: { ...good, ...change(good) }, now: () => world.now, passwords } as unknown as ProbeContext
  const results = await Promise.all(PROBES.map((probe) => runProbe(probe, context)))
  return results.map(({ outcome }) => outcome)
}
const failing = (...which: readonly number[]): string[] => ALL.map((good, k) => (which.includes(k) ? "failed" : good))

test("[CR 1.3, CR 1.4, CR 1.5, CR 1.7] accounts in good order pass; where nobody has one, only what needs none is tested", async () => {
  assert.equal(await outcomes(() => ({})), ALL)
  assert.equal(await outcomes(() => ({}), true, true), ["not-tested", "not-tested", "passed", "passed", "not-tested"])
})

test("[CR 1.4] a name, or a key, that would be given again is found", async () => {
  assert.equal(await outcomes(() => ({ examine: () => null })), failing(0))
  const keysOnly = (good: View): Partial<View> => ({
    examine: (made) => (made.key === null ? good.examine(made) : null),
  })
  assert.equal(await outcomes(keysOnly), failing(0))
  const removedOnly = (good: View): Partial<View> => ({
    examine: (made) => (made.name === "bob" ? null : good.examine(made)),
  })
  assert.equal(await outcomes(removedOnly), failing(0))
})

test("[CR 1.3] who is removed, disabled or nobody, and is let in all the same, is found", async () => {
  for (const open of ["bob", "carl", "probe-of-accounts"]) {
    const change = (good: View): Partial<View> => ({
      principal: (name, factors, via) =>
        name === open
          ? { name, permissions: [], via, person: personOf({ id: "x", keys: [] }, factors) }
          : good.principal(name, factors, via),
    })
    assert.equal(await outcomes(change), failing(1), open)
  }
})

test("[CR 1.5] a default account is found", async () => {
  const change = (good: View): Partial<View> => ({
    checkPassword: async (name) => (name === "service" ? (good.people.accounts[0] ?? null) : null),
  })
  assert.equal(await outcomes(change), failing(2))
})

test("[CR 1.7] weak passwords that are taken, and good ones that are not, are found; so is a policy without lifetimes", async () => {
  assert.equal(await outcomes(() => ({ examinePassword: () => null })), failing(3))
  assert.equal(await outcomes(() => ({ examinePassword: () => "too-short" })), failing(3))
  assert.equal(await outcomes(() => ({}), false), failing(4))
})

test("[CR 3.4] accounts that are not believed fail", async () => {
  assert.equal((await outcomes(() => ({ fault: "ERR_ACCOUNTS_OLD" }))).slice(0, 3), ["failed", "failed", "failed"])
})

test.run()
