import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { createGatekeeper } from "../../../firmware/people/gatekeeper.ts"
import { ALL_PERMISSIONS, OWN, type Permission } from "../../../policy/command/permission.ts"
import type { CommandAnswer, CommandId, Principal } from "../../../policy/command/port.ts"
import { COMMANDS, type CommandRow } from "../../../policy/command/table.ts"
import { BUILT_IN_ROLES, DEFAULT_PEOPLE, permissionsOf, type PeopleRules } from "../../../policy/people/rules.ts"
import { IDS, MemoryLog, recordingHandlers, REQUESTS } from "../../support/commands.ts"

const test = suite("firmware/management/permission-table")

/**
 * What each command was decided to ask for. It is written a second time on purpose: a command that is added, or whose permission is
 * changed, must be decided here, too.
 */
const DECIDED: Readonly<Record<Permission | typeof OWN | "nobody", readonly string[]>> = {
  read: ["status", "trust.status", "alarm.list", "approval.list", "approval.needed", "session.list"],
  alarm: ["alarm.acknowledge"],
  island: ["island", "conduit.restore"],
  access: ["access.grant", "access.end", "access.end-all"],
  override: ["override.start", "override.end"],
  record: ["recording.start", "recording.stop", "recording.status", "recording.read"],
  policy: ["audit.rotate-key", "policy.activate", "bundle.offer", "bundle.chunk", "policy.confirm", "policy.rollback"],
  trust: ["trust.reload", "trust.crl"],
  time: ["time.nonce", "time.set"],
  board: ["tamper.clear", "board.input"],
  people: [
    "account.list",
    "account.create",
    "account.change",
    "account.remove",
    "account.key-add",
    "account.key-remove",
    "account.password-set",
    "session.end",
  ],
  assess: ["assess"],
  // Of every person, about their own account, or judged further by what waits.
  [OWN]: ["account.password", "approval.give", "approval.withdraw", "session.lock"],
  // Of anybody: what is there to sign in with, and nothing else.
  nobody: ["notice", "session.challenge", "session.open", "session.unlock", "session.close"],
}
const decision = (id: string): string => Object.entries(DECIDED).find(([, ids]) => ids.includes(id))?.[0] ?? "undecided"

/** Commands that wait for nothing, as the request of the test gives them. */
const FAIL_SAFE = ["island", "override.end", "access.end", "access.end-all"]
/** Commands for which no second person is asked. */
const NEVER_APPROVED = [
  ...["status", "bundle.chunk", "approval.list"],
  // They look at what the same permission changes.
  ...["account.list", "recording.status", "recording.read", "time.nonce"],
]

interface Cell {
  readonly role: string
  readonly id: CommandId
  readonly rules?: Partial<PeopleRules>
}

async function ask({ role, id, rules = {} }: Cell): Promise<{ answer: CommandAnswer; executed: string[] }> {
  const all: PeopleRules = { ...DEFAULT_PEOPLE, ...rules }
  const executed: string[] = []
  const gatekeeper = createGatekeeper({ rules: () => all, inputs: () => new Map() })
  const port = createManagement({
    handlers: recordingHandlers(executed),
    audit: new MemoryLog().audit,
    gates: { judge: gatekeeper.judge, wait: async () => ({ hash: "h", entry: 0 }) },
  })
  const person = { account: "1", factors: ["key"], keys: ["k"] } as const
  const principal: Principal = { name: "anna", permissions: permissionsOf([role], all), via: "local", person }
  return { answer: await port.execute(principal, REQUESTS[id]), executed }
}
const codeOf = (answer: CommandAnswer): string => (answer.ok ? "ok" : answer.code)

test("[CR 2.1] every command of the table was decided, and asks for what was decided; nothing else was", () => {
  for (const [id, row] of Object.entries<CommandRow>(COMMANDS)) {
    assert.is(decision(id), row.permission ?? "nobody", `${id}: decide in DECIDED who may give it`)
  }
  assert.equal(Object.values(DECIDED).flat().sort(), [...IDS].sort())
})

test("[CR 2.1 RE(2)] every built-in role x every command: exactly what its permissions give", async () => {
  let refused = 0
  for (const [role, permissions] of Object.entries(BUILT_IN_ROLES)) {
    for (const id of IDS) {
      const wanted = decision(id)
      const may = wanted === OWN || wanted === "nobody" || permissions.includes(wanted as Permission)
      const { answer, executed } = await ask({ role, id })
      assert.equal([codeOf(answer), executed], may ? ["ok", [id]] : ["ERR_NOT_PERMITTED", []], `${role} ${id}`)
      if (!may) refused++
    }
  }
  assert.ok(refused > 50)
})

test("[CR 2.1] every permission x every command: a role of that one alone gives its own commands, taking it away takes them", async () => {
  for (const permission of ALL_PERMISSIONS) {
    const roles = { only: [permission], without: ALL_PERMISSIONS.filter((other) => other !== permission) }
    for (const id of IDS) {
      const wanted = decision(id)
      const always = wanted === OWN || wanted === "nobody"
      const only = await ask({ role: "only", id, rules: { roles } })
      assert.is(
        codeOf(only.answer),
        always || wanted === permission ? "ok" : "ERR_NOT_PERMITTED",
        `${permission} ${id}`,
      )
      const without = await ask({ role: "without", id, rules: { roles } })
      assert.is(codeOf(without.answer), always || wanted !== permission ? "ok" : "ERR_NOT_PERMITTED")
    }
  }
})

for (const [gate, key, code] of [
  ["a second person", "twoPersons", "ERR_APPROVAL_NEEDED"],
  ["a second factor", "twoFactors", "ERR_SECOND_FACTOR"],
  ["somebody at the device", "presence", "ERR_NOT_PRESENT"],
] as const) {
  test(`[CR 2.1 RE(4)] every permission x every role x every command: ${gate} is asked for by exactly what the policy names`, async () => {
    for (const permission of ALL_PERMISSIONS) {
      for (const [role, permissions] of Object.entries(BUILT_IN_ROLES)) {
        for (const id of IDS) {
          const wanted = decision(id)
          const may = wanted === OWN || wanted === "nobody" || permissions.includes(wanted as Permission)
          const isExempt = FAIL_SAFE.includes(id) || (key === "twoPersons" && NEVER_APPROVED.includes(id))
          const expected = !may ? "ERR_NOT_PERMITTED" : wanted === permission && !isExempt ? code : "ok"
          const { answer, executed } = await ask({ role, id, rules: { [key]: [permission] } })
          assert.equal(
            [codeOf(answer), executed],
            [expected, expected === "ok" ? [id] : []],
            `${permission} ${role} ${id}`,
          )
        }
      }
    }
  })
}

test.run()
