import type { Verdict } from "../../policy/filter/verdict.ts"
import type { Action } from "../../policy/language/policy.ts"
import {
  Recorder,
  slicesOf,
  type ModbusSeen,
  type OpenPeer,
  type RecordedPart,
} from "../../policy/recording/recorder.ts"
import type { PeerFacts } from "../../policy/recording/recording.ts"
import type { FromEngine, RecordedTotals } from "./messages.ts"
import type { Peer } from "./protocol.ts"

/** What a session tells of its verdicts; asked for nothing else while `on` is false. */
export interface Tap {
  readonly on: boolean
  /**
   * A verdict on a message, a will or a request to subscribe, whose topic is `bytes[start, end)`; `flags` is the low
   * nibble of a PUBLISH header, of a subscribe the QoS where it stands there. Nothing of `bytes` is kept.
   */
  judged(
    action: Action,
    verdict: Verdict,
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
    payloadBytes: number,
    will: boolean,
  ): void
}

/** Flows in one message to the gateway: about half a millisecond of the engine's time. */
const SLICE = 256

/** The engine's end of a recording: at most one at a time, gone with the engine. */
export class TrafficRecording {
  readonly #nowMs: () => number
  #startedMs = 0
  /** What collects, or null while nobody records. */
  recorder: Recorder | null = null

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get atMs(): number {
    return this.#nowMs() - this.#startedMs
  }

  /** Begin; what an earlier recording held is forgotten. */
  start(): void {
    this.#startedMs = this.#nowMs()
    this.recorder = new Recorder()
  }

  /** Post all that was collected, a slice between two inputs of the engine; with `stop` nothing more is collected. */
  collect(number: number, stop: boolean, post: (message: FromEngine) => void, soon: (act: () => void) => void): void {
    const { recorder } = this
    if (stop) this.recorder = null
    const tell = (parts: readonly RecordedPart[], last: boolean, totals: RecordedTotals | null): void =>
      post({ kind: "recorded", number, parts, last, totals })
    if (recorder === null) return tell([], true, null)
    const slices = slicesOf(recorder, SLICE)
    const next = (): void => {
      const slice = slices.next()
      if (slice.done === true) {
        const { messages, missed, missedPeers } = recorder
        return tell([], true, { messages, missed: { peers: missedPeers, messages: missed } })
      }
      tell(slice.value, false, null)
      soon(next)
    }
    next()
  }
}

/** What a recording says of how a peer is known; one without a certificate by its address, in place of the fingerprint. */
export function recordedNames({
  leaf,
  address,
}: Pick<Peer, "leaf" | "address">): Pick<PeerFacts, "names" | "fingerprint"> {
  if (leaf === null) return { names: { sanUri: [], sanDns: [], commonName: null }, fingerprint: address.slice(0, 64) }
  return { names: leaf, fingerprint: leaf.fingerprint }
}

/** One connection's tap. */
export class PeerTap implements Tap {
  readonly #recording: TrafficRecording
  #facts: PeerFacts
  #recorder: Recorder | null = null
  #place: OpenPeer | null = null

  constructor(recording: TrafficRecording, facts: PeerFacts) {
    this.#recording = recording
    this.#facts = facts
  }

  get on(): boolean {
    return this.#recording.recorder !== null
  }

  /** From now on it is this one: after its CONNECT, or with other roles under another policy. */
  become(facts: Partial<PeerFacts>): void {
    this.#facts = { ...this.#facts, ...facts }
    this.#recorder = null
  }

  judged: Tap["judged"] = (action, verdict, bytes, start, end, flags, payloadBytes, will) => {
    const recorder = this.#recorderNow()
    recorder?.mqtt(this.#place, action, verdict, bytes, start, end, flags, payloadBytes, will, this.#recording.atMs)
  }

  /** A verdict on a Modbus request; null: one that a flow cannot hold, which is counted as missed. */
  judgedModbus(seen: ModbusSeen | null, verdict: Verdict): void {
    const recorder = this.#recorderNow()
    if (seen === null) recorder?.modbusMissed(this.#place)
    else recorder?.modbus(this.#place, seen, verdict, this.#recording.atMs)
  }

  #recorderNow(): Recorder | null {
    const { recorder } = this.#recording
    if (recorder !== null && recorder !== this.#recorder) {
      this.#recorder = recorder
      this.#place = recorder.peer(this.#facts)
    }
    return recorder
  }
}
