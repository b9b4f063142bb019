import { Carry } from "./carry.ts"
import { PUBLISH } from "./packet-type.ts"
import type { PacketScan } from "./packet-scan.ts"

/** One packet, whole, in [start, end) of `bytes`; `scan` describes it until the next one. */
export type PacketTaker = (bytes: Uint8Array, start: number, end: number, scan: PacketScan) => void

/** Cuts a stream into whole packets, payloads included, for ends that are not passed through but served. */
export class WholePackets {
  readonly #scan: PacketScan
  readonly #take: PacketTaker
  readonly #carry = new Carry()

  constructor(scan: PacketScan, take: PacketTaker) {
    this.#scan = scan
    this.#take = take
  }

  /** Hand over every packet that `chunk` completes. @throws InputError of the scan, and what the taker throws */
  feed(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#carry.length > 0) at = this.#complete(chunk, at)
      else {
        const needed = this.#needed(chunk, at, chunk.length)
        if (needed === 0) {
          const { length } = this.#scan
          this.#take(chunk, at, at + length, this.#scan)
          at += length
        } else {
          this.#carry.needed = needed
          this.#carry.add(chunk, at, chunk.length)
          at = chunk.length
        }
      }
    }
  }

  #complete(chunk: Uint8Array, from: number): number {
    const carry = this.#carry
    let at = from
    for (;;) {
      const to = Math.min(chunk.length, at + carry.needed - carry.length)
      const have = carry.add(chunk, at, to)
      at = to
      if (have < carry.needed) return at
      carry.needed = this.#needed(carry.view(), 0, have)
      if (carry.needed > 0) continue
      const bytes = carry.take()
      this.#take(bytes, 0, bytes.length, this.#scan)
      return at
    }
  }

  /** Bytes from `start` on that are needed to get further; 0: the whole packet is in hand. */
  #needed(bytes: Uint8Array, start: number, end: number): number {
    const needed = this.#scan.read(bytes, start, end)
    if (needed > 0) return needed
    const { length, type } = this.#scan
    return type === PUBLISH && end - start < length ? length : 0
  }
}
