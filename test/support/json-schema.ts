import type { JsonSchema, JsonValue } from "../../policy/language/json-schema.ts"

const KNOWN = new Set(
  (
    "$schema $ref $defs title description default type enum const pattern minLength maxLength minimum maximum items minItems maxItems " +
    "properties required additionalProperties propertyNames minProperties maxProperties anyOf oneOf"
  ).split(" "),
)

/** The keywords of `KNOWN`, loosely: the schema under test is what is in doubt, not this reader. */
interface Loose {
  [keyword: string]: any
  $ref?: any
  const?: any
  enum?: any
  type?: any
  anyOf?: any
  oneOf?: any
  pattern?: any
  minLength?: any
  maxLength?: any
  minimum?: any
  maximum?: any
  items?: any
  minItems?: any
  maxItems?: any
  properties?: any
  required?: any
  additionalProperties?: any
  propertyNames?: any
  minProperties?: any
  maxProperties?: any
}

/** True if `value` is valid: the keywords that Lockgate emits, and no other; an unknown keyword throws. */
export function accepts(schema: JsonSchema, value: JsonValue): boolean {
  return acceptsWithin((schema["$defs"] ?? {}) as Definitions, schema, value)
}

type Definitions = Readonly<Record<string, JsonSchema>>

function acceptsWithin(defs: Definitions, schema: JsonSchema, value: JsonValue): boolean {
  for (const keyword of Object.keys(schema)) if (!KNOWN.has(keyword)) throw new Error(`unknown keyword ${keyword}`)
  const s: Loose = schema
  if (s.$ref !== undefined) {
    const referred = defs[String(s.$ref).replace("#/$defs/", "")]
    if (referred === undefined) throw new Error(`unknown reference ${s.$ref}`)
    if (!acceptsWithin(defs, referred, value)) return false
  }
  if ("const" in s && value !== s.const) return false
  if ("enum" in s && !s.enum.includes(value)) return false
  if ("type" in s && !isType(value, s.type)) return false
  if ("anyOf" in s && !s.anyOf.some((one: JsonSchema) => acceptsWithin(defs, one, value))) return false
  if ("oneOf" in s && s.oneOf.filter((one: JsonSchema) => acceptsWithin(defs, one, value)).length !== 1) return false
  if (typeof value === "string") return acceptsText(s, value)
  if (typeof value === "number") return !(value < s.minimum) && !(value > s.maximum)
  if (Array.isArray(value)) {
    if (value.length < (s.minItems ?? 0) || value.length > (s.maxItems ?? Infinity)) return false
    return value.every((item) => s.items === undefined || acceptsWithin(defs, s.items, item))
  }
  return typeof value !== "object" || value === null || acceptsObject(defs, s, value as Record<string, JsonValue>)
}

function isType(value: JsonValue, type: string): boolean {
  if (type === "integer") return Number.isInteger(value)
  if (type === "array") return Array.isArray(value)
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value)
  return typeof value === type
}

function acceptsText(s: Loose, value: string): boolean {
  const length = Array.from(value).length
  if (length < (s.minLength ?? 0) || length > (s.maxLength ?? Infinity)) return false
  return s.pattern === undefined || new RegExp(s.pattern, "u").test(value)
}

function acceptsObject(defs: Definitions, s: Loose, value: Record<string, JsonValue>): boolean {
  const keys = Object.keys(value)
  if (keys.length < (s.minProperties ?? 0) || keys.length > (s.maxProperties ?? Infinity)) return false
  if ((s.required ?? []).some((key: string) => !Object.hasOwn(value, key))) return false
  return keys.every((key) => {
    if (s.propertyNames !== undefined && !acceptsWithin(defs, s.propertyNames, key)) return false
    if (Object.hasOwn(s.properties ?? {}, key)) return acceptsWithin(defs, s.properties[key], value[key]!)
    if (s.additionalProperties === false) return false
    return s.additionalProperties === undefined || acceptsWithin(defs, s.additionalProperties, value[key]!)
  })
}
