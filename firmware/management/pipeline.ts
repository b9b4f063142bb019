import { createHash } from "node:crypto"
import { InputError, LockgateError } from "../../policy/base/errors.ts"
import type { ErrorDetail } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { authorise } from "../../policy/command/authorise.ts"
import { checkRequest, isFailSafe } from "../../policy/command/check.ts"
import type { ArgumentsOf, CheckedRequest, RequestErrorCode } from "../../policy/command/check.ts"
import type {
  CommandAnswer,
  CommandErrorCode,
  CommandId,
  CommandPort,
  CommandRequest,
  Principal,
} from "../../policy/command/port.ts"
import { COMMANDS, holdsSecret } from "../../policy/command/table.ts"
import type { CommandRow } from "../../policy/command/table.ts"
import type { KeptRequests } from "../audit/requests.ts"
import type { ApprovedCommand, Approvals } from "../people/approvals.ts"
import type { Gatekeeper } from "../people/gatekeeper.ts"

/** What a handler did. */
export interface Executed {
  readonly result: unknown
  /** For the log: the old and the new value where there is one. */
  readonly detail?: ErrorDetail
  /** What is answered in place of the result: of another command, which this one let run. */
  readonly answer?: CommandAnswer
}

/** One handler for every row of the table: a row without one does not compile. */
export type Handlers = {
  readonly [Id in CommandId]: (given: ArgumentsOf<Id>, principal: Principal) => Promise<Executed>
}

/** What the pipeline stands on. */
export interface ManagementDeps {
  readonly handlers: Handlers
  /** Resolves to the entry's sequence number once it is on disk; rejects if the log cannot be written. */
  readonly audit: (event: AuditEvent) => Promise<number>
  /** Where requests of people are kept as they were received. Without it entries bear their hash alone. */
  readonly requests?: Pick<KeptRequests, "keep">
  /** What a permitted command still waits for. Without it none waits for anything. */
  readonly gates?: Gatekeeper & Pick<Approvals, "wait">
}

/** The door, and what only its own handlers may do with it. */
export interface Management extends CommandPort {
  /** What the door's gates make of a command now; nothing is asked, and nothing waits. */
  readonly judge: Gatekeeper["judge"]
  /** Execute what a second person approved, as who asked; rights and gates are judged again. */
  carryOut(approved: ApprovedCommand): Promise<CommandAnswer>
}

/**
 * The one door for every command: parse, authenticate, authorise, gates, execute, audit, answer.
 *
 * A command that may be given may still want a second factor, somebody at the device, or a second person (`gates`): it is refused,
 * or it waits under a hash and is answered with it (`command.waiting`). What is fail-safe passes all gates. One that was approved is
 * judged anew and executed as who asked; its entries name both (`detail.approvedBy`).
 *
 * A change is in the log twice: `command.accepted`, on disk before it is executed, and `command.executed` with its
 * outcome, on disk before it is answered. If the first cannot be written the change is refused (`ERR_COMMAND_FAILED`,
 * no entry); if the second cannot, the answer is `ERR_COMMAND_FAILED` with the entry of the first: then the change may
 * have taken place. Only what is fail-safe (`isFailSafe`) is executed first and logged afterwards, if it can be. Reading
 * is answered even while the log is down, since that is when somebody must look.
 *
 * A person's request is kept as it was received, on disk before a change is accepted: if it cannot be kept, the change is
 * refused (`ERR_COMMAND_FAILED`, reason `ERR_REQUEST_NOT_KEPT` in the log). Of what is fail-safe or only reads it is kept
 * afterwards, if it can be; `detail.kept` is false where it could not. What is refused leaves its hash alone. A request with a
 * secret argument leaves neither.
 *
 * Outside go codes alone; texts and inner codes stay in the log. `execute` never throws, but for an InvariantError of a
 * handler, which is not ours to catch: it must reach the process and end it.
 *
 * @see IEC 62443-4-2 CR 2.1, CR 2.1 RE(4), CR 2.8, CR 2.10, CR 2.12, CR 3.7
 */
export function createManagement(deps: ManagementDeps): Management {
  const { handlers, audit } = deps

  /** The entry's number, or null if the log took nothing. */
  const write = async (event: AuditEvent): Promise<number | null> => {
    try {
      return await audit(event)
    } catch (error) {
      if (isInvariant(error)) throw error
      return null
    }
  }
  const refuse = async (facts: Facts, code: CommandErrorCode, reason: string = code): Promise<CommandAnswer> => {
    const entry = await write({ id: "command.refused", outcome: "denied", ...facts, reason })
    return { ok: false, code, entry }
  }
  // The type parameter keeps command and arguments together.
  const run = <Id extends CommandId>(checked: CheckedRequest<Id>, principal: Principal): Promise<Executed> =>
    handlers[checked.command](checked.arguments, principal)
  /** What lets go of the request that was kept, once its entries are written; null if it could not be kept. */
  const keep = async (bytes: Uint8Array | null, row: CommandRow): Promise<(() => void) | null> => {
    if (bytes === null || deps.requests === undefined) return () => undefined
    try {
      return await deps.requests.keep(bytes, row.changes ? "change" : "reading")
    } catch (error) {
      if (!(error instanceof LockgateError) || isInvariant(error)) throw error
      return null
    }
  }

  /** Let it wait for a second person. */
  const letWait = async (asked: Asked, gates: Pick<Approvals, "wait">): Promise<CommandAnswer> => {
    const { principal, checked, received, facts } = asked
    try {
      const { hash, entry } = await gates.wait({ principal, request: checked, received })
      return { ok: false, code: "ERR_APPROVAL_NEEDED", entry, waits: hash }
    } catch (error) {
      if (isInvariant(error)) throw error
      const { code, reason } = explain(error)
      return refuse(facts, code, reason)
    }
  }

  const execute = async (
    principal: Principal | null,
    request: CommandRequest,
    received: Uint8Array | null = null,
  ): Promise<CommandAnswer> => {
    const unnamed = about(principal, request)
    const checked = check(request)
    if (typeof checked === "string") return refuse(unnamed, checked)
    return judged(principal, checked, received, unnamed, false)
  }

  const carryOut = async (approved: ApprovedCommand): Promise<CommandAnswer> => {
    const { asker, request, received, hash } = approved
    const detail = { via: approved.via, approvedBy: approved.approvedBy, hash }
    const facts: Facts = { source: "management", subject: approved.askedBy, object: request.command, detail }
    if (asker === null) return refuse(facts, "ERR_NOT_PERMITTED", "ERR_ASKER_NOT_ADMITTED")
    return judged(asker, request, received, facts, true)
  }

  const judged = async (
    principal: Principal | null,
    checked: CheckedRequest,
    received: Uint8Array | null,
    unnamed: Facts,
    approved: boolean,
  ): Promise<CommandAnswer> => {
    const row: CommandRow = COMMANDS[checked.command]
    // A secret that can be guessed could be found by its hash, too.
    const bytes = holdsSecret(row, checked.arguments) ? null : received
    const facts: Facts = bytes === null ? unnamed : { ...unnamed, request: sha256(bytes) }
    const refusal = authorise(principal, checked.command)
    if (refusal !== null) return refuse(facts, refusal)
    // A broker has read it already: it must not become one that is in use.
    if (principal?.via === "mqtt" && bytes === null && received !== null)
      return refuse(facts, "ERR_COMMAND_ARGUMENT", "ERR_SECRET_OVER_MQTT")
    const gate = deps.gates?.judge(checked, principal?.person ?? null, approved) ?? null
    if (principal !== null && deps.gates !== undefined && gate === "ERR_APPROVAL_NEEDED") {
      return letWait({ principal, checked, received, facts }, deps.gates)
    }
    if (gate !== null) return refuse(facts, gate)
    if (principal === null) return refuse(facts, "ERR_NOT_AUTHENTICATED")
    return perform({ principal, checked, received: bytes, facts }, row)
  }

  const perform = async (
    { principal, checked, received: bytes, facts }: Asked,
    row: CommandRow,
  ): Promise<CommandAnswer> => {
    const { changes } = row
    const mustBeLogged = changes && !isFailSafe(checked)
    let accepted: number | null = null
    let release: (() => void) | null = null
    if (mustBeLogged) {
      release = await keep(bytes, row)
      if (release === null) return refuse(facts, "ERR_COMMAND_FAILED", "ERR_REQUEST_NOT_KEPT")
      accepted = await write({ id: "command.accepted", outcome: "success", ...facts })
      if (accepted === null) {
        release()
        return { ok: false, code: "ERR_COMMAND_FAILED", entry: null }
      }
    }
    /** The entry after it; the request is kept before that, where it was not before the command. */
    const conclude = async (
      event: Pick<AuditEvent, "outcome" | "reason">,
      more: ErrorDetail,
    ): Promise<number | null> => {
      if (!mustBeLogged) release = await keep(bytes, row)
      const detail = { ...facts.detail, ...more, ...(release === null ? { kept: false } : {}) }
      const id = changes ? "command.executed" : "command.read"
      const entry = await write({ id, ...facts, ...event, detail })
      release?.()
      return entry
    }
    try {
      const done = await run(checked, principal)
      if (row.quiet === true) return { ok: true, result: done.result }
      const answer: CommandAnswer = done.answer ?? { ok: true, result: done.result }
      const how = answer.ok ? { outcome: "success" as const } : { outcome: "failure" as const, reason: answer.code }
      const entry = await conclude(how, done.detail ?? {})
      if (entry === null && mustBeLogged) return { ok: false, code: "ERR_COMMAND_FAILED", entry: accepted }
      return answer
    } catch (error) {
      if (isInvariant(error)) throw error
      const { code, reason, detail } = explain(error)
      return { ok: false, code, entry: (await conclude({ outcome: "failure", reason }, detail)) ?? accepted }
    }
  }
  return { execute, carryOut, judge: (...asked) => deps.gates?.judge(...asked) ?? null }
}

/** A request that fits the table, and who gave it. */
interface Asked {
  readonly principal: Principal
  readonly checked: CheckedRequest
  readonly received: Uint8Array | null
  readonly facts: Facts
}

type Facts = Omit<AuditEvent, "id" | "outcome"> & { readonly detail: ErrorDetail }

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

function check(request: CommandRequest): CheckedRequest | RequestErrorCode {
  try {
    return checkRequest(request)
  } catch (error) {
    if (error instanceof InputError) return error.code as RequestErrorCode
    throw error
  }
}

/** Who asked for what, for the log. The name of the command is foreign text until it was found in the table. */
function about(principal: Principal | null, request: unknown): Facts {
  const command = typeof request === "object" && request !== null && "command" in request ? request.command : null
  const object = typeof command === "string" ? command.slice(0, 64).replace(/[^\x20-\x7e]/g, "?") : "?"
  const detail = { via: principal?.via ?? "unknown" }
  return {
    source: "management",
    subject: principal?.stranger === true ? null : (principal?.name ?? null),
    object,
    detail,
  }
}

/** What is answered, and what the log says beside it. */
function explain(error: unknown): { code: CommandErrorCode; reason: string; detail: ErrorDetail } {
  if (!(error instanceof LockgateError)) {
    // Messages of others may quote what they were given; name and place are enough to find the fault.
    const name = error instanceof Error ? error.name : typeof error
    return { code: "ERR_COMMAND_FAILED", reason: "ERR_UNEXPECTED", detail: { error: name, at: placeOf(error) } }
  }
  const known = error as LockgateError
  const { reason, ...rest } = known.detail
  const detail = { ...rest, text: known.message.slice(0, 200) }
  return { code: codeOf(known), reason: typeof reason === "string" ? reason : known.code, detail }
}

function codeOf(error: LockgateError): CommandErrorCode {
  const known = [
    "ERR_POLICY_REFUSED",
    "ERR_NOT_AUTHENTICATED",
    "ERR_NOT_PERMITTED",
    "ERR_SECOND_FACTOR",
    "ERR_NOT_PRESENT",
  ] as const
  const own = known.find((code) => code === error.code)
  if (own !== undefined) return own
  switch (error.kind) {
    case "input":
      return "ERR_COMMAND_ARGUMENT"
    case "state":
      return "ERR_COMMAND_STATE"
    case "integrity":
    case "hardware":
    case "invariant":
      return "ERR_COMMAND_FAILED"
  }
}

/** File and line of the first own frame, without folders. */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : ""
  return /([\w.-]+\.[jt]s:\d+:\d+)\)?\n/.exec(stack + "\n")?.[1] ?? ""
}

function isInvariant(error: unknown): boolean {
  return error instanceof LockgateError && error.kind === "invariant"
}
