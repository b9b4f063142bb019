import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { AccountNews } from "../../../firmware/people/accounts.ts"
import { ACCOUNTS_FILE, encodeAccounts, parseAccounts } from "../../../firmware/people/account-file.ts"
import { ALL_PERMISSIONS } from "../../../policy/command/permission.ts"
import { AccountsWorld, GOOD_PASSWORD, makeAccountKey } from "../../support/accounts.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/people/accounts")
const DAY = 86_400_000
const bob = { name: "bob", roles: ["operator"], expiresAt: null, key: null } as const

test("[CR 1.5] a new gateway has no account, no password and no file of them", async () => {
  const world = new AccountsWorld()
  const accounts = await world.open()
  assert.equal([accounts.unclaimed, accounts.people.accounts, accounts.fault], [true, [], null])
  assert.equal([accounts.admit("admin"), accounts.principal("root", ["key"], "local")], [null, null])
  assert.is(await accounts.checkPassword("admin", "admin"), null)
  assert.equal([await world.storage.list(""), await world.keyStore.recall("people"), world.log.events], [[], null, []])
})

test("[CR 1.3] the first account is an administrator with a key, is an alarm in the log, and is there after a restart", async () => {
  const world = new AccountsWorld()
  const accounts = await world.open()
  await rejects(() => accounts.create({ ...bob, key: makeAccountKey() }, "local:owner"), "ERR_FIRST_ADMINISTRATOR")
  assert.is(accounts.unclaimed, true)
  const key = makeAccountKey(true)
  const made = { name: "anna", roles: ["security-admin"], expiresAt: null, key }
  const { before, after } = await accounts.create(made, "local:owner")
  assert.equal([before, after?.keys, accounts.unclaimed], [null, [key], false])
  assert.equal(
    world.log.events.map(({ id, subject, object }) => [id, subject, object]),
    [
      ["account.first", "local:owner", "anna"],
      ["account.created", "local:owner", "anna"],
    ],
  )
  const again = await world.open()
  assert.equal([again.people, again.unclaimed], [accounts.people, false])
})

test("[CR 2.1 RE(2)] what a person may do is read anew from account and rules for each command", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  await accounts.create(bob, "anna")
  assert.equal(accounts.principal("bob", ["password"], "local")?.permissions, ["read", "alarm", "island"])
  await accounts.change("bob", { roles: ["viewer"] }, "anna")
  assert.equal(accounts.principal("bob", ["password"], "mqtt")?.permissions, ["read"])
  world.rules = { ...world.rules, roles: { viewer: ALL_PERMISSIONS } }
  assert.equal(accounts.principal("bob", ["key"], "local")?.permissions, ALL_PERMISSIONS)
  assert.equal(accounts.principal("anna", ["key"], "local")?.permissions, [])
})

test("[CR 1.3] who is disabled, past the end or removed is nobody; an end that no clock can tell is written down once", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  const expiresAt = world.now.earliestAt + DAY
  await accounts.create({ ...bob, expiresAt }, "anna")
  assert.is(accounts.admit("bob")?.name, "bob")
  world.now = { earliestAt: expiresAt - 1, latestAt: Infinity }
  const told = (): number => world.log.events.filter(({ id }) => id === "account.time-uncertain").length
  assert.is(told(), 0)
  for (let k = 0; k < 3; k++) assert.is(accounts.admit("bob")?.name, "bob")
  assert.is(told(), 1)
  world.now = { earliestAt: expiresAt + 1, latestAt: Infinity }
  assert.is(accounts.admit("bob"), null)
  await accounts.change("bob", { expiresAt: null }, "anna")
  assert.is(accounts.admit("bob")?.name, "bob")
  await accounts.change("bob", { enabled: false }, "anna")
  assert.is(accounts.principal("bob", ["key"], "local"), null)
  assert.equal(world.log.events.at(-1)?.detail, {
    before: "operator; enabled; ends never",
    after: "operator; disabled; ends never",
  })
  await accounts.remove("bob", "anna")
  assert.is(accounts.admit("bob"), null)
  await rejects(() => accounts.create(bob, "anna"), "ERR_ACCOUNT_RETIRED")
  const again = await world.open()
  await rejects(() => again.create(bob, "anna"), "ERR_ACCOUNT_RETIRED")
})

test("whoever listens hears each change once it is on disk, and not after it ended its listening", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  const heard: AccountNews["what"][] = []
  const end = accounts.onChange(({ what }) => heard.push(what))
  await accounts.create(bob, "anna")
  const key = makeAccountKey()
  await accounts.addKey("bob", key, "anna")
  await accounts.removeKey("bob", key.thumbprint, "anna")
  await accounts.setPassword("bob", GOOD_PASSWORD, "anna")
  await rejects(() => accounts.change("nobody", { enabled: false }, "anna"), "ERR_ACCOUNT_UNKNOWN")
  world.storage.fail({ step: "write", errno: "EIO" })
  await rejects(() => accounts.change("bob", { enabled: false }, "anna"), "ERR_IO")
  assert.is(accounts.admit("bob")?.enabled, true)
  await accounts.change("bob", { enabled: false }, "anna")
  end()
  await accounts.remove("bob", "anna")
  assert.equal(heard, ["created", "keys", "keys", "password", "changed"])
})

test("[CR 2.1] changes at the same time come one after the other: two administrators cannot remove each other", async () => {
  const accounts = await new AccountsWorld().withAnna()
  await accounts.create({ name: "carl", roles: ["security-admin"], expiresAt: null, key: makeAccountKey() }, "anna")
  const ends = await Promise.allSettled([accounts.remove("anna", "carl"), accounts.remove("carl", "anna")])
  assert.equal(
    ends.map(({ status }) => status),
    ["fulfilled", "rejected"],
  )
  assert.equal(
    accounts.people.accounts.map(({ name }) => name),
    ["carl"],
  )
})

test("[CR 3.4] the file reads back, and nothing else is one: cut, flipped, or sealed by somebody else", async () => {
  const world = new AccountsWorld()
  await world.withAnna()
  const secret = await world.keyStore.secret("people")
  const bytes = (await world.storage.read(ACCOUNTS_FILE))!
  const { revision, people } = parseAccounts(bytes, secret)
  assert.equal(encodeAccounts(revision, people, secret), bytes)
  for (const hostile of [...truncations(bytes), ...bitFlips(bytes), new Uint8Array(5e6)]) {
    await rejects(() => parseAccounts(hostile, secret), "ERR_ACCOUNTS_DAMAGED")
  }
  await rejects(
    () => parseAccounts(encodeAccounts(revision, people, new Uint8Array(32)), secret),
    "ERR_ACCOUNTS_DAMAGED",
  )
})

for (const [what, code] of [
  ["edited", "ERR_ACCOUNTS_DAMAGED"],
  ["removed", "ERR_ACCOUNTS_MISSING"],
  ["put back", "ERR_ACCOUNTS_OLD"],
] as const) {
  test(`[CR 3.4] a file that was ${what} opens nothing: nobody signs in, the owner of the machine does not come back`, async () => {
    const world = new AccountsWorld()
    const accounts = await world.withAnna()
    const old = (await world.storage.read(ACCOUNTS_FILE))!
    await accounts.create(bob, "anna")
    const bytes = (await world.storage.read(ACCOUNTS_FILE))!
    const edited = new TextEncoder().encode(new TextDecoder().decode(bytes).replace('"operator"', '"engineer"'))
    if (what === "removed") await world.storage.remove(ACCOUNTS_FILE)
    else await world.storage.write(ACCOUNTS_FILE, what === "edited" ? edited : old)
    const next = await world.open()
    assert.equal([next.fault, next.unclaimed, next.people.accounts, next.admit("anna")], [code, false, [], null])
    assert.equal(world.log.events.at(-1)?.id, "account.file-refused")
    assert.is(world.log.events.at(-1)?.reason, code)
    await rejects(
      () =>
        next.create({ name: "eve", roles: ["security-admin"], expiresAt: null, key: makeAccountKey() }, "local:owner"),
      "ERR_ACCOUNTS_CLOSED",
    )
    // Nothing was overwritten: the right file opens it again.
    await world.storage.write(ACCOUNTS_FILE, bytes)
    assert.equal((await world.open()).people, accounts.people)
  })
}

test("[CR 3.4] a file of a write that failed does not come back after a later one", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  world.storage.fail({ step: "sync-folder", errno: "EIO" })
  await rejects(() => accounts.create(bob, "anna"), "ERR_IO")
  const failed = (await world.storage.read(ACCOUNTS_FILE))!
  await accounts.change("anna", { roles: ["security-admin", "viewer"] }, "anna")
  await world.storage.write(ACCOUNTS_FILE, failed)
  assert.is((await world.open()).fault, "ERR_ACCOUNTS_OLD")
})

test("a disk that cannot be read, or a key store that cannot, closes the accounts and not the gateway", async () => {
  const world = new AccountsWorld()
  await world.withAnna()
  const { HardwareError } = await import("../../../policy/base/errors.ts")
  const dead = async (): Promise<never> => {
    throw new HardwareError("ERR_IO", "dead")
  }
  const accounts = await world.open({ storage: { read: dead, write: dead } })
  assert.equal([accounts.fault, accounts.unclaimed, accounts.admit("anna")], ["ERR_IO", false, null])
})

test.run()
