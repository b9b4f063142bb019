import type { AliasMemory } from "../../../policy/filter/payload/alias-memory.ts"
import { REASON, type Verdict, verdict } from "../../../policy/filter/verdict.ts"
import type { MqttConduit } from "../../../policy/language/policy.ts"
import type { Limits } from "../../config/gateway-config.ts"
import type { Tap } from "../traffic-tap.ts"
import type { Version } from "./packet-type.ts"
import type { Hash } from "./recording.ts"

/** The filter as the session sees it, for one peer and one policy epoch. */
export interface Judge {
  /**
   * A PUBLISH of the client, in hand from its first byte through at least its variable header. `incomplete` if the verdict
   * hangs on a payload that does not end before `end`.
   */
  publish(bytes: Uint8Array, start: number, end: number, nowMs: number): Verdict
  /**
   * A topic apart from its packet: wills and resolved topic aliases. `flags` is the low nibble of a PUBLISH header;
   * direction `up` is a publish of the client, `down` a delivery to it. The payload is in `payload` from `payloadAt` on, or
   * not in hand if that is negative.
   */
  topic(
    direction: Direction,
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
    payloadBytes: number,
    nowMs: number,
    payload: Uint8Array,
    payloadAt: number,
  ): Verdict
  /** A PUBLISH of the broker, in hand like the client's. */
  receive(bytes: Uint8Array, start: number, end: number, nowMs: number): Verdict
  /** A filter of a SUBSCRIBE, `$share/...` included, and the QoS asked for. */
  subscribe(bytes: Uint8Array, start: number, end: number, qos: number): Verdict
  /**
   * Hears a message that passes, in either direction, when it passes: its topic, and its payload as `topic` is told of it.
   * Null where no rule of the policy depends on what Sparkplug births said.
   */
  readonly hear:
    | ((
        topic: Uint8Array,
        start: number,
        end: number,
        payload: Uint8Array,
        payloadAt: number,
        payloadBytes: number,
      ) => void)
    | null
  /** Looks up many packets in one call; absent where that cannot be done. */
  readonly ahead?: Ahead
  /** How the messages that this verdict's rule allows are recorded; null if they are not. */
  record(verdict: Verdict): RecordWish | null
}

/**
 * What the filter knows of the packets of a chunk, before their turn has come. Nothing is decided by asking: what hangs on
 * anything but topic, flags and size is not known, and so asked for when its turn comes.
 */
export interface Ahead {
  /** How many bytes can be brought over at a time. */
  readonly room: number
  /**
   * By packet of the last `look`, in pairs: where it ends, counted from the beginning of what can be looked at, and its verdict or,
   * if that is not known, a negative number for `settle`. One for all sessions: whoever loads next overwrites it.
   */
  readonly results: Int32Array
  /** By rule, not 0 where its messages are to be recorded; `pass` stops there. */
  readonly records: Uint8Array
  /** Where `bytes` begin among what can be looked at, if they were received there; else -1, and they must be brought over. */
  placeOf(bytes: Uint8Array): number
  /** Copy [start, end) of `bytes`, at most `room` of them, to the beginning of what can be looked at. */
  load(bytes: Uint8Array, start: number, end: number): void
  /**
   * Look at the whole PUBLISHes from `start` on, counted in the same way; stops before anything else and before `end`. Returns
   * how many.
   */
  look(direction: Direction, start: number, end: number): number
  /**
   * Where from `start` on the first packet stands that is not whole, a PUBLISH of QoS 0 without properties, at most `maxBytes`
   * long, and known to pass without being recorded: `look` would say of all before it that they pass.
   */
  pass(direction: Direction, start: number, end: number, maxBytes: number): number
  /** How many packets the last `pass` has passed over. */
  passed(): number
  /** The verdict on the packet [start, end) of which the look has said `found`, now that its turn has come. */
  settle(direction: Direction, found: number, start: number, end: number, nowMs: number): Verdict
}

/** What a rule wants in the log. */
export interface RecordWish {
  /** The rule's id. */
  readonly rule: string
  /** Only payloads that differ from the last one; else every message. */
  readonly changesOnly: boolean
}

/** `up`: client to broker. */
export type Direction = "up" | "down"

/** What a judge must know and only the CONNECT tells. */
export interface ConnectFacts {
  readonly version: Version
  /** The id the broker sees: the client's own, or the one assigned to it. */
  readonly clientId: string
  /** What Sparkplug births said on this connection; it outlives the policy. */
  readonly metricAliases: AliasMemory
  /** It proves itself to the broker too (AUTH), which a later policy may no longer let pass. */
  readonly authenticates: boolean
}

/** What a session is made of. */
export interface SessionDeps {
  readonly limits: Limits
  readonly conduit: Pick<MqttConduit, "onDeny" | "upstreamIdentity" | "enhancedAuth" | "direction">
  /** The subject's name, from its certificate. */
  readonly subject: string
  /** Client ids the subject may use: `%u` for its name, at most one trailing `*`. */
  readonly clientIdPattern: string
  /** The subject asks for its own rights (`RIGHTS_TOPIC`); they are told by `Session.tell`. Absent: it is a topic like any other. */
  askRights?(): void
  /** Told of every verdict while somebody records. */
  readonly tap?: Tap
  /** What makes an assigned client id unique where the pattern ends in `*`: `[A-Za-z0-9]{8,32}`. */
  randomSuffix(): string
  newHash(): Hash
  /** The filter of the policy epoch in force. Called once, for a CONNECT whose client id is in order. */
  admit(facts: ConnectFacts): Judge
}

const NO = verdict(REASON["no-rule"], -1)

/** Denies everything: stands in until a CONNECT was accepted. */
export const REFUSING_JUDGE: Judge = {
  publish: () => NO,
  topic: () => NO,
  receive: () => NO,
  subscribe: () => NO,
  hear: null,
  record: () => null,
}
