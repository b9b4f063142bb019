import { InputError } from "../../policy/base/errors.ts"
import { authorise } from "../../policy/command/authorise.ts"
import type { CommandAnswer, CommandId } from "../../policy/command/port.ts"
import { COMMANDS } from "../../policy/command/table.ts"
import type { CheckedRequest } from "../../policy/command/check.ts"
import type { Handlers } from "../management/pipeline.ts"
import type { ApprovedCommand, Approvals } from "./approvals.ts"
import type { Gatekeeper } from "./gatekeeper.ts"

/** The commands of this file. */
export type ApprovalCommand = Extract<CommandId, `approval.${string}`>

/** What the handlers act on. */
export interface ApprovalHandlerDeps {
  readonly approvals: Pick<Approvals, "list" | "take" | "withdraw">
  /** What the gates make of a command now; nothing waits by it. */
  readonly judge: Gatekeeper["judge"]
  /** Carry out what was approved, as who asked. */
  readonly carryOut: (approved: ApprovedCommand) => Promise<CommandAnswer>
}

/** A handler for each command about what waits for a second person. @see IEC 62443-4-2 CR 2.1 RE(4) */
export function approvalHandlers(deps: ApprovalHandlerDeps): Pick<Handlers, ApprovalCommand> {
  return {
    "approval.list": async () => ({ result: { waiting: deps.approvals.list() } }),
    // Without arguments: nobody has to send a password to learn whether it would be taken.
    "approval.needed": async ({ command: id }, principal) => {
      const request = commandNamed(id)
      const refused = authorise(principal, request.command)
      const waitsFor = refused === null ? deps.judge(request, principal.person ?? null, false) : null
      return { result: { command: id, permission: COMMANDS[request.command].permission, refused, waitsFor } }
    },
    "approval.give": async ({ hash }, principal) => {
      const approved = await deps.approvals.take(hash, principal)
      const answer = await deps.carryOut(approved)
      const detail = { hash, askedBy: approved.askedBy, command: approved.request.command }
      return { result: null, answer, detail }
    },
    "approval.withdraw": async ({ hash }, principal) => {
      const { command, by } = await deps.approvals.withdraw(hash, principal)
      return { result: { hash, command, by }, detail: { hash, command, askedBy: by } }
    },
  }
}

/** A command by its name alone, as the gates look at it: without arguments it is none of those that wait for nothing. */
function commandNamed(id: string): CheckedRequest {
  if (!Object.hasOwn(COMMANDS, id)) throw new InputError("ERR_COMMAND_UNKNOWN", "there is no such command")
  return { command: id, arguments: {} } as unknown as CheckedRequest
}
