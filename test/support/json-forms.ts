import type { JsonForm, JsonScalar, JsonType } from "../../policy/language/payload-form.ts"
import type { Schema } from "@cfworker/json-schema"

/** A form that demands nothing but what is overridden. */
export function makeForm(over: Partial<JsonForm> = {}): JsonForm {
  return {
    types: null,
    values: null,
    minimum: null,
    maximum: null,
    exclusiveMinimum: null,
    exclusiveMaximum: null,
    minLength: null,
    maxLength: null,
    properties: [],
    additional: true,
    items: null,
    minItems: null,
    maxItems: null,
    ...over,
  }
}

/** An object with these members; `?` behind a name makes it optional, any other name is refused. */
export function makeObject(members: Readonly<Record<string, JsonForm>>): JsonForm {
  const properties = Object.entries(members).map(([name, form]) => ({
    name: name.replace(/\?$/, ""),
    required: !name.endsWith("?"),
    form,
  }))
  return makeForm({ types: ["object"], properties, additional: false })
}

/** What the form says, in JSON Schema. */
export function asSchema(form: JsonForm): Schema {
  const { types, values, properties, additional, items, ...rest } = form
  const bounds = Object.fromEntries(Object.entries(rest).filter(([, bound]) => bound !== null))
  const required = properties.filter((p) => p.required).map(({ name }) => name)
  return {
    ...bounds,
    ...(types === null ? {} : { type: [...types] }),
    ...(values === null ? {} : { enum: [...values] }),
    ...(items === null ? {} : { items: asSchema(items) }),
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(properties.map((property) => [property.name, asSchema(property.form)])),
    additionalProperties: typeof additional === "boolean" ? additional : asSchema(additional),
  }
}

/** The same meaning over a parsed value: slow and obvious. */
export function fits(form: JsonForm, value: any): boolean {
  const type = typeOf(value)
  if (form.types !== null && !form.types.some((t) => t === type || (t === "integer" && Number.isInteger(value))))
    return false
  if (form.values !== null && !form.values.some((allowed) => allowed === value)) return false
  switch (type) {
    case "number":
      return (
        (form.minimum === null || value >= form.minimum) &&
        (form.maximum === null || value <= form.maximum) &&
        (form.exclusiveMinimum === null || value > form.exclusiveMinimum) &&
        (form.exclusiveMaximum === null || value < form.exclusiveMaximum)
      )
    case "string":
      return (
        value.isWellFormed() &&
        (form.minLength === null || Array.from(value as string).length >= form.minLength) &&
        (form.maxLength === null || Array.from(value as string).length <= form.maxLength)
      )
    case "array":
      return (
        (form.minItems === null || value.length >= form.minItems) &&
        (form.maxItems === null || value.length <= form.maxItems) &&
        value.every((item: unknown) => fits(form.items ?? makeForm(), item))
      )
    case "object":
      return (
        form.properties.every((p) => !p.required || Object.hasOwn(value, p.name)) &&
        Object.entries(value).every(([name, member]) => {
          const property = form.properties.find((p) => p.name === name)
          if (property !== undefined) return fits(property.form, member)
          return typeof form.additional === "boolean"
            ? form.additional && fits(makeForm(), member)
            : fits(form.additional, member)
        })
      )
    case "boolean":
    case "null":
      return true
  }
}

function typeOf(value: unknown): Exclude<JsonType, "integer"> {
  if (value === null) return "null"
  if (Array.isArray(value)) return "array"
  return typeof value as "object" | "string" | "number" | "boolean"
}

const NAMES = ["a", "b", "temperature", "é", "a/b", "~", "", "\u{1f6a2}", "temperature ", "A"]
const NUMBERS = [0, -0, 1, -1, 2.5, 1e3, 100, -100, 0.1, 1e-7, 123456789012345]
const TEXTS = ["", "a", "ab", "é", "\u{1f6a2}", 'q"\\', "\u0000\n", "abcdefgh", "x".repeat(20)]
const TYPES: readonly JsonType[] = ["object", "array", "string", "number", "integer", "boolean", "null"]

type Random = () => number
const pick = <T>(of: readonly T[], random: Random): T => of[Math.floor(random() * of.length)]!
const maybe = <T>(chance: number, random: Random, make: () => T): T | null => (random() < chance ? make() : null)
const some = <T>(of: readonly T[], random: Random): T[] => of.filter(() => random() < 0.3)

/** A form at random, of the bounded profile. */
export function randomForm(random: Random, depth = 0): JsonForm {
  const inner = (): JsonForm => (depth < 2 ? randomForm(random, depth + 1) : makeForm())
  const small = (): number => Math.floor(random() * 5)
  return {
    types: maybe(0.6, random, () =>
      [pick(TYPES, random), ...some(TYPES, random)].filter((t, k, all) => all.indexOf(t) === k),
    ),
    values: maybe(0.08, random, () => some<JsonScalar>([...NUMBERS, ...TEXTS, true, false, null], random)),
    minimum: maybe(0.15, random, () => pick(NUMBERS, random)),
    maximum: maybe(0.15, random, () => pick(NUMBERS, random)),
    exclusiveMinimum: maybe(0.1, random, () => pick(NUMBERS, random)),
    exclusiveMaximum: maybe(0.1, random, () => pick(NUMBERS, random)),
    minLength: maybe(0.15, random, small),
    maxLength: maybe(0.15, random, small),
    properties: some(NAMES, random).map((name) => ({ name, required: random() < 0.2, form: inner() })),
    additional: random() < 0.6 ? true : random() < 0.5 ? false : inner(),
    items: maybe(0.5, random, inner),
    minItems: maybe(0.15, random, small),
    maxItems: maybe(0.15, random, small),
  }
}

/** A value at random that often fits the form: its members and values are taken from there. */
export function randomValue(random: Random, form: JsonForm, depth = 0): unknown {
  const scalars = [...NUMBERS, ...TEXTS, true, false, null, ...(form.values ?? [])]
  const type = pick(form.types !== null && random() < 0.9 ? form.types : TYPES, random)
  if (form.values !== null && form.values.length > 0 && random() < 0.8) return pick(form.values, random)
  switch (type) {
    case "object": {
      const names = form.properties.filter((p) => p.required || random() < 0.5).map(({ name }) => name)
      if (depth < 4 && random() < 0.3) names.push(pick(NAMES, random))
      const formOf = (name: string): JsonForm =>
        form.properties.find((p) => p.name === name)?.form ??
        (typeof form.additional === "boolean" ? makeForm() : form.additional)
      return Object.fromEntries(names.map((name) => [name, randomValue(random, formOf(name), depth + 1)]))
    }
    case "array":
      return Array.from({ length: depth < 4 ? Math.floor(random() * 4) : 0 }, () =>
        randomValue(random, form.items ?? makeForm(), depth + 1),
      )
    case "string":
      return pick(TEXTS, random)
    case "number":
      return random() < 0.5 ? pick(NUMBERS, random) : Math.round((random() - 0.5) * 2000) / 8
    case "integer":
      return Math.round((random() - 0.5) * 250)
    case "boolean":
    case "null":
      return pick(scalars, random)
  }
}

/** `value` as JSON text, written another way each time: white space, escapes, exponents. */
export function write(value: unknown, random: Random): string {
  const gap = (): string => (random() < 0.2 ? pick([" ", "\n", "\t", "\r\n  "], random) : "")
  const text = (of: string): string =>
    `"${Array.from(of)
      .map((c) => (random() < 0.1 || c < " " || c === '"' || c === "\\" ? escaped(c, random) : c))
      .join("")}"`
  if (typeof value === "string") return text(value)
  if (typeof value === "number") return gap() + writeNumber(value, random) + gap()
  if (value === null || typeof value !== "object") return gap() + JSON.stringify(value) + gap()
  if (Array.isArray(value)) return `${gap()}[${gap()}${value.map((item) => write(item, random)).join(",")}]${gap()}`
  const members = Object.entries(value).map(
    ([name, member]) => `${gap()}${text(name)}${gap()}:${write(member, random)}`,
  )
  return `${gap()}{${gap()}${members.join(`${gap()},`)}${gap()}}${gap()}`
}

function escaped(character: string, random: Random): string {
  const short = JSON.stringify(character).slice(1, -1)
  if (random() < 0.3 && short.startsWith("\\") && !short.startsWith("\\u")) return short
  const units = Array.from({ length: character.length }, (_, k) =>
    character.charCodeAt(k).toString(16).padStart(4, "0"),
  )
  return units.map((unit) => `\\u${random() < 0.5 ? unit.toUpperCase() : unit}`).join("")
}

function writeNumber(value: number, random: Random): string {
  if (Object.is(value, -0)) return pick(["-0", "-0.0", "-0e5"], random)
  const form = pick(["plain", "exponent", "zeros", "shift"] as const, random)
  if (form === "exponent") return value.toExponential().replace("e", pick(["e", "E"], random))
  if (form === "zeros" && Number.isInteger(value)) return `${value}.000`
  if (form === "shift" && Number.isInteger(value) && value !== 0 && Math.abs(value) < 1e12) return `${value}000e-3`
  return String(value)
}
