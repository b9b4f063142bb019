/** Of TLS: all that it has for one read. Of clear text: a sender's large write. */
export const LARGE_BYTES: number = 16 * 1024
const CLEAR_BYTES = 64 * 1024
/** Where the filter looks a chunk that lands there costs nothing to bring over, so it may be larger: fewer reads and writes. */
const LANDING_BYTES = 256 * 1024
const LANDINGS = { tls: 128, clear: 32 }
/** Buffers kept for the next burst, of each kind, beside those where the filter looks. */
const FREE_BYTES = 1024 * 1024

/** The memory that landing takes once all of it has been used: 2 MiB for TLS, 8 MiB for clear text. */
export const ALL_LANDING_BYTES: number = LANDINGS.tls * LARGE_BYTES + LANDINGS.clear * LANDING_BYTES

/**
 * Buffers of one thread that are lent for reading: first `landing`, which lie where the filter looks, then others. Of these
 * it keeps at most `maxBytes` that nobody uses; what is lent is bounded by what may wait to be written.
 */
export class BufferPool {
  readonly #landing: Uint8Array<ArrayBuffer>[]
  readonly #free: Uint8Array<ArrayBuffer>[] = []
  readonly #maxFree: number
  readonly #bytes: number
  readonly #shared: ArrayBuffer | null
  readonly #left: { readonly isWritten: () => boolean; readonly buffers: readonly Uint8Array<ArrayBuffer>[] }[] = []

  /** Buffers of `bytes` each, beside `landing`, which is all of one piece of memory. */
  constructor(maxBytes: number, bytes: number = LARGE_BYTES, landing: readonly Uint8Array<ArrayBuffer>[] = []) {
    this.#bytes = bytes
    this.#maxFree = Math.floor(maxBytes / bytes)
    this.#landing = [...landing]
    this.#shared = landing[0]?.buffer ?? null
  }

  /** How many large buffers lie ready. */
  get free(): number {
    return this.#landing.length + this.#free.length
  }

  take(): Uint8Array<ArrayBuffer> {
    if (this.#left.length > 0) this.#collect()
    // Of its own: a view of a slab that others share would keep all of it.
    return this.#landing.pop() ?? this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes)
  }

  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (buffer.buffer === this.#shared) this.#landing.push(buffer)
    else if (buffer.length === this.#bytes && this.#free.length < this.#maxFree) this.#free.push(buffer)
  }

  /** Take back what somebody leaves behind, once `isWritten` says that nothing of it waits to be written any more. */
  giveOnce(isWritten: () => boolean, buffers: readonly Uint8Array<ArrayBuffer>[]): void {
    const own = buffers.filter((buffer) => buffer.buffer === this.#shared)
    if (own.length > 0) this.#left.push({ isWritten, buffers: own })
  }

  #collect(): void {
    const waiting = this.#left.splice(0)
    for (const left of waiting) {
      if (left.isWritten()) for (const buffer of left.buffers) this.give(buffer)
      else this.#left.push(left)
    }
  }
}

/** The pools of one thread. */
export interface ReadPools {
  readonly tls: BufferPool
  readonly clear: BufferPool
}

/**
 * The pools of a thread; `landing` is memory in which its filter looks at packets, `ALL_LANDING_BYTES` of it or none.
 *
 * Who holds one and is silent keeps it from others, who then read into buffers as large as ever, brought over by a copy.
 */
export function createReadPools(landing: Uint8Array<ArrayBuffer> | null): ReadPools {
  let at = 0
  const cut = (count: number, bytes: number): Uint8Array<ArrayBuffer>[] =>
    Array.from({ length: landing === null ? 0 : count }, () => {
      const { buffer, byteOffset } = landing as Uint8Array<ArrayBuffer>
      const start = byteOffset + at
      at += bytes
      // What is written to a socket must be of this kind, or Node makes one of it each time.
      return Buffer.from(buffer, start, bytes)
    })
  return {
    tls: new BufferPool(FREE_BYTES, LARGE_BYTES, cut(LANDINGS.tls, LARGE_BYTES)),
    clear: new BufferPool(FREE_BYTES, CLEAR_BYTES, cut(LANDINGS.clear, LANDING_BYTES)),
  }
}
