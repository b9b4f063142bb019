import type { GateCode, Person } from "../people/gate.ts"
import type { Permission } from "./permission.ts"
import type { CommandId } from "./table.ts"

/** Who asks: established by a transport's authentication, never by what the request says. */
export interface Principal {
  /** `local:owner`, a person's id, ... */
  readonly name: string
  readonly permissions: readonly Permission[]
  /** How the request arrived. */
  readonly via: "local" | "serial" | "mqtt"
  /** The person; absent for who holds the machine before anybody has an account, and for the gateway itself. */
  readonly person?: Person
  /** The session by which it comes; while that is locked, the principal is a stranger all the same. */
  readonly session?: string
  /** Nobody yet: has reached the door on this way, and may only sign in. */
  readonly stranger?: true
}

/** Whoever reached the door on this way and has not signed in; `session`: a locked session whose token was shown. */
export function strangerOn(via: Principal["via"], session?: string): Principal {
  const nobody = { name: "nobody", permissions: [], via, stranger: true } as const
  return session === undefined ? nobody : { ...nobody, session }
}

/** A request as it arrives: everything in it is untrusted. */
export interface CommandRequest {
  readonly command: string
  readonly arguments: unknown
}

/** An answer. Errors carry a stable code only; the text is in the audit log (IEC 62443-4-2 CR 3.7). */
export type CommandAnswer =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false
      readonly code: CommandErrorCode
      /** Sequence number of the audit entry that explains. */ readonly entry: number | null
      /** With `ERR_APPROVAL_NEEDED`: under which hash it waits for a second person. */
      readonly waits?: string
    }

export type CommandErrorCode =
  | "ERR_COMMAND_MALFORMED"
  | "ERR_COMMAND_UNKNOWN"
  | "ERR_COMMAND_ARGUMENT"
  | "ERR_NOT_AUTHENTICATED"
  | "ERR_NOT_PERMITTED"
  | "ERR_COMMAND_FAILED"
  | "ERR_COMMAND_STATE"
  | "ERR_POLICY_REFUSED"
  /** Of a transport: the command was carried out, and its answer is larger than fits there. */
  | "ERR_ANSWER_TOO_LARGE"
  | GateCode

/** The one door for every change. Implemented by `firmware/management`; every transport is a thin adapter onto it. */
export interface CommandPort {
  /**
   * Never throws: faults become answers, and every call but those of a `quiet` row leaves an entry before it is answered.
   *
   * `received`: the request's bytes exactly as a person sent them; they are kept, and the entries bear their hash (CR 2.12).
   * Without them it is the gateway itself that asks.
   */
  execute(principal: Principal | null, request: CommandRequest, received?: Uint8Array): Promise<CommandAnswer>
}

export type { CommandId }
