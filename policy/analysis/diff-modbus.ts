/**
 * What a change of the rules means for Modbus requests. In a cell (units, function, sub-function or file; `modbus-space.ts`)
 * the ranges, denials and points of both policies cut the addresses into pieces that no rule tells apart; a request is known
 * by the pieces in which it begins and ends, so finitely many, each at its shortest, stand for all. What values they may
 * carry is compared as boxes (`point-values.ts`). Looked at is only what a rule without its like on the other side can matter to.
 */
import type { ModbusRule, Range } from "../language/modbus-rule.ts"
import type { ModbusConduit, Policy } from "../language/policy.ts"
import type { Change, ChangedClass } from "./change.ts"
import { RuleTables, type TableRule } from "./classes.ts"
import { contains, isRanged, meet, pointRange } from "./judge-modbus.ts"
import { ADDRESS_KIND, functionName, rangeText, requestText, type ModbusRequest } from "./modbus-request.ts"
import { cellsOf, denialsOf, exampleOf, mostOf, passes, runsOf, speaksOf, writesRegisters, type Cell } from "./modbus-space.ts" // prettier-ignore
import { compareRequests, type Covering, type Difference } from "./modbus-permission.ts"
import { pairsOf, type Pair } from "./pairs.ts"
import { denialKey } from "./terms.ts"

type Own = TableRule<ModbusRule>

/** Most requests that are looked at for one pair of classes. */
export const MAX_REQUESTS = 500_000

/** One policy's part in a pair of classes. */
interface Side {
  readonly policy: Policy
  readonly conduit: ModbusConduit | null
  readonly rules: readonly Own[]
  /** Those without their like on the other side. */
  readonly changed: ReadonlySet<Own>
}

interface Group {
  readonly kind: Difference["kind"]
  readonly cell: Cell
  readonly what: string
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly units: Range[]
  readonly spans: Range[]
  readonly example: ModbusRequest
}

/** Everything that becomes allowed, denied or differently allowed of Modbus requests. */
export function diffModbus(before: Policy, after: Policy, maxRequests = MAX_REQUESTS): readonly Change[] {
  const tables = [new RuleTables(before), new RuleTables(after)]
  const told = new Map<string, { change: Omit<Change, "classes">; classes: ChangedClass[] }>()
  for (const pair of pairsOf(before, after)) {
    const sides = sidesOf(tables, pair)
    if (sides[0].rules.length === 0 && sides[1].rules.length === 0) continue
    const { conduit, before: old, after: now } = pair
    for (const change of comparePair(sides, maxRequests)) {
      const key = JSON.stringify(change)
      const known = told.get(key)
      if (known === undefined) told.set(key, { change, classes: [{ conduit, before: old, after: now }] })
      else known.classes.push({ conduit, before: old, after: now })
    }
  }
  return [...told.values()].map(({ change, classes }) => ({ ...change, classes }))
}

function sidesOf(tables: readonly RuleTables[], pair: Pair): readonly [Side, Side] {
  const [old, now] = tables.map((table, k) => {
    const roles = k === 0 ? pair.before : pair.after
    const conduit = table.policy.conduits.find(({ name }) => name === pair.conduit)
    const of = roles === null || conduit?.protocol !== "modbus" ? null : { conduit: conduit.name, roles }
    return {
      policy: table.policy,
      conduit: conduit?.protocol === "modbus" ? conduit : null,
      rules: of === null ? [] : table.modbusFor(of),
    }
  })
  if (old === undefined || now === undefined) throw new RangeError("two policies are compared")
  const way = ({ conduit }: Pick<Side, "conduit">): string =>
    `${conduit?.direction ?? ""} ${conduit?.transport.to ?? ""}`
  // Another direction changes what every rule means.
  const all = old.conduit !== null && now.conduit !== null && way(old) !== way(now)
  const left = (own: readonly Own[], other: readonly Own[]): ReadonlySet<Own> => {
    const keys = other.map(({ rule }) => meaningOf(rule))
    return new Set(own.filter(({ rule }) => {
      const at = keys.indexOf(meaningOf(rule))
      if (at !== -1) keys.splice(at, 1)
      return all || at === -1
    })) // prettier-ignore
  }
  return [
    { ...old, changed: left(old.rules, now.rules) },
    { ...now, changed: left(now.rules, old.rules) },
  ]
}

/** The rule without its name and for whom it is. */
function meaningOf(rule: ModbusRule): string {
  return JSON.stringify({ ...rule, id: "", roles: [], conduits: [], refusal: null })
}

function comparePair(sides: readonly [Side, Side], maxRequests: number): readonly Omit<Change, "classes">[] {
  const groups = new Map<string, Group>()
  let left = maxRequests
  for (const cell of cellsOf(sides.flatMap(({ rules }) => rules.map(({ rule }) => rule)))) {
    const views = sides.map((side) => viewOf(side, cell)) as [View, View]
    if (views.every(({ matters }) => matters.length === 0)) continue
    for (const { write, read, within } of requestsOf(cell, views)) {
      if (left-- <= 0) return [...[...groups.values()].map(changeOf), unknown(sides, maxRequests)]
      const [old, now] = views.map((view) => coveringOf(view, cell, write, read)) as [Covering, Covering]
      for (const difference of compareRequests(old, now)) note(groups, sides, { cell, write, read, within }, difference)
    }
  }
  return [...groups.values()].map(changeOf)
}

/** The shortest of all requests that begin in one piece and end in one, and all that these reach over. */
interface Shortest {
  readonly write: Range
  readonly within: Range
}

/** One side of a cell. */
interface View {
  readonly allows: readonly { readonly own: Own; readonly runs: readonly Range[] }[]
  readonly denies: readonly { readonly own: Own; readonly ranges: readonly Range[] }[]
  /** Where a changed rule matters. */
  readonly matters: readonly Range[]
}

function viewOf({ rules, conduit, changed }: Side, cell: Cell): View {
  if (conduit === null || !passes(cell, conduit)) return { allows: [], denies: [], matters: [] }
  const allows = rules.filter(({ rule }) => rule.effect === "allow" && speaksOf(rule, cell)).map((own) => ({ own, runs: runsOf(own.rule, cell) })) // prettier-ignore
  const denies = rules.filter(({ rule }) => rule.effect === "deny").map((own) => ({ own, ranges: denialsOf(own.rule, cell) })).filter(({ ranges }) => ranges.length > 0) // prettier-ignore
  const matters = [
    ...allows.flatMap(({ own, runs }) => (changed.has(own) ? runs : [])),
    ...denies.flatMap(({ own, ranges }) => (changed.has(own) ? ranges : [])),
  ]
  return { allows, denies, matters }
}

/** The shortest request of each kind that some rule allows and a changed one can matter to; `read` only of function 23. */
function* requestsOf(cell: Cell, views: readonly [View, View]): Generator<Shortest & { readonly read: Range | null }> {
  const spans = [...spansOf(cell, views)]
  const matters = views.flatMap((view) => view.matters)
  const touched = (span: Range): boolean => matters.some((range) => meet(range, span))
  if (cell.code !== 23) {
    for (const span of spans) if (touched(span.write)) yield { ...span, read: null }
    return
  }
  // Of what is read only the rules that hold it and deny it matter: one of each kind will do.
  const kinds = new Map<string, Range>()
  for (const { write: read } of spans) {
    const held = views.map(({ allows, denies }) => [
      allows.map(({ runs }) => Number(runs.some((run) => contains(run, read)))).join(""),
      denies.map(({ ranges }) => Number(ranges.some((range) => meet(range, read)))).join(""),
    ])
    const key = JSON.stringify(held)
    if (!kinds.has(key)) kinds.set(key, read)
  }
  for (const read of kinds.values()) {
    for (const span of spans) if (touched(span.write) || touched(read)) yield { ...span, read }
  }
}

/** Spans of addresses that lie in some run, by the pieces in which they begin and end, each the shortest of its kind. */
function* spansOf(cell: Cell, views: readonly [View, View]): Generator<Shortest> {
  const runs = views.flatMap(({ allows }) => allows.flatMap((allow) => allow.runs))
  const denials = views.flatMap(({ denies }) => denies.flatMap(({ ranges }) => ranges))
  const points = writesRegisters(cell.code) ? views.flatMap(({ allows }) => allows.flatMap(({ own }) => own.rule.points.filter(isRanged).map(pointRange))) : [] // prettier-ignore
  const starts = new Set<number>()
  const add = ({ from, to }: Range): void => void starts.add(from).add(to + 1)
  for (const range of [...runs, ...denials]) add(range)
  // A point is cut at each of its registers: a write may cover a part of it.
  for (const { from, to } of points) for (let at = from; at <= to + 1; at++) starts.add(at)
  const sorted = [...starts].sort((a, b) => a - b)
  const pieces = sorted.flatMap((from, k) => {
    const piece = { from, to: (sorted[k + 1] ?? from + 1) - 1 }
    return runs.some((run) => contains(run, piece)) ? [piece] : []
  })
  for (const piece of pieces) yield { write: { from: piece.from, to: piece.from }, within: piece }
  const most = mostOf(cell)
  for (const [k, first] of pieces.entries()) {
    for (const last of pieces.slice(k + 1)) {
      const write = { from: first.to, to: last.from }
      if (write.to - write.from >= most || !runs.some((run) => contains(run, write))) break
      yield { write, within: { from: first.from, to: last.to } }
    }
  }
}

/** What one side says of a request, its values left open. */
function coveringOf({ allows, denies }: View, cell: Cell, write: Range, read: Range | null): Covering {
  const spans = read === null ? [write] : [read, write]
  const denying = denies.filter(({ ranges }) => ranges.some((range) => spans.some((span) => meet(range, span))))
  const always = denying.find(({ own }) => denialKey(own.rule) === null)
  if (always !== undefined) return { denied: [], allows: [], denying: [always.own.index] }
  const covering = allows.flatMap(({ own, runs }) => {
    if (!spans.every((span) => runs.some((run) => contains(run, span)))) return []
    if (!writesRegisters(cell.code)) return [{ index: own.index, rule: own.rule, points: [] }]
    const points = own.rule.points.filter((point) => isRanged(point) && meet(pointRange(point), write))
    const whole = points.every((point) => cell.code !== 22 && contains(write, pointRange(point)))
    return whole ? [{ index: own.index, rule: own.rule, points }] : []
  })
  const denied = [...new Set(denying.map(({ own }) => denialKey(own.rule) ?? ""))].sort()
  return { denied, allows: covering, denying: denying.map(({ own }) => own.index) }
}

function note(
  groups: Map<string, Group>,
  sides: readonly [Side, Side],
  { cell, write, read, within }: Shortest & { readonly cell: Cell; readonly read: Range | null },
  difference: Difference,
): void {
  const { kind, what } = difference
  const [before = [], after = []] = [difference.before, difference.after].map((list, k) => list.map((index) => sides[k]?.policy.rules[index]?.id ?? "?")) // prettier-ignore
  const { code, sub, file } = cell
  const id = JSON.stringify([kind, what, code, sub, file, before, after])
  const known = groups.get(id)
  if (known !== undefined) {
    known.units.push(cell.units)
    known.spans.push(within)
    return
  }
  const words = Array.from({ length: write.to - write.from + 1 }, () => 0)
  for (const { at, values } of difference.values) values.forEach((value, k) => (words[at - write.from + k] = value))
  const request = exampleOf(cell, write, words)
  const example = read === null ? request : { ...request, reads: read }
  groups.set(id, { kind, cell, what, before, after, units: [cell.units], spans: [within], example })
}

function changeOf({ kind, cell, what, before, after, units, spans, example }: Group): Omit<Change, "classes"> {
  const addressed = ADDRESS_KIND[cell.code] !== undefined || cell.file !== null
  const where = addressed ? ` ${merged(spans).map(rangeText).join(", ")}` : ""
  const sub = cell.sub === null ? "" : ` sub-function ${cell.sub}`
  const file = cell.file === null ? "" : ` file ${cell.file}`
  const requests = `${functionName(cell.code)}${sub}${file}${where} of unit ${merged(units).map(rangeText).join(", ")}`
  const such = `such as ${requestText(example)}`
  const text = {
    allowed: `now allowed: ${requests}, ${such}`,
    denied: `no longer allowed: ${requests}, ${such}`,
    terms: `${requests}, ${such}: ${what}`,
  }[kind]
  return { kind, text, action: "modbus", example: { request: example }, before, after }
}

/** The same numbers in as few ranges as can be. */
function merged(ranges: readonly Range[]): readonly Range[] {
  const sorted = ranges.toSorted((a, b) => a.from - b.from)
  return sorted.reduce<readonly Range[]>((out, range) => {
    const last = out.at(-1)
    if (last === undefined || range.from > last.to + 1) return [...out, range]
    return [...out.slice(0, -1), { from: last.from, to: Math.max(last.to, range.to) }]
  }, [])
}

function unknown(sides: readonly [Side, Side], maxRequests: number): Omit<Change, "classes"> {
  const [before, after] = sides.map(({ changed }) => [...changed].map(({ rule }) => rule.id)) as [string[], string[]]
  const text = `modbus: more than ${maxRequests} kinds of request: not compared further; these rules differ in what they say`
  return { kind: "unknown", text, action: "modbus", example: null, before, after }
}
