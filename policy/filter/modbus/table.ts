import type { Buckets, Gate } from "../table.ts"

/** When a rule is in force: what `hours`, `emergency` and `when` say, shared by all rules that say the same. */
export type ModbusGate = Gate

/**
 * The Modbus rules of a policy as flat arrays: plain data, so that it crosses to a worker thread. Described in
 * `policy/compile/README.md`.
 */
export interface ModbusTable {
  readonly words: Int32Array
  /** By function code 0..127: its slot in a unit, 0 if no rule names it. */
  readonly slots: Uint8Array
  /** How many slots there are. */
  readonly slotCount: number
  /** By rule index minus `firstRule`: the offset of its record, or 0. */
  readonly records: Int32Array
  readonly firstRule: number
  /** Where a decision works: its content means nothing between decisions. Each thread has a copy of its own. */
  readonly scratch: Int32Array
  /** Per bucket: tokens a millisecond and the most it holds. */
  readonly numbers: Float64Array
  readonly rateCount: number
  /** In the order in which rules first name them. */
  readonly gates: readonly ModbusGate[]
  /**
   * By gate, `GATE_...` of `layout.ts`: whoever keeps the time and the overrides writes into it, each thread its own copy.
   * New ones are zero, which is closed.
   */
  readonly gateStates: Uint8Array
  /** What refusals answer: by rule index minus `firstRule`, 0 for the conduit's; and by conduit. */
  readonly refusals: Uint8Array
  readonly conduitRefusals: readonly { readonly conduit: string; readonly code: number }[]
}

/** Who is judged: made once a connection and policy by `createModbusState`, then handed to every decision. */
export interface ModbusStateInput {
  /** As `classOf` gives it. */
  readonly classIndex: number
  readonly buckets: Buckets
  /** True when the posture closes normal flows: then only rules marked essential allow. */
  readonly essentialOnly: boolean
}
