import { gateOf, type GateCode, type Person } from "../people/gate.ts"
import type { PeopleRules } from "../people/rules.ts"
import type { Certainty } from "../time/interval.ts"
import { isFailSafe, type CheckedRequest } from "./check.ts"
import { OWN, type Permission } from "./permission.ts"
import { COMMANDS, type CommandId, type CommandRow } from "./table.ts"

/** Permissions by which something can be changed. */
const TO_CHANGE: ReadonlySet<CommandRow["permission"]> = new Set(
  Object.values<CommandRow>(COMMANDS).flatMap(({ changes, permission }) => (changes ? [permission] : [])),
)

/** The permission that a command asks for, as the gates want it; null: none of those that a policy gives. */
export function gatedPermission({ command }: Pick<CheckedRequest, "command">): Permission | null {
  const permission = COMMANDS[command].permission
  return permission === OWN ? null : permission
}

/**
 * Whether no second person is asked for this command: it is asked many times in a row (a live view, the pieces of a bundle that was
 * offered), it is the list in which that person reads what waits, or it merely looks at what its permission is there to change.
 */
export function isNeverApproved(command: CommandId): boolean {
  const row: CommandRow = COMMANDS[command]
  return row.quiet === true || command === "approval.list" || (!row.changes && TO_CHANGE.has(row.permission))
}

/**
 * Why a command that somebody may give must wait, or null if it need not.
 *
 * What is fail-safe waits for nothing.
 *
 * @see IEC 62443-4-2 CR 1.1 RE(2), CR 2.1 RE(4), NDR 5.2
 */
export function gateOfCommand(asked: {
  readonly request: CheckedRequest
  readonly person: Person | null
  readonly present: Certainty
  readonly approved: boolean
  readonly rules: PeopleRules
}): GateCode | null {
  const { request, approved, ...others } = asked
  const permission = gatedPermission(request)
  if (permission === null || isFailSafe(request)) return null
  return gateOf({ ...others, permission, approved: approved || isNeverApproved(request.command) })
}
