/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import type { ClassKey } from "../filter/table.ts"
import { RECORD_CHANGES, RECORD_EACH, RECORD_NONE, type Gate } from "../filter/table.ts"
import {
  MAX_MQTT_BYTES,
  RULE_ANY_SIZE,
  RULE_DENY,
  RULE_ESSENTIAL,
  RULE_MORE,
  RULE_QOS_SHIFT,
  RULE_RETAIN,
} from "../filter/layout.ts"
import { MAX_INSPECTED_BYTES, type PayloadForm } from "../language/payload-form.ts"
import type { Action, Policy, Rule } from "../language/policy.ts"
import type { Filters } from "./filters.ts"
import type { RuleWords } from "./flatten.ts"
import { GrowingWords } from "./growing.ts"

/** The topic tables of a class. `shared` holds filters of `$share/<group>/...`, the group as their first level. */
export type TableKind = "publish" | "subscribe" | "receive" | "shared"

const MAX_LIMIT = 0xffff_ffff

/** What leaves say of each rule, and what they point to. */
export interface CompiledRules {
  readonly words: RuleWords
  /** Per bucket, tokens a millisecond and the most it holds. */
  readonly numbers: Float64Array
  readonly rateCount: number
  readonly gates: readonly Gate[]
  readonly forms: readonly PayloadForm[]
  readonly records: Uint8Array
}

/** The rules one by one: equal gates and equal forms stand once. */
export function compileRules(policy: Policy): CompiledRules {
  const count = policy.rules.length
  const words = {
    rule: new Uint32Array(count),
    maxPayloadBytes: new Uint32Array(count),
    bucket: new Uint32Array(count),
    gate: new Uint32Array(count),
    form: new Uint32Array(count),
  }
  const numbers: number[] = []
  const gates = new Numbered<Gate>()
  const forms = new Numbered<PayloadForm>()
  policy.rules.forEach((rule, index) => {
    if (rule.protocol !== "mqtt") return
    const gate = gateOf(rule)
    if (gate !== null) words.gate[index] = gates.numberOf(gate)
    const looks = rule.effect === "allow" && rule.payload.kind !== "any"
    if (looks) words.form[index] = forms.numberOf(rule.payload)
    if (rule.rate !== null && rule.effect === "allow") {
      numbers.push(rule.rate.perSecond / 1000, rule.rate.burst)
      words.bucket[index] = numbers.length / 2
    }
    const more = words.bucket[index]! + words.gate[index]! + words.form[index]! > 0
    const limit = looks ? Math.min(rule.maxPayloadBytes, MAX_INSPECTED_BYTES) : rule.maxPayloadBytes
    words.rule[index] =
      ((index + 1) << 8) |
      (rule.effect === "deny" ? RULE_DENY : 0) |
      (rule.maxQos << RULE_QOS_SHIFT) |
      (rule.retain ? RULE_RETAIN : 0) |
      (rule.essential ? RULE_ESSENTIAL : 0) |
      (more ? RULE_MORE : 0) |
      (limit >= MAX_MQTT_BYTES ? RULE_ANY_SIZE : 0)
    words.maxPayloadBytes[index] = Math.min(limit, MAX_LIMIT)
  })
  return {
    words,
    numbers: Float64Array.from(numbers),
    rateCount: numbers.length / 2,
    gates: gates.values,
    forms: forms.values,
    records: Uint8Array.from(policy.rules, ({ effect, record }) =>
      effect === "allow" ? RECORDS[record] : RECORD_NONE,
    ),
  }
}

const RECORDS = { none: RECORD_NONE, each: RECORD_EACH, changes: RECORD_CHANGES } as const

/** A deny waits for no emergency: it is in force whenever its hours and its inputs may be. */
export function gateOf({ hours, emergency, when, effect }: Rule): Gate | null {
  const waitsFor = effect === "allow" ? emergency : null
  return hours === null && waitsFor === null && when === null ? null : { hours, emergency: waitsFor, when }
}

/** Distinct values, numbered from 1. */
class Numbered<T extends object> {
  readonly values: T[] = []
  readonly #byText = new Map<string, number>()
  /** Values that came before as the same object need not be written out again. */
  readonly #known = new Map<T, number>()

  numberOf(value: T): number {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const text = JSON.stringify(value)
    const number = this.#byText.get(text) ?? this.values.push(value)
    this.#byText.set(text, number)
    this.#known.set(value, number)
    return number
  }
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

const PUBLISH = 1
const SUBSCRIBE = 2
const RECEIVE = 4
const DENY = 8

/** What of a rule's actions puts it into a table: who may ask for something may get it. */
const CONCERNS: Readonly<Record<TableKind, number>> = {
  publish: PUBLISH,
  subscribe: SUBSCRIBE,
  shared: SUBSCRIBE,
  receive: SUBSCRIBE | RECEIVE,
}

function concerns(rule: Rule, action: Action): boolean {
  return rule.protocol === "mqtt" && rule.actions.includes(action)
}

function topicsOf(policy: Policy, index: number): readonly string[] {
  const rule = policy.rules[index]!
  return rule.protocol === "mqtt" ? rule.topics : []
}

/** Finds the rules and filters that bear on a class. */
export class RuleIndex {
  readonly #policy: Policy
  readonly #filters: Filters
  /** By conduit, then role: indices of rules, ascending. */
  readonly #byRole = new Map<string, Map<string, number[]>>()
  /** By rule: its actions and effect. */
  readonly #bits: Uint8Array
  /** By rule: where its filters stand in `#numbers`, two words a topic: the plain number, the shared number + 1 or 0. */
  readonly #numbersAt: Uint32Array
  readonly #numbers = new GrowingWords()

  constructor(policy: Policy, filters: Filters) {
    this.#policy = policy
    this.#filters = filters
    this.#numbersAt = new Uint32Array(policy.rules.length)
    this.#bits = Uint8Array.from(
      policy.rules,
      (rule) =>
        (concerns(rule, "publish") ? PUBLISH : 0) |
        (concerns(rule, "subscribe") ? SUBSCRIBE : 0) |
        (concerns(rule, "receive") ? RECEIVE : 0) |
        (rule.effect === "deny" ? DENY : 0),
    )
    // Offset 0 means: not yet.
    this.#numbers.push(0)
    policy.rules.forEach((rule, index) => {
      if (rule.protocol !== "mqtt") return
      for (const conduit of rule.conduits) {
        let roles = this.#byRole.get(conduit)
        if (roles === undefined) this.#byRole.set(conduit, (roles = new Map<string, number[]>()))
        for (const role of rule.roles) {
          const list = roles.get(role)
          if (list === undefined) roles.set(role, [index])
          else if (list[list.length - 1] !== index) list.push(index)
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
    const concerned = rules.filter((index) => (this.#bits[index]! & CONCERNS[kind]) !== 0)
    const room = concerned.reduce((sum, index) => sum + topicsOf(this.#policy, index).length, 0)
    const filters = new Uint32Array(room)
    const owners = new Uint32Array(room)
    let count = 0
    let levels = 0
    let depth = 0
    let hash = 0x811c9dc5 | 0
    for (const index of concerned) {
      const at = this.#numbersOf(index)
      const stop = at + topicsOf(this.#policy, index).length * 2
      for (let k = at; k < stop; k += 2) {
        const shared = this.#numbers.array[k + 1]!
        let number = this.#numbers.array[k]!
        if (kind === "shared") {
          if (shared === 0) continue
          number = shared - 1
        } else if (shared !== 0 && (kind !== "receive" || (this.#bits[index]! & DENY) !== 0)) continue
        filters[count] = number
        owners[count++] = index
        const deep = this.#filters.depth(number)
        levels += deep
        if (deep > depth) depth = deep
        hash = Math.imul(hash ^ number, 0x01000193)
      }
    }
    return { filters: filters.subarray(0, count), rules: owners.subarray(0, count), levels, depth, hash }
  }

  #numbersOf(index: number): number {
    const known = this.#numbersAt[index]!
    if (known !== 0) return known
    const topics = topicsOf(this.#policy, index)
    const at = this.#numbers.reserve(topics.length * 2)
    this.#numbersAt[index] = at
    topics.forEach((topic, k) => {
      const shared = topic.startsWith(SHARE)
      const plain = shared ? topic.slice(topic.indexOf("/", SHARE.length) + 1) : topic
      this.#numbers.array[at + k * 2] = this.#filters.add(plain, false)
      if (shared) this.#numbers.array[at + k * 2 + 1] = this.#filters.add(topic.slice(SHARE.length), true) + 1
    })
    return at
  }
}
