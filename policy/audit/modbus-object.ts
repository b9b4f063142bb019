/**
 * What a Modbus request is about, for the log and for recordings: unit, function, addresses; never a value.
 */
import { MODBUS_FUNCTIONS, type Range } from "../language/modbus-rule.ts"

/** What an address counts. */
export type ModbusTableName = "registers" | "input-registers" | "coils" | "discrete-inputs"

/** A name for some addresses of some units. */
export interface NamedPoint {
  readonly name: string
  readonly units: readonly Range[]
  readonly table: ModbusTableName
  /** First and last address. */
  readonly from: number
  readonly to: number
}

/** A request, as far as the log tells of it. */
export interface ModbusAbout {
  readonly unit: number
  readonly code: number
  /** Sub-function of 8, type of 43; file of 20 and 21 if all parts name the same one. */
  readonly sub: number | null
  /** Addresses that it names, or records of its one file; null if it names none, or several files. */
  readonly range: Range | null
  /** Of 23: what it writes. */
  readonly written: Range | null
  /** It names several ranges of records: `range` is the first. */
  readonly isMultiPart: boolean
}

const TABLES: Readonly<Record<number, ModbusTableName>> = {
  1: "coils",
  2: "discrete-inputs",
  3: "registers",
  4: "input-registers",
  5: "coils",
  6: "registers",
  15: "coils",
  16: "registers",
  22: "registers",
  23: "registers",
}

/** Names of the functions by code. */
const NAMES = new Map<number, string>(Object.entries(MODBUS_FUNCTIONS).map(([name, code]) => [code, name]))

/**
 * What a well-formed request is about: `adu` is unit, function and data. Of one that `decideModbus` calls no request
 * the answer means nothing.
 *
 * @see MODBUS Application Protocol 1.1b3 section 6
 */
export function aboutRequest(adu: Uint8Array): ModbusAbout {
  const [unit = 0, code = 0] = adu
  const word = (at: number): number => ((adu[at] ?? 0) << 8) | (adu[at + 1] ?? 0)
  const span = (at: number): Range => ({ from: word(at), to: word(at) + word(at + 2) - 1 })
  const about = { unit, code, sub: null, range: null, written: null, isMultiPart: false }
  if (code === 8) return { ...about, sub: word(2) }
  if (code === 43) return { ...about, sub: adu[2] ?? 0 }
  if (code === 20 || code === 21) {
    const first = 10 + (code === 21 ? word(8) * 2 : 0)
    return { ...about, sub: word(4), range: span(6), isMultiPart: first < adu.length }
  }
  if (code === 23) return { ...about, range: span(2), written: span(6) }
  if ([5, 6, 22, 24].includes(code)) return { ...about, range: { from: word(2), to: word(2) } }
  return TABLES[code] === undefined ? about : { ...about, range: span(2) }
}

/** `write-single-register`, or `function 99`. */
export function functionWord(code: number): string {
  return NAMES.get(code) ?? `function ${code}`
}

/**
 * `unit 3 write-single-register 40 (pump3.setpoint)`. Names are those of `points` that the request touches, at most three.
 */
export function requestObject(about: ModbusAbout, points: readonly NamedPoint[]): string {
  const { unit, code, sub, range, written, isMultiPart } = about
  const words = [`unit ${unit} ${functionWord(code)}`]
  if (code === 8 || code === 43) words.push(`sub-function ${sub ?? 0}`)
  if (code === 20 || code === 21) words.push(`file ${sub ?? 0} record ${text(range)}${isMultiPart ? " and more" : ""}`)
  else if (range !== null) words.push(text(range))
  if (written !== null) words.push(`write ${text(written)}`)
  const names = points.filter((point) => touches(point, about)).map(({ name }) => name)
  const shown = [...new Set(names)]
  if (shown.length > 0) words.push(`(${shown.slice(0, 3).join(", ")}${shown.length > 3 ? ", ..." : ""})`)
  return words.join(" ")
}

function touches(point: NamedPoint, { unit, code, range, written }: ModbusAbout): boolean {
  if (point.table !== TABLES[code] || !point.units.some(({ from, to }) => unit >= from && unit <= to)) return false
  return [range, written].some((own) => own !== null && own.from <= point.to && own.to >= point.from)
}

function text(range: Range | null): string {
  if (range === null) return "?"
  return range.from === range.to ? String(range.from) : `${range.from}..${range.to}`
}

/** A request in the words of `requestObject`, read back; null if the text is none. Names are passed over. */
export function parseRequestObject(object: string): ModbusAbout | null {
  const [, unit = "", name = "", number, rest = ""] =
    /^unit (\d{1,3}) (?:function (\d{1,3})|([a-z-]+))((?: [^(]*)?)(?: \(.*\))?$/.exec(object)?.map((part) => part) ?? []
  const code =
    name === "" ? (MODBUS_FUNCTIONS[number as keyof typeof MODBUS_FUNCTIONS] as number | undefined) : Number(name)
  if (unit === "" || code === undefined) return null
  const about = { unit: Number(unit), code, sub: null, range: null, written: null, isMultiPart: false }
  const words = rest.trim()
  if (words === "") return about
  const [, sub] = /^sub-function (\d{1,5})$/.exec(words) ?? []
  if (sub !== undefined) return { ...about, sub: Number(sub) }
  const [, file, records, more] = /^file (\d{1,5}) record (\d+(?:\.\.\d+)?)( and more)?$/.exec(words) ?? []
  if (file !== undefined) {
    return { ...about, sub: Number(file), range: rangeOf(records ?? ""), isMultiPart: more !== undefined }
  }
  const [, range, written] = /^(\d+(?:\.\.\d+)?)(?: write (\d+(?:\.\.\d+)?))?$/.exec(words) ?? []
  if (range === undefined) return null
  return { ...about, range: rangeOf(range), written: written === undefined ? null : rangeOf(written) }
}

function rangeOf(words: string): Range {
  const [from = 0, to = from] = words.split("..").map(Number)
  return { from, to }
}
