import type { RuleBase } from "./policy.ts"

/** Numbers from `from` to `to`, both inclusive. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** A function code, 1..127; for codes with sub-functions (8: 16-bit sub-function; 43: MEI type) those that are allowed, null for all. */
export interface ModbusFunction {
  readonly code: number
  readonly sub: readonly number[] | null
}

/** Functions by name. @see MODBUS Application Protocol 1.1b3 section 5.1 */
export const MODBUS_FUNCTIONS = {
  "read-coils": 1,
  "read-discrete-inputs": 2,
  "read-holding-registers": 3,
  "read-input-registers": 4,
  "write-single-coil": 5,
  "write-single-register": 6,
  "read-exception-status": 7,
  diagnostics: 8,
  "get-comm-event-counter": 11,
  "get-comm-event-log": 12,
  "write-multiple-coils": 15,
  "write-multiple-registers": 16,
  "report-server-id": 17,
  "read-file-record": 20,
  "write-file-record": 21,
  "mask-write-register": 22,
  "read-write-multiple-registers": 23,
  "read-fifo-queue": 24,
  "encapsulated-interface": 43,
} as const

export type ModbusFunctionName = keyof typeof MODBUS_FUNCTIONS

/** Exceptions by name, as a refusal answers them. @see MODBUS Application Protocol 1.1b3 section 7 */
export const MODBUS_EXCEPTIONS = {
  "illegal-function": 1,
  "illegal-data-address": 2,
  "illegal-data-value": 3,
  "server-device-failure": 4,
  "server-device-busy": 6,
  "gateway-path-unavailable": 10,
  "gateway-target-failed": 11,
} as const

export type PointType = "uint16" | "int16" | "uint32" | "int32" | "float32" | "uint64" | "int64" | "float64"

/** A value in holding registers. Addresses are those of the protocol, 0-based. */
export interface Point {
  readonly name: string
  /** Address of its first register. */
  readonly at: number
  readonly type: PointType
  /** `high-first`: the register with the most significant bits has the lowest address. */
  readonly words: "high-first" | "low-first"
  /** Values that may be written, inclusive. NaN never fits. */
  readonly min: number | null
  readonly max: number | null
}

/** Registers that a type takes. */
export const POINT_WIDTH: Readonly<Record<PointType, 1 | 2 | 4>> = {
  uint16: 1,
  int16: 1,
  uint32: 2,
  int32: 2,
  float32: 2,
  uint64: 4,
  int64: 4,
  float64: 4,
}

/** Records of a file that functions 20 and 21 may touch. */
export interface FileRange {
  readonly file: number
  readonly records: Range
}

/**
 * One rule for Modbus.
 *
 * An allow rule lets a request pass that it covers *whole*: unit, function, every address, every value. Two rules that
 * cover half of it each do not add up. A deny rule refuses every request that *touches* it: its unit, one of its
 * functions, and, where that function names addresses, any address in its ranges.
 *
 * Ranges are sorted, disjoint and merged. An empty list of ranges allows no address (allow), or stands for every
 * address (deny).
 */
export interface ModbusRule extends RuleBase {
  readonly protocol: "modbus"
  /** 0..255; 0 is broadcast on a serial line. Never empty. */
  readonly units: readonly Range[]
  /** Never empty. */
  readonly functions: readonly ModbusFunction[]
  /** Functions 1, 5, 15. */
  readonly coils: readonly Range[]
  /** Function 2. */
  readonly discreteInputs: readonly Range[]
  /** Functions 3, 6, 16, 22, 23. Holds the registers of all `points`. */
  readonly registers: readonly Range[]
  /** Function 4. */
  readonly inputRegisters: readonly Range[]
  /** Function 24: addresses of queues. */
  readonly fifos: readonly Range[]
  /** Functions 20 and 21. */
  readonly files: readonly FileRange[]
  /** Sorted by address; no two overlap. Empty on a deny rule. */
  readonly points: readonly Point[]
  /** Exception code that a refusal naming this rule answers; null: the conduit's. */
  readonly refusal: number | null
}
