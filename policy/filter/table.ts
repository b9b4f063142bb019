import type { AliasMemory } from "./payload/alias-memory.ts"
import type { CompiledForm } from "./payload/compile-form.ts"
import type { InputCondition } from "../language/input-condition.ts"
import type { Action, Hours } from "../language/policy.ts"
import type { ModbusTable } from "./modbus/table.ts"

/**
 * A compiled policy. Plain data (typed arrays, arrays, strings), so that it crosses to a worker thread.
 *
 * Conduit and set of roles select a *class*; every class has one topic table per action. A peer whose class is not
 * there has no rights at all.
 */
export interface CompiledPolicy {
  readonly classes: readonly ClassKey[]
  readonly table: FilterTable
  /** What `decideModbus` walks; its classes are these. */
  readonly modbus: ModbusTable
  /** Ids of the rules, by index in `Policy.rules`. */
  readonly ruleIds: readonly string[]
  /** What of a rule's allowed actions goes into the log, `RECORD_...`, by the same index. */
  readonly records: Uint8Array
}

/** Values of `CompiledPolicy.records`. */
export const RECORD_NONE = 0
export const RECORD_EACH = 1
export const RECORD_CHANGES = 2

/** What must hold beside the message for a rule to be in force; at least one of the three is not null. */
export interface Gate {
  readonly hours: Hours | null
  readonly emergency: string | null
  /** All of them. */
  readonly when: readonly InputCondition[] | null
}

/** What selects a class: the conduit and a set of roles. */
export interface ClassKey {
  readonly conduit: string
  /** Sorted. */
  readonly roles: readonly string[]
}

/** The flat form that `decide` walks; its arrays are described in `policy/compile/README.md`. */
export interface FilterTable {
  readonly words: Uint32Array
  /** Where a decision works: its content means nothing between decisions. Each thread has a copy of its own. */
  readonly scratch: Int32Array
  readonly numbers: Float64Array
  /** How many rules carry a rate: the size of a bucket table is twice this. */
  readonly rateCount: number
  /** Every distinct set of hours, emergency and conditions that a rule has. */
  readonly gates: readonly Gate[]
  /** By gate, `GATE_...` of `layout.ts`; kept by `setGates`, each thread its own copy. New ones are closed. */
  readonly gateStates: Uint8Array
  /** Every distinct payload form that a rule has. */
  readonly forms: readonly CompiledForm[]
}

/** Token buckets of one subject (all its connections share it): fill and time of the last change, per rule with a rate. */
export type Buckets = Float64Array

/** Who is judged: made once a connection and policy by `createFilterState`, then handed to every decision. */
export interface FilterStateInput {
  readonly classIndex: number
  readonly action: Action
  readonly protocolVersion: 4 | 5
  /** `%u`, UTF-8. */
  readonly name: Uint8Array
  /** `%c`, UTF-8. */
  readonly clientId: Uint8Array
  readonly buckets: Buckets
  /** True when the posture closes normal flows: then only rules marked essential allow. */
  readonly essentialOnly: boolean
  /**
   * What Sparkplug births said on this connection, in either direction; decisions read it, `noteMessage` writes it. Absent or
   * null: nobody remembers, and a metric that has only an alias never fits.
   */
  readonly aliases?: AliasMemory | null
}
