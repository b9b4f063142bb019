/** What a rule demands of a payload. All but `any` are judged on the wire bytes, without making objects of them. */
export type PayloadForm =
  | { readonly kind: "any" }
  /** Well-formed UTF-8 (RFC 3629). */
  | { readonly kind: "utf8" }
  /** One JSON text (RFC 8259) that fits the form; a member name twice in one object never fits. */
  | { readonly kind: "json"; readonly form: JsonForm }
  /** A Sparkplug B payload in which every metric fits one of these. */
  | { readonly kind: "sparkplug-b"; readonly metrics: readonly SparkplugMetric[] }

/** A rule that looks into payloads looks at no more than this many bytes. */
export const MAX_INSPECTED_BYTES = 256 * 1024
/** Objects and arrays in one another: deeper never fits. */
export const MAX_JSON_DEPTH = 32

export type JsonType = "object" | "array" | "string" | "number" | "integer" | "boolean" | "null"
export type JsonScalar = string | number | boolean | null

/**
 * A JSON Schema in the bounded profile, resolved: no `$ref`, no `pattern`, no `format`, no `uniqueItems`. Null and empty
 * mean "no demand". As in JSON Schema, a keyword for one type says nothing of values of another.
 *
 * @see JSON Schema 2020-12 Validation
 */
export interface JsonForm {
  readonly types: readonly JsonType[] | null
  /** `enum`, and `const` as an enum of one: scalars only. */
  readonly values: readonly JsonScalar[] | null
  readonly minimum: number | null
  readonly maximum: number | null
  readonly exclusiveMinimum: number | null
  readonly exclusiveMaximum: number | null
  /** In code points. */
  readonly minLength: number | null
  readonly maxLength: number | null
  readonly properties: readonly JsonProperty[]
  /** `additionalProperties`: a form, or whether any is allowed. */
  readonly additional: JsonForm | boolean
  readonly items: JsonForm | null
  readonly minItems: number | null
  readonly maxItems: number | null
}

/** A member of an object that the form names. */
export interface JsonProperty {
  readonly name: string
  readonly required: boolean
  readonly form: JsonForm
}

/** Datatypes of Sparkplug B metrics that carry a plain value, with their numbers. @see Sparkplug 3.0 section 6.4.16 */
export const SPARKPLUG_TYPES = {
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
  Text: 14,
  UUID: 15,
} as const

export type SparkplugType = keyof typeof SPARKPLUG_TYPES

/** Metrics that may stand in a payload. */
export interface SparkplugMetric {
  /** The metric's name; with `*` at its end, every name that begins so. */
  readonly name: string
  readonly types: readonly SparkplugType[]
  /** Bounds of numeric values, inclusive; null for none. */
  readonly min: number | null
  readonly max: number | null
}
