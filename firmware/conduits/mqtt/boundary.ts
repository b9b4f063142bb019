import { Carry } from "./carry.ts"
import { Outbox } from "./outbox.ts"
import { PUBLISH, typeSet } from "./packet-type.ts"
import type { PacketScan } from "./packet-scan.ts"

/**
 * What becomes of a packet.
 *
 * `replaced`: the handler has called `Lane.replace`, and a PUBLISH's payload passes behind the new header. `last`: it
 * passes and nothing behind it is looked at; `stop`: it does not pass, and nothing behind it is looked at. `hold`: nothing is
 * decided yet; the packet is kept and handed over again when all of it is in hand.
 */
export const OUTCOME = { pass: 0, drop: 1, replaced: 2, last: 3, stop: 4, hold: 5 } as const
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME]

/** Decides packets. `bytes` in [start, end) holds the packet's control part; `scan` describes it until the next one. */
export interface PacketHandler {
  /** Another chunk begins; what was learnt of the one before is of no use any more. */
  begin(): void
  /** Where the first packet from `start` on stands that does not pass as it is; `start` is a boundary, and PUBLISH may come. */
  passOver(bytes: Uint8Array, start: number, end: number): number
  /** With `whole`, the payload is in hand too, behind `end`; without it the answer may be `hold`. */
  publish(bytes: Uint8Array, start: number, end: number, scan: PacketScan, whole: boolean): Outcome
  control(bytes: Uint8Array, start: number, end: number, scan: PacketScan): Outcome
}

/** Sees the payloads that pass while it is `active`, piece by piece; `end` when all of one has passed. */
export interface PayloadWatch {
  readonly active: boolean
  payload(bytes: Uint8Array, start: number, end: number): void
  end(): void
}

const PUBLISH_BIT = typeSet(PUBLISH)
/** What TLS reads at a time: to copy that much once costs less than a second part in a write. */
const MAX_JOINED = 16 * 1024
const EMPTY = new Uint8Array(0)
/** Answers of our own are written in pieces of about this size when many arise from one chunk. */
const WRITE_ANSWERS_AT = 16 * 1024

/**
 * One direction of a session: finds packets in received chunks, has each decided, and passes on what is allowed.
 *
 *     chunk    |..rest of P1..|  P2  |  P3 denied  |    P4    |  P5 cut |
 *     written  |..rest of P1..|  P2  |    P4    |                          one view of the chunk, P4 moved up
 *     carried                                                 |  P5 cut |  until its control part is whole
 *
 * Runs of allowed bytes are written as one view of the chunk; a denied packet between them is closed up in place. What is
 * carried is joined with the next chunk if that is of moderate size and not the shorter one. Only a packet that was held or long cut, and what
 * the handler replaces, is written by itself.
 *
 * The chunk is overwritten while `feed` runs and not kept after it. What is written besides views of the chunk belongs
 * to the reader and is not touched again.
 */
export class Lane {
  readonly scan: PacketScan
  readonly carry = new Carry()
  /** Of the last `feed`: bytes passed on, answers of our own not counted, and packets dropped whole. */
  passedBytes = 0
  droppedPackets = 0
  /** Packets of the last `feed` that are no PUBLISH. */
  controlPackets = 0
  /** Bytes ever moved within chunks to close up the gaps of denied packets, for the tests of cost. */
  movedBytes = 0
  /** While true, packets of our own wait, however many boundaries there are: nothing may come before a CONNACK. */
  holding = false

  readonly #handler: PacketHandler
  readonly #write: (bytes: Uint8Array) => void
  readonly #watch: PayloadWatch
  readonly #outbox = new Outbox()
  #feeding = false
  #stopped = false

  /** Bytes of the current packet's payload still to come, and whether they pass. */
  #remaining = 0
  #passing = false

  #chunk: Uint8Array = EMPTY
  /** In the chunk: [outStart, outEnd) is to be written, [runStart, cursor) is allowed and not yet closed up to it. */
  #outStart = 0
  #outEnd = 0
  #runStart = 0
  #cursor = 0

  constructor(scan: PacketScan, handler: PacketHandler, watch: PayloadWatch, write: (bytes: Uint8Array) => void) {
    this.scan = scan
    this.#handler = handler
    this.#watch = watch
    this.#write = write
  }

  /** True while the receiver has part of a packet: nothing else may be written to it. */
  get insidePacket(): boolean {
    return this.#passing && this.#remaining > 0
  }

  /** Bytes of memory held between chunks. */
  get heldBytes(): number {
    return this.carry.capacity + this.#outbox.capacity
  }

  /**
   * Decide and pass on what `received` holds; with what is carried it is made one piece, if that is the smaller part. What came before an error has been written when it is thrown.
   *
   * @throws InputError of the scan or the handler.
   */
  feed(received: Uint8Array): void {
    const chunk = this.#isJoined(received.length) ? this.carry.before(received) : received
    this.#begin(chunk)
    try {
      if (this.carry.length > 0) this.#completeCarried()
      while (this.#cursor < chunk.length && !this.#stopped) this.#step()
    } finally {
      this.#end()
    }
    this.pump()
  }

  /** Pass on the rest of the packet that is under way and nothing behind it. */
  drain(chunk: Uint8Array): void {
    this.#begin(chunk)
    if (this.#remaining > 0) this.#payload()
    this.#end()
  }

  /**
   * Queue a whole packet of our own for this direction's receiver; it leaves at the next boundary. The packet belongs to
   * the lane.
   *
   * @throws ERR_MQTT_QUOTA if too much waits for a boundary.
   */
  inject(packet: Uint8Array): void {
    const waits = this.#feeding || this.insidePacket || this.holding
    if (waits || this.#outbox.length + packet.length < WRITE_ANSWERS_AT) {
      this.#outbox.add(packet)
      return
    }
    this.pump()
    this.#write(packet)
  }

  /** Write what is queued, if the receiver is at a packet boundary. */
  pump(): void {
    if (this.#outbox.length > 0 && !this.#feeding && !this.insidePacket && !this.holding)
      this.#write(this.#outbox.take())
  }

  /** Write `packet` in place of the one being decided. For handlers only. */
  replace(packet: Uint8Array): void {
    this.#settle(this.#cursor)
    this.#flush()
    this.passedBytes += packet.length
    this.#write(packet)
  }

  #isJoined(length: number): boolean {
    const { carry } = this
    return carry.length > 0 && carry.length < length && carry.needed - carry.length <= length && length <= MAX_JOINED
  }

  #begin(chunk: Uint8Array): void {
    this.#feeding = true
    this.#chunk = chunk
    this.#handler.begin()
    this.#outStart = this.#outEnd = this.#runStart = this.#cursor = 0
    this.passedBytes = 0
    this.droppedPackets = 0
    this.controlPackets = 0
  }

  #end(): void {
    this.#settle(this.#cursor)
    this.#flush()
    this.#feeding = false
    this.#chunk = EMPTY
  }

  /** Advance over the rest of a payload, or over one packet's control part. */
  #step(): void {
    if (this.#remaining > 0) {
      this.#payload()
      return
    }
    if (this.#outbox.length > 0 && !this.holding) this.#answerInBetween()
    const chunk = this.#chunk
    if ((this.scan.accepted & PUBLISH_BIT) !== 0) {
      this.#cursor = this.#handler.passOver(chunk, this.#cursor, chunk.length)
      if (this.#cursor === chunk.length) return
    }
    const start = this.#cursor
    const needed = this.scan.read(chunk, start, chunk.length)
    if (needed > 0) {
      this.carry.needed = needed
      this.carry.add(chunk, start, chunk.length)
      this.#cut(chunk.length)
      return
    }
    const next = start + this.scan.controlLength
    const outcome = this.#decide(chunk, start, chunk.length)
    if (outcome === OUTCOME.hold) {
      this.carry.needed = this.scan.length
      this.carry.add(chunk, start, chunk.length)
      this.#cut(chunk.length)
      return
    }
    if (outcome === OUTCOME.pass || outcome === OUTCOME.last) this.#cursor = next
    else this.#cut(next)
    this.#after(outcome, 0)
  }

  /** Fetch what the carried packet lacks from the chunk; decide it when its control part is whole, or all of it if held. */
  #completeCarried(): void {
    const { carry, scan } = this
    const chunk = this.#chunk
    let outcome: Outcome = OUTCOME.hold
    while (outcome === OUTCOME.hold) {
      const from = this.#cursor
      const to = Math.min(chunk.length, from + carry.needed - carry.length)
      const have = carry.add(chunk, from, to)
      this.#cut(to)
      if (have < carry.needed) return
      carry.needed = scan.read(carry.view(), 0, have)
      if (carry.needed > 0) continue
      if (this.#outbox.length > 0 && !this.holding) this.#answerInBetween()
      outcome = this.#decide(carry.view(), 0, have)
      carry.needed = scan.length
    }
    const bytes = carry.take()
    const payload = bytes.length - scan.controlLength
    if (outcome === OUTCOME.pass || outcome === OUTCOME.last) this.#writeCarried(bytes)
    // What replaced it was its control part; of the payload, that of a held packet is here.
    else if (outcome === OUTCOME.replaced && payload > 0) this.#writeCarried(bytes.subarray(scan.controlLength))
    if (this.#watch.active) this.#watch.payload(bytes, scan.controlLength, bytes.length)
    this.#after(outcome, payload)
  }

  #writeCarried(bytes: Uint8Array): void {
    this.passedBytes += bytes.length
    this.#write(bytes)
  }

  /** Decide the packet at `start`, of which the bytes before `have` are in hand. */
  #decide(bytes: Uint8Array, start: number, have: number): Outcome {
    const { scan } = this
    const end = start + scan.controlLength
    if (scan.type !== PUBLISH) {
      this.controlPackets++
      return this.#handler.control(bytes, start, end, scan)
    }
    return this.#handler.publish(bytes, start, end, scan, have - start >= scan.length)
  }

  /** The packet is decided; `done` bytes of its payload have been dealt with. */
  #after(outcome: Outcome, done: number): void {
    this.#remaining = this.scan.payloadBytes - done
    this.#passing = outcome !== OUTCOME.drop && outcome !== OUTCOME.stop
    this.#stopped = outcome === OUTCOME.last || outcome === OUTCOME.stop
    if (this.#remaining > 0) return
    if (outcome === OUTCOME.drop) this.droppedPackets++
    if (this.#watch.active) this.#watch.end()
  }

  #payload(): void {
    const next = Math.min(this.#chunk.length, this.#cursor + this.#remaining)
    this.#remaining -= next - this.#cursor
    if (this.#passing) {
      if (this.#watch.active) {
        this.#watch.payload(this.#chunk, this.#cursor, next)
        if (this.#remaining === 0) this.#watch.end()
      }
      this.#cursor = next
    } else {
      this.#cut(next)
      if (this.#remaining === 0) this.droppedPackets++
    }
  }

  /** Leave out [cursor, next): close up what is allowed before it. */
  #cut(next: number): void {
    this.#settle(this.#cursor)
    this.#runStart = this.#cursor = next
  }

  /** Move [runStart, upTo) up to what is already to be written. */
  #settle(upTo: number): void {
    if (upTo === this.#runStart) return
    if (this.#outEnd === this.#outStart) this.#outStart = this.#outEnd = this.#runStart
    if (this.#outEnd !== this.#runStart) {
      this.#chunk.copyWithin(this.#outEnd, this.#runStart, upTo)
      this.movedBytes += upTo - this.#runStart
    }
    this.#outEnd += upTo - this.#runStart
    this.#runStart = upTo
  }

  #flush(): void {
    if (this.#outEnd > this.#outStart) {
      const chunk = this.#chunk
      const bytes = this.#outEnd - this.#outStart
      this.passedBytes += bytes
      this.#write(bytes === chunk.length ? chunk : chunk.subarray(this.#outStart, this.#outEnd))
    }
    this.#outStart = this.#outEnd = this.#runStart
  }

  #answerInBetween(): void {
    this.#settle(this.#cursor)
    this.#flush()
    this.#write(this.#outbox.take())
  }
}
