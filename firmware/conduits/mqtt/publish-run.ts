import type { Ahead, Direction } from "./judge.ts"
import { ID_STATE, type PacketIds } from "./packet-ids.ts"
import { PUBLISH } from "./packet-type.ts"
import type { SessionContext } from "./session-context.ts"

/** In place of what was found: nobody has looked. */
export const UNSEEN: number = -0x80000000

/**
 * The quick way for PUBLISHes that stand whole in a chunk. Those of QoS 0 that are known to pass are passed over by the filter
 * itself, in one call. From the first that is not, all are looked up in one call, and those that pass as they are
 * are passed over, run by run, without a scan of their own.
 *
 * Passed over is only what needs nothing else: its verdict is known and allows it, nobody records it or hears it, it has no
 * properties, and its identifier is not one that was refused. Everything else stops the run and goes the way of single
 * packets, in its turn, with what was found here; so both ways say the same, to the byte. That the filter knows and allows
 * a packet says that it is well-formed up to its payload: topic, lengths and property list.
 */
export class PublishRun {
  readonly #context: SessionContext
  readonly #direction: Direction
  readonly #ids: PacketIds
  #maxBytes: number
  /** What the filter has of the chunk: [from, to). Before the chunk's beginning `from` stands if the chunk was received there. */
  #bytes: Uint8Array | null = null
  #from = 0
  #to = 0
  /** Packets that were looked up and not dealt with yet: the first is number `next` and begins at `at`. */
  #count = 0
  #next = 0
  #at = 0

  constructor(context: SessionContext, direction: Direction, ids: PacketIds) {
    const { maxPacketBytes, maxControlBytes } = context.deps.limits
    this.#context = context
    this.#direction = direction
    this.#ids = ids
    this.#maxBytes = Math.min(maxPacketBytes, maxControlBytes)
  }

  /** The receiver takes no packet over `maxBytes`, and its sender was told so: a larger one is not passed over. */
  bound(maxBytes: number): void {
    this.#maxBytes = Math.min(this.#maxBytes, maxBytes)
  }

  /** Forget the last chunk: its bytes are somebody else's now. */
  begin(): void {
    this.#bytes = null
    this.#count = this.#next = this.#to = 0
  }

  /**
   * Pass over the packets of `bytes` from `start` on that pass as they are; returns where the first stands that does not,
   * and how many were passed over in `passed`. A packet boundary is at `start`.
   */
  advance(bytes: Uint8Array, start: number, end: number): number {
    const { judge, deps } = this.#context
    const { ahead } = judge
    if (ahead === undefined || judge.hear !== null || deps.tap?.on === true) return start
    this.passed = 0
    if (this.#next < this.#count && this.#at !== start) {
      // The packet that stopped the run was dealt with by itself.
      this.#at = this.#from + (ahead.results[this.#next++ * 2] as number)
      if (this.#at !== start) this.#next = this.#count
    }
    let at = start
    for (;;) {
      if (this.#next === this.#count) {
        if (at === end || (bytes[at] as number) >> 4 !== PUBLISH) return at
        const stop = this.#pass(ahead, bytes, at, end)
        if (stop > at) {
          at = stop
          continue
        }
        if (!this.#look(ahead, bytes, at, end)) return at
      }
      at = this.#walk(bytes, at)
      if (this.#next < this.#count) return at
    }
  }

  /** Packets passed over by the last `advance`. */
  passed = 0

  /** What was found of the packet at `start`, or UNSEEN. */
  found(bytes: Uint8Array, start: number): number {
    if (this.#next === this.#count || start !== this.#at || bytes !== this.#bytes) return UNSEEN
    return this.#context.judge.ahead?.results[this.#next * 2 + 1] ?? UNSEEN
  }

  /** Where the filter has a copy of the byte at `start`. */
  placeOf(start: number): number {
    return start - this.#from
  }

  /** Pass over what needs no look at all: the filter does so by itself. Returns where it stopped. */
  #pass(ahead: Ahead, bytes: Uint8Array, at: number, end: number): number {
    if (bytes !== this.#bytes || at >= this.#to) this.#show(ahead, bytes, at, end)
    const stop = this.#from + ahead.pass(this.#direction, at - this.#from, this.#to - this.#from, this.#maxBytes)
    if (stop > at) this.passed += ahead.passed()
    return stop
  }

  /** Look up what stands from `at` on, a PUBLISH; false if it is not whole. */
  #look(ahead: Ahead, bytes: Uint8Array, at: number, end: number): boolean {
    this.#next = 0
    this.#count = ahead.look(this.#direction, at - this.#from, this.#to - this.#from)
    if (this.#count === 0 && this.#to < end && this.#from < at) {
      this.#show(ahead, bytes, at, end)
      this.#count = ahead.look(this.#direction, at - this.#from, this.#to - this.#from)
    }
    this.#at = at
    return this.#count > 0
  }

  /** Let the filter have [at, end) of `bytes`, or the beginning of that: where it lies, or brought over. */
  #show(ahead: Ahead, bytes: Uint8Array, at: number, end: number): void {
    const place = ahead.placeOf(bytes)
    this.#bytes = bytes
    this.#from = place < 0 ? at : 0 - place
    this.#to = place < 0 ? Math.min(end, at + ahead.room) : end
    if (place < 0) ahead.load(bytes, at, this.#to)
  }

  /** Pass over what was looked up, up to the first packet that needs more. */
  #walk(bytes: Uint8Array, start: number): number {
    const { judge, version } = this.#context
    if (judge.ahead === undefined) return start
    const { results, records } = judge.ahead
    const maxBytes = this.#maxBytes
    const from = this.#from
    const count = this.#count
    const first = this.#next
    let next = first
    let at = start
    for (; next < count; next++) {
      const stop = from + (results[next * 2] as number)
      const verdict = results[next * 2 + 1] as number
      if ((verdict & 0xff) !== 0 || stop - at > maxBytes) break
      if (records[(verdict >>> 8) - 1] !== 0) break
      if ((version === 5 || ((bytes[at] as number) & 0x0e) !== 0) && !this.#isPlain(bytes, at, version)) break
      at = stop
    }
    this.#next = next
    this.#at = at
    this.passed += next - first
    return at
  }

  /**
   * True if the packet at `at` has no properties and its identifier may be forwarded, which is then noted. It is whole, and
   * its topic and lengths are in order.
   */
  #isPlain(bytes: Uint8Array, at: number, version: 4 | 5): boolean {
    const flags = (bytes[at] as number) & 0x0f
    let here = at + 1
    while ((bytes[here] as number) >= 0x80) here++
    // A padded length, which MQTT 5 forbids.
    if (version === 5 && here > at + 1 && bytes[here] === 0) return false
    here += 3 + (((bytes[here + 1] as number) << 8) | (bytes[here + 2] as number))
    const qos = (flags >> 1) & 3
    if (version === 5 && bytes[qos === 0 ? here : here + 2] !== 0) return false
    if (qos === 0) return (flags & 8) === 0
    const id = ((bytes[here] as number) << 8) | (bytes[here + 1] as number)
    if (id === 0 || this.#ids.get(id) === ID_STATE.refused) return false
    this.#ids.set(id, ID_STATE.forwarded)
    return true
  }
}
