/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import type { ClassKey } from "../filter/table.ts"
import { RULE_DENY, RULE_ESSENTIAL, RULE_QOS_SHIFT, RULE_RATE, RULE_RETAIN } from "../filter/layout.ts"
import type { Action, Policy } from "../language/policy.ts"
import type { FilterDictionary } from "./filters.ts"
import type { RuleWords } from "./flatten.ts"
import { GrowingWords } from "./growing.ts"

/** The topic tables of a class. `shared` holds filters of `$share/<group>/...`, the group as their first level. */
export type TableKind = "publish" | "subscribe" | "receive" | "shared"

const MAX_LIMIT = 0xffff_ffff

/** What leaves say of each rule, and the rates: per bucket, tokens a millisecond and the most it holds. */
export function compileRules(policy: Policy): { words: RuleWords; numbers: Float64Array; rateCount: number } {
  const count = policy.rules.length
  const words = {
    rule: new Uint32Array(count),
    maxPayloadBytes: new Uint32Array(count),
    bucket: new Uint32Array(count),
  }
  const numbers: number[] = []
  policy.rules.forEach((rule, index) => {
    const rated = rule.rate !== null && rule.effect === "allow"
    words.rule[index] =
      ((index + 1) << 8) |
      (rule.effect === "deny" ? RULE_DENY : 0) |
      (rule.maxQos << RULE_QOS_SHIFT) |
      (rule.retain ? RULE_RETAIN : 0) |
      (rule.essential ? RULE_ESSENTIAL : 0) |
      (rated ? RULE_RATE : 0)
    words.maxPayloadBytes[index] = Math.min(rule.maxPayloadBytes, MAX_LIMIT)
    if (!rated) return
    words.bucket[index] = numbers.length / 2
    numbers.push(rule.rate.perSecond / 1000, rule.rate.burst)
  })
  return { words, numbers: Float64Array.from(numbers), rateCount: numbers.length / 2 }
}

/** The filters of one table with their rules, ascending by rule: what a trie is built from. */
export interface Selection {
  readonly filters: Uint32Array
  readonly rules: Uint32Array
  /** Levels of all filters together, and of the deepest. */
  readonly levels: number
  readonly depth: number
  readonly hash: number
}

/** True if both would make the same table. */
export function sameSelection(a: Selection, b: Selection): boolean {
  if (a.hash !== b.hash || a.filters.length !== b.filters.length) return false
  for (let k = 0; k < a.filters.length; k++) {
    if (a.filters[k] !== b.filters[k] || a.rules[k] !== b.rules[k]) return false
  }
  return true
}

const SHARE = "$share/"

/** Finds the rules and filters that bear on a class. */
export class RuleIndex {
  readonly #policy: Policy
  readonly #filters: FilterDictionary
  /** By conduit, then role: indices of rules, ascending. */
  readonly #byRole = new Map<string, Map<string, number[]>>()
  /** By rule: where its filters stand in `#numbers`, as pairs of plain number and shared number + 1 (0: not shared); 0 if not yet. */
  readonly #numbersAt: Uint32Array
  readonly #numbers = new GrowingWords()

  constructor(policy: Policy, filters: FilterDictionary) {
    this.#policy = policy
    this.#filters = filters
    this.#numbersAt = new Uint32Array(policy.rules.length)
    this.#numbers.push(0)
    policy.rules.forEach((rule, index) => {
      for (const conduit of rule.conduits) {
        let roles = this.#byRole.get(conduit)
        if (roles === undefined) this.#byRole.set(conduit, (roles = new Map<string, number[]>()))
        for (const role of rule.roles) {
          const list = roles.get(role)
          if (list === undefined) roles.set(role, [index])
          else if (list.at(-1) !== index) list.push(index)
        }
      }
    })
  }

  /** Indices of the rules that bear on a class, ascending, each once. */
  rulesOf(key: ClassKey): readonly number[] {
    const roles = this.#byRole.get(key.conduit)
    const lists = key.roles.flatMap((role) => {
      const list = roles?.get(role)
      return list === undefined ? [] : [list]
    })
    if (lists.length <= 1) return lists[0] ?? []
    return [...Uint32Array.from(new Set(lists.flat())).sort()]
  }

  /** The filters of these rules that belong in a table of this kind. */
  select(rules: readonly number[], kind: TableKind): Selection {
    const filters = new GrowingWords()
    const owners = new GrowingWords()
    let levels = 0
    let depth = 0
    let hash = 0x811c9dc5 | 0
    for (const index of rules) {
      const rule = this.#policy.rules[index]!
      if (!concerns(rule.actions, kind)) continue
      const at = this.#numbersOf(index)
      for (let k = 0; k < rule.topics.length; k++) {
        const plain = this.#numbers.array[at + k * 2]!
        const shared = this.#numbers.array[at + k * 2 + 1]!
        let number = plain
        if (kind === "shared") {
          if (shared === 0) continue
          number = shared - 1
        } else if (shared !== 0 && (kind !== "receive" || rule.effect === "deny")) continue
        filters.push(number)
        owners.push(index)
        levels += this.#filters.depth[number]!
        depth = Math.max(depth, this.#filters.depth[number]!)
        hash = Math.imul(Math.imul(hash ^ number, 0x01000193) ^ index, 0x9e3779b1)
        hash ^= hash >>> 13
      }
    }
    return {
      filters: filters.array.slice(0, filters.length),
      rules: owners.array.slice(0, owners.length),
      levels,
      depth,
      hash,
    }
  }

  #numbersOf(index: number): number {
    const known = this.#numbersAt[index]!
    if (known !== 0) return known
    const { topics } = this.#policy.rules[index]!
    const at = this.#numbers.reserve(topics.length * 2)
    this.#numbersAt[index] = at
    topics.forEach((topic, k) => {
      const shared = topic.startsWith(SHARE)
      const plain = shared ? topic.slice(topic.indexOf("/", SHARE.length) + 1) : topic
      const number = this.#filters.number(plain, false)
      const sharedNumber = shared ? this.#filters.number(topic.slice(SHARE.length), true) + 1 : 0
      this.#numbers.array[at + k * 2] = number
      this.#numbers.array[at + k * 2 + 1] = sharedNumber
    })
    return at
  }
}

/** Whether a rule with these actions stands in a table: who may ask for something may get it. */
function concerns(actions: readonly Action[], kind: TableKind): boolean {
  if (kind === "publish") return actions.includes("publish")
  if (kind === "receive" && actions.includes("receive")) return true
  return actions.includes("subscribe")
}
