/**
 * Collects flows while a gateway records: bounded in peers, flows and bytes; what has no room is counted.
 *
 * Who floods the gateway with topics that are denied cannot crowd out what is allowed: denied flows have at most a
 * quarter of the room, and one peer at most half.
 */
import { REASON, reasonName, type Reason, type Verdict } from "../filter/verdict.ts"
import type { Action } from "../language/policy.ts"
import { isPlainText } from "./fields.ts"
import {
  MAX_FLOWS,
  MAX_NAMES,
  MAX_NAME_LENGTH,
  MAX_PEERS,
  MAX_RECORDING_BYTES,
  MAX_TOPIC_BYTES,
  type CertificateNames,
  type Flow,
  type ModbusFlow,
  type PeerFacts,
  type RecordedPeer,
} from "./recording.ts"

/** How much a recorder may hold. */
export interface RecorderLimits {
  readonly maxPeers: number
  readonly maxFlows: number
  /** Of the file that it will be. */
  readonly maxBytes: number
}

export const RECORDER_LIMITS: RecorderLimits = {
  maxPeers: MAX_PEERS,
  maxFlows: MAX_FLOWS,
  maxBytes: MAX_RECORDING_BYTES - 64 * 1024,
}

type Mutable<T> = T extends unknown ? { -readonly [Key in keyof T]: T[Key] } : never
type OpenFlow = Mutable<Flow> & { second: number; inSecond: number }

/** One peer while it is recorded. */
export interface OpenPeer {
  readonly facts: PeerFacts
  readonly flows: Map<string, OpenFlow>
  missed: number
  /** Of its flows, in the file. */
  bytes: number
  /** Allowed messages in the current second and in the busiest, up and down. */
  readonly load: { second: number; up: number; down: number; busiestUp: number; busiestDown: number }
}

/** One Modbus request, as it is recorded. */
export type ModbusSeen = Pick<ModbusFlow, "unit" | "function" | "sub" | "range" | "written">

/** Longest line of a flow but for its topic, and of a peer but for its names. */
const FLOW_BYTES = 320
const PEER_BYTES = 400

/** What collects one recording. Times are milliseconds since its start and do not go back. */
export class Recorder {
  readonly #limits: RecorderLimits
  readonly #peers = new Map<string, OpenPeer>()
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  #flows = 0
  #denied = 0
  #bytes = 0
  #deniedBytes = 0
  readonly #missedPeers = new Set<string>()
  /** Messages in flows, and those in none. */
  messages = 0
  missed = 0

  constructor(limits: RecorderLimits = RECORDER_LIMITS) {
    this.#limits = limits
  }

  get peers(): readonly OpenPeer[] {
    return [...this.#peers.values()]
  }

  /** Peers of which nothing could be kept; counted up to 4,096. */
  get missedPeers(): number {
    return this.#missedPeers.size
  }

  /** The place for what this peer does, the same for the same facts; null if there is no room for another. */
  peer(facts: PeerFacts): OpenPeer | null {
    const { conduit, subject, roles, clientId, fingerprint } = facts
    const names = fittingNames(facts.names)
    const key = JSON.stringify([conduit, subject, roles, clientId, fingerprint])
    const known = this.#peers.get(key)
    if (known !== undefined) return known
    const bytes = PEER_BYTES + 2 * JSON.stringify([key, names]).length
    if (this.#peers.size >= this.#limits.maxPeers || this.#bytes + bytes > this.#limits.maxBytes) {
      if (this.#missedPeers.size < MAX_PEERS) this.#missedPeers.add(key)
      return null
    }
    this.#bytes += bytes
    const load = { second: -1, up: 0, down: 0, busiestUp: 0, busiestDown: 0 }
    const peer: OpenPeer = { facts: { ...facts, names }, flows: new Map(), missed: 0, bytes: 0, load }
    this.#peers.set(key, peer)
    return peer
  }

  /**
   * Count a message or a request to subscribe; its topic is `bytes[start, end)`, `flags` the low nibble of a PUBLISH
   * header (of a subscribe: the QoS asked for, shifted there). `peer` is null for one that had no room.
   */
  mqtt(
    peer: OpenPeer | null,
    action: Action,
    verdict: Verdict,
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
    payloadBytes: number,
    will: boolean,
    atMs: number,
  ): void {
    if (peer === null) {
      this.missed++
      return
    }
    const reason = reasonName(verdict)
    if (reason === "allowed" && action !== "subscribe") countLoad(peer, action === "publish", atMs)
    const topic = reason === "bad-topic" ? "" : this.#topic(bytes, start, end)
    if (topic === null) return this.#miss(peer)
    const told = action === "receive" ? 0 : action === "subscribe" ? flags & 6 : flags & 7
    const key = `${action[0] ?? ""}${will ? "w" : ""}${told} ${REASON[reason]} ${topic}`
    let flow = peer.flows.get(key)
    if (flow === undefined) {
      if (!this.#takeRoom(peer, reason, end - start)) return this.#miss(peer)
      const qos = told >> 1 === 0 ? 0 : told >> 1 === 1 ? 1 : 2
      const about = { action, topic, qos, retain: (told & 1) !== 0, will } as const
      flow = { kind: "mqtt", ...about, minBytes: payloadBytes, maxBytes: payloadBytes, ...noneYet(reason, atMs) }
      peer.flows.set(key, flow)
    } else if (flow.kind === "mqtt") {
      if (payloadBytes < flow.minBytes) flow.minBytes = payloadBytes
      if (payloadBytes > flow.maxBytes) flow.maxBytes = payloadBytes
    }
    this.#count(flow, atMs)
  }

  /** Count a Modbus request. */
  modbus(peer: OpenPeer | null, seen: ModbusSeen, verdict: Verdict, atMs: number): void {
    if (peer === null) {
      this.missed++
      return
    }
    const reason = reasonName(verdict)
    if (reason === "allowed") countLoad(peer, true, atMs)
    const { unit, function: code, sub, range, written } = seen
    const key = JSON.stringify([REASON[reason], unit, code, sub, range, written])
    let flow = peer.flows.get(key)
    if (flow === undefined) {
      if (!this.#takeRoom(peer, reason, 0)) return this.#miss(peer)
      flow = { kind: "modbus", unit, function: code, sub, range, written, ...noneYet(reason, atMs) }
      peer.flows.set(key, flow)
    }
    this.#count(flow, atMs)
  }

  /** Count a Modbus request that no flow can hold: one that names several ranges, or none that it should. */
  modbusMissed(peer: OpenPeer | null): void {
    if (peer === null) this.missed++
    else this.#miss(peer)
  }

  /** The topic as text, or null if it is too long to be kept or no text. */
  #topic(bytes: Uint8Array, start: number, end: number): string | null {
    if (end - start > MAX_TOPIC_BYTES) return null
    const topic = this.#decoder.decode(bytes.subarray(start, end))
    return isPlainText(topic) && !topic.includes("\ufffd") ? topic : null
  }

  /** True if there is room for another flow; it is then taken. */
  #takeRoom(peer: OpenPeer, reason: Reason, topicBytes: number): boolean {
    const { maxFlows, maxBytes } = this.#limits
    const denied = reason !== "allowed"
    // A quote or backslash takes two bytes in JSON.
    const bytes = FLOW_BYTES + 2 * topicBytes
    const whole = this.#flows >= maxFlows || this.#bytes + bytes > maxBytes
    const half = peer.flows.size >= maxFlows / 2 || peer.bytes + bytes > maxBytes / 2
    const quarter = denied && (this.#denied >= maxFlows / 4 || this.#deniedBytes + bytes > maxBytes / 4)
    if (whole || half || quarter) return false
    this.#flows++
    this.#bytes += bytes
    peer.bytes += bytes
    if (denied) {
      this.#denied++
      this.#deniedBytes += bytes
    }
    return true
  }

  #count(flow: OpenFlow, atMs: number): void {
    this.messages++
    flow.count++
    flow.lastMs = Math.floor(atMs)
    const second = Math.floor(atMs / 1000)
    flow.inSecond = flow.second === second ? flow.inSecond + 1 : 1
    flow.second = second
    if (flow.inSecond > flow.busiest) flow.busiest = flow.inSecond
  }

  #miss(peer: OpenPeer): void {
    peer.missed++
    this.missed++
  }
}

/** A certificate may say thousands of names; those beyond the bounds of the format are left out. */
function fittingNames({ sanUri, sanDns, commonName }: CertificateNames): CertificateNames {
  const fits = (name: string): boolean => name.length <= MAX_NAME_LENGTH && isPlainText(name)
  return {
    sanUri: sanUri.filter(fits).slice(0, MAX_NAMES),
    sanDns: sanDns.filter(fits).slice(0, MAX_NAMES),
    commonName: commonName !== null && fits(commonName) ? commonName : null,
  }
}

function noneYet(verdict: Reason, atMs: number) {
  return { verdict, count: 0, busiest: 0, firstMs: Math.floor(atMs), lastMs: 0, second: -1, inSecond: 0 }
}

function countLoad({ load }: OpenPeer, up: boolean, atMs: number): void {
  const second = Math.floor(atMs / 1000)
  if (load.second !== second) {
    load.second = second
    load.up = load.down = 0
  }
  if (up) load.busiestUp = Math.max(load.busiestUp, ++load.up)
  else load.busiestDown = Math.max(load.busiestDown, ++load.down)
}

/** What was collected of a peer until now, as it goes into a recording: a copy. */
export function recordedPeer(peer: OpenPeer): RecordedPeer {
  return {
    ...peer.facts,
    busiestUp: peer.load.busiestUp,
    busiestDown: peer.load.busiestDown,
    missed: peer.missed,
    flows: [...peer.flows.values()].map(closedFlow),
  }
}

/** A peer by its number, with some of its flows: what is sent from thread to thread. */
export interface RecordedPart {
  readonly index: number
  readonly peer: RecordedPeer
}

/** All that was collected, in slices of at most `maxFlows` flows. What comes in between two slices may be in or not. */
export function* slicesOf(recorder: Recorder, maxFlows: number): Generator<readonly RecordedPart[]> {
  let slice: RecordedPart[] = []
  let room = maxFlows
  for (const [index, peer] of recorder.peers.entries()) {
    const { flows, ...facts } = recordedPeer(peer)
    for (let from = 0; from === 0 || from < flows.length;) {
      const part = flows.slice(from, from + room)
      slice.push({ index, peer: { ...facts, flows: part } })
      from += Math.max(part.length, 1)
      room -= part.length + 1
      if (room > 0) continue
      yield slice
      slice = []
      room = maxFlows
    }
  }
  if (slice.length > 0) yield slice
}

/** The peers of all slices, whole again. */
export function joinParts(parts: readonly RecordedPart[]): readonly RecordedPeer[] {
  const peers: { last: RecordedPeer; flows: Flow[] }[] = []
  for (const { index, peer } of parts) {
    const known = peers[index]
    if (known === undefined) peers[index] = { last: peer, flows: [...peer.flows] }
    else known.flows.push(...peer.flows)
  }
  return peers.map(({ last, flows }) => ({ ...last, flows }))
}

function closedFlow(open: OpenFlow): Flow {
  const flow: Flow & Partial<Pick<OpenFlow, "second" | "inSecond">> = { ...open }
  delete flow.second
  delete flow.inSecond
  return flow
}
