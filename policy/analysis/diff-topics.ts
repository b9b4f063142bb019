/**
 * What a change of the rules means for topics: both policies' filters in one space, walked wherever a filter of one has no
 * like in the other. Where none differs the same rules match, so the rest need not be looked at.
 */
import { type Policy, type SubjectRule } from "../language/policy.ts"
import type { Change, ChangedClass } from "./change.ts"
import { RuleTables, type Table, type TableRule } from "./classes.ts"
import { identitiesOf } from "./identity.ts"
import { pairsOf } from "./pairs.ts"
import { permissionChange, permissionOf, type Permission } from "./permission.ts"
import { denialKey, termsKey, termsOf } from "./terms.ts"
import { MAX_PLACES, TopicSpace, type Example } from "./topic-space.ts"

/** What the walks cost, for tests. */
export interface DiffWork {
  places: number
}

interface Side {
  readonly policy: Policy
  readonly tables: RuleTables
}

/** One filter of one rule of one side. */
interface Entry {
  readonly side: 0 | 1
  readonly rule: number
  readonly filter: string
  /** Equal for filters that say the same on the same terms. */
  readonly key: string
}

interface Group {
  readonly kind: Change["kind"]
  readonly table: Table
  pattern: string
  readonly example: Example | null
  readonly what: string
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** Patterns beyond the first. */
  more: number
}

/** Everything that becomes allowed, denied or differently allowed on MQTT topics. Exact; see `topic-space.ts` for names. */
export function diffTopics(before: Policy, after: Policy, work: DiffWork, maxPlaces = MAX_PLACES): readonly Change[] {
  const sides = [sideOf(before), sideOf(after)] as const
  const done = new Map<string, readonly Group[]>()
  const told = new Map<string, { group: Group; classes: ChangedClass[] }>()
  for (const { conduit, subjects, ...roles } of pairsOf(before, after)) {
    const own = [roles.before, roles.after].map((set) => (set === null ? null : { conduit, roles: set }))
    const tables = new Set(sides.flatMap((side, k) => (own[k] ? side.tables.tablesFor(own[k]) : [])))
    for (const table of tables) {
      const rules = sides.map((side, k) => (own[k] ? side.tables.rulesFor(own[k], table) : []))
      const alike = JSON.stringify([table, rules.map((list) => list.map(({ index }) => index)), identityKey(subjects)])
      const groups = done.get(alike) ?? compare(sides, table, rules, subjects, work, maxPlaces)
      done.set(alike, groups)
      for (const group of groups) {
        const { kind, pattern, what, before: old, after: now } = group
        const id = JSON.stringify([kind, table, pattern, what, old, now])
        const known = told.get(id)
        if (known === undefined) told.set(id, { group, classes: [{ conduit, ...roles }] })
        else known.classes.push({ conduit, ...roles })
      }
    }
  }
  return [...told.values()].map(({ group, classes }) => changeOf(group, classes))
}

function sideOf(policy: Policy): Side {
  return { policy, tables: new RuleTables(policy) }
}

function identityKey(subjects: readonly SubjectRule[]): string {
  return JSON.stringify(
    [...new Set(subjects.map(({ fixedName, clientId }) => JSON.stringify([fixedName, clientId])))].sort(),
  )
}

function entriesOf(rules: readonly TableRule[], side: 0 | 1, table: Table): readonly Entry[] {
  return rules.flatMap(({ index, rule, filters }) => {
    const terms = rule.effect === "deny" ? `deny ${denialKey(rule) ?? ""}` : termsKey(termsOf(rule, table))
    return filters.map((filter): Entry => ({ side, rule: index, filter, key: JSON.stringify([filter, terms]) }))
  })
}

/** The entries that have no like on the other side, each like counted once. */
function changedOf(entries: readonly Entry[]): ReadonlySet<Entry> {
  const open = new Map<string, Entry[]>()
  const changed = new Set<Entry>()
  for (const entry of entries) {
    const waiting = open.get(entry.key)
    const [like] = waiting ?? []
    if (like !== undefined && like.side !== entry.side) {
      waiting?.shift()
      changed.delete(like)
      continue
    }
    changed.add(entry)
    if (waiting === undefined) open.set(entry.key, [entry])
    else waiting.push(entry)
  }
  return changed
}

function compare(
  sides: readonly [Side, Side],
  table: Table,
  rules: readonly (readonly TableRule[])[],
  subjects: readonly SubjectRule[],
  work: DiffWork,
  maxPlaces: number,
): readonly Group[] {
  const entries = [...entriesOf(rules[0] ?? [], 0, table), ...entriesOf(rules[1] ?? [], 1, table)]
  const changed = changedOf(entries)
  if (changed.size === 0) return []
  const groups = new Map<string, Group>()
  const filters = entries.map(({ filter }) => filter)
  const wideRequests = !["publish", "receive"].includes(table) && filters.some((filter) => filter.endsWith("#"))
  for (const identity of identitiesOf(subjects, filters)) {
    const space = new TopicSpace(identity)
    for (const [label, { filter }] of entries.entries()) space.add(filter, label)
    space.want(entries.flatMap((entry, label) => (changed.has(entry) ? [label] : [])))
    const end = space.walk((labels, example) => {
      const [old, now] = [0, 1].map((side) => {
        const rules = labels.flatMap((label) => (entries[label]?.side === side ? [entries[label].rule] : []))
        return permissionOf(
          sides[side as 0 | 1].policy,
          [...new Set(rules)].sort((a, b) => a - b),
          table,
        )
      }) as [Permission, Permission]
      if (old.key !== now.key) note(groups, sides, table, old, now, example())
      else if (old.key === "" && wideRequests) noteDenied(groups, sides, table, labels, entries, example)
      return false
    }, maxPlaces)
    work.places += space.visited
    if (end === "bounded") {
      const names = (side: 0 | 1): readonly string[] => [...new Set([...changed].filter((entry) => entry.side === side).map((entry) => idOf(sides[side], entry.rule)))] // prettier-ignore
      const what = `more than ${maxPlaces} kinds of topic: not compared further; these rules differ in what they say`
      const group: Group = { kind: "unknown", table, pattern: "", example: null, what, before: names(0), after: names(1), more: 0 } // prettier-ignore
      groups.set("unknown", group)
    }
  }
  return [...groups.values()]
}

/**
 * A denied topic that only one side would allow: nobody can subscribe to it alone, but a request that holds it beside others
 * (`a/#` where `a` is denied) is granted only if all of it would be allowed.
 */
function noteDenied(
  groups: Map<string, Group>,
  sides: readonly [Side, Side],
  table: Table,
  labels: readonly number[],
  entries: readonly Entry[],
  example: () => Example,
): void {
  const [old, now] = [0, 1].map((side) => {
    const rules = labels.flatMap((label) => (entries[label]?.side === side ? [entries[label].rule] : []))
    const { policy } = sides[side as 0 | 1]
    return permissionOf(policy, rules.filter((index) => policy.rules[index]?.effect === "allow"), table) // prettier-ignore
  }) as [Permission, Permission]
  if (old.key === now.key) return
  const what = "denied by itself in both; a request that ends in # and holds it may be answered differently"
  const before = old.rules.map((index) => idOf(sides[0], index))
  const after = now.rules.map((index) => idOf(sides[1], index))
  const id = JSON.stringify(["denied", before, after])
  const known = groups.get(id)
  const shown = example()
  if (known !== undefined) addTo(known, shown)
  else groups.set(id, { kind: "terms", table, pattern: patternOf(shown), example: shown, what, before, after, more: 0 })
}

function note(
  groups: Map<string, Group>,
  sides: readonly [Side, Side],
  table: Table,
  old: Permission,
  now: Permission,
  example: Example,
): void {
  const kind = old.key === "" ? "allowed" : now.key === "" ? "denied" : "terms"
  const what = kind === "terms" ? permissionChange(old, now) : ""
  const before = old.rules.map((index) => idOf(sides[0], index))
  const after = now.rules.map((index) => idOf(sides[1], index))
  const id = JSON.stringify([kind, what, before, after])
  const known = groups.get(id)
  if (known !== undefined) addTo(known, example)
  else groups.set(id, { kind, table, pattern: patternOf(example), example, what, before, after, more: 0 })
}

function patternOf({ pattern, open }: Example): string {
  return open ? `${pattern}/#` : pattern
}

/** One more kind of topic of which the same is true. */
function addTo(group: Group, { pattern, open }: Example): void {
  if (open && pattern === `${group.pattern}/+`) group.pattern += "/#"
  else if (!group.pattern.endsWith("/#") || !pattern.startsWith(group.pattern.slice(0, -1))) group.more++
}

function idOf({ policy }: Side, index: number): string {
  return policy.rules[index]?.id ?? "?"
}

function changeOf(group: Group, classes: readonly ChangedClass[]): Change {
  const { kind, table, pattern, example, what, before, after, more } = group
  const verb = table.startsWith("share:") ? `subscribe in group ${table.slice(6)} to` : table
  const others = more === 0 ? "" : ` and ${more} more like it`
  const text = {
    allowed: `now allowed: ${verb} ${pattern}${others}`,
    denied: `no longer allowed: ${verb} ${pattern}${others}`,
    terms: `${verb} ${pattern}${others}: ${what}`,
    place: what,
    unknown: `${verb}: ${what}`,
  }[kind]
  const shown = example === null ? null : { topic: example.topic, name: example.name, clientId: example.clientId }
  return { kind, text, classes, action: table, example: shown, before, after }
}
