import { MODBUS_FUNCTIONS, type ModbusFunctionName, type Range } from "../language/modbus-rule.ts"
import type { Found } from "./who.ts"

/** What a function's addresses count. */
export type AddressKind = "coils" | "discreteInputs" | "registers" | "inputRegisters" | "fifos"

/** The kinds by function code; a function that is not here names no addresses. */
export const ADDRESS_KIND: Readonly<Record<number, AddressKind>> = {
  1: "coils",
  2: "discreteInputs",
  3: "registers",
  4: "inputRegisters",
  5: "coils",
  6: "registers",
  15: "coils",
  16: "registers",
  22: "registers",
  23: "registers",
  24: "fifos",
}

/** Most addresses of one request, by function. @see MODBUS Application Protocol 1.1b3 section 6 */
export const MAX_QUANTITY: Readonly<Record<number, number>> = {
  1: 2000,
  2: 2000,
  3: 125,
  4: 125,
  5: 1,
  6: 1,
  15: 1968,
  16: 123,
  22: 1,
  23: 125,
  24: 1,
}

/** Most registers that function 23 writes. */
export const MAX_WRITTEN_BESIDE_READ = 121

/** One request, taken apart. */
export interface ModbusRequest {
  readonly unit: number
  readonly code: number
  /** Sub-function of 8, MEI type of 43. */
  readonly sub: number | null
  /** Addresses that are read. */
  readonly reads: Range | null
  /** Addresses that are written. */
  readonly writes: Range | null
  /** What is written: register words or bits. Function 22: the two masks. */
  readonly values: readonly number[]
  readonly file: { readonly file: number; readonly records: Range } | null
}

/** A request as a person gives it. */
export interface RequestParts {
  readonly unit: number
  readonly function: ModbusFunctionName | number
  readonly sub: number | null
  readonly address: number | null
  readonly quantity: number | null
  readonly "write-address": number | null
  readonly values: readonly number[] | null
  readonly file: number | null
  readonly record: number | null
}

/** The request of these parts, or what is missing or too much. */
export function makeRequest(parts: RequestParts): Found<ModbusRequest> {
  const code = typeof parts.function === "number" ? parts.function : MODBUS_FUNCTIONS[parts.function]
  const { unit, sub, address, values } = parts
  const bare = { unit, code, sub: null, reads: null, writes: null, values: [], file: null }
  const fail = (why: string, hint: string | null = null): Found<never> => ({ ok: false, why, hint })
  if (code === 8 || code === 43) {
    return sub === null ? fail(`${functionName(code)} needs "sub"`) : { ok: true, value: { ...bare, sub } }
  }
  if (code === 20 || code === 21) {
    if (parts.file === null || parts.record === null) return fail(`${functionName(code)} needs "file" and "record"`)
    const records = spanOf(parts.record, parts.quantity ?? values?.length ?? 1)
    return { ok: true, value: { ...bare, values: values ?? [], file: { file: parts.file, records } } }
  }
  if (ADDRESS_KIND[code] === undefined) return { ok: true, value: bare }
  if (address === null) return fail(`${functionName(code)} needs "address"`)
  const writes = WRITING_CODES.includes(code)
  if (writes && values === null) return fail(`${functionName(code)} needs "values"`)
  if (!writes && values !== null) return fail(`${functionName(code)} writes no values`)
  if (code === 22 && values?.length !== 2)
    return fail("mask-write-register takes two values: the and-mask and the or-mask")
  if ((code === 5 || code === 15) && values?.some((value) => value > 1) === true) return fail("a coil is 0 or 1")
  const length = code === 22 ? 1 : (values?.length ?? 1)
  if (code === 23) {
    const to = parts["write-address"]
    if (to === null) return fail('read-write-multiple-registers needs "write-address"')
    const read = spanOf(address, parts.quantity ?? 1)
    const written = spanOf(to, length)
    if (length > MAX_WRITTEN_BESIDE_READ) return fail(`it writes at most ${MAX_WRITTEN_BESIDE_READ} registers`)
    return bounded(code, { ...bare, reads: read, writes: written, values: values ?? [] })
  }
  if (writes && parts.quantity !== null && parts.quantity !== length) {
    return fail(`"quantity" says ${parts.quantity}, but there are ${length} values`)
  }
  const span = spanOf(address, writes ? length : (parts.quantity ?? 1))
  const request = writes ? { ...bare, writes: span, values: values ?? [] } : { ...bare, reads: span }
  return bounded(code, request)
}

/** Functions that write addresses. */
export const WRITING_CODES: readonly number[] = [5, 6, 15, 16, 22, 23]

function bounded(code: number, request: ModbusRequest): Found<ModbusRequest> {
  const most = MAX_QUANTITY[code] ?? 1
  for (const span of [request.reads, request.writes]) {
    if (span === null) continue
    if (span.to > 65_535) return { ok: false, why: "it reaches past address 65535", hint: null }
    if (span.to - span.from >= most) {
      return { ok: false, why: `${functionName(code)} takes at most ${most} at a time`, hint: null }
    }
  }
  return { ok: true, value: request }
}

function spanOf(from: number, quantity: number): Range {
  return { from, to: from + quantity - 1 }
}

/** `write-single-register`, or `function 99`. */
export function functionName(code: number): string {
  const found = Object.entries(MODBUS_FUNCTIONS).find(([, number]) => number === code)
  return found === undefined ? `function ${code}` : found[0]
}

/** `unit 3 write-single-register 107 = 1500`. */
export function requestText({ unit, code, sub, reads, writes, values, file }: ModbusRequest): string {
  const words = [`unit ${unit} ${functionName(code)}`]
  if (sub !== null) words.push(`sub-function ${sub}`)
  if (reads !== null) words.push(rangeText(reads))
  if (writes !== null) words.push(`${rangeText(writes)} = ${valuesText(values)}`)
  if (file !== null) words.push(`file ${file.file} record ${rangeText(file.records)}`)
  return words.join(" ")
}

function valuesText(values: readonly number[]): string {
  return values.length > 8 ? `${values.slice(0, 8).join(" ")} ...` : values.join(" ")
}

/** `107`, or `100..109`. */
export function rangeText({ from, to }: Range): string {
  return from === to ? String(from) : `${from}..${to}`
}

/**
 * Read `unit 3 write-single-register 107 = 1500`: unit, function by name or code, first address, `..` and the last or `x`
 * and how many, `=` and the values. Sub-functions stand where addresses do. Function 23: `100..101 write 200 = 7 8`.
 */
export function parseRequestText(text: string): Found<ModbusRequest> {
  const form =
    /^(?:unit )?(\d{1,3}) ([a-z0-9-]+)(?: (\d{1,5})(?:(?:\.\.| ?x ?)(\d{1,5}))?)?(?: write (\d{1,5}))?(?: ?= ?([\d ,]+))?$/.exec(
      text.trim().replace(/\s+/g, " "),
    )
  const fail = (why: string): Found<never> => ({
    ok: false,
    why,
    hint: 'write "unit 3 write-single-register 107 = 1500" or "unit 3 read-holding-registers 100..109"',
  })
  if (form === null) return fail("this is not a request in words")
  const [, unit = "", name = "", first, second, target, listed] = form
  const code = Object.hasOwn(MODBUS_FUNCTIONS, name) ? MODBUS_FUNCTIONS[name as ModbusFunctionName] : Number(name)
  if (!(code >= 1 && code <= 127)) return fail(`there is no function ${name}`)
  if (Number(unit) > 255) return fail("units are 0..255")
  const address = first === undefined ? null : Number(first)
  const counted =
    second === undefined ? null : text.includes("..") ? Number(second) - Number(first) + 1 : Number(second)
  if (counted !== null && counted < 1) return fail("the last address comes before the first")
  const values = listed === undefined ? null : listed.split(/[ ,]+/).filter((word) => word !== "").map(Number) // prettier-ignore
  if (values?.some((value) => value > 65_535) === true) return fail("values are 0..65535, a number for each register")
  const isSub = code === 8 || code === 43
  const isFile = code === 20 || code === 21
  return makeRequest({
    unit: Number(unit),
    function: code,
    sub: isSub ? address : null,
    address: isSub || isFile ? null : address,
    quantity: counted,
    "write-address": target === undefined ? null : Number(target),
    values,
    file: isFile ? address : null,
    record: isFile ? 0 : null,
  })
}

/**
 * The request as bytes: unit, function and data, as they stand between the framings of TCP and of a serial line.
 *
 * @see MODBUS Application Protocol 1.1b3 section 6
 */
export function encodeRequest({ unit, code, sub, reads, writes, values, file }: ModbusRequest): Uint8Array {
  const out = [unit, code]
  const word = (value: number): number => out.push((value >> 8) & 0xff, value & 0xff)
  const span = (range: Range): void => {
    word(range.from)
    word(range.to - range.from + 1)
  }
  const words = (): void => {
    out.push(values.length * 2)
    for (const value of values) word(value)
  }
  if (code === 8) {
    word(sub ?? 0)
    word(0)
  } else if (code === 43) {
    out.push(sub ?? 0)
    // Device identification: basic, from the first object on. A CANopen request would be longer.
    if (sub === 14) out.push(1, 0)
  } else if (code === 24 && reads !== null) word(reads.from)
  else if (file !== null) {
    const count = file.records.to - file.records.from + 1
    out.push(code === 20 ? 7 : 7 + count * 2, 6)
    word(file.file)
    word(file.records.from)
    word(count)
    if (code === 21) for (let k = 0; k < count; k++) word(values[k] ?? 0)
  } else if (writes !== null && (code === 5 || code === 6 || code === 22)) {
    word(writes.from)
    if (code === 5) word(values[0] === 1 ? 0xff00 : 0)
    else for (const value of values) word(value)
  } else {
    if (reads !== null) span(reads)
    if (writes !== null) span(writes)
    if (code === 15) {
      out.push(Math.ceil(values.length / 8))
      for (let at = 0; at < values.length; at += 8) {
        out.push(values.slice(at, at + 8).reduce((byte, bit, k) => byte | (bit << k), 0))
      }
    } else if (writes !== null) words()
  }
  return Uint8Array.from(out)
}
