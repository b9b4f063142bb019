import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { CommandAnswer, Principal } from "../../../policy/command/port.ts"
import { ALL_PERMISSIONS } from "../../../policy/command/permission.ts"
import type { Inputs } from "../../../policy/filter/inputs.ts"
import { DEFAULT_PEOPLE } from "../../../policy/people/rules.ts"
import { GatedDoor } from "../../support/approvals.ts"
import { makeAccountKey } from "../../support/accounts.ts"

const test = suite("firmware/people/approvals")

const POLICY = { twoPersons: ["policy", "people"] } as const
const TWO = { bob: "security-admin", carl: "engineer", dora: "operator" }
const confirm = (door: GatedDoor, who = "anna"): Promise<CommandAnswer> =>
  door.give(who, "policy.confirm", { version: 7 })
const code = (answer: CommandAnswer): string => (answer.ok ? "ok" : answer.code)
const owner: Principal = { name: "local:owner", permissions: ALL_PERMISSIONS, via: "local" }

test("[CR 2.1 RE(4)] a command waits and does not run; a second person with its permission lets it run as who asked", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  const answer = await confirm(door)
  const hash = GatedDoor.hash(answer)
  assert.equal(answer, { ok: false, code: "ERR_APPROVAL_NEEDED", entry: 0, waits: hash })
  assert.match(hash, /^[0-9a-f]{64}$/)
  assert.equal(door.executed, [])
  assert.equal(door.entries(), ["command.waiting anna policy.confirm"])

  assert.equal(await door.give("carl", "approval.give", { hash }), { ok: true, result: "policy.confirm" })
  assert.equal(door.executed, ["policy.confirm"])
  const [, , , executed] = door.world.log.events
  assert.equal(executed?.detail?.["approvedBy"], "carl")
  assert.equal(executed?.detail?.["hash"], hash)
  assert.match(executed?.request ?? "", /^[0-9a-f]{64}$/)
  assert.equal(door.entries(), [
    "command.accepted carl approval.give",
    "command.approved carl policy.confirm",
    "command.accepted anna policy.confirm",
    "command.executed anna policy.confirm",
    "command.executed carl approval.give",
  ])
})

test("[CR 2.1 RE(4)] nobody approves twice, themselves, without its permission, without an account, or another hash", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  const hash = GatedDoor.hash(await confirm(door))
  assert.is(code(await door.give("anna", "approval.give", { hash })), "ERR_COMMAND_STATE")
  assert.is(door.world.log.events.at(-1)?.reason, "ERR_APPROVAL_SAME_PERSON")
  assert.is(code(await door.give("dora", "approval.give", { hash })), "ERR_NOT_PERMITTED")
  assert.is(code(await door.give(owner, "approval.give", { hash })), "ERR_NOT_PERMITTED")
  assert.is(code(await door.give(null, "approval.give", { hash })), "ERR_NOT_AUTHENTICATED")
  const other = hash.replace(/^./, (digit) => (digit === "0" ? "1" : "0"))
  assert.is(code(await door.give("bob", "approval.give", { hash: other })), "ERR_COMMAND_STATE")
  assert.equal(door.executed, [])
  assert.is(code(await door.give("bob", "approval.give", { hash })), "ok")
  assert.is(code(await door.give("bob", "approval.give", { hash })), "ERR_COMMAND_STATE")
  assert.is(code(await door.give("carl", "approval.give", { hash })), "ERR_COMMAND_STATE")
  assert.equal(door.executed, ["policy.confirm"])
})

test("[CR 2.1 RE(4)] one key under two names is one person, also when the key changed its account meanwhile", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  const key = makeAccountKey()
  await door.accounts.addKey("anna", key, "anna")
  const hash = GatedDoor.hash(await confirm(door))
  // Anna makes her key another account's, and comes under its name.
  await door.accounts.removeKey("anna", key.thumbprint, "anna")
  await door.accounts.addKey("bob", key, "anna")
  assert.is(code(await door.give("bob", "approval.give", { hash })), "ERR_COMMAND_STATE")
  assert.is(door.world.log.events.at(-1)?.reason, "ERR_APPROVAL_SAME_PERSON")
  // Or she takes over a key of the other after she asked.
  const own = makeAccountKey()
  await door.accounts.addKey("carl", own, "anna")
  const carl = door.accounts.principal("carl", ["key"], "local")
  await door.accounts.removeKey("carl", own.thumbprint, "anna")
  await door.accounts.addKey("anna", own, "anna")
  assert.is(code(await door.give(carl, "approval.give", { hash })), "ERR_COMMAND_STATE")
  assert.equal(door.executed, [])
})

test("[CR 2.1 RE(4)] two who approve at once let it run once", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  const hash = GatedDoor.hash(await confirm(door))
  const answers = await Promise.all(["bob", "carl"].map((name) => door.give(name, "approval.give", { hash })))
  assert.equal(answers.map(code).sort(), ["ERR_COMMAND_STATE", "ok"])
  assert.equal(door.executed, ["policy.confirm"])
})

test("[CR 2.1 RE(4)] what nobody approves in its time lapses, is told once, and can be approved no more", async () => {
  const door = await GatedDoor.open({ ...POLICY, approvalMs: 60_000 }, TWO)
  const hash = GatedDoor.hash(await confirm(door))
  door.clock.advance(59_999)
  assert.equal(door.entries(), ["command.waiting anna policy.confirm"])
  assert.is(door.approvals.list().length, 1)
  door.clock.advance(1)
  assert.equal(door.entries(), ["command.lapsed anna policy.confirm"])
  assert.equal(door.approvals.list(), [])
  door.clock.advance(600_000)
  assert.equal(door.entries(), [])
  assert.is(code(await door.give("bob", "approval.give", { hash })), "ERR_COMMAND_STATE")
  assert.equal(door.executed, [])
})

test("[CR 2.1 RE(4)] a restart forgets what waited", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  const hash = GatedDoor.hash(await confirm(door))
  const after = await GatedDoor.open(POLICY, TWO)
  assert.is(code(await after.give("bob", "approval.give", { hash })), "ERR_COMMAND_STATE")
  door.approvals.stop()
  door.clock.advance(86_400_000)
  assert.equal(door.entries(), ["command.waiting anna policy.confirm"])
  assert.is(code(await door.give("bob", "approval.give", { hash })), "ERR_COMMAND_STATE")
})

test("[CR 2.1 RE(4)] rights are judged again: of who asked, disabled, or with another role meanwhile", async () => {
  for (const change of [{ enabled: false }, { roles: ["viewer"] }]) {
    const door = await GatedDoor.open(POLICY, TWO)
    const hash = GatedDoor.hash(await confirm(door, "carl"))
    await door.accounts.change("carl", change, "anna")
    door.world.log.events.length = 0
    assert.is(code(await door.give("bob", "approval.give", { hash })), "ERR_NOT_PERMITTED")
    assert.equal(door.executed, [])
    const refused = door.world.log.events.find(({ id }) => id === "command.refused")
    assert.equal([refused?.subject, refused?.detail?.["approvedBy"]], ["carl", "bob"])
  }
  const door = await GatedDoor.open(POLICY, TWO)
  const hash = GatedDoor.hash(await confirm(door))
  // And of who approves.
  await door.accounts.change("carl", { roles: ["viewer"] }, "anna")
  assert.is(code(await door.give("carl", "approval.give", { hash })), "ERR_NOT_PERMITTED")
  assert.is(door.approvals.list().length, 1)
})

test("[CR 1.1 RE(2)] who approves passes the same gates as who asked: two factors, somebody there", async () => {
  const door = await GatedDoor.open({ ...POLICY, twoFactors: ["policy"] }, TWO)
  assert.is(code(await confirm(door)), "ERR_SECOND_FACTOR")
  const asked = await door.give("anna", "policy.confirm", { version: 7 }, ["key", "password"])
  const hash = GatedDoor.hash(asked)
  assert.is(code(await door.give("bob", "approval.give", { hash })), "ERR_SECOND_FACTOR")
  assert.is(code(await door.give("bob", "approval.give", { hash }, ["token"])), "ok")
})

test("[EDR 2.13] where presence is asked for, the inputs must surely show it when it is asked and when it is executed", async () => {
  const presentWhen = [{ input: "key-switch", is: true, state: "service" }]
  const door = await GatedDoor.open({ ...POLICY, presence: ["policy"], presentWhen }, TWO)
  const there: Inputs = new Map([["key-switch", { state: "service", words: ["service", "run"] }]])
  const cases: readonly (readonly [Inputs, string])[] = [
    [new Map(), "ERR_NOT_PRESENT"],
    [new Map([["key-switch", { state: "run" }]]), "ERR_NOT_PRESENT"],
    [new Map([["key-switch", { state: "service", words: ["on", "off"] }]]), "ERR_NOT_PRESENT"],
    [there, "ERR_APPROVAL_NEEDED"],
  ]
  for (const [inputs, expected] of cases) {
    door.inputs = inputs
    assert.is(code(await confirm(door)), expected)
  }
  const [waiting] = door.approvals.list()
  door.inputs = new Map()
  assert.is(code(await door.give("bob", "approval.give", { hash: waiting?.hash })), "ERR_NOT_PRESENT")
  assert.equal(door.executed, [])
  door.inputs = there
  assert.is(code(await door.give("bob", "approval.give", { hash: waiting?.hash })), "ok")
  door.inputs = new Map()
  // It asks for a hand at the device of who holds the machine, too.
  assert.is(code(await door.give(owner, "policy.confirm", { version: 7 })), "ERR_NOT_PRESENT")
  door.world.rules = { ...door.world.rules, presentWhen: null }
  door.inputs = there
  assert.is(code(await confirm(door)), "ERR_NOT_PRESENT")
})

test("[NDR 5.2] what is fail-safe waits for nobody and for nothing, whatever the policy says", async () => {
  const all = { twoPersons: ALL_PERMISSIONS, presence: ALL_PERMISSIONS, twoFactors: ALL_PERMISSIONS }
  const door = await GatedDoor.open(all, TWO)
  assert.is(code(await door.give("dora", "island", { state: "on" })), "ok")
  assert.is(code(await door.give("dora", "island", { state: "off" })), "ERR_SECOND_FACTOR")
  for (const [command, given] of [
    ["override.end", { emergency: "fire" }],
    ["access.end", { conduit: "remote" }],
    ["access.end-all", {}],
  ] as const)
    // prettier-ignore
    assert.is(code(await door.give("anna", command, given)), "ok")
  assert.equal(door.executed, ["island", "override.end", "access.end", "access.end-all"])
})

test("[CR 2.1 RE(4)] a secret waits in memory alone: neither the log nor the list has it, nor what it could be guessed by", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  const secret = "seven grey herons"
  const answer = await door.give("anna", "account.password-set", { name: "dora", password: secret })
  assert.is(code(answer), "ERR_APPROVAL_NEEDED")
  const list = await door.give("dora", "approval.list")
  assert.not(JSON.stringify([list, door.world.log.events]).includes(secret))
  const [waiting] = door.approvals.list()
  assert.equal([waiting?.arguments, waiting?.number], [{ name: "dora", password: "(not shown)" }, null])
  assert.is(door.world.log.events[0]?.request, undefined)
  assert.is(code(await door.give("bob", "approval.give", { hash: waiting?.hash })), "ok")
  assert.equal(door.executed, ["account.password-set"])
})

test("[CR 2.1 RE(4)] who asked takes it back, or somebody who manages people; nobody else", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  const hash = GatedDoor.hash(await confirm(door, "carl"))
  assert.is(code(await door.give("dora", "approval.withdraw", { hash })), "ERR_NOT_PERMITTED")
  assert.is(code(await door.give("carl", "approval.withdraw", { hash })), "ok")
  assert.is(code(await door.give("carl", "approval.withdraw", { hash })), "ERR_COMMAND_STATE")
  assert.is(code(await door.give("anna", "approval.give", { hash })), "ERR_COMMAND_STATE")
  const again = GatedDoor.hash(await confirm(door, "carl"))
  assert.is.not(again, hash)
  door.world.log.events.length = 0
  assert.is(code(await door.give("anna", "approval.withdraw", { hash: again })), "ok")
  assert.ok(door.entries().includes("command.withdrawn anna policy.confirm"))
  assert.equal(door.executed, [])
})

test("asked again it is one command whose time begins anew; four of a person wait at most", async () => {
  const door = await GatedDoor.open({ ...POLICY, approvalMs: 60_000 }, TWO)
  const hash = GatedDoor.hash(await confirm(door))
  door.clock.advance(50_000)
  assert.is(GatedDoor.hash(await confirm(door)), hash)
  door.clock.advance(50_000)
  assert.is(door.approvals.list().length, 1)
  for (const version of [1, 2, 3]) await door.give("anna", "policy.confirm", { version })
  assert.is(code(await door.give("anna", "policy.confirm", { version: 4 })), "ERR_COMMAND_STATE")
  assert.is(code(await door.give("bob", "policy.confirm", { version: 4 })), "ERR_APPROVAL_NEEDED")
})

test("[CR 2.10] while the log is down nothing begins to wait, and nothing is approved", async () => {
  const door = await GatedDoor.open(POLICY, TWO)
  door.world.log.failsFrom = 0
  assert.equal(await confirm(door), { ok: false, code: "ERR_COMMAND_FAILED", entry: null })
  assert.equal(door.approvals.list(), [])
  door.world.log.failsFrom = Infinity
  const hash = GatedDoor.hash(await confirm(door))
  door.world.log.failsFrom = 0
  assert.is(code(await door.give("bob", "approval.give", { hash })), "ERR_COMMAND_FAILED")
  assert.equal(door.executed, [])
})

test("the second person is never asked for by the list of what waits, nor by a live view", async () => {
  const door = await GatedDoor.open({ twoPersons: ["read"] }, TWO)
  assert.is(code(await door.give("dora", "approval.list")), "ok")
  assert.is(code(await door.give("dora", "status")), "ok")
  assert.is(code(await door.give("dora", "alarm.list")), "ERR_APPROVAL_NEEDED")
})

test("without a word of the policy nothing waits", async () => {
  const door = await GatedDoor.open({ twoPersons: DEFAULT_PEOPLE.twoPersons }, TWO)
  assert.is(code(await confirm(door)), "ok")
})

test.run()
