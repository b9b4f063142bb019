import { createHash } from "node:crypto"
import type { Clock } from "../../hal/clock.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { ALL_PERMISSIONS } from "../../policy/command/permission.ts"
import type { CommandAnswer, Principal } from "../../policy/command/port.ts"
import { COMMANDS } from "../../policy/command/table.ts"
import { NO_INPUTS } from "../../policy/filter/inputs.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import { createManagement, type Handlers } from "../management/pipeline.ts"
import { approvalHandlers } from "./approval-handlers.ts"
import { createApprovals } from "./approvals.ts"
import { createGatekeeper } from "./gatekeeper.ts"

/** What came of a command that waited, approved in turn by who asked, by the same key under another name, and by a second person. */
export interface ApprovalRehearsal {
  /** Code of each answer, or `ok`, in that order; the last is the second person once more. */
  readonly asked: string
  readonly answers: readonly string[]
  /** How often the command had run after each of them; the first number is before any. */
  readonly ran: readonly number[]
  /** Whether an entry of its execution names both. */
  readonly namesBoth: boolean
}

const NEVER: Clock = { wall: () => ({ at: 0, trusted: false }), monotonicMs: () => 0, after: () => () => undefined }

/**
 * What the gateway's own door makes of a command for which these rules, and `policy` beside them, ask a second person. People,
 * handlers and log are of the rehearsal alone: nothing changes and nothing is written.
 */
export async function rehearseApproval(live: PeopleRules): Promise<ApprovalRehearsal> {
  const twoPersons = [...new Set([...live.twoPersons, "policy" as const])]
  const rules = (): PeopleRules => ({ ...live, twoPersons, presence: [], twoFactors: [] })
  const entries: AuditEvent[] = []
  const audit = async (event: AuditEvent): Promise<number> => entries.push(event) - 1
  const principal = (name: string, key: string): Principal => ({
    name,
    permissions: ALL_PERMISSIONS,
    via: "local",
    person: { account: name, factors: ["token"], keys: [key] },
  })
  const first = principal("first", "one")
  const people = [first, principal("alias", "one"), principal("second", "two"), principal("second", "two")]
  let ran = 0
  const gatekeeper = createGatekeeper({ rules, inputs: () => NO_INPUTS })
  const approvals = createApprovals({
    ...{ clock: NEVER, rules, gatekeeper, audit },
    accounts: { principal: () => first },
    random: (bytes) => createHash("sha512").update("rehearsal").digest().subarray(0, bytes),
  })
  const nothing = Object.fromEntries(Object.keys(COMMANDS).map((id) => [id, async () => ({ result: ++ran })]))
  const door = createManagement({
    handlers: {
      ...(nothing as unknown as Handlers),
      ...approvalHandlers({ approvals, judge: gatekeeper.judge, carryOut: (approved) => door.carryOut(approved) }),
    },
    audit,
    gates: { judge: gatekeeper.judge, wait: approvals.wait },
  })
  const asked = await door.execute(first, { command: "policy.rollback", arguments: {} })
  const hash = asked.ok ? "" : (asked.waits ?? "")
  const counts = [ran]
  const answers: string[] = []
  for (const person of people) {
    answers.push(codeOf(await door.execute(person, { command: "approval.give", arguments: { hash } })))
    counts.push(ran)
  }
  approvals.stop()
  const namesBoth = entries.some(
    ({ id, subject, detail }) =>
      id === "command.executed" && subject === "first" && detail?.["approvedBy"] === "second",
  )
  return { asked: codeOf(asked), answers, ran: counts, namesBoth }
}

function codeOf(answer: CommandAnswer): string {
  return answer.ok ? "ok" : answer.code
}
