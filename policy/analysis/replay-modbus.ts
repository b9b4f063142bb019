/**
 * Modbus flows of a recording, asked of the real filter. A recording keeps units, functions and addresses and no values: a
 * write is judged as if no value fitted its points (surely), and as if every one did (at best).
 */
import { classOf } from "../filter/decide.ts"
import { createModbusBuckets, createModbusState, decideModbus } from "../filter/modbus/decide.ts"
import type { CompiledPolicy } from "../filter/table.ts"
import type { Verdict } from "../filter/verdict.ts"
import type { ModbusRule, Point } from "../language/modbus-rule.ts"
import type { ModbusFlow } from "../recording/recording.ts"
import { isRanged, obstacle } from "./judge-modbus.ts"
import { ADDRESS_KIND, encodeRequest, functionName, MAX_QUANTITY, MAX_WRITTEN_BESIDE_READ, rangeText, WRITING_CODES, type ModbusRequest } from "./modbus-request.ts" // prettier-ignore
import { fitOf } from "./point-values.ts"

/** Most records of one request of functions 20 and 21. */
const MAX_RECORDS = 124
const MAX_RECORD = 9_999

/** The request of a flow, zeros for its values; null if its facts make none. */
export function requestOf({ unit, function: code, sub, range, written }: ModbusFlow): ModbusRequest | null {
  if (code < 1 || code > 127) return null
  const bare = { unit, code, sub: null, reads: null, writes: null, values: [], file: null }
  if (code === 8 || code === 43) return sub === null || (code === 43 && sub > 0xff) ? null : { ...bare, sub }
  if (ADDRESS_KIND[code] === undefined && code !== 20 && code !== 21) return bare
  if (range === null) return null
  const count = range.to - range.from + 1
  const zeros = (length: number): readonly number[] => Array.from({ length }, () => 0)
  if (code === 20 || code === 21) {
    if (sub === null || sub < 1 || count > MAX_RECORDS || range.to > MAX_RECORD) return null
    return { ...bare, file: { file: sub, records: range } }
  }
  if (count > (MAX_QUANTITY[code] ?? 1) || range.to > 0xffff) return null
  if (code === 23) {
    const most = MAX_WRITTEN_BESIDE_READ
    if (written === null || written.to - written.from >= most || written.to > 0xffff) return null
    return { ...bare, reads: range, writes: written, values: zeros(written.to - written.from + 1) }
  }
  if (!WRITING_CODES.includes(code)) return { ...bare, reads: range }
  return { ...bare, writes: range, values: zeros(code === 22 ? 2 : count) }
}

/** What the compiled policy says of the request to a peer, its buckets full. */
export function askModbus(
  compiled: CompiledPolicy,
  peer: { readonly conduit: string; readonly roles: readonly string[] },
  request: ModbusRequest,
  essentialOnly: boolean,
): Verdict {
  const { modbus } = compiled
  const classIndex = classOf(compiled, peer.conduit, peer.roles)
  const state = createModbusState(modbus, { classIndex, buckets: createModbusBuckets(modbus), essentialOnly })
  const bytes = encodeRequest(request)
  return decideModbus(modbus, state, bytes, 0, bytes.length, 0)
}

/** The rule if no value fits its points, but where every value does. */
export function closedPoints(rule: ModbusRule): ModbusRule {
  return withPoints(rule, (point) => fitOf(point) === "every")
}

/** The rule if every value fits its points, but where none ever does. To write a part of one stays refused. */
export function openPoints(rule: ModbusRule): ModbusRule {
  return withPoints(rule, (point) => fitOf(point) !== "none")
}

function withPoints(rule: ModbusRule, isOpen: (point: Point) => boolean): ModbusRule {
  if (!rule.points.some(isRanged)) return rule
  const points = rule.points.map((point): Point => {
    if (!isRanged(point)) return point
    return isOpen(point) ? { ...point, min: -Infinity, max: Infinity } : { ...point, min: 1, max: 0 }
  })
  return { ...rule, points }
}

/** Whether the rule may be what lets the request pass, for some values. */
export function mayCover(rule: ModbusRule, request: ModbusRequest): boolean {
  const why = obstacle(rule, request)
  return why === null || why === "value"
}

/** `unit 3 write-multiple-registers 100..109`. */
export function modbusFlowText({ unit, function: code, sub, range, written }: ModbusFlow): string {
  const words = [`unit ${unit} ${functionName(code)}`]
  if (sub !== null) words.push(code === 8 ? `sub-function ${sub}` : code === 43 ? `type ${sub}` : `file ${sub} records`)
  if (range !== null) words.push(rangeText(range))
  if (written !== null) words.push(`writing ${rangeText(written)}`)
  return words.join(" ")
}
