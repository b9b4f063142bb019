/**
 * Rules that change nothing. A rule counts if on some topic, for some subject, in some action it decides: an allow that no
 * deny overrules and no other allow replaces; a deny that takes away what some rule allows. Exact, by the walk of
 * `topic-space.ts`; where its bound is passed a rule is taken to count.
 */
import type { Policy } from "../language/policy.ts"
import type { Finding } from "./finding.ts"
import { classesOf, RuleTables, type Table, type TableRule } from "./classes.ts"
import { identitiesOf } from "./identity.ts"
import { deadModbusRules } from "./lint-modbus.ts"
import { denialKey, isAsWide, termsOf } from "./terms.ts"
import { TopicSpace, type Identity } from "./topic-space.ts"

/** Places of the walk over all rules of a table together, and of each one over a single rule that was left. */
const PLACES_TOGETHER = 20_000
const PLACES_ALONE = 20_000

/** Findings on rules that no peer can use and rules that decide nothing. */
export function lintReach(policy: Policy): readonly Finding[] {
  const reach = reachOf(policy)
  const modbus = deadModbusRules(policy)
  return policy.rules.flatMap((rule, index): Finding[] => {
    const place = { kind: "rule", id: rule.id } as const
    if (!reach.applied.has(index)) {
      const message = `nobody on its conduits can have the role${rule.roles.length > 1 ? "s" : ""} ${rule.roles.join(", ")}`
      const advice = "give a subject of that zone the role, correct the conduits, or remove the rule"
      return [{ severity: "warning", code: "rule-for-nobody", place, message, advice }]
    }
    const blockers = rule.protocol === "modbus" ? modbus.get(index) : reach.dead.get(index)
    if (blockers === undefined) return []
    const names = blockers.map((k) => policy.rules[k]?.id ?? "?").join(", ")
    if (rule.effect === "deny") {
      const message = "no rule allows what it denies"
      return [{ severity: "note", code: "deny-of-nothing", place, message, advice: "keep it as a guard, or remove it" }]
    }
    const denied = blockers.length > 0 && blockers.every((k) => policy.rules[k]?.effect === "deny")
    return [
      {
        severity: "warning",
        code: denied ? "rule-denied" : "rule-shadowed",
        place,
        message: denied
          ? `all that it allows is denied by ${names}`
          : blockers.length === 0
            ? "nothing can ever match it"
            : `all that it allows is decided without it, by ${names}`,
        advice: denied ? "narrow the deny, or remove the rule" : "remove it, or make it differ from the others",
      },
    ]
  })
}

interface Reach {
  /** Rules that bear on some class. */
  readonly applied: ReadonlySet<number>
  /** MQTT rules that decide nothing, with the rules that decide instead. */
  readonly dead: ReadonlyMap<number, readonly number[]>
  /** What it cost. */
  readonly places: number
}

/** One table of one class, for one way of being named: what one walk looks at. */
interface Context {
  readonly table: Table
  readonly identity: Identity
  readonly rules: readonly TableRule[]
}

/**
 * Which rules of the policy bear on anybody, and which of the MQTT rules could be left out, one after the other, without
 * any change: of two alike the later one.
 */
export function reachOf(policy: Policy): Reach {
  const { contexts, applied } = contextsOf(policy)
  const alive = new Set<number>()
  const blockers = new Map<number, Set<number>>()
  const gone = new Set<number>()
  let places = 0
  const spaces = new Map<Context, TopicSpace>()
  const look = (context: Context, wanted: ReadonlySet<number>, maxPlaces: number): boolean => {
    const space = spaces.get(context) ?? spaceOf(context)
    spaces.set(context, space)
    const before = space.visited
    space.want(wanted)
    const end = space.walk((labels) => {
      const there = labels.filter((index) => !gone.has(index))
      judge(policy, context.table, there, wanted, alive, blockers)
      return [...wanted].every((index) => alive.has(index))
    }, maxPlaces)
    places += space.visited - before
    return end === "bounded"
  }
  for (const context of contexts) {
    const left = context.rules.filter(({ index }) => !alive.has(index)).map(({ index }) => index)
    if (left.length > 0) look(context, new Set(left), PLACES_TOGETHER)
  }
  const dead = new Map<number, readonly number[]>()
  for (const index of [...applied].sort((a, b) => b - a)) {
    if (alive.has(index) || policy.rules[index]?.protocol !== "mqtt") continue
    blockers.delete(index)
    for (const context of contexts) {
      if (alive.has(index) || !context.rules.some((own) => own.index === index)) continue
      if (look(context, new Set([index]), PLACES_ALONE)) alive.add(index)
    }
    if (alive.has(index)) continue
    if (policy.rules[index].effect === "allow") gone.add(index)
    dead.set(index, [...(blockers.get(index) ?? [])])
  }
  return { applied, dead, places }
}

function spaceOf({ identity, rules }: Context): TopicSpace {
  const space = new TopicSpace(identity)
  for (const { index, filters } of rules) for (const filter of filters) space.add(filter, index)
  return space
}

function contextsOf(policy: Policy): { readonly contexts: readonly Context[]; readonly applied: ReadonlySet<number> } {
  const tables = new RuleTables(policy)
  const applied = new Set<number>()
  const contexts = new Map<string, Context>()
  for (const group of classesOf(policy)) {
    for (const { index } of tables.modbusFor(group)) applied.add(index)
    for (const table of tables.tablesFor(group)) {
      const rules = tables.rulesFor(group, table)
      const filters = rules.flatMap((own) => own.filters)
      const indices = rules.map(({ index }) => index)
      for (const index of indices) applied.add(index)
      for (const identity of identitiesOf(group.subjects, filters)) {
        contexts.set(JSON.stringify([table, indices, identity]), { table, identity, rules })
      }
    }
  }
  return { contexts: [...contexts.values()], applied }
}

/** Note which of the wanted rules decide on a topic that exactly the rules `labels` match. */
function judge(
  policy: Policy,
  table: Table,
  labels: readonly number[],
  wanted: ReadonlySet<number>,
  alive: Set<number>,
  blockers: Map<number, Set<number>>,
): void {
  const rules = labels.flatMap((index) => {
    const rule = policy.rules[index]
    return rule?.protocol === "mqtt" ? [{ index, rule }] : []
  })
  const denying = rules.find(({ rule }) => rule.effect === "deny" && denialKey(rule) === null)
  const allowing = rules.filter(({ rule }) => rule.effect === "allow")
  for (const { index, rule } of rules) {
    if (!wanted.has(index) || alive.has(index)) continue
    if (rule.effect === "deny") {
      if (allowing.length > 0) alive.add(index)
      continue
    }
    const own = termsOf(rule, table)
    const wide = (other: TableRule["rule"]): boolean => isAsWide(termsOf(other, table), own)
    const blocker = denying ?? allowing.find((other) => other.index !== index && wide(other.rule))
    if (blocker === undefined) alive.add(index)
    else {
      const known = blockers.get(index)
      if (known === undefined) blockers.set(index, new Set([blocker.index]))
      else if (known.size < 3) known.add(blocker.index)
    }
  }
}
