const FIRST_BYTES = 64

/**
 * Holds the beginning of a packet whose control part a chunk's end has cut off.
 *
 * The buffer grows with what has come, never with what was announced, and doubles as it grows: input byte by byte costs
 * less than three copied bytes for each that came in. The bound is the caller's: it never asks for more than a packet's
 * control part may measure.
 */
export class Carry {
  length = 0
  /** Bytes to be held before looking again. */
  needed = 0
  /** Bytes ever copied, for the tests of cost. */
  copied = 0
  #bytes: Uint8Array<ArrayBuffer> | null = null

  /** Bytes of memory held. */
  get capacity(): number {
    return this.#bytes?.length ?? 0
  }

  /** What is held, as a view that the next `add` may make stale. */
  view(): Uint8Array {
    return this.#bytes === null ? new Uint8Array(0) : this.#bytes.subarray(0, this.length)
  }

  /** Copy [start, end) of `chunk` to the end; returns how many bytes are held. */
  add(chunk: Uint8Array, start: number, end: number): number {
    const total = this.length + end - start
    if (this.#bytes === null || total > this.#bytes.length) this.#grow(total)
    this.#bytes?.set(chunk.subarray(start, end), this.length)
    this.copied += end - start
    this.length = total
    return total
  }

  /** What was held, which now belongs to the caller; nothing is held any more. */
  take(): Uint8Array {
    const bytes = this.view()
    this.#bytes = null
    this.length = 0
    this.needed = 0
    return bytes
  }

  /** What was held with `chunk` behind it, in bytes of their own; nothing is held any more. */
  before(chunk: Uint8Array): Uint8Array {
    const held = this.take()
    const both = Buffer.allocUnsafe(held.length + chunk.length)
    both.set(held)
    both.set(chunk, held.length)
    this.copied += both.length
    return both
  }

  #grow(total: number): void {
    const capacity = Math.max(FIRST_BYTES, total, Math.min(this.capacity * 2, this.needed))
    const larger = new Uint8Array(capacity)
    if (this.#bytes !== null) {
      larger.set(this.view())
      this.copied += this.length
    }
    this.#bytes = larger
  }
}
