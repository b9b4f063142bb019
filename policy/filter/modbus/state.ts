import { InvariantError } from "../../base/errors.ts"
import { lockOf } from "../buckets.ts"
import type { Buckets } from "../table.ts"
import { ruleOf, type Verdict } from "../verdict.ts"
import * as layout from "./layout.ts"
import type { ModbusStateInput, ModbusTable } from "./table.ts"

/** Who is judged, resolved against one table. What every decision reads comes first. */
export interface ModbusState {
  /** The one it was made for: with another, its offsets would mean nothing. */
  readonly table: ModbusTable
  /** `CLASS_...` of the layout. */
  readonly flags: number
  /** Offset of the class's 256 units. */
  readonly units: number
  /** Bits of a rule's word that call for more than its range. */
  readonly mask: number
  /** The class's first allow rule's word, or 0. */
  readonly first: number
  readonly buckets: Buckets
  /** Of the buckets, if threads share them. */
  readonly lock: Int32Array | null
}

/**
 * The state for judging the requests of one peer by `table`; made once a connection and policy.
 *
 * A `classIndex` that is not in the table, or is one of an MQTT conduit, makes a state that has no rights at all.
 *
 * @throws InvariantError `ERR_FILTER_BUCKETS` if the buckets were made for another table.
 */
export function createModbusState(table: ModbusTable, input: ModbusStateInput): ModbusState {
  const { classIndex, buckets, essentialOnly } = input
  if (buckets.length !== table.rateCount * 2) {
    throw new InvariantError("ERR_FILTER_BUCKETS", "the buckets belong to another policy table")
  }
  const { words } = table
  const count = words[layout.HEADER_CLASSES] ?? 0
  const known = Number.isInteger(classIndex) && classIndex >= 0 && classIndex < count
  const at = layout.HEADER_WORDS + classIndex * layout.CLASS_WORDS
  return {
    table,
    flags: known ? (words[at + layout.CLASS_FLAGS] ?? layout.CLASS_UNKNOWN) : layout.CLASS_UNKNOWN,
    units: known ? (words[at + layout.CLASS_UNITS] ?? 0) : 0,
    mask: layout.ENTRY_MORE | (essentialOnly ? layout.RULE_NOT_ESSENTIAL : 0),
    first: known ? (words[at + layout.CLASS_FIRST] ?? 0) : 0,
    buckets,
    lock: lockOf(buckets),
  }
}

/**
 * The exception code that a refusal answers: the named rule's, else the conduit's.
 *
 * @throws InvariantError `ERR_FILTER_CONDUIT` if `conduit` is no Modbus conduit of the table's policy.
 * @see MODBUS Application Protocol 1.1b3 section 7
 */
export function exceptionFor(table: ModbusTable, conduit: string, verdict: Verdict): number {
  const rule = ruleOf(verdict)
  const own = rule < 0 ? 0 : (table.refusals[rule - table.firstRule] ?? 0)
  const code = own === 0 ? table.conduitRefusals.find((one) => one.conduit === conduit)?.code : own
  if (code === undefined) throw new InvariantError("ERR_FILTER_CONDUIT", "no such Modbus conduit in the policy table")
  return code
}

/**
 * @throws InvariantError `ERR_FILTER_STATE` always: the state was made for another table, after a policy swap for example.
 */
export function refuseStale(): never {
  throw new InvariantError("ERR_FILTER_STATE", "the filter state belongs to another policy table")
}
