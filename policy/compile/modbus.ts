/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import { reachesAll, spaceOf, type Space } from "../filter/modbus/functions.ts"
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
  HEADER_WORDS,
  SCRATCH_WORDS,
  UNIT_MAP_WORDS,
} from "../filter/modbus/layout.ts"
import type { ModbusTable } from "../filter/modbus/table.ts"
import type { ClassKey } from "../filter/table.ts"
import type { Conduit, ModbusConduit, Policy } from "../language/policy.ts"
import { tooComplex } from "./bound.ts"
import { GrowingWords } from "./growing.ts"
import { RangeList, writeNode } from "./modbus-intervals.ts"
import { modbusFacts, type ModbusFacts } from "./modbus-rules.ts"

/** Most pairs of rule and group of units in all tables: the compiler's work. */
export const MAX_PAIRS = 1 << 22

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
  readonly ranges: RangeList
  /** By space, then hash of the rules. */
  readonly nodes: Map<Space, Map<number, Written[]>>
  readonly classes: Map<number, Written[]>
  /** Pairs of rule and group of units so far. */
  pairs: number
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
  const work: Work = { facts, out, ranges: new RangeList(), nodes: new Map(), classes: new Map(), pairs: 0 }
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
    const first = rules.find((rule) => facts.denies[rule] === 0)
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
    for (const conduit of rule.conduits) {
      let roles = byRole.get(conduit)
      if (roles === undefined) byRole.set(conduit, (roles = new Map<string, number[]>()))
      for (const role of rule.roles) {
        const list = roles.get(role)
        if (list === undefined) roles.set(role, [number])
        else if (list[list.length - 1] !== number) list.push(number)
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
function shared(known: Map<number, Written[]>, key: number, rules: readonly number[], write: () => number): number {
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

/** Write the groups of units of a class and what lies behind them; returns the offset. */
function writeUnits(work: Work, rules: readonly number[], where: string): number {
  const { facts, out } = work
  const { groupOf, count } = unitGroups(facts, rules)
  const groups = Array.from({ length: count }, (): number[] => [])
  for (const number of rules) {
    const { units } = facts.rules[number]!
    // Unit 0 may be everybody: what a deny keeps from one unit must not reach it that way.
    if (facts.denies[number] === 1 && !namesZero(facts, number)) groups[0]!.push(number)
    for (const { from, to } of units) {
      for (let g = groupOf[from]!; g <= groupOf[to]!; g++) groups[g]!.push(number)
      work.pairs += groupOf[to]! - groupOf[from]! + 1
    }
    if (work.pairs > MAX_PAIRS) throw tooComplex(where, "pairs of rule and group of units", work.pairs, MAX_PAIRS)
  }
  const size = facts.slotCount + 2
  const at = out.reserve(UNIT_MAP_WORDS + count * size)
  groupOf.forEach((group, unit) => (out.array[at + unit] = at + UNIT_MAP_WORDS + group * size))
  groups.forEach((group, g) => {
    if (group.length > 0) writeGroup(work, group, where, g === 0, at + UNIT_MAP_WORDS + g * size)
  })
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

function namesZero(facts: ModbusFacts, number: number): boolean {
  return facts.rules[number]!.units.some(({ from }) => from === 0)
}

/** Write a group of units at `at`: for every function that its rules name the node of these rules. */
function writeGroup(work: Work, rules: readonly number[], where: string, isZero: boolean, at: number): void {
  const { facts, out } = work
  const first = rules.find((rule) => facts.denies[rule] === 0)
  out.array[at + facts.slotCount + 1] = first === undefined ? 0 : facts.words[first]!
  // Functions that the same sets name have the same rules.
  const sets = new Set<number>()
  for (const rule of rules) sets.add(facts.setOf[rule]!)
  const namedBy = new Map<number, number[]>()
  for (const set of sets) {
    for (const code of facts.sets[set]!) {
      const list = namedBy.get(code)
      if (list === undefined) namedBy.set(code, [set])
      else list.push(set)
    }
  }
  const lists = new Map<string, readonly number[]>()
  for (const [code, naming] of namedBy) {
    // Of a deny that does not name unit 0, what only reads stays away from it.
    const all = !isZero || reachesAll(code)
    const key = `${naming.join()} ${all}`
    let list = lists.get(key)
    if (list === undefined) {
      const every = naming.length === sets.size && all
      list = every ? rules : rules.filter((r) => naming.includes(facts.setOf[r]!) && (all || namesZero(facts, r)))
      lists.set(key, list)
    }
    if (list.length === 0) continue
    const node = nodeOf(work, list, code, where)
    out.array[at + facts.slots[code]!] = node
  }
}

/** The node of these rules for this function, or for another whose addresses count the same. */
function nodeOf(work: Work, rules: readonly number[], code: number, where: string): number {
  const { facts, out, nodes, ranges } = work
  const space = spaceOf(code)
  let known = nodes.get(space)
  if (known === undefined) nodes.set(space, (known = new Map<number, Written[]>()))
  return shared(known, hashOf(rules), rules, () => {
    const node = writeNode(facts, rules, code, `${where}, function ${code}`, ranges, out)
    const size = out.length * 4
    if (size > MAX_MODBUS_BYTES) throw tooComplex(where, "bytes of the Modbus tables", size, MAX_MODBUS_BYTES)
    return node
  })
}
