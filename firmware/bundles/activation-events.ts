import type { AuditEvent } from "../../policy/audit/event.ts"
import type { LockgateError } from "../../policy/base/errors.ts"
import type { Candidate } from "./candidate.ts"
import { isDamage, reasonOf } from "./refusal.ts"

const source = "policy"

/** Whether the statement names the one in force before it: `unknown` if it names none, or there was none. */
function successorOf({ statement }: Candidate, before: Candidate | null): "yes" | "fork" | "unknown" {
  if (before === null || statement.predecessor === null) return "unknown"
  return statement.predecessor === before.statementHash ? "yes" : "fork"
}

/** `policy.activated`; `successor` tells whether the statement names the one before it: `yes`, `fork` or `unknown`. */
export function activatedEvent(candidate: Candidate, before: Candidate | null, by: string | null): AuditEvent {
  return {
    id: "policy.activated",
    outcome: "success",
    source,
    subject: by,
    object: String(candidate.statement.version),
    detail: {
      before: before?.statement.version ?? 0,
      name: candidate.policy.name.slice(0, 64),
      signers: candidate.signers.join(",").slice(0, 200),
      statement: candidate.statementHash,
      successor: successorOf(candidate, before),
    },
  }
}

/**
 * `policy.fork`, or null if there is none: two lines of policy have come apart, or a version between was never here. It is
 * told and refuses nothing: who may sign may also correct.
 */
export function forkEvent(candidate: Candidate, before: Candidate | null, by: string | null): AuditEvent | null {
  if (before === null || successorOf(candidate, before) !== "fork") return null
  const { version, predecessor } = candidate.statement
  const detail = { before: before.statement.version, inForce: before.statementHash, named: predecessor ?? "" }
  return { id: "policy.fork", outcome: "failure", source, subject: by, object: String(version), detail }
}

/** `policy.confirmed`. `before` is the version that it replaces, 0 for none. */
export function confirmedEvent(version: number, before: number, by: string | null, reason: string): AuditEvent {
  return {
    id: "policy.confirmed",
    outcome: "success",
    source,
    subject: by,
    object: String(version),
    reason,
    detail: { before },
  }
}

/** `policy.rolled-back`. `to` is 0 if no policy is in force now; `written`: whether the end of the trial is on disk. */
export function rolledBackEvent(
  versions: { readonly from: number; readonly to: number },
  reason: string,
  by: string | null,
  written: boolean,
): AuditEvent {
  const detail = { ...versions, written }
  return {
    id: "policy.rolled-back",
    outcome: "success",
    source,
    subject: by,
    object: String(versions.from),
    reason,
    detail,
  }
}

/** `policy.refused` for a bundle that was handed over. */
export function refusedEvent(error: LockgateError, by: string | null): AuditEvent {
  const { reason, version, ...rest } = error.detail
  const detail = { ...rest, text: error.message.slice(0, 200) }
  const outcome = error.kind === "input" ? "denied" : "failure"
  const object = typeof version === "number" ? { object: String(version) } : {}
  const why = typeof reason === "string" ? reason : error.code
  return { id: "policy.refused", outcome, source, subject: by, ...object, reason: why, detail }
}

/** For a stored bundle, or the state (`object`), that could not be used at boot: `policy.damaged` or `policy.refused`. */
export function unusableEvent(error: LockgateError, object: string): AuditEvent {
  if (!isDamage(error)) return { ...refusedEvent(error, null), outcome: "failure", object }
  return { id: "policy.damaged", outcome: "failure", source, subject: null, object, reason: reasonOf(error) }
}
