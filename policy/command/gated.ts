import { gateOf, type GateCode, type Person } from "../people/gate.ts"
import type { PeopleRules } from "../people/rules.ts"
import type { Certainty } from "../time/interval.ts"
import { isFailSafe, type CheckedRequest } from "./check.ts"
import { OWN, type Permission } from "./permission.ts"
import { COMMANDS, type CommandRow } from "./table.ts"

/** The permission that a command asks for, as the gates want it; null: none of those that a policy gives. */
export function gatedPermission({ command }: Pick<CheckedRequest, "command">): Permission | null {
  const permission = COMMANDS[command].permission
  return permission === OWN ? null : permission
}

/**
 * Why a command that somebody may give must wait, or null if it need not.
 *
 * What is fail-safe waits for nothing. A second person is not asked for what is asked many times in a row (a live view, the pieces of a
 * bundle that was offered), nor for the list in which that person reads what waits.
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
  const row: CommandRow = COMMANDS[request.command]
  const isNeverApproved = row.quiet === true || request.command === "approval.list"
  return gateOf({ ...others, permission, approved: approved || isNeverApproved })
}
