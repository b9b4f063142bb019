import type { NamedPoint } from "../../policy/audit/modbus-object.ts"
import type { CompiledPolicy } from "../../policy/filter/table.ts"
import { POINT_WIDTH } from "../../policy/language/modbus-rule.ts"
import type { Conduit, Policy, Rule, SubjectRule, Zone } from "../../policy/language/policy.ts"

/**
 * What the engine needs of a policy: who comes from where, which way, and the compiled tables. The rules stay behind: the
 * tables say all of them, and a hundred thousand objects would hold up the engine while they are read from the message.
 */
export interface EnginePolicy {
  readonly zones: readonly Zone[]
  readonly subjects: readonly SubjectRule[]
  readonly conduits: readonly Conduit[]
  /** By conduit: the roles that some essential rule of it allows something. */
  readonly essentialRoles: Readonly<Record<string, readonly string[]>>
  /** By conduit: the roles that some rule of it lets subscribe or receive. */
  readonly hearingRoles: Readonly<Record<string, readonly string[]>>
  /** Indices of the Modbus rules that are essential: what they allow goes first on a shared line. */
  readonly essentialModbus?: readonly number[]
  /** Points that the Modbus rules name, with their conduits. */
  readonly points?: readonly RulePoint[]
  readonly compiled: EngineTables
}

/** A point of a rule. */
export interface RulePoint extends NamedPoint {
  readonly conduits: readonly string[]
}

/** Points that the engine is told, at most: names are for the log. */
const MAX_POINTS = 10_000

/**
 * A compiled policy whose large parts, tables and rule ids, are typed arrays over shared memory that nobody writes after
 * `enginePolicyOf`. A message carries a reference to them: no thread copies or reads them to take a policy over, and they do
 * not count as its heap, whose collector would else hold up traffic at each swap. What a decision writes (scratch, gates) is not shared:
 * each thread has its own.
 */
export interface EngineTables extends Omit<CompiledPolicy, "ruleIds"> {
  readonly ruleNames: PackedNames
}

/** Texts one behind the other in UTF-8; text `k` begins at `starts[k]` and ends at `starts[k + 1]`. */
export interface PackedNames {
  readonly bytes: Uint8Array
  readonly starts: Uint32Array
}

/** The part of `policy` that the engine is told; copies the large arrays of `compiled` into shared memory. */
export function enginePolicyOf(policy: Policy, compiled: CompiledPolicy): EnginePolicy {
  const { zones, subjects, conduits } = policy
  const essential = rolesOf(policy, (rule) => rule.essential)
  // A way in that waits for a person is never essential.
  for (const { name, access } of conduits) if (access === "approved") essential.get(name)?.clear()
  const essentialRoles = listed(essential)
  const hears = (rule: Rule): boolean => rule.protocol === "mqtt" && rule.actions.some((action) => action !== "publish")
  const hearingRoles = listed(rolesOf(policy, hears))
  const { classes, table, modbus } = compiled
  const tables: EngineTables = {
    classes,
    table: { ...table, words: shared(table.words), numbers: shared(table.numbers) },
    modbus: {
      ...modbus,
      words: shared(modbus.words),
      records: shared(modbus.records),
      numbers: shared(modbus.numbers),
      refusals: shared(modbus.refusals),
    },
    records: shared(compiled.records),
    ruleNames: packNames(compiled.ruleIds),
  }
  const essentialModbus = policy.rules.flatMap((rule, k) => (rule.protocol === "modbus" && rule.essential ? [k] : []))
  const points = pointsOf(policy)
  return { zones, subjects, conduits, essentialRoles, hearingRoles, essentialModbus, points, compiled: tables }
}

/** By conduit: the roles of the rules that allow something and are such. */
function rolesOf(policy: Policy, isSuch: (rule: Rule) => boolean): Map<string, Set<string>> {
  const roles = new Map(policy.conduits.map(({ name }) => [name, new Set<string>()]))
  for (const rule of policy.rules) {
    if (rule.effect !== "allow" || !isSuch(rule)) continue
    for (const conduit of rule.conduits) for (const role of rule.roles) roles.get(conduit)?.add(role)
  }
  return roles
}

function listed(roles: Map<string, Set<string>>): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries([...roles].map(([conduit, of]) => [conduit, [...of]]))
}

function pointsOf(policy: Policy): readonly RulePoint[] {
  const all: RulePoint[] = []
  for (const rule of policy.rules) {
    if (rule.protocol !== "modbus") continue
    const { conduits, units } = rule
    for (const { name, at, type } of rule.points) {
      if (all.length === MAX_POINTS) return all
      all.push({ name, conduits, units, table: "registers", from: at, to: at + POINT_WIDTH[type] - 1 })
    }
  }
  return all
}

/** The texts, packed, in shared memory. */
export function packNames(names: readonly string[]): PackedNames {
  const starts = new Uint32Array(new SharedArrayBuffer((names.length + 1) * 4))
  let at = 0
  names.forEach((name, k) => (starts[k + 1] = at += Buffer.byteLength(name)))
  const bytes = new Uint8Array(new SharedArrayBuffer(at))
  bytes.set(Buffer.from(names.join("")))
  return { bytes, starts }
}

/** Text `index`, or null if there is none. */
export function nameAt({ bytes, starts }: PackedNames, index: number): string | null {
  const from = starts[index]
  const to = starts[index + 1]
  return from === undefined || to === undefined ? null : Buffer.from(bytes.slice(from, to)).toString()
}

/** A copy of the array over memory that threads share. */
function shared<T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(array: T): T {
  const memory = new SharedArrayBuffer(array.byteLength)
  new Uint8Array(memory).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
  return new (array.constructor as new (buffer: SharedArrayBuffer) => T)(memory)
}
