import { fitsRequest } from "../response.ts"
import { answerLength, MORE, NEVER, SILENCE } from "./answer-length.ts"
import { crc16 } from "./crc.ts"
import { encodeFrame, MAX_FRAME_BYTES, MIN_FRAME_BYTES } from "./frame.ts"

/** An echo, an answer and as much again of noise before them; of more the oldest is forgotten. */
const MAX_HELD_BYTES = 3 * MAX_FRAME_BYTES
/** A line that turns round may show the receiver some bytes that nobody sent: all zeros or all ones. */
const MAX_GLITCH_BYTES = 3

/** The request whose answer is read. */
export interface AskedFrame {
  readonly unit: number
  readonly pdu: Uint8Array
  /** The line brings back our own bytes before the answer. */
  readonly echo: boolean
}

/**
 * Finds the answer to one request in what comes off the line.
 *
 * An answer is taken at once when it begins where answers begin: first, or after the echo, or after the few zeros or ones
 * of a line that turns round; it must bear the unit and function, have the length that the request calls for, and a right
 * checksum. If anything else came first, nothing is taken before the line falls silent (`silence`), and then only a frame
 * that ends where the silence begins. So the values in a damaged answer, which somebody may have chosen, never pass as an
 * answer of their own.
 *
 * A whole frame that cannot be the answer (another unit, function, length, or what it repeats of a write) is a late one to
 * an earlier request: it is passed over, and the answer waited for. One that could be either cannot be told: RTU has no numbers.
 */
export class AnswerReader {
  readonly #asked: AskedFrame
  readonly #own: Uint8Array
  readonly #held = new Uint8Array(MAX_HELD_BYTES)
  #length = 0
  #heard = false
  #cut = false
  #echoed = false
  /** The echo came before a late answer that has been passed over: no other will come. */
  #echoIsOver = false

  constructor(asked: AskedFrame) {
    this.#asked = asked
    this.#own = encodeFrame(asked.unit, asked.pdu)
  }

  /** Anything at all came since the request. */
  get heard(): boolean {
    return this.#heard
  }

  /** Our own bytes came back although the line is not said to do that. */
  get echoed(): boolean {
    return this.#echoed
  }

  /** The answer (function and data, a copy) that `bytes` complete, or null. Bytes behind it are dropped. */
  push(bytes: Uint8Array): Uint8Array | null {
    if (bytes.length === 0) return null
    this.#heard = true
    const kept = bytes.length > MAX_HELD_BYTES ? bytes.subarray(bytes.length - MAX_HELD_BYTES) : bytes
    const over = this.#length + kept.length - MAX_HELD_BYTES
    if (over > 0) {
      this.#held.copyWithin(0, over, this.#length)
      this.#length -= over
      this.#cut = true
    }
    this.#held.set(kept, this.#length)
    this.#length += kept.length
    if (this.#cut) return null
    const from = this.#begin()
    if (from === null) return null
    const end = this.#endOf(from)
    return end === null || !this.#isWhole(from, end) ? null : this.#fitting(from, end)
  }

  /**
   * The line has fallen silent. The answer, if it is there after all; `damaged` if what came was meant to be it; else null,
   * and what came is forgotten: the answer may still come.
   */
  silence(): Uint8Array | "damaged" | null {
    if (this.#length === 0) return null
    const first = this.#begin()
    const found = !this.#waitsForEcho ? this.#lastFrame(0) : first === null ? null : this.#lastFrame(first)
    if (found !== null) {
      this.#echoed ||= !this.#asked.echo && this.#matches(0, this.#own)
      return found
    }
    const late = !this.#cut && first !== null && this.#isWhole(first, this.#length)
    if (late) this.#echoIsOver = true
    const damaged = !this.#cut && !late && (first === null ? this.#length >= MIN_FRAME_BYTES : this.#begins(first))
    this.#length = 0
    this.#cut = false
    return damaged ? "damaged" : null
  }

  get #waitsForEcho(): boolean {
    return this.#asked.echo && !this.#echoIsOver
  }

  /** Where the answer must begin; null while an echo is missing or not whole. */
  #begin(): number | null {
    let at = 0
    const first = this.#waitsForEcho ? this.#own[0] : this.#asked.unit
    while (at < MAX_GLITCH_BYTES && at < this.#length && this.#held[at] !== first && isGlitch(this.#held[at])) at++
    if (!this.#waitsForEcho) return at
    return this.#matches(at, this.#own) ? at + this.#own.length : null
  }

  #matches(at: number, wanted: Uint8Array): boolean {
    if (this.#length - at < wanted.length) return false
    return wanted.every((byte, index) => this.#held[at + index] === byte)
  }

  /** Unit and function at `at` are those of an answer to our request. */
  #begins(at: number): boolean {
    if (this.#held[at] !== this.#asked.unit || at + 1 >= this.#length) return false
    return ((this.#held[at + 1] ?? 0) & 0x7f) === this.#asked.pdu[0]
  }

  /** Where the frame at `at` ends by its own account; null if there is none, or more of it is needed, or only silence tells. */
  #endOf(at: number): number | null {
    if (this.#held[at] !== this.#asked.unit || at + 1 >= this.#length) return null
    const length = answerLength(this.#asked.pdu, this.#held, at + 1, this.#length)
    if (length === MORE || length === NEVER || length === SILENCE) return null
    const end = at + 1 + length + 2
    return end > this.#length ? null : end
  }

  #isWhole(from: number, end: number): boolean {
    return end - from >= MIN_FRAME_BYTES && end - from <= MAX_FRAME_BYTES && crc16(this.#held, from, end) === 0
  }

  /** The longest frame not before `from` that ends where everything ends. */
  #lastFrame(from: number): Uint8Array | null {
    const end = this.#length
    for (let at = Math.max(from, end - MAX_FRAME_BYTES); at <= end - MIN_FRAME_BYTES; at++) {
      if (this.#held[at] !== this.#asked.unit) continue
      const length = answerLength(this.#asked.pdu, this.#held, at + 1, end - 2)
      if (length !== SILENCE && at + 1 + length + 2 !== end) continue
      const pdu = this.#isWhole(at, end) ? this.#fitting(at, end) : null
      if (pdu !== null) return pdu
    }
    return null
  }

  /** Function and data of the frame, or null if they cannot be the answer. */
  #fitting(from: number, end: number): Uint8Array | null {
    const pdu = this.#held.slice(from + 1, end - 2)
    return fitsRequest(this.#asked.pdu, pdu) ? pdu : null
  }
}

function isGlitch(byte: number | undefined): boolean {
  return byte === 0x00 || byte === 0xff
}
