import { InputError } from "../../policy/base/errors.ts"

const NEWLINE = 0x0a
const FIRST_CAPACITY = 4096

/**
 * Cuts a stream of bytes into lines. Holds at most one unfinished line of `maxBytes`, copied into one array: bytes that
 * trickle in one at a time cost no more than their number.
 */
export class LineBuffer {
  readonly #maxBytes: number
  #held = new Uint8Array(0)
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The lines that `chunk` completes, one by one, without their newline; the rest is kept, so read them all.
   *
   * @throws InputError `ERR_LINE_TOO_LONG` as soon as a line is longer than it may be; the buffer is of no use after it.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, at))
      const line = this.#held.slice(0, this.#length)
      this.#length = 0
      from = at + 1
      yield line
    }
    this.#keep(chunk.subarray(from))
  }

  #keep(part: Uint8Array): void {
    const length = this.#length + part.length
    if (length > this.#maxBytes) throw new InputError("ERR_LINE_TOO_LONG", `a line is over ${this.#maxBytes} bytes`)
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(length, 2 * this.#held.length, FIRST_CAPACITY)))
      grown.set(this.#held.subarray(0, this.#length))
      this.#held = grown
    }
    this.#held.set(part, this.#length)
    this.#length = length
  }
}
