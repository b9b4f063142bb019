import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Accounts } from "../../../firmware/people/accounts.ts"
import type { Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { LockgateError } from "../../../policy/base/errors.ts"
import type { People } from "../../../policy/people/account.ts"
import { AccountsWorld, GOOD_PASSWORD, makeAccountKey } from "../../support/accounts.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/people/power-cut")
const KEYS = [makeAccountKey(), makeAccountKey()] as const
const bob = { name: "bob", roles: ["viewer"], expiresAt: null, key: null } as const

const SCRIPT: readonly ((accounts: Accounts) => Promise<unknown>)[] = [
  (a) => a.create({ name: "anna", roles: ["security-admin"], expiresAt: null, key: KEYS[0] }, "local:owner"),
  (a) => a.create(bob, "anna"),
  (a) => a.addKey("bob", KEYS[1], "anna"),
  (a) => a.setPassword("bob", GOOD_PASSWORD, "anna"),
  (a) => a.change("bob", { roles: ["operator"] }, "anna"),
  (a) => a.remove("bob", "anna"),
  (a) => a.create({ ...bob, name: "carl" }, "anna"),
]

/** Everything that was answered before the power went, and what was under way. */
async function run(world: AccountsWorld): Promise<{ told: People; done: number }> {
  const accounts = await world.open()
  let done = 0
  try {
    for (const act of SCRIPT) {
      await act(accounts)
      done++
    }
  } catch (error) {
    if (!(error instanceof LockgateError)) throw error
  }
  return { told: accounts.people, done }
}

/** What tells two states apart, without ids and hashes, which are others in each run. */
const plain = ({ accounts, retired }: People): unknown => [
  accounts.map(({ name, roles, keys, password }) => [name, roles, keys, password !== null]),
  retired.map(({ name }) => name),
]

test("[CR 1.3, CR 1.4] power cut at every write: what was answered is there, what was not is whole or not at all, nobody is locked out", async () => {
  const whole = new AccountsWorld()
  const states: unknown[] = [plain((await whole.open()).people)]
  const accounts = await whole.open()
  for (const act of SCRIPT) {
    await act(accounts)
    states.push(plain(accounts.people))
  }
  const { steps } = whole.storage
  assert.ok(steps > 20)
  const landings: readonly (readonly [Landed, Unsynced])[] = [
    ["none", "lost"],
    ["all", "lost"],
    ["zeros", "kept"],
    [{ prefix: 9 }, { subset: 3 }],
    ["all", "kept"],
  ]
  for (let cutAt = 1; cutAt <= steps; cutAt++) {
    for (const [landed, unsynced] of landings) {
      const world = new AccountsWorld()
      world.storage.plan = { cutAt, landed, unsynced }
      const { told, done } = await run(world)
      world.storage = world.storage.powerCut(unsynced)
      const next = await world.open()
      const where = `cut at ${cutAt}, ${JSON.stringify(landed)}, ${JSON.stringify(unsynced)}`
      assert.is(next.fault, null, where)
      const found = JSON.stringify(plain(next.people))
      assert.ok([states[done], states[done + 1]].map((state) => JSON.stringify(state)).includes(found), where)
      assert.equal(plain(told), states[done], where)
      if (done >= 6) await rejects(() => next.create(bob, "anna"), "ERR_ACCOUNT_RETIRED")
      // It goes on from there, and the next start finds that.
      if (!next.unclaimed) await next.create({ ...bob, name: "zoe" }, "anna")
      assert.is((await world.open()).fault, null, where)
    }
  }
})

test("[CR 3.4] a power cut between the file and its memory leaves the file in force, and it cannot be taken back", async () => {
  const world = new AccountsWorld()
  const accounts = await world.withAnna()
  const before = (await world.storage.read("people/accounts.json"))!
  const { keyStore } = world
  const remember = keyStore.remember.bind(keyStore)
  keyStore.remember = () => Promise.reject(new LockgateError("hardware", "ERR_IO", "the power went"))
  await rejects(() => accounts.create(bob, "anna"), "ERR_IO")
  keyStore.remember = remember
  assert.ok((await world.open()).admit("bob"))
  await world.storage.write("people/accounts.json", before)
  assert.is((await world.open()).fault, "ERR_ACCOUNTS_OLD")
})

test.run()
