import type { CommandAnswer, CommandId } from "../../policy/command/port.ts"
import type { Handlers } from "../management/pipeline.ts"
import type { ApprovedCommand, Approvals } from "./approvals.ts"

/** The commands of this file. */
export type ApprovalCommand = Extract<CommandId, `approval.${string}`>

/** What the handlers act on. */
export interface ApprovalHandlerDeps {
  readonly approvals: Pick<Approvals, "list" | "take" | "withdraw">
  /** Carry out what was approved, as who asked. */
  readonly carryOut: (approved: ApprovedCommand) => Promise<CommandAnswer>
}

/** A handler for each command about what waits for a second person. @see IEC 62443-4-2 CR 2.1 RE(4) */
export function approvalHandlers(deps: ApprovalHandlerDeps): Pick<Handlers, ApprovalCommand> {
  return {
    "approval.list": async () => ({ result: { waiting: deps.approvals.list() } }),
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
