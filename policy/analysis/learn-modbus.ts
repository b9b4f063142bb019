/**
 * Modbus requests that were seen, as rules: exactly their units, functions and addresses. Addresses that touch become one
 * range; units and functions share a rule only where each of these units was asked each of these functions at the same
 * addresses. What may write stands in rules of its own. Values were not recorded: a rule that writes lets every value pass.
 */
import { mayWrite } from "../language/modbus-function.ts"
import type { FileRange, ModbusFunction, ModbusRule, Range } from "../language/modbus-rule.ts"
import { MODBUS_BOUNDS } from "../language/policy-bounds.ts"
import { mergeRanges } from "../language/range-shapes.ts"
import type { ModbusFlow } from "../recording/recording.ts"
import type { Beyond } from "./learn-beyond.ts"
import type { ModbusEntry, Seen } from "./learn-gather.ts"
import { coverRoles, roleKey } from "./learn-roles.ts"
import { ADDRESS_KIND, functionName, type AddressKind } from "./modbus-request.ts"

/** A proposed rule, and what it was learnt from. */
export interface LearntModbusRule {
  readonly rule: ModbusRule
  readonly seen: Seen
  /** Sets of roles that get the rule without having used it. */
  readonly beside: readonly (readonly string[])[]
}

/** One function with what it was seen to name, and who was asked. */
interface Item {
  readonly code: number
  readonly sub: readonly number[] | null
  readonly ranges: readonly Range[]
  readonly files: readonly FileRange[]
  readonly units: Set<number>
  readonly entries: ModbusEntry[]
}

type RoleSets = ReadonlyMap<string, readonly (readonly string[])[]>

/** Rules for all that was seen. The same entries give the same rules. */
export function modbusRules(entries: readonly ModbusEntry[], roleSets: RoleSets): readonly LearntModbusRule[] {
  const groups = new Map<string, { roles: readonly string[]; entries: ModbusEntry[] }>()
  for (const entry of entries) {
    const roles = coverRoles([...entry.users.values()], roleSets.get(entry.conduit) ?? [])
    if (roles === null) continue
    const key = JSON.stringify([entry.conduit, roles, writes(entry.flow)])
    const group = groups.get(key) ?? { roles, entries: [] }
    groups.set(key, group)
    group.entries.push(entry)
  }
  const ids = new Map<string, number>()
  return [...groups].sort(byKey).flatMap(([, group]) => {
    const [first] = group.entries
    if (first === undefined) return []
    const { conduit, flow } = first
    const kind = writes(flow) ? "write" : "read"
    const head = `${(group.roles[0] ?? "nobody").slice(0, 40)}-${kind}`
    return rulesOf(itemsOf(group.entries)).map((items): LearntModbusRule => {
      const number = (ids.get(head) ?? 0) + 1
      ids.set(head, number)
      const used = items.flatMap((item) => item.entries)
      const rule = ruleOf(items, `${head}-${number}`, conduit, group.roles, kind === "write")
      return { rule, seen: seenOf(used), beside: besideOf(used, group.roles, roleSets.get(conduit) ?? []) }
    })
  })
}

/** Whether the request may change something. A file number is no sub-function. */
function writes({ function: code, sub }: ModbusFlow): boolean {
  return mayWrite({ code, sub: sub === null || code === 20 || code === 21 ? null : [sub] })
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}

/** Functions with all their addresses in a unit; units that were asked the same in one item. */
function itemsOf(entries: readonly ModbusEntry[]): readonly Item[] {
  const asked = new Map<string, ModbusEntry[]>()
  for (const entry of entries) {
    const key = `${entry.flow.function} ${entry.flow.unit}`
    const own = asked.get(key) ?? []
    asked.set(key, own)
    own.push(entry)
  }
  const items = new Map<string, Item>()
  for (const own of asked.values()) {
    for (const { entries: part, ...names } of partsOf(own)) {
      const { function: code, unit } = part[0]?.flow ?? { function: 0, unit: 0 }
      const key = JSON.stringify([code, names])
      const item = items.get(key) ?? { code, ...names, units: new Set<number>(), entries: [] }
      items.set(key, item)
      item.units.add(unit)
      item.entries.push(...part)
    }
  }
  return [...items].sort(byKey).map(([, item]) => item)
}

type Part = Pick<Item, "sub" | "ranges" | "files" | "entries">

/**
 * What the entries of one unit and function name, in as many parts as the bounds of a rule ask for. Each request lies whole
 * in one part: its entry is there with all its addresses.
 */
function partsOf(entries: readonly ModbusEntry[]): readonly Part[] {
  const part = namedBy(entries)
  const { ranges, subFunctions } = MODBUS_BOUNDS
  const fits = part.ranges.length <= ranges && part.files.length <= ranges && (part.sub?.length ?? 0) <= subFunctions
  if (fits || entries.length <= 1) return [part]
  const sorted = entries.toSorted((a, b) => firstOf(a) - firstOf(b))
  const half = Math.ceil(sorted.length / 2)
  return [...partsOf(sorted.slice(0, half)), ...partsOf(sorted.slice(half))]
}

function firstOf({ flow: { sub, range } }: ModbusEntry): number {
  return (sub ?? 0) * 0x10000 + (range?.from ?? 0)
}

function namedBy(entries: readonly ModbusEntry[]): Part {
  const flows = entries.map(({ flow }) => flow)
  const code = flows[0]?.function ?? 0
  const spans = (own: readonly ModbusFlow[]): Range[] => mergeRanges(own.flatMap(({ range, written }) => [range, written].filter((one) => one !== null))) // prettier-ignore
  const subs = [...new Set(flows.flatMap(({ sub }) => sub ?? []))].sort((a, b) => a - b)
  const bare = { sub: null, ranges: [], files: [], entries: [...entries] }
  if (code === 8 || code === 43) return { ...bare, sub: subs }
  if (code !== 20 && code !== 21) return ADDRESS_KIND[code] === undefined ? bare : { ...bare, ranges: spans(flows) }
  const files = subs.flatMap((file) => spans(flows.filter(({ sub }) => sub === file)).map((records) => ({ file, records }))) // prettier-ignore
  return { ...bare, files }
}

/** Items that can stand in one rule: same units, and none that would get another's addresses. */
function rulesOf(items: readonly Item[]): readonly (readonly Item[])[] {
  const rules: { readonly units: string; readonly items: Item[] }[] = []
  for (const item of items) {
    const units = [...item.units].sort((a, b) => a - b).join()
    const rule = rules.find((one) => one.units === units && one.items.every((other) => goTogether(item, other)))
    if (rule === undefined) rules.push({ units, items: [item] })
    else rule.items.push(item)
  }
  return rules.map((rule) => rule.items)
}

function goTogether(a: Item, b: Item): boolean {
  if (a.code === b.code) return false
  if (tableOf(a.code) !== tableOf(b.code) || tableOf(a.code) === null) return true
  return JSON.stringify([a.ranges, a.files]) === JSON.stringify([b.ranges, b.files])
}

function tableOf(code: number): AddressKind | "files" | null {
  return code === 20 || code === 21 ? "files" : (ADDRESS_KIND[code] ?? null)
}

function ruleOf(
  items: readonly Item[],
  id: string,
  conduit: string,
  roles: readonly string[],
  writing: boolean,
): ModbusRule {
  const functions = items.map(({ code, sub }): ModbusFunction => ({ code, sub })).sort((a, b) => a.code - b.code)
  const at = (table: AddressKind): readonly Range[] => items.find(({ code }) => tableOf(code) === table)?.ranges ?? []
  return {
    protocol: "modbus",
    id,
    effect: "allow",
    conduits: [conduit],
    roles,
    units: mergeRanges([...(items[0]?.units ?? [])].map((unit) => ({ from: unit, to: unit }))),
    functions,
    coils: at("coils"),
    discreteInputs: at("discreteInputs"),
    registers: at("registers"),
    inputRegisters: at("inputRegisters"),
    fifos: at("fifos"),
    files: items.find(({ files }) => files.length > 0)?.files ?? [],
    points: [],
    rate: null,
    essential: false,
    record: writing ? "changes" : "none",
    hours: null,
    emergency: null,
    when: null,
    refusal: null,
  }
}

function seenOf(entries: readonly ModbusEntry[]): Seen {
  return {
    messages: entries.reduce((sum, { seen }) => sum + seen.messages, 0),
    maxBytes: 0,
    lastAt: Math.max(0, ...entries.map(({ seen }) => seen.lastAt)),
    subjects: new Set(entries.flatMap(({ seen }) => [...seen.subjects])),
  }
}

function besideOf(
  entries: readonly ModbusEntry[],
  roles: readonly string[],
  all: readonly (readonly string[])[],
): readonly (readonly string[])[] {
  const used = new Set(entries.flatMap(({ users }) => [...users.keys()]))
  const held = new Map(all.map((one) => [roleKey(one), one]))
  return [...held]
    .filter(([key, one]) => !used.has(key) && one.some((role) => roles.includes(role)))
    .map(([, one]) => one)
}

/** What a rule admits that was not recorded, beside any part of its addresses and any value in them. */
export function beyondModbus({ rule, seen, beside }: LearntModbusRule): readonly Beyond[] {
  const subjects = [...seen.subjects].sort()
  const shown = subjects.length > 5 ? `${subjects.slice(0, 5).join(", ")} and ${subjects.length - 5} more` : subjects.join(", ") // prettier-ignore
  const admits = [
    `every other subject with role ${rule.roles.join(" or ")}; recorded: ${shown}`,
    ...beside.map((roles) => `subjects with roles ${[...roles].sort().join(" and ")}, which did not use it`),
  ]
  for (const { code } of rule.functions) {
    if (code === 23)
      admits.push(`${functionName(code)} writing where it was seen to read, and reading where it was seen to write`)
    else if (tableOf(code) === null && ![7, 11, 12, 17].includes(code))
      admits.push(`${functionName(code)} with any data`)
  }
  return admits.map((what) => ({ rule: rule.id, filter: null, admits: what }))
}
