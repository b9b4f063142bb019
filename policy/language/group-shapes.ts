import type { DocNode, MapNode } from "./document.ts"
import type { Faulty, Shape } from "./shape.ts"
import type { JsonSchema, JsonValue } from "./json-schema.ts"
import type { Report } from "./report.ts"
import { FAULTY, choice, complainAboutName, mismatch } from "./shape.ts"
import { itemPath, memberPath } from "./report.ts"
import { quote } from "./characters.ts"
import { didYouMean } from "./suggestion.ts"

interface ListBounds {
  readonly min?: number
  readonly max: number
}

/** A list; two items alike (strings, numbers) are a fault. All of it or `FAULTY`. */
export function list<T>(item: Shape<T>, bounds: ListBounds): Shape<readonly T[]> {
  const { min = 0, max } = bounds
  const expected = `a list of ${min}..${max}`
  return {
    expected,
    read(node, path, report) {
      if (node.kind !== "list") return mismatch(node, path, report, expected, "write it in brackets: [...]")
      if (!inBounds(node, node.items.length, min, max, path, report)) return FAULTY
      const values: T[] = []
      const seen = new Set<T>()
      for (const [i, child] of node.items.entries()) {
        const value = item.read(child, itemPath(path, i), report)
        if (value === FAULTY) continue
        if (typeof value !== "object" && seen.has(value)) {
          report.add(child.at, itemPath(path, i), `${quote(String(value))} stands twice in the list`)
          continue
        }
        seen.add(value)
        values.push(value)
      }
      return values.length === node.items.length ? values : FAULTY
    },
    schema: () => ({ type: "array", ...(min > 0 ? { minItems: min } : {}), maxItems: max, items: item.schema() }),
  }
}

/** One value, or a list of them; either way a list comes out. */
export function oneOrMore<T>(item: Shape<T>, max: number): Shape<readonly T[]> {
  const many = list(item, { min: 1, max })
  return {
    expected: `${item.expected}, or a list of them`,
    read(node, path, report) {
      if (node.kind === "list") return many.read(node, path, report)
      const value = item.read(node, path, report)
      return value === FAULTY ? FAULTY : [value]
    },
    schema: () => ({ anyOf: [item.schema(), many.schema()] }),
  }
}

/** A value and where it stands, for checks across the document. */
export interface Placed<T> {
  /** Its key in a map of names; empty in a list. */
  readonly name: string
  /** Its position in the document, 0-based. */
  readonly index: number
  readonly value: T
  readonly node: DocNode
  readonly path: string
}

/** A list of which the faultless items come out: what is wrong with one must not hide what is wrong with another. */
export function placedList<T>(item: Shape<T>, bounds: ListBounds): Shape<readonly Placed<T>[]> {
  const { min = 0, max } = bounds
  const expected = `a list of ${min}..${max}`
  return {
    expected,
    standIn: { value: [] },
    read(node, path, report) {
      if (node.kind !== "list") return mismatch(node, path, report, expected)
      if (!inBounds(node, node.items.length, min, max, path, report)) return FAULTY
      const placed: Placed<T>[] = []
      for (const [i, child] of node.items.entries()) {
        const value = item.read(child, itemPath(path, i), report)
        if (value !== FAULTY) placed.push({ name: "", index: i, value, node: child, path: itemPath(path, i) })
        if (report.full) break
      }
      return placed
    },
    schema: () => ({ type: "array", ...(min > 0 ? { minItems: min } : {}), maxItems: max, items: item.schema() }),
  }
}

/** A map from names (see `name`) to values, of which the faultless ones come out, in the order of the document. */
export function placedMap<T>(item: Shape<T>, bounds: ListBounds): Shape<readonly Placed<T>[]> {
  const { min = 0, max } = bounds
  const expected = `a map of ${min}..${max} names`
  return {
    expected,
    standIn: { value: [] },
    read(node, path, report) {
      if (node.kind !== "map") return mismatch(node, path, report, expected, "write it as name: value")
      if (!inBounds(node, node.entries.length, min, max, path, report)) return FAULTY
      const placed: Placed<T>[] = []
      for (const [index, { key, keyAt, value: child }] of node.entries.entries()) {
        const inner = memberPath(path, key)
        const complaint = complainAboutName(key)
        if (complaint !== null) report.add(keyAt, inner, complaint.message, complaint.hint)
        const value = item.read(child, inner, report)
        if (value !== FAULTY && complaint === null) placed.push({ name: key, index, value, node: child, path: inner })
        if (report.full) break
      }
      return placed
    },
    schema: () => ({
      type: "object",
      ...(min > 0 ? { minProperties: min } : {}),
      maxProperties: max,
      propertyNames: { pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" },
      additionalProperties: item.schema(),
    }),
  }
}

/** A map with any keys of which `complain` says nothing; all of it, in the order of the document, or `FAULTY`. */
export function freeMap<T>(
  item: Shape<T>,
  complain: (key: string) => string | null,
  max: number,
): Shape<readonly { readonly name: string; readonly value: T }[]> {
  const expected = `a map of at most ${max} entries`
  return {
    expected,
    read(node, path, report) {
      if (node.kind !== "map") return mismatch(node, path, report, expected, "write it as name: value")
      if (!inBounds(node, node.entries.length, 0, max, path, report)) return FAULTY
      const values: { name: string; value: T }[] = []
      for (const { key, keyAt, value: child } of node.entries) {
        const complaint = complain(key)
        if (complaint !== null) report.add(keyAt, memberPath(path, key), complaint)
        const value = item.read(child, memberPath(path, key), report)
        if (value !== FAULTY && complaint === null) values.push({ name: key, value })
      }
      return values.length === node.entries.length ? values : FAULTY
    },
    schema: () => ({ type: "object", maxProperties: max, additionalProperties: item.schema() }),
  }
}

function inBounds(node: DocNode, length: number, min: number, max: number, path: string, report: Report): boolean {
  if (length >= min && length <= max) return true
  const expected = length < min ? `at least ${min}` : `at most ${max}`
  report.add(node.at, path, `expected ${expected} ${length < min ? "here" : "entries"}, found ${length}`)
  return false
}

/** One key of an object. */
export interface Field<T> {
  readonly shape: Shape<unknown>
  /** What stands for the key when the document has none; undefined when it must be there. */
  readonly fallback: { readonly value: T } | undefined
  /** The same as it would be written in the document. */
  readonly written: JsonValue | undefined
  /** One sentence for the JSON Schema. */
  readonly about: string
  /** Never there: carries the type alone. */
  readonly type?: T
}

/** A key that must be there. */
export function required<T>(shape: Shape<T>, about: string): Field<T> {
  return { shape, fallback: undefined, written: undefined, about }
}

/** A key that may be left out. `written` is the default as a document says it; undefined if it cannot. */
export function optional<T, const D>(shape: Shape<T>, fallback: D, about: string, written?: JsonValue): Field<T | D> {
  return { shape, fallback: { value: fallback }, written, about }
}

type Fields = Readonly<Record<string, Field<unknown>>>
export type ObjectOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

interface ObjectOptions {
  /** Keys that other objects of this kind have and this one must not, and why. */
  readonly refused?: Readonly<Record<string, string>>
}

/** A map with known keys: unknown and missing ones are faults. All of it or `FAULTY`. */
export function object<F extends Fields>(what: string, fields: F, options: ObjectOptions = {}): Shape<ObjectOf<F>> {
  const refused = options.refused ?? {}
  return {
    expected: what,
    read(node, path, report) {
      if (node.kind !== "map") return mismatch(node, path, report, `${what}: a map`)
      const found: Record<string, unknown> = {}
      let faulty = false
      for (const { key, keyAt, value: child } of node.entries) {
        const field = Object.hasOwn(fields, key) ? fields[key] : undefined
        if (field === undefined) {
          refuseKey(key, keyAt, memberPath(path, key), what, Object.keys(fields), refused, report)
          continue
        }
        const value = field.shape.read(child, memberPath(path, key), report)
        found[key] = value === FAULTY && field.shape.standIn !== undefined ? field.shape.standIn.value : value
        if (found[key] === FAULTY) faulty = true
      }
      for (const [key, field] of Object.entries(fields)) {
        if (Object.hasOwn(found, key)) continue
        if (field.fallback === undefined) {
          report.add(node.at, memberPath(path, key), `${what} needs the key "${key}": ${field.shape.expected}`)
          if (field.shape.standIn === undefined) faulty = true
          else found[key] = field.shape.standIn.value
        } else found[key] = field.fallback.value
      }
      // Every field has been read by its own shape or has its fallback: the compiler cannot follow that through a record.
      return faulty ? FAULTY : (found as ObjectOf<F>)
    },
    schema: () => objectSchema(fields),
  }
}

function refuseKey(
  key: string,
  at: number,
  path: string,
  what: string,
  known: readonly string[],
  refused: Readonly<Record<string, string>>,
  report: Report,
): void {
  const reason = Object.hasOwn(refused, key) ? refused[key] : undefined
  if (reason !== undefined) report.add(at, path, `${what} takes no key "${key}": ${reason}`)
  else if (key === "<<") report.add(at, path, "merge keys are not accepted: write out what is meant")
  else
    report.add(at, path, `${what} has no key ${quote(key)}`, didYouMean(key, known) ?? `known are ${known.join(", ")}`)
}

function objectSchema(fields: Fields): JsonSchema {
  const properties: Record<string, JsonValue> = {}
  const needed: string[] = []
  for (const [key, { shape, fallback, written, about }] of Object.entries(fields)) {
    properties[key] = { description: about, ...shape.schema(), ...(written === undefined ? {} : { default: written }) }
    if (fallback === undefined) needed.push(key)
  }
  return { type: "object", properties, required: needed, additionalProperties: false }
}

type ValueOf<S> = S extends Shape<infer T> ? T : never

/** One of several kinds of map, told apart by a key that only one of them has. */
export function variants<V extends Readonly<Record<string, Shape<object>>>>(
  what: string,
  kinds: V,
): Shape<ValueOf<V[keyof V]>> {
  const keys = Object.keys(kinds)
  const expected = `${what} with the key ${keys.map((key) => `"${key}"`).join(" or ")}`
  return {
    expected,
    read(node, path, report) {
      if (node.kind !== "map") return mismatch(node, path, report, expected)
      const present = node.entries.filter((entry) => Object.hasOwn(kinds, entry.key))
      const kind = present[0] === undefined ? undefined : kinds[present[0].key]
      if (kind === undefined) return withoutKind(node, keys, path, what, report)
      if (present[1] !== undefined) {
        report.add(present[1].keyAt, memberPath(path, present[1].key), `expected ${expected}, found both`)
        return FAULTY
      }
      return kind.read(node, path, report) as ValueOf<V[keyof V]> | Faulty
    },
    schema: () => ({ oneOf: keys.map((key) => kinds[key]?.schema() ?? {}) }),
  }
}

function withoutKind(node: MapNode, keys: readonly string[], path: string, what: string, report: Report): Faulty {
  const wanted = keys.map((key) => `"${key}"`).join(" or ")
  for (const { key, keyAt } of node.entries) {
    const hint = didYouMean(key, keys)
    if (hint === null) continue
    report.add(keyAt, memberPath(path, key), `${what} needs the key ${wanted}, found ${quote(key)}`, hint)
    return FAULTY
  }
  report.add(node.at, path, `${what} needs the key ${wanted}`)
  return FAULTY
}

/** One of several kinds of map, told apart by the word at `key`. Each kind has that key as a field. */
export function kindsOf<V extends Readonly<Record<string, Shape<object>>>>(
  what: string,
  key: string,
  kinds: V,
): Shape<ValueOf<V[keyof V]>> {
  const word = choice(Object.keys(kinds))
  return {
    expected: `${what}: a map`,
    read(node, path, report) {
      if (node.kind !== "map") return mismatch(node, path, report, `${what}: a map`)
      const entry = node.entries.find((one) => one.key === key)
      if (entry === undefined) {
        report.add(node.at, memberPath(path, key), `${what} needs the key "${key}": ${word.expected}`)
        return FAULTY
      }
      const named = word.read(entry.value, memberPath(path, key), report)
      const kind = named === FAULTY ? undefined : kinds[named]
      return kind === undefined ? FAULTY : (kind.read(node, path, report) as ValueOf<V[keyof V]> | Faulty)
    },
    schema: () => ({ oneOf: Object.values(kinds).map((kind) => kind.schema()) }),
  }
}

/** A single value of one shape, or a map of another. */
export function wordOrMap<A, B>(word: Shape<A>, map: Shape<B>): Shape<A | B> {
  const expected = `${word.expected}, or ${map.expected}`
  return {
    expected,
    read(node, path, report) {
      if (node.kind === "list") return mismatch(node, path, report, expected)
      return node.kind === "map" ? map.read(node, path, report) : word.read(node, path, report)
    },
    schema: () => ({ anyOf: [word.schema(), map.schema()] }),
  }
}
