/**
 * A recording of what passed a gateway, and what did not, for a time: who, what, how often; never payloads.
 *
 * One file, JSON lines, UTF-8:
 *
 *     {"lockgate-recording":1,"gateway":"pump-17","policy":{...},"from":{...},"minutes":60}
 *     {"peer":{"conduit":"telemetry",...}}
 *     {"mqtt":{"action":"publish","topic":"plant/flow-1/state",...}}      flows of the peer above
 *     {"modbus":{"unit":1,"function":3,...}}
 *     {"peer":{...}}
 *     ...
 *     {"end":{"reason":"time","to":{...},"peers":2,"flows":3,"messages":4210,"missed":{...},"policies":[...]}}
 *     {"sha256":"<of every byte above>"}
 */
import type { Reason } from "../filter/verdict.ts"
import type { Action } from "../language/policy.ts"

/** The whole file. */
export const MAX_RECORDING_BYTES = 8 * 1024 * 1024
/** Peers a recording may hold; the same name with other roles or another client id is another peer. */
export const MAX_PEERS = 4_096
export const MAX_FLOWS = 20_000
/** UTF-8 bytes of a topic or filter; a message with a longer one is counted as missed. */
export const MAX_TOPIC_BYTES = 1_024
/** Of one kind in a certificate, and characters of one: a recording leaves out the rest. */
export const MAX_NAMES = 16
export const MAX_NAME_LENGTH = 512
export const MAX_MINUTES = 1_440

/** What was known of the time at one moment. */
export interface RecordedTime {
  readonly earliestAt: number
  /** Null: nothing bounded it. */
  readonly latestAt: number | null
  /** What the clock showed, for people. */
  readonly wallAt: number
}

/** A policy, by its version and the SHA-256 of its text as it was signed. */
export interface RecordedPolicy {
  readonly version: number
  readonly sha256: string
}

/** What is known when a recording starts: its first line. */
export interface RecordingHeader {
  readonly gateway: string
  /** In force at the start; null for none. */
  readonly policy: RecordedPolicy | null
  readonly from: RecordedTime
  /** How long it was to run. */
  readonly minutes: number
}

/** The names in a peer's certificate: what a policy's subject rules look at. */
export interface CertificateNames {
  readonly sanUri: readonly string[]
  readonly sanDns: readonly string[]
  readonly commonName: string | null
}

/** Who it was, by the policy of that time. */
export interface PeerFacts {
  readonly conduit: string
  readonly zone: string
  readonly subject: string
  /** Sorted. */
  readonly roles: readonly string[]
  /** MQTT: as the broker saw it. Modbus: empty. */
  readonly clientId: string
  readonly names: CertificateNames
  /** SHA-256 of the certificate; of a peer in clear text its address. */
  readonly fingerprint: string
}

/** What every flow tells. Times are milliseconds since the start of the recording. */
export interface FlowCounts {
  /** Why it was denied, or `allowed`. Flows with different verdicts are kept apart. */
  readonly verdict: Reason
  readonly count: number
  /** Most in one second. */
  readonly busiest: number
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * MQTT messages, or requests to subscribe, that a policy cannot tell apart but by their size: same action, topic, QoS
 * and retain flag. Of deliveries (`receive`) the policy judges neither QoS nor retain: there both stand as 0 and false.
 */
export interface MqttFlow extends FlowCounts {
  readonly kind: "mqtt"
  readonly action: Action
  /** Topic; of a subscribe the filter asked for. Empty if it was none (`bad-topic`). */
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** True for wills, judged when their client connects. */
  readonly will: boolean
  readonly minBytes: number
  readonly maxBytes: number
}

/** Modbus requests of one kind; values are not kept. Addresses are those of the protocol, inclusive. */
export interface ModbusFlow extends FlowCounts {
  readonly kind: "modbus"
  readonly unit: number
  readonly function: number
  /** Sub-function of 8, MEI type of 43, file of 20 and 21; else null. */
  readonly sub: number | null
  /** Addresses that it names, or records of the file; null if the function names none. */
  readonly range: { readonly from: number; readonly to: number } | null
  /** Of 23: what it writes, `range` being what it reads. */
  readonly written: { readonly from: number; readonly to: number } | null
}

export type Flow = MqttFlow | ModbusFlow

/** One peer and all that was seen of it. */
export interface RecordedPeer extends PeerFacts {
  /** Allowed messages of all its topics together in the busiest second: to the broker or unit, and from the broker. */
  readonly busiestUp: number
  readonly busiestDown: number
  /** Messages that are in none of its flows, since these had no room. */
  readonly missed: number
  readonly flows: readonly Flow[]
}

/** Why a recording ended. `running`: it had not when this file was written. */
export const END_REASONS = ["time", "command", "shutdown", "restart", "engine-died", "running"] as const
export type EndReason = (typeof END_REASONS)[number]

/** What is known when it ended: its last line. */
export interface RecordingEnd {
  readonly reason: EndReason
  readonly to: RecordedTime
  /** Messages in the flows. */
  readonly messages: number
  /** What had no room: peers of which nothing was kept, and messages. */
  readonly missed: { readonly peers: number; readonly messages: number }
  /** Policies that came into force meanwhile, in order. */
  readonly policies: readonly RecordedPolicy[]
}

/** A recording, whole. */
export interface Recording {
  readonly header: RecordingHeader
  readonly peers: readonly RecordedPeer[]
  readonly end: RecordingEnd
}

/** The moment of an offset into the recording, by the clock of its start. */
export function momentOf(recording: Recording, offsetMs: number): number {
  return recording.header.from.wallAt + offsetMs
}
