import type { Direction, Judge, SessionDeps } from "./judge.ts"
import type { Version } from "./packet-type.ts"
import type { CloseReason, SessionPort } from "./session-port.ts"

/** What the parts of one session share. */
export interface SessionContext {
  readonly port: SessionPort
  readonly deps: SessionDeps
  readonly version: Version
  /** The filter in force; another one after each `rejudge`. */
  readonly judge: Judge
  readonly nowMs: number
  /** Write `packet` in place of the one that this direction is deciding. */
  replace(direction: Direction, packet: Uint8Array): void
  /** Queue a whole packet of our own for the receiver of `direction`; it leaves at the next packet boundary. */
  inject(direction: Direction, packet: Uint8Array): void
  /** End the session once the packet being decided is dealt with; the handler returns `last` or `stop`. */
  endAfter(reason: CloseReason, detail: string): void
}
