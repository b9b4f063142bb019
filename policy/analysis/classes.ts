import { splitFilter } from "../language/topic-filter.ts"
import type { Conduit, MqttRule, Policy, SubjectRule } from "../language/policy.ts"
import type { ModbusRule } from "../language/modbus-rule.ts"

/** Those who have the same rights: a conduit and a set of roles that a subject of its `from` zone can have. */
export interface Class {
  readonly conduit: string
  readonly protocol: Conduit["protocol"]
  /** Sorted, each once. */
  readonly roles: readonly string[]
  /** Subject entries that lead here. */
  readonly subjects: readonly SubjectRule[]
}

/** Every class of `policy`, by conduit and then in the order of the subjects. */
export function classesOf(policy: Policy): readonly Class[] {
  const found = new Map<string, Class & { subjects: SubjectRule[] }>()
  for (const { name, from, protocol } of policy.conduits) {
    for (const subject of policy.subjects) {
      if (subject.zone !== from) continue
      const roles = [...new Set(subject.roles)].sort()
      const key = classKey(name, roles)
      const known = found.get(key)
      if (known === undefined) found.set(key, { conduit: name, protocol, roles, subjects: [subject] })
      else known.subjects.push(subject)
    }
  }
  return [...found.values()]
}

/** One text for one class, whichever policy it is of. */
export function classKey(conduit: string, roles: readonly string[]): string {
  return JSON.stringify([conduit, ...roles])
}

/**
 * What a table of filters is about. A shared subscription is another thing than a plain one, and each group is a table of
 * its own: `share:<group>`.
 */
export type Table = "publish" | "receive" | "subscribe" | `share:${string}`

/** A rule of a table with the filters by which it speaks there; `index` counts `Policy.rules`. */
export interface TableRule<R = MqttRule> {
  readonly index: number
  readonly rule: R
  readonly filters: readonly string[]
}

/** Rules by what they bear on; made once a policy, for thousands of rules and dozens of classes. */
export class RuleTables {
  readonly policy: Policy
  readonly #tables: readonly { readonly index: number; readonly tables: ReadonlyMap<Table, readonly string[]> }[]

  constructor(policy: Policy) {
    this.policy = policy
    this.#tables = policy.rules.map((rule, index) => ({
      index,
      tables: rule.protocol === "mqtt" ? tablesOf(rule) : new Map<Table, readonly string[]>(),
    }))
  }

  /** The tables that some rule for this class is in. */
  tablesFor(of: Pick<Class, "conduit" | "roles">): readonly Table[] {
    const found = new Set<Table>()
    for (const { index, tables } of this.#tables) {
      if (this.#applies(index, of)) for (const table of tables.keys()) if (this.#goes(of, table)) found.add(table)
    }
    return [...found]
  }

  /** Data may go one way only: the tables of the other are empty. */
  #goes({ conduit }: Pick<Class, "conduit">, table: Table): boolean {
    const direction = this.policy.conduits.find(({ name }) => name === conduit)?.direction
    return direction !== (table === "publish" ? "in" : "out")
  }

  /** The rules of one table for one class, in the order of the policy. */
  rulesFor(of: Pick<Class, "conduit" | "roles">, table: Table): readonly TableRule[] {
    if (!this.#goes(of, table)) return []
    return this.#tables.flatMap(({ index, tables }) => {
      const rule = this.policy.rules[index]
      const filters = tables.get(table)
      if (filters === undefined || rule?.protocol !== "mqtt" || !this.#applies(index, of)) return []
      return [{ index, rule, filters }]
    })
  }

  /** The Modbus rules for one class. */
  modbusFor(of: Pick<Class, "conduit" | "roles">): readonly TableRule<ModbusRule>[] {
    return this.policy.rules.flatMap((rule, index) =>
      rule.protocol === "modbus" && this.#applies(index, of) ? [{ index, rule, filters: [] }] : [],
    )
  }

  #applies(index: number, of: Pick<Class, "conduit" | "roles">): boolean {
    const rule = this.policy.rules[index]
    return (
      rule !== undefined && rule.conduits.includes(of.conduit) && rule.roles.some((role) => of.roles.includes(role))
    )
  }
}

/** By which filters a rule speaks of what. As in `policy/filter`: who may subscribe receives, a shared deny keeps nobody from receiving. */
export function tablesOf(rule: MqttRule): ReadonlyMap<Table, readonly string[]> {
  const tables = new Map<Table, string[]>()
  const add = (table: Table, filter: string): void => {
    const known = tables.get(table)
    if (known === undefined) tables.set(table, [filter])
    else if (!known.includes(filter)) known.push(filter)
  }
  for (const topic of rule.topics) {
    const { group, filter } = splitFilter(topic)
    if (rule.actions.includes("publish") && group === null) add("publish", filter)
    if (rule.actions.includes("subscribe")) add(group === null ? "subscribe" : `share:${group}`, filter)
    const receives = rule.actions.includes("subscribe") || rule.actions.includes("receive")
    if (receives && (group === null || rule.effect === "allow")) add("receive", filter)
  }
  return tables
}
