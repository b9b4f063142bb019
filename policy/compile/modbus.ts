/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import { reachesAll, spaceOf } from "../filter/modbus/functions.ts"
import {
  CLASS_FIRST,
  CLASS_FLAGS,
  CLASS_INWARD,
  CLASS_OUTWARD,
  CLASS_SERIAL,
  CLASS_UNITS,
  CLASS_UNKNOWN,
  CLASS_WORDS,
  HEADER_CLASSES,
  HEADER_EMPTY,
  HEADER_WORDS,
  SCRATCH_WORDS,
} from "../filter/modbus/layout.ts"
import type { ModbusTable } from "../filter/modbus/table.ts"
import type { ClassKey } from "../filter/table.ts"
import type { Conduit, ModbusConduit, Policy } from "../language/policy.ts"
import { tooComplex } from "./bound.ts"
import { GrowingWords } from "./growing.ts"
import { writeNode } from "./modbus-intervals.ts"
import { modbusFacts, type ModbusFacts } from "./modbus-rules.ts"

/** Most triples of rule, group of units and function in all tables: the compiler's work. */
export const MAX_TRIPLES = 1 << 23

/** Most bytes of the Modbus tables. */
export const MAX_MODBUS_BYTES = 128 * 1024 * 1024

const UNITS = 256

/** What is written once and shared: rules of a list, and where their table stands. */
interface Written {
  readonly rules: readonly number[]
  readonly at: number
}

/** The compiler's state over all classes. */
interface Work {
  readonly facts: ModbusFacts
  readonly out: GrowingWords
  /** By space and hash of the rules. */
  readonly nodes: Map<string, Written[]>
  readonly classes: Map<number, Written[]>
  triples: number
}

/**
 * The Modbus rules of `policy` as the flat form that `decideModbus` walks; `classes` as in `CompiledPolicy`, whose indices it
 * keeps. The same policy gives the same table, byte by byte.
 *
 * @throws InputError `ERR_POLICY_TOO_COMPLEX` naming class and bound, if too many rules name one address of one unit and
 * function, one request could touch too many denies, or the table outgrows its bounds.
 */
export function compileModbus(policy: Policy, classes: readonly ClassKey[]): ModbusTable {
  const out = new GrowingWords()
  out.reserve(HEADER_WORDS + classes.length * CLASS_WORDS)
  out.array[HEADER_CLASSES] = classes.length
  const facts = modbusFacts(policy, out)
  out.array[HEADER_EMPTY] = out.reserve(facts.slotCount + 2)
  const work: Work = { facts, out, nodes: new Map(), classes: new Map(), triples: 0 }
  const conduits = new Map(policy.conduits.map((conduit) => [conduit.name, conduit]))
  const rulesOf = ruleIndex(facts)
  classes.forEach((key, number) => {
    const at = HEADER_WORDS + number * CLASS_WORDS
    const conduit = conduits.get(key.conduit)
    if (conduit?.protocol !== "modbus") {
      out.array[at + CLASS_FLAGS] = CLASS_UNKNOWN
      return
    }
    const rules = rulesOf(key)
    const first = rules.find((rule) => facts.rules[rule]!.effect === "allow")
    const units = shared(work.classes, hashOf(rules), rules, () =>
      writeUnits(work, rules, `class ${key.conduit} [${key.roles.join(", ")}]`),
    )
    out.array[at + CLASS_UNITS] = units
    out.array[at + CLASS_FLAGS] = flagsOf(conduit)
    out.array[at + CLASS_FIRST] = first === undefined ? 0 : facts.words[first]!
  })
  const { records, firstRule, numbers, gates, refusals, slots, slotCount } = facts
  return {
    words: new Int32Array(out.array.buffer.slice(0, out.length * 4)),
    slots,
    slotCount,
    records,
    firstRule,
    scratch: new Int32Array(SCRATCH_WORDS),
    numbers,
    rateCount: numbers.length / 2,
    gates,
    // Closed until somebody says what time it is.
    gateStates: new Uint8Array(gates.length),
    refusals,
    conduitRefusals: policy.conduits.filter(isModbus).map(({ name, refusal }) => ({ conduit: name, code: refusal })),
  }
}

function isModbus(conduit: Conduit): conduit is ModbusConduit {
  return conduit.protocol === "modbus"
}

function flagsOf({ direction, transport }: ModbusConduit): number {
  return (
    (transport.to === "rtu" ? CLASS_SERIAL : 0) |
    (direction === "in" ? CLASS_INWARD : 0) |
    (direction === "out" ? CLASS_OUTWARD : 0)
  )
}

/** Finds the numbers of the rules that bear on a class, ascending, each once. */
function ruleIndex(facts: ModbusFacts): (key: ClassKey) => readonly number[] {
  const byRole = new Map<string, Map<string, number[]>>()
  facts.rules.forEach((rule, number) => {
    for (const conduit of new Set(rule.conduits)) {
      let roles = byRole.get(conduit)
      if (roles === undefined) byRole.set(conduit, (roles = new Map<string, number[]>()))
      for (const role of new Set(rule.roles)) {
        const list = roles.get(role)
        if (list === undefined) roles.set(role, [number])
        else list.push(number)
      }
    }
  })
  return ({ conduit, roles }) => {
    const known = byRole.get(conduit)
    const lists = roles.flatMap((role) => {
      const list = known?.get(role)
      return list === undefined ? [] : [list]
    })
    return lists.length <= 1 ? (lists[0] ?? []) : [...Uint32Array.from(new Set(lists.flat())).sort()]
  }
}

/** Where the table of these rules stands; written now if it is not yet. */
function shared<K>(known: Map<K, Written[]>, key: K, rules: readonly number[], write: () => number): number {
  const alike = known.get(key)
  const same = alike?.find(
    (one) => one.rules.length === rules.length && one.rules.every((rule, k) => rule === rules[k]),
  )
  if (same !== undefined) return same.at
  const at = write()
  if (alike === undefined) known.set(key, [{ rules, at }])
  else alike.push({ rules, at })
  return at
}

function hashOf(rules: readonly number[]): number {
  let hash = 0x811c9dc5 | 0
  for (const rule of rules) hash = Math.imul(hash ^ rule, 0x01000193)
  return hash
}

/** Write the 256 units of a class and what lies behind them; returns the offset. */
function writeUnits(work: Work, rules: readonly number[], where: string): number {
  const { facts, out } = work
  const at = out.reserve(UNITS)
  out.array.fill(out.array[HEADER_EMPTY]!, at, at + UNITS)
  const { groupOf, count } = unitGroups(facts, rules)
  const groups = Array.from({ length: count }, (): number[] => [])
  for (const number of rules) {
    const { units, effect } = facts.rules[number]!
    // Unit 0 may be everybody: what a deny keeps from one unit must not reach it that way.
    if (effect === "deny" && !units.some(({ from }) => from === 0)) groups[0]!.push(number)
    for (const { from, to } of units) for (let g = groupOf[from]!; g <= groupOf[to]!; g++) groups[g]!.push(number)
  }
  const nodes = groups.map((group, g) => (group.length === 0 ? 0 : writeUnit(work, group, where, g === 0)))
  for (let unit = 0; unit < UNITS; unit++) {
    const node = nodes[groupOf[unit]!]!
    if (node !== 0) out.array[at + unit] = node
  }
  return at
}

/** Runs of units that no rule tells apart; unit 0 is one by itself. */
function unitGroups(facts: ModbusFacts, rules: readonly number[]): { groupOf: Uint8Array; count: number } {
  const begins = new Uint8Array(UNITS + 1)
  begins[1] = 1
  for (const number of rules) {
    for (const { from, to } of facts.rules[number]!.units) begins[from] = begins[to + 1] = 1
  }
  const groupOf = new Uint8Array(UNITS)
  let count = 0
  for (let unit = 1; unit < UNITS; unit++) groupOf[unit] = count += begins[unit]!
  return { groupOf, count: count + 1 }
}

/** Write a unit: for every function that its rules name the node of these rules. */
function writeUnit(work: Work, rules: readonly number[], where: string, isZero: boolean): number {
  const { facts, out } = work
  const byCode = new Map<number, number[]>()
  let first = 0
  for (const number of rules) {
    const rule = facts.rules[number]!
    const named = !isZero || rule.units.some(({ from }) => from === 0)
    if (first === 0 && rule.effect === "allow") first = facts.words[number]!
    for (const { code } of rule.functions) {
      if (!named && !reachesAll(code)) continue
      const list = byCode.get(code)
      if (list === undefined) byCode.set(code, [number])
      else if (list[list.length - 1] !== number) list.push(number)
      else continue
      work.triples++
    }
  }
  if (work.triples > MAX_TRIPLES) {
    throw tooComplex(where, "triples of rule, unit and function", work.triples, MAX_TRIPLES)
  }
  const at = out.reserve(facts.slotCount + 2)
  out.array[at + facts.slotCount + 1] = first
  for (const [code, list] of byCode) {
    const node = shared(work.nodes, `${spaceOf(code)} ${hashOf(list)}`, list, () =>
      writeNode(facts, list, code, `${where}, function ${code}`, out),
    )
    const size = out.length * 4
    if (size > MAX_MODBUS_BYTES) throw tooComplex(where, "bytes of the Modbus tables", size, MAX_MODBUS_BYTES)
    out.array[at + facts.slots[code]!] = node
  }
  return at
}
