/**
 * Every message between the gateway and the thread that runs the conduits. Plain data only; nothing else is shared.
 *
 * The gateway sends `ToEngine`, the engine answers `FromEngine`. Policy changes are numbered by `epoch`, so that an
 * `applied` can be matched with what was sent; a peer is only ever judged by one whole epoch.
 */
import type { NamedPoint } from "../../policy/audit/modbus-object.ts"
import type { KnownInput } from "../../policy/filter/inputs.ts"
import type { Action, Buffering } from "../../policy/language/policy.ts"
import type { OwnDenial } from "../../policy/analysis/rights.ts"
import type { Who } from "../../policy/analysis/who.ts"
import type { Batch } from "../spool/store.ts"
import type { Done } from "../spool/queue.ts"
import type { SpoolRecord } from "../spool/record.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { RecordedPart } from "../../policy/recording/recorder.ts"
import type { RecordingEnd } from "../../policy/recording/recording.ts"
import type { Limits } from "../config/gateway-config.ts"
import type { EnginePolicy } from "./engine-policy.ts"
import type { RateMemory } from "./bucket-store.ts"
import type { LoadMemory } from "./load/load-control.ts"
import type { LoadRehearsal } from "./load/rehearse-load.ts"

/** A key and its chain, PEM; given once, at start or on rotation. */
export interface TlsCredential {
  readonly key: string
  readonly certificate: string
}

/** One conduit's ends, resolved: what the engine needs to listen and to dial. */
export interface EngineConduit {
  readonly name: string
  readonly listen: { readonly address: string; readonly port: number }
  /** Null: peers connect in clear text. */
  readonly serverCredential: TlsCredential | null
  /** Null: the units are on a serial line. */
  readonly upstream: { readonly host: string; readonly port: number; readonly serverName: string } | null
  /** Null: the upstream is dialled in clear text. */
  readonly clientCredential: TlsCredential | null
  /** PEM certificates that may vouch for the upstream; empty in clear text. */
  readonly upstreamAuthority: string
  /** Present where Modbus is spoken, absent for MQTT: the line of the units, or null; names for the log. */
  readonly modbus?: {
    readonly line: string | null
    readonly points: readonly NamedPoint[]
    /** Over a network, from a request to its answer; absent for the usual. */
    readonly timeoutMs?: number
  }
}

/** Whom the engine believes and as whom it speaks, told at start and again on each change. */
export interface EngineTrust {
  /** Authority name to PEM certificates; in place of those that came with a policy. */
  readonly authorities: Readonly<Record<string, string>>
  /** By name of the conduit. Null: it has no such end, or none with TLS. */
  readonly conduits: Readonly<
    Record<
      string,
      {
        readonly serverCredential: TlsCredential | null
        readonly clientCredential: TlsCredential | null
        /** Name of the authority that vouches for the upstream. */
        readonly upstreamAuthority: string | null
      }
    >
  >
  /** By name of the authority: what it, and those below it, have revoked. */
  readonly revoked: Readonly<Record<string, readonly RevokedList[]>>
}

/** All serial numbers that one issuer has revoked. */
export interface RevokedList {
  readonly issuerDer: string
  /** Lower-case hex, no leading zeros. */
  readonly serials: readonly string[]
  /** Equal when the list is the same. */
  readonly key: string
}

/** What is in force: all of it changes at once. */
export interface EngineEpoch {
  readonly epoch: number
  readonly policy: EnginePolicy
  /** Zone authority name to PEM certificates; only names that the policy uses. */
  readonly authorities: Readonly<Record<string, string>>
}

/** The outcome of the posture table for the two flow classes. */
export interface FlowPosture {
  readonly normal: "open" | "closed"
  readonly essential: "open" | "closed"
}

/** What keeps conduits closed beside policy and posture. */
export interface Held {
  /** Conduits with `access: approved` that somebody has approved. */
  readonly granted: readonly string[]
  /** Conduits that a fault has closed. */
  readonly failed: readonly string[]
}

/** What the engine asks of the spool (`firmware/spool`). */
export type SpoolAsk =
  | {
      readonly what: "put"
      readonly conduit: string
      readonly subject: string
      readonly record: SpoolRecord
      readonly buffer: Buffering
    }
  | {
      readonly what: "batch"
      readonly conduit: string
      readonly subject: string
      readonly max: number
      readonly maxBytes: number
    }
  | { readonly what: "settle"; readonly conduit: string; readonly subject: string; readonly done: Done }

/** What a subject asks of its own rights; answered with JSON in one line, empty when there is no policy. */
export interface RightsAsk {
  readonly what: "rights"
  readonly who: Who
  readonly denials: readonly OwnDenial[]
}

/** What came of it; `failed`: the disk would not. */
export type GatewayAnswer =
  | { readonly kind: "stored" | "full" | "settled" | "failed" }
  | { readonly kind: "batch"; readonly batch: Batch }
  | { readonly kind: "rights"; readonly text: string }

/** A subject for whom messages wait. */
export interface HeldSubject {
  readonly conduit: string
  readonly subject: string
}

export type ToEngine =
  | {
      readonly kind: "configure"
      readonly conduits: readonly EngineConduit[]
      readonly limits: Limits
      readonly time: TimeInterval
      /** Absent: this worker is the only one. */
      readonly share?: WorkerShare
    }
  /** Null: no policy; every listener closes. Listeners open for conduits that the policy and the board file both name. */
  | {
      readonly kind: "epoch"
      readonly epoch: EngineEpoch | null
      readonly number: number
      /** Where all workers count its rates; absent: each by itself. */
      readonly rates?: RateMemory
    }
  | { readonly kind: "posture"; readonly posture: FlowPosture; readonly number: number }
  /** Credentials, authorities and revocations: peers that are no longer trusted are cut, all others notice nothing. */
  | { readonly kind: "trust"; readonly trust: EngineTrust; readonly number: number }
  | { readonly kind: "time"; readonly time: TimeInterval }
  /** The emergencies that an override has switched on, all of them; none at start. */
  | { readonly kind: "overrides"; readonly emergencies: readonly string[] }
  /** What is known of the board's inputs, all of it; nothing at start. */
  | { readonly kind: "inputs"; readonly inputs: readonly (readonly [string, KnownInput])[] }
  /** All ways in that a person has approved, and conduits that a fault has closed; the engine may know of more of the latter. */
  | { readonly kind: "access"; readonly held: Held; readonly number: number }
  /** A conduit that a fault had closed may open again. */
  | { readonly kind: "restore"; readonly conduit: string; readonly number: number }
  /** Which conduits would be open under another posture, or if these had failed; for probes. Nothing changes. */
  | {
      readonly kind: "open-under"
      readonly posture: FlowPosture
      readonly failed: readonly string[]
      readonly number: number
    }
  /** Let the next bytes on a conduit fail: the test of its fail close. Refused unless the engine was started with `allowStall`. */
  | { readonly kind: "break"; readonly conduit: string }
  /** All subjects for whom messages wait on disk; one thread of all sends them on. */
  | { readonly kind: "spooled"; readonly held: readonly HeldSubject[]; readonly sends: boolean }
  | { readonly kind: "answer"; readonly ticket: number; readonly answer: GatewayAnswer }
  | { readonly kind: "ping"; readonly number: number }
  /** Run the live session code and filter on these client bytes, without any socket; for probes. */
  | { readonly kind: "rehearse"; readonly number: number; readonly rehearsal: Rehearsal }
  /** Run the live limits on a flood that never happens; for probes. */
  | { readonly kind: "rehearse-load"; readonly number: number }
  /** Would this conduit refuse that certificate as revoked; for probes. */
  | { readonly kind: "is-revoked"; readonly number: number; readonly conduit: string; readonly issuerDer: string; readonly serial: string } // prettier-ignore
  /** Try to make code of a text; for probes. */
  | { readonly kind: "try-code"; readonly number: number }
  /** Record traffic from now on; what an earlier recording held is forgotten. */
  | { readonly kind: "record"; readonly number: number }
  /** Send all that was recorded; with `stop` nothing more is. */
  | { readonly kind: "collect"; readonly number: number; readonly stop: boolean }
  /** Busy-loop for that long: the supervisor's test. Refused unless the engine was started with `allowStall`. */
  | { readonly kind: "stall"; readonly ms: number }
  /** End the thread at once, as a crash would. Refused unless the engine was started with `allowStall`. */
  | { readonly kind: "crash" }
  | { readonly kind: "stop" }

/** One of several workers, and what all of them count in. */
export interface WorkerShare {
  /** From 0. */
  readonly worker: number
  readonly load: LoadMemory
}

/** A peer that does not exist says `bytes`; the answer tells what would have reached the broker. */
export interface Rehearsal {
  readonly conduit: string
  readonly subject: string
  readonly roles: readonly string[]
  /** MQTT bytes, CONNECT first. */
  readonly bytes: Uint8Array
}

/** What the live session and filter made of a rehearsal. */
export interface RehearsalResult {
  /** What the broker would have read. */
  readonly forwarded: Uint8Array
  /** What the client would have read. */
  readonly answered: Uint8Array
  readonly denied: readonly { readonly action: Action; readonly reason: string; readonly rule: string | null }[]
  readonly closed: string | null
  /** Messages that a rule wanted in the log; absent: none. */
  readonly recorded?: number
}

export type FromEngine =
  | { readonly kind: "ready" }
  | { readonly kind: "applied"; readonly number: number; readonly listening: readonly Listening[] }
  /** What listens has changed by itself: a port that was taken is free again. */
  | { readonly kind: "listening"; readonly listening: readonly Listening[] }
  /** Facts for the audit log, denials already aggregated. */
  | { readonly kind: "events"; readonly events: readonly AuditEvent[] }
  | { readonly kind: "counters"; readonly conduits: readonly ConduitCounters[] }
  /** A thread asks what only the gateway knows. */
  | { readonly kind: "asked"; readonly ticket: number; readonly ask: SpoolAsk | RightsAsk }
  | { readonly kind: "pong"; readonly number: number }
  | { readonly kind: "rehearsed"; readonly number: number; readonly result: RehearsalResult | null }
  | { readonly kind: "load-rehearsed"; readonly number: number; readonly result: LoadRehearsal | null }
  /** Null: the conduit is not in force. */
  | { readonly kind: "revocation"; readonly number: number; readonly revoked: boolean | null }
  | { readonly kind: "code-tried"; readonly number: number; readonly made: boolean }
  /** Some of a recording. The last one has totals; none and no parts: nothing is recorded. */
  | {
      readonly kind: "recorded"
      readonly number: number
      readonly parts: readonly RecordedPart[]
      readonly last: boolean
      readonly totals: RecordedTotals | null
    }
  /** A listener could not be opened, or the engine failed in itself: the conduit is closed. */
  | { readonly kind: "fault"; readonly conduit: string | null; readonly code: string; readonly message: string }
  /** An exception while a conduit's bytes were handled: it is closed and stays so. */
  | { readonly kind: "failed"; readonly conduit: string; readonly fault: string }
  | { readonly kind: "open-under"; readonly number: number; readonly conduits: readonly string[] }
  /** A certificate verified whose validity begins then: it is at least that late. */
  | { readonly kind: "certificate-seen"; readonly notBeforeAt: number }
  | { readonly kind: "stopped" }

/** Messages in the flows of a recording, and what had no room. */
export type RecordedTotals = Pick<RecordingEnd, "messages" | "missed">

/** A conduit that listens, and where. */
export interface Listening {
  readonly conduit: string
  readonly address: string
  readonly port: number
}

/** Totals since the engine started. */
export interface ConduitCounters {
  readonly conduit: string
  readonly connections: number
  readonly accepted: number
  readonly refusedPeers: number
  readonly allowedUp: number
  readonly allowedDown: number
  readonly deniedUp: number
  readonly deniedDown: number
  readonly bytesUp: number
  readonly bytesDown: number
  /** Denials by rule and reason, at most 64 rows, the rest added up under rule `*`. */
  readonly denials: readonly { readonly rule: string | null; readonly reason: string; readonly count: number }[]
}
