import type { Action } from "../../../policy/language/policy.ts"
import type { Verdict } from "../../../policy/filter/verdict.ts"
import type { RecordedMessage } from "./recording.ts"

/**
 * What a session asks of the shell around it. The session itself does no I/O: bytes come in by `fromClient` and
 * `fromUpstream`, everything else goes out through here.
 *
 *     client --TLS--> shell --fromClient--> Session --toUpstream--> shell --TLS--> broker
 *     client <--TLS-- shell <--toClient---- Session <--fromUpstream-- shell <--TLS-- broker
 */
export interface SessionPort {
  /** CONNECT was accepted: dial the broker. `toUpstream` may be called at once; the shell holds the bytes until connected. */
  dial(): void
  /**
   * `bytes` may be a view of what `fromClient` was given: it is written or copied before that call returns to its source,
   * and the session leaves it alone until then. Anything else is the reader's, and is not touched again.
   */
  toUpstream(bytes: Uint8Array): void
  toClient(bytes: Uint8Array): void
  /** A message was denied. `object` is the topic or filter, cut to 128 characters, control characters replaced. */
  denied(action: Action, verdict: Verdict, object: string, will: boolean): void
  /** A message passed whole, and its rule wants it recorded. */
  recorded(message: RecordedMessage): void
  /** Messages let through, for the counters: called at most once per chunk and direction. */
  passed(direction: "up" | "down", messages: number, bytes: number): void
  /**
   * The client said so many packets more than its messages and their acknowledgements explain: pings, subscriptions, answers
   * to nothing. Called at most once per chunk.
   */
  requested(count: number): void
  /** CONNACK with success went to the client. */
  connected(clientId: string, version: 4 | 5): void
  /**
   * Nothing further will come out; both sides are to be closed after what was written has gone out. `reason` is a stable
   * code; `detail` is an error code (`ERR_...`), what `withdraw` was given, or one of `disconnect`, `disconnect <code>`,
   * `connack <code>`, `lost`.
   */
  close(reason: CloseReason, detail: string): void
}

/**
 * Why a session ended. `client` and `broker`: that side ended it, in order (DISCONNECT, a CONNACK that refuses) or, with
 * the detail `lost`, by the end of its socket.
 * `protocol-client`, `protocol-broker`: that side broke the protocol. `refused`: CONNECT was refused (audited as such).
 * `denied`: `on-deny: close`. `withdrawn`: policy, posture or trust no longer lets this peer in.
 */
export type CloseReason =
  "client" | "broker" | "protocol-client" | "protocol-broker" | "refused" | "denied" | "withdrawn" | "limit"
