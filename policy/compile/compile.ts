/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import { NO_INPUTS } from "../filter/inputs.ts"
import {
  CLASS_DENIED,
  CLASS_DEPTH,
  CLASS_PUBLISH,
  CLASS_RECEIVE,
  CLASS_SHARED,
  CLASS_SUBSCRIBE,
  CLASS_WORDS,
  HEADER_CLASSES,
  HEADER_LONGEST,
  HEADER_WORDS,
  MAX_LEVELS,
  MAX_LOOKS,
  MAX_WORK,
  SCRATCH_WORDS,
} from "../filter/layout.ts"
import { compileForm } from "../filter/payload/compile-form.ts"
import { gateState } from "../filter/gates.ts"
import type { ClassKey, CompiledPolicy } from "../filter/table.ts"
import type { JsonForm, PayloadForm } from "../language/payload-form.ts"
import type { Policy } from "../language/policy.ts"
import type { TimeInterval } from "../time/interval.ts"
import { tooComplex } from "./bound.ts"
import { Filters } from "./filters.ts"
import { flatten, type Flat } from "./flatten.ts"
import { GrowingWords } from "./growing.ts"
import { compileModbus } from "./modbus.ts"
import { compileRules, RuleIndex, sameSelection, type Selection, type TableKind } from "./rules.ts"
import { Trie } from "./trie.ts"

/** Most rules of a policy: a verdict has 23 bits for the rule. */
export const MAX_RULES = 1 << 22

/** Most bytes of the compiled tables together. */
export const MAX_TABLE_BYTES = 128 * 1024 * 1024

/** Most distinct sets of hours, emergency and conditions on inputs: all of them are looked at once a second. */
export const MAX_GATES = 1024

/** Most distinct payload forms of a policy, and most schemas, members, metrics and values in them together. */
export const MAX_FORMS = 1024
export const MAX_FORM_PARTS = 65_536

/** Until somebody says what time it is, and which emergencies are on. */
const NOT_KNOWN: TimeInterval = { earliestAt: -Infinity, latestAt: Infinity }
const NONE_ON: ReadonlySet<string> = new Set()

const TABLES: readonly (readonly [TableKind, number])[] = [
  ["publish", CLASS_PUBLISH],
  ["subscribe", CLASS_SUBSCRIBE],
  ["receive", CLASS_RECEIVE],
  ["shared", CLASS_SHARED],
]

interface Table {
  readonly selection: Selection
  readonly flat: Flat
  denied: number
}

/**
 * The flat form of `policy` that the filter walks.
 *
 * There is a class for every conduit and every set of roles that a subject of the conduit's `from` zone can get. Time and
 * memory grow with the number of rules times the classes they bear on; equal tables are written once. The same policy
 * gives the same tables, byte by byte.
 *
 * @throws InputError `ERR_POLICY_TOO_COMPLEX` naming class and bound, if the worst topic would cost more than
 * `MAX_WORK` steps or `MAX_LOOKS` readings of the payload, a filter has more than `MAX_LEVELS` levels, or rules, tables or
 * payload forms outgrow their bounds.
 */
export function compilePolicy(policy: Policy): CompiledPolicy {
  if (policy.rules.length > MAX_RULES) throw tooComplex("policy", "rules", policy.rules.length, MAX_RULES)
  const { words: rules, numbers, rateCount, gates, forms, records } = compileRules(policy)
  checkForms(forms)
  const classes = classKeys(policy)
  const modbus = compileModbus(policy, classes)
  const pairs = gates.length + modbus.gates.length
  if (pairs > MAX_GATES) throw tooComplex("policy", "sets of hours, emergency and inputs", pairs, MAX_GATES)
  const out = new GrowingWords()
  out.reserve(HEADER_WORDS + classes.length * CLASS_WORDS)
  out.array[HEADER_CLASSES] = classes.length
  const filters = new Filters()
  const index = new RuleIndex(policy, filters)
  const tables = new Map<number, Table[]>()

  const tableOf = (name: string, selection: Selection): Table => {
    if (selection.depth > MAX_LEVELS) throw tooComplex(name, "levels of a filter", selection.depth, MAX_LEVELS)
    const alike = tables.get(selection.hash) ?? []
    const known = alike.find((other) => sameSelection(selection, other.selection))
    if (known !== undefined) return known
    const trie = new Trie(filters, selection.filters.length, selection.levels)
    for (let k = selection.filters.length - 1; k >= 0; k--) trie.add(selection.filters[k]!, selection.rules[k]!)
    const flat = flatten(trie, rules, out)
    if (flat.work > MAX_WORK) throw tooComplex(name, "steps of the worst topic", flat.work, MAX_WORK)
    if (flat.looks > MAX_LOOKS) {
      throw tooComplex(name, "rules with a payload form on the worst topic", flat.looks, MAX_LOOKS)
    }
    const size = out.length * 4
    if (size > MAX_TABLE_BYTES) throw tooComplex(name, "bytes of the tables", size, MAX_TABLE_BYTES)
    const table = { selection, flat, denied: 0 }
    tables.set(selection.hash, [...alike, table])
    return table
  }

  classes.forEach((key, number) => {
    const at = HEADER_WORDS + number * CLASS_WORDS
    const indices = index.rulesOf(key)
    const { direction } = policy.conduits.find(({ name }) => name === key.conduit)!
    for (const [kind, root] of TABLES) {
      // Data may go one way only: the tables of the other stay empty.
      if (direction === (kind === "publish" ? "in" : "out")) continue
      const selection = index.select(indices, kind)
      if (selection.filters.length === 0) continue
      const table = tableOf(`class ${key.conduit} [${key.roles.join(", ")}], ${kind}`, selection)
      if (kind === "receive") {
        if (table.denied === 0) table.denied = writeDenied(policy, selection, filters, out)
        out.array[at + CLASS_DENIED] = table.denied
      }
      out.array[at + root] = table.flat.ref
      if (selection.depth > out.array[at + CLASS_DEPTH]!) out.array[at + CLASS_DEPTH] = selection.depth
    }
  })
  out.array[HEADER_LONGEST] = filters.dictionary.longest
  return {
    classes,
    table: {
      words: out.array.slice(0, out.length),
      scratch: new Int32Array(SCRATCH_WORDS),
      numbers,
      rateCount,
      gates,
      gateStates: Uint8Array.from(gates, (gate) => gateState(gate, NOT_KNOWN, NONE_ON, NO_INPUTS)),
      forms: forms.map(compileForm),
    },
    modbus,
    ruleIds: policy.rules.map((rule) => rule.id),
    records,
  }
}

/** The records of filters that a deny rule keeps from being received: their number, then their offsets. */
function writeDenied(policy: Policy, selection: Selection, filters: Filters, out: GrowingWords): number {
  const denied = new Set<number>()
  selection.rules.forEach((rule, k) => {
    if (policy.rules[rule]!.effect === "deny") denied.add(selection.filters[k]!)
  })
  if (denied.size === 0) return 0
  const at = out.reserve(1 + denied.size)
  out.array[at] = denied.size
  let next = at + 1
  for (const filter of denied) {
    const record = filters.writeRecord(filter, out)
    out.array[next++] = record
  }
  return at
}

/** @throws InputError `ERR_POLICY_TOO_COMPLEX` if the payload forms are too many, or too large together. */
function checkForms(forms: readonly PayloadForm[]): void {
  if (forms.length > MAX_FORMS) throw tooComplex("policy", "payload forms", forms.length, MAX_FORMS)
  const parts = forms.reduce((sum, form) => sum + partsOf(form), 0)
  if (parts > MAX_FORM_PARTS) throw tooComplex("policy", "parts of payload forms", parts, MAX_FORM_PARTS)
}

function partsOf(form: PayloadForm): number {
  switch (form.kind) {
    case "any":
    case "utf8":
      return 1
    case "json":
      return jsonParts(form.form)
    case "sparkplug-b":
      return 1 + form.metrics.length
  }
}

function jsonParts(form: JsonForm): number {
  const inside = form.properties.reduce((sum, property) => sum + jsonParts(property.form), 0)
  const additional = typeof form.additional === "boolean" ? 0 : jsonParts(form.additional)
  return 1 + (form.values?.length ?? 0) + inside + additional + (form.items === null ? 0 : jsonParts(form.items))
}

/** Every conduit with every set of roles that a peer of its `from` zone can have. */
function classKeys(policy: Policy): ClassKey[] {
  const keys = new Map<string, ClassKey>()
  for (const conduit of policy.conduits) {
    for (const subject of policy.subjects) {
      if (subject.zone !== conduit.from) continue
      const roles = [...new Set(subject.roles)].sort()
      keys.set(JSON.stringify([conduit.name, roles]), { conduit: conduit.name, roles })
    }
  }
  return [...keys.values()]
}
