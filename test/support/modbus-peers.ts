import { compilePolicy } from "../../policy/compile/compile.ts"
import { classOf } from "../../policy/filter/decide.ts"
import {
  createModbusBuckets,
  createModbusState,
  decideModbus,
  type ModbusState,
} from "../../policy/filter/modbus/decide.ts"
import type { Buckets, CompiledPolicy } from "../../policy/filter/table.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { say } from "./filter-peers.ts"

/** Anything about a peer that matters to a test; the rest is ordinary. */
export interface ModbusCircumstances {
  readonly conduit?: string
  readonly roles?: readonly string[]
  readonly essentialOnly?: boolean
  readonly buckets?: Buckets
  /** Written into the table's gates before anything is judged. */
  readonly gates?: readonly number[]
  readonly nowMs?: number
}

/** A state for the compiled policy. */
export function modbusStateFor(compiled: CompiledPolicy, of: ModbusCircumstances = {}): ModbusState {
  return createModbusState(compiled.modbus, {
    classIndex: classOf(compiled, of.conduit ?? "field", of.roles ?? ["operator"]),
    buckets: of.buckets ?? createModbusBuckets(compiled.modbus),
    essentialOnly: of.essentialOnly ?? false,
  })
}

/** The bytes of a request written in hexadecimal, spaces as one likes. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"))
}

/** `request` somewhere in a larger buffer, as requests lie in what a socket brings. */
export function amid(request: Uint8Array): { bytes: Uint8Array; start: number; end: number } {
  const bytes = new Uint8Array(request.length + 9).fill(0x01)
  bytes.set(request, 5)
  return { bytes, start: 5, end: 5 + request.length }
}

/** Judges requests (bytes, or hexadecimal) by one policy and peer; buckets last as long as the function. */
export function judgeModbusBy(
  policy: Policy,
  of: ModbusCircumstances = {},
): (request: string | Uint8Array, and?: { nowMs?: number }) => string {
  const compiled = compilePolicy(policy)
  compiled.modbus.gateStates.set(of.gates ?? [])
  const state = modbusStateFor(compiled, of)
  return (request, and = {}) => {
    const { bytes, start, end } = amid(typeof request === "string" ? hex(request) : request)
    return say(compiled, decideModbus(compiled.modbus, state, bytes, start, end, and.nowMs ?? of.nowMs ?? 0))
  }
}

const word = (x: number): readonly [number, number] => [(x >> 8) & 0xff, x & 0xff]

/** A request of a function whose data are a row of 16-bit words. */
export function ask(unit: number, code: number, ...words: readonly number[]): Uint8Array {
  return Uint8Array.from([unit, code, ...words.flatMap(word)])
}

/** Function 16: registers from `at` on get these values. */
export function write(unit: number, at: number, ...values: readonly number[]): Uint8Array {
  return Uint8Array.from([unit, 16, ...word(at), ...word(values.length), values.length * 2, ...values.flatMap(word)])
}

/** Function 15: `quantity` coils from `at` on, all off. */
export function writeCoils(unit: number, at: number, quantity: number): Uint8Array {
  const room = Math.ceil(quantity / 8)
  return Uint8Array.from([unit, 15, ...word(at), ...word(quantity), room & 0xff, ...new Uint8Array(room)])
}

/** Function 23: reads `count` from `read` on, and registers from `at` on get these values. */
export function readWrite(unit: number, read: number, count: number, at: number, ...values: number[]): Uint8Array {
  const head = [read, count, at, values.length].flatMap(word)
  return Uint8Array.from([unit, 23, ...head, values.length * 2, ...values.flatMap(word)])
}

/** Functions 20 and 21: rows of file, first record, and the number of records (20) or their values (21). */
export function files(
  unit: number,
  ...rows: readonly (readonly [file: number, record: number, of: number | readonly number[]])[]
): Uint8Array {
  const writes = rows.some(([, , of]) => typeof of !== "number")
  const body = rows.flatMap(([file, record, of]) =>
    typeof of === "number"
      ? [6, ...[file, record, of].flatMap(word)]
      : [6, ...[file, record, of.length, ...of].flatMap(word)],
  )
  return Uint8Array.from([unit, writes ? 21 : 20, body.length, ...body])
}
