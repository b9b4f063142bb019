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
  /** How the messages that this verdict's rule allows are recorded; null if they are not. */
  record(verdict: Verdict): RecordWish | null
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
}

/** What a session is made of. */
export interface SessionDeps {
  readonly limits: Limits
  readonly conduit: Pick<MqttConduit, "onDeny" | "upstreamIdentity" | "enhancedAuth">
  /** The subject's name, from its certificate. */
  readonly subject: string
  /** Client ids the subject may use: `%u` for its name, at most one trailing `*`. */
  readonly clientIdPattern: string
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
