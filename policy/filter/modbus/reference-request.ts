/** What a request says, read from the standard into objects: slow, obvious, shares nothing with the fast filter. */

export type Register = "coils" | "discreteInputs" | "registers" | "inputRegisters" | "fifos"

/** Some addresses that a request names, first and last; `written` has the values of registers, or says `bits` of one. */
export interface Access {
  readonly of: Register
  readonly from: number
  readonly to: number
  readonly written: readonly number[] | "bits" | null
}

/** Records of one file that a request of function 20 or 21 names. */
export interface FileAccess {
  readonly of: "file"
  readonly file: number
  readonly from: number
  readonly to: number
}

/** A request taken apart, every part by its name. */
export interface ModbusRequest {
  readonly unit: number
  readonly code: number
  /** Sub-function of 8, type of 43. */
  readonly sub: number | null
  readonly accesses: readonly (Access | FileAccess)[]
}

/** Takes big-endian numbers off the front of some bytes; `null` once there are not enough. */
class Reader {
  rest: readonly number[]

  constructor(bytes: readonly number[]) {
    this.rest = bytes
  }

  byte(): number {
    const [first, ...rest] = this.rest
    this.rest = rest
    return first ?? NaN
  }

  word(): number {
    return this.byte() * 256 + this.byte()
  }

  words(count: number): number[] {
    return Array.from({ length: count }, () => this.word())
  }
}

/** The request, or null if the bytes are none. @see MODBUS Application Protocol 1.1b3 section 6 */
export function readRequest(bytes: readonly number[]): ModbusRequest | null {
  if (bytes.length > 254) return null
  const reader = new Reader(bytes)
  const unit = reader.byte()
  const code = reader.byte()
  if (!(code >= 1 && code <= 127)) return null
  const said = readBody(code, reader)
  return said === null ? null : { unit, code, sub: null, ...said }
}

type Body = { readonly accesses: readonly (Access | FileAccess)[]; readonly sub?: number } | null

function readBody(code: number, reader: Reader): Body {
  switch (code) {
    case 1:
      return reading(reader, "coils", 2000)
    case 2:
      return reading(reader, "discreteInputs", 2000)
    case 3:
      return reading(reader, "registers", 125)
    case 4:
      return reading(reader, "inputRegisters", 125)
    case 5: {
      const [from, value] = [reader.word(), reader.word()]
      return atEnd(reader, value === 0 || value === 0xff00, [access("coils", from, 1)])
    }
    case 6: {
      const [from, value] = [reader.word(), reader.word()]
      return atEnd(reader, true, [access("registers", from, 1, [value])])
    }
    case 7:
    case 11:
    case 12:
    case 17:
      return atEnd(reader, true, [])
    case 8:
      return diagnostics(reader)
    case 15: {
      const [from, quantity, room] = [reader.word(), reader.word(), reader.byte()]
      const holds = quantity >= 1 && quantity <= 1968 && room === Math.ceil(quantity / 8) && reader.rest.length === room
      return holds ? whole([access("coils", from, quantity)]) : null
    }
    case 16: {
      const [from, quantity, room] = [reader.word(), reader.word(), reader.byte()]
      const holds = quantity >= 1 && quantity <= 123 && room === quantity * 2
      return holds ? atEnd(reader, true, [access("registers", from, quantity, reader.words(quantity))]) : null
    }
    case 20:
      return files(reader, false)
    case 21:
      return files(reader, true)
    case 22: {
      const [from, and, or] = [reader.word(), reader.word(), reader.word()]
      return atEnd(reader, !Number.isNaN(and + or), [access("registers", from, 1, "bits")])
    }
    case 23: {
      const [read, count, write, quantity, room] = [...reader.words(4), reader.byte()] as [
        number,
        number,
        number,
        number,
        number,
      ]
      const holds = count >= 1 && count <= 125 && quantity >= 1 && quantity <= 121 && room === quantity * 2
      if (!holds) return null
      const writing = access("registers", write, quantity, reader.words(quantity))
      return atEnd(reader, true, [access("registers", read, count), writing])
    }
    case 24:
      return atEnd(reader, true, [access("fifos", reader.word(), 1)])
    case 43: {
      const type = reader.byte()
      const said = reader.rest
      if (Number.isNaN(type)) return null
      if (type === 14 && (said.length !== 2 || ![1, 2, 3, 4].includes(said[0] ?? 0))) return null
      return { accesses: [], sub: type }
    }
    default:
      return { accesses: [] }
  }
}

function reading(reader: Reader, of: Register, limit: number): Body {
  const [from, quantity] = [reader.word(), reader.word()]
  return atEnd(reader, quantity >= 1 && quantity <= limit, [access(of, from, quantity)])
}

function access(of: Register, from: number, quantity: number, written: Access["written"] = null): Access {
  return { of, from, to: from + quantity - 1, written }
}

/** The body, if nothing is left, nothing was missing, and all addresses exist. */
function atEnd(reader: Reader, holds: boolean, accesses: readonly Access[]): Body {
  return holds && reader.rest.length === 0 ? whole(accesses) : null
}

function whole(accesses: readonly Access[]): Body {
  const missing = accesses.some(({ written }) => Array.isArray(written) && written.some((word) => Number.isNaN(word)))
  return !missing && accesses.every(({ from, to }) => from >= 0 && to <= 65_535) ? { accesses } : null
}

function diagnostics(reader: Reader): Body {
  const sub = reader.word()
  if (Number.isNaN(sub)) return null
  const data = reader.rest
  const number = (data[0] ?? NaN) * 256 + (data[1] ?? NaN)
  const forms: Readonly<Record<number, boolean>> = {
    0: data.length >= 2 && data.length % 2 === 0,
    1: data.length === 2 && (number === 0 || number === 0xff00),
    3: data.length === 2 && data[1] === 0,
  }
  const defined = [2, 4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20]
  const holds = forms[sub] ?? (defined.includes(sub) ? data.length === 2 && number === 0 : true)
  return holds ? { accesses: [], sub } : null
}

function files(reader: Reader, writes: boolean): Body {
  const room = reader.byte()
  if (room !== reader.rest.length || room === 0) return null
  const accesses: FileAccess[] = []
  let answer = 0
  while (reader.rest.length > 0) {
    const [type, file, record, length] = [reader.byte(), ...reader.words(3)] as [number, number, number, number]
    if (type !== 6 || !(file >= 1) || !(length >= 1) || !(record + length <= 10_000)) return null
    answer += 2 + length * 2
    if (writes && reader.words(length).some((word) => Number.isNaN(word))) return null
    accesses.push({ of: "file", file, from: record, to: record + length - 1 })
  }
  // The answer of a read must fit as well: two bytes before it.
  return writes || answer + 2 <= 253 ? { accesses } : null
}
