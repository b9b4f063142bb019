import { randomBytes } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ACCOUNTS_FILE } from "../../../firmware/people/account-file.ts"
import { createPasswordHasher, HASH_COST, MAX_HASHING } from "../../../firmware/people/password-hash.ts"
import { AccountsWorld, GOOD_PASSWORD, makeAccountKey, quickHasher } from "../../support/accounts.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/people/passwords")
const DAY = 86_400_000
const random = (n: number): Uint8Array => randomBytes(n)

test("[CR 1.5] a hash is argon2id with 19 MiB and two passes, salted, and true of its password alone", async () => {
  const hasher = createPasswordHasher(random)
  const [a, b] = [await hasher.hash("älter als Stein"), await hasher.hash("älter als Stein")]
  assert.match(a, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.is.not(a, b)
  assert.equal(await hasher.check("a\u0308lter als Stein", a), { good: true, outdated: false })
  assert.equal(await hasher.check("Älter als Stein", a), { good: false, outdated: false })
})

test("argon2id gives what its reference gives", async () => {
  // phc-winner-argon2, test.c: version 0x13, t=2, m=2^8, p=1, "password", "somesalt", of which our hashes take a longer salt.
  const { argon2Sync } = await import("node:crypto")
  const tag = argon2Sync("argon2id", { message: Buffer.from("password"), nonce: Buffer.from("somesalt"), parallelism: 1, tagLength: 32, memory: 256, passes: 2 }) // prettier-ignore
  assert.is(tag.toString("hex"), "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe")
})

test("[CR 1.5] a hash that is none, or would cost more than there is, is nobody's: the same work, and no", async () => {
  const quick = quickHasher()
  const good = await quick.hasher.hash("x")
  await quick.hasher.check("x", null)
  const of = (memory: number, passes: number): string => good.replace("m=19456,t=2", `m=${memory},t=${passes}`)
  for (const phc of [
    "",
    "x",
    good.slice(0, -1),
    `${good}=`,
    good.replace("argon2id", "argon2i"),
    of(4_000_000, 2),
    of(4, 1),
    of(8, 0),
    of(8, 17),
  ]) {
    const before = quick.count()
    assert.is((await quick.hasher.check("x", phc)).good, false)
    assert.is(quick.count() - before, 1)
  }
})

test("[CR 7.1] one password is hashed at a time, so many wait, and who comes then is told to come again", async () => {
  let atOnce = 0
  let most = 0
  const hasher = createPasswordHasher(random, {
    work: async () => {
      most = Math.max(most, ++atOnce)
      await new Promise((resolve) => setImmediate(resolve))
      atOnce--
      return new Uint8Array(32)
    },
  })
  const all = Array.from({ length: MAX_HASHING + 3 }, () => hasher.hash("x"))
  const ends = await Promise.allSettled(all)
  assert.equal([most, ends.filter(({ status }) => status === "rejected").length], [1, 3])
  await rejects(() => all[MAX_HASHING], "ERR_PASSWORDS_BUSY")
  assert.ok(await hasher.hash("x"), "a place is free again")
})

test("[CR 1.10] every name costs one hash: of nobody, disabled, expired, without a password, right or wrong", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  for (const name of ["bob", "carl", "dora"]) {
    await accounts.create({ name, roles: ["viewer"], expiresAt: null, key: null }, "anna")
    await accounts.setPassword(name, GOOD_PASSWORD, "anna")
  }
  await accounts.change("carl", { enabled: false }, "anna")
  await accounts.change("dora", { expiresAt: world.now.earliestAt - 1 }, "anna")
  await accounts.checkPassword("nobody", "first of all")
  const tries = [["bob", GOOD_PASSWORD], ["bob", "wrong"], ["anna", "x"], ["carl", GOOD_PASSWORD], ["dora", GOOD_PASSWORD], ["eve", "x"], ["", ""]] as const // prettier-ignore
  const seen = []
  for (const [name, password] of tries) {
    const before = world.quick.count()
    const account = await accounts.checkPassword(name, password)
    seen.push([account?.name ?? null, world.quick.count() - before])
  }
  assert.equal(seen, [["bob", 1], [null, 1], [null, 1], [null, 1], [null, 1], [null, 1], [null, 1]]) // prettier-ignore
})

test("[CR 1.3] who is disabled while the password is being checked is not let in", async () => {
  let meanwhile: () => Promise<unknown> = async () => undefined
  const quick = quickHasher().hasher
  const hasher: typeof quick = {
    hash: quick.hash,
    check: async (...given) => {
      const found = await quick.check(...given)
      await meanwhile()
      return found
    },
  }
  const accounts = await new AccountsWorld().withAnna({ hasher })
  await accounts.create({ name: "bob", roles: ["viewer"], expiresAt: null, key: null }, "anna")
  await accounts.setPassword("bob", GOOD_PASSWORD, "bob")
  assert.ok(await accounts.checkPassword("bob", GOOD_PASSWORD))
  meanwhile = () => accounts.change("bob", { enabled: false }, "anna")
  assert.is(await accounts.checkPassword("bob", GOOD_PASSWORD), null)
})

test("[CR 1.7] a weak password is refused with why, and the one before stays", async () => {
  const accounts = await new AccountsWorld().withAnna()
  await accounts.setPassword("anna", GOOD_PASSWORD, "anna")
  for (const [password, fault] of [
    ["short", "too-short"],
    ["password2026", "guessable"],
    ["on melter-7 at noon", "holds-name"],
  ] as const) {
    const error = await rejects(() => accounts.setPassword("anna", password, "anna"), "ERR_PASSWORD_WEAK")
    assert.is(error.detail["fault"], fault)
    assert.not(error.message.includes(`${password} `))
  }
  assert.ok(await accounts.checkPassword("anna", GOOD_PASSWORD))
})

test("[CR 1.7 RE(1)] the last five do not come back, nor is one changed too soon, as the policy says", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  const nth = (n: number): string => `heron number ${n} stands`
  for (let n = 0; n <= 6; n++) await accounts.setPassword("anna", nth(n), "anna")
  for (const n of [6, 5, 1]) await rejects(() => accounts.setPassword("anna", nth(n), "anna"), "ERR_PASSWORD_USED")
  await accounts.setPassword("anna", nth(0), "anna")
  assert.is(accounts.people.accounts[0]?.password?.earlier.length, 5)
  world.rules = { ...world.rules, passwords: { ...world.rules.passwords, shortestHours: 24 } }
  await rejects(() => accounts.setPassword("anna", nth(9), "anna"), "ERR_PASSWORD_TOO_NEW")
  await accounts.setPassword("anna", nth(9), "bob")
  await accounts.setPassword("anna", nth(10), "anna")
})

test("[CR 1.7 RE(1), RE(2)] a password past its time lets its person only change it; where no clock can tell it is written down", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  await accounts.setPassword("anna", GOOD_PASSWORD, "anna")
  world.rules = { ...world.rules, passwords: { ...world.rules.passwords, longestDays: 90 } }
  const may = (factor: "key" | "password"): number =>
    accounts.principal("anna", [factor], "local")?.permissions.length ?? -1
  assert.ok(may("password") > 0)
  const start = world.now.earliestAt
  world.now = { earliestAt: start, latestAt: Infinity }
  assert.ok(may("password") > 0)
  assert.equal(world.log.events.at(-1)?.id, "account.time-uncertain")
  world.now = { earliestAt: start + 91 * DAY, latestAt: Infinity }
  assert.is(may("password"), 0)
  assert.ok(may("key") > 0)
  assert.ok(await accounts.checkPassword("anna", GOOD_PASSWORD), "it is still the right one")
})

test("a hash of an older cost is made anew at the next good check, and at no other", async () => {
  const world = new AccountsWorld()
  const old = createPasswordHasher(random, { cost: { memory: 8, passes: 1 } })
  const before = await world.withAnna({ hasher: old })
  await before.setPassword("anna", GOOD_PASSWORD, "anna")
  const accounts = await world.open({ hasher: createPasswordHasher(random, { cost: { memory: 16, passes: 1 } }) })
  const hash = (): string => accounts.people.accounts[0]?.password?.hash ?? ""
  await accounts.checkPassword("anna", "wrong")
  assert.match(hash(), "m=8,t=1")
  assert.ok(await accounts.checkPassword("anna", GOOD_PASSWORD))
  assert.match(hash(), "m=16,t=1")
  assert.ok(await accounts.checkPassword("anna", GOOD_PASSWORD))
  assert.ok(HASH_COST.memory >= 19_456)
})

test("[CR 4.1] no password is in the file", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  await accounts.addKey("anna", makeAccountKey(), "anna")
  await accounts.setPassword("anna", GOOD_PASSWORD, "anna")
  assert.not(new TextDecoder().decode((await world.storage.read(ACCOUNTS_FILE)) ?? undefined).includes(GOOD_PASSWORD))
})

test.run()
