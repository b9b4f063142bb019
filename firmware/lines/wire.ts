import { InputError } from "../../policy/base/errors.ts"
import type { ModbusOutcome, NoAnswer } from "../conduits/modbus/upstream.ts"

/** Changed when a message changes its form: both ends come from one release, and say so when they do not. */
export const WIRE_VERSION = 2

const MAX_PDU_BYTES = 253
const MAX_NAME_BYTES = 64
/** Length field, kind, the longest body. */
export const MAX_MESSAGE_BYTES = 2 + 1 + 10 + MAX_PDU_BYTES

/** What the engine says to a line. The first message of a connection is `use`, and no other is. */
export type ToLine =
  | { readonly kind: "use"; readonly line: string }
  | {
      readonly kind: "ask"
      /** 0..2^32-1, repeated in the answer. */
      readonly id: number
      readonly master: number
      readonly priority: 0 | 1
      readonly unit: number
      readonly pdu: Uint8Array
    }
  | { readonly kind: "forget"; readonly master: number }
  /** Take back what was asked under this number. */
  | { readonly kind: "recall"; readonly id: number }

/** What a line says. */
export interface FromLine {
  readonly id: number
  readonly outcome: ModbusOutcome
}

const USE = 1
const ASK = 2
const FORGET = 3
const RECALL = 4
const WHY: readonly NoAnswer[] = ["timeout", "lost", "garbled", "busy", "closed", "recalled"]
const ANSWER = 16
const BROADCAST = 17

/**
 * Cuts what comes off the socket into messages of at most `MAX_MESSAGE_BYTES`; holds no more than one unfinished one.
 *
 *      0        2      3              2+length
 *      +--------+------+---- - - ----+
 *      | length | kind | body        |     length counts kind and body, 1..
 *      +--------+------+---- - - ----+
 */
export class WireReader {
  readonly #held = new Uint8Array(MAX_MESSAGE_BYTES)
  #length = 0

  #wanted(): number {
    if (this.#length < 2) return 2
    const length = word(this.#held, 0)
    if (length < 1 || length + 2 > MAX_MESSAGE_BYTES) throw wrong("a message of an impossible length")
    return length + 2
  }

  /**
   * The messages (kind and body, copies) that `chunk` completes, one by one; read them all.
   *
   * @throws InputError `ERR_LINE_WIRE` at a length that no message has; the reader is of no use after it
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length;) {
      const wanted = this.#wanted() - this.#length
      const part = chunk.subarray(at, at + wanted)
      this.#held.set(part, this.#length)
      this.#length += part.length
      at += part.length
      if (this.#length < 2 || this.#length < this.#wanted()) continue
      const message = this.#held.slice(2, this.#length)
      this.#length = 0
      yield message
    }
  }
}

/** A message of the engine as bytes. */
export function encodeToLine(message: ToLine): Uint8Array {
  switch (message.kind) {
    case "use":
      return framed(USE, [WIRE_VERSION, ...new TextEncoder().encode(message.line)])
    case "ask": {
      const { id, master, priority, unit, pdu } = message
      return framed(ASK, [...long(id), ...long(master), priority, unit, ...pdu])
    }
    case "forget":
      return framed(FORGET, long(message.master))
    case "recall":
      return framed(RECALL, long(message.id))
  }
}

/** What `WireReader` cut out, read strictly. @throws InputError `ERR_LINE_WIRE` */
export function decodeToLine(message: Uint8Array): ToLine {
  const [kind = 0, first = 0] = message
  if (kind === USE) {
    if (first !== WIRE_VERSION) throw wrong("the other end is of another release")
    const line = String.fromCharCode(...message.subarray(2))
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(line) || line.length > MAX_NAME_BYTES)
      throw wrong("not the name of a line")
    return { kind: "use", line }
  }
  if (kind === ASK) {
    const [priority = 2, unit = 0] = message.subarray(9)
    const pdu = message.slice(11)
    if (priority > 1 || !isPdu(pdu)) throw wrong("not a request")
    return {
      kind: "ask",
      id: longAt(message, 1),
      master: longAt(message, 5),
      priority: priority === 0 ? 0 : 1,
      unit,
      pdu,
    }
  }
  if (kind === FORGET && message.length === 5) return { kind: "forget", master: longAt(message, 1) }
  if (kind === RECALL && message.length === 5) return { kind: "recall", id: longAt(message, 1) }
  throw wrong("not a message to a line")
}

/** A message of a line as bytes. */
export function encodeFromLine({ id, outcome }: FromLine): Uint8Array {
  switch (outcome.kind) {
    case "answer":
      return framed(ANSWER, [...long(id), ...outcome.pdu])
    case "broadcast":
      return framed(BROADCAST, long(id))
    case "none":
      return framed(WHY.indexOf(outcome.why), long(id))
  }
}

/** What `WireReader` cut out, read strictly. @throws InputError `ERR_LINE_WIRE` */
export function decodeFromLine(message: Uint8Array): FromLine {
  const kind = message[0] ?? -1
  const id = longAt(message, 1)
  const why = WHY[kind]
  if (kind === ANSWER && isPdu(message.subarray(5))) return { id, outcome: { kind: "answer", pdu: message.slice(5) } }
  if (message.length !== 5) throw wrong("not a message of a line")
  if (kind === BROADCAST) return { id, outcome: { kind: "broadcast" } }
  if (why !== undefined) return { id, outcome: { kind: "none", why } }
  throw wrong("not a message of a line")
}

function isPdu(pdu: Uint8Array): boolean {
  return pdu.length >= 1 && pdu.length <= MAX_PDU_BYTES
}

function framed(kind: number, body: readonly number[]): Uint8Array {
  const length = body.length + 1
  return Uint8Array.from([length >> 8, length & 0xff, kind, ...body])
}

function long(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
}

function longAt(bytes: Uint8Array, at: number): number {
  return word(bytes, at) * 65_536 + word(bytes, at + 2)
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function wrong(text: string): InputError {
  return new InputError("ERR_LINE_WIRE", text)
}
