import type { JsonForm, JsonType, PayloadForm, SparkplugMetric } from "../../language/payload-form.ts"
import { SPARKPLUG_TYPES } from "../../language/payload-form.ts"
import { createNameTable, type NameTable } from "./name-table.ts"

/** A bit per type; `integer` is set together with `number` where a number is integral. */
export const TYPE_BIT: Readonly<Record<JsonType, number>> = {
  object: 1,
  array: 2,
  string: 4,
  number: 8,
  integer: 16,
  boolean: 32,
  null: 64,
}
const ANY_TYPE = 127

/** A `JsonForm` with what is looked up while scanning. `null` in place of one demands nothing. */
export interface JsonNode {
  readonly form: JsonForm
  /** `TYPE_BIT`s that fit. */
  readonly types: number
  /** Strings that fit, if the form has `values`. */
  readonly strings: NameTable | null
  /** Numbers that fit, ascending, if the form has `values`. */
  readonly numbers: Float64Array | null
  readonly literals: { readonly true: boolean; readonly false: boolean; readonly null: boolean } | null
  readonly names: NameTable
  /** By property, in the order of the form. */
  readonly children: readonly (JsonNode | null)[]
  readonly required: readonly boolean[]
  readonly requiredCount: number
  /** May there be members that the form does not name? */
  readonly open: boolean
  readonly additional: JsonNode | null
  readonly items: JsonNode | null
}

/** Allowed metrics, for lookup by name. */
export interface SparkplugTable {
  readonly metrics: readonly SparkplugMetric[]
  /** A bit per datatype number, by metric. */
  readonly types: Int32Array
  /** Names without their trailing `*`. */
  readonly table: NameTable
  readonly isPrefix: readonly boolean[]
  /** 1 at each number of code points that some name with `*` has before it. */
  readonly prefixLengths: Uint8Array
}

/** A form made ready for many checks. Plain values: it can be sent to a worker, and it is itself a `PayloadForm`. */
export type CompiledForm =
  | Extract<PayloadForm, { readonly kind: "any" | "utf8" }>
  | (Extract<PayloadForm, { readonly kind: "json" }> & { readonly root: JsonNode })
  | (Extract<PayloadForm, { readonly kind: "sparkplug-b" }> & { readonly table: SparkplugTable })

/** `form` ready for many checks. Costs time in the form's size; returns a compiled one as it is. */
export function compileForm(form: PayloadForm): CompiledForm {
  switch (form.kind) {
    case "any":
    case "utf8":
      return form
    case "json":
      return isCompiledJson(form) ? form : { ...form, root: compileJson(form.form, new Map()) }
    case "sparkplug-b":
      return isCompiledSparkplug(form) ? form : { ...form, table: compileSparkplug(form.metrics) }
  }
}

type Json = Extract<CompiledForm, { readonly kind: "json" }>
type Sparkplug = Extract<CompiledForm, { readonly kind: "sparkplug-b" }>

function isCompiledJson(form: Omit<Json, "root">): form is Json {
  return "root" in form
}

function isCompiledSparkplug(form: Omit<Sparkplug, "table">): form is Sparkplug {
  return "table" in form
}

/** `known` keeps a form that stands in several places from being compiled for each: nesting could make very many of them. */
function compileJson(form: JsonForm, known: Map<JsonForm, JsonNode>): JsonNode {
  const found = known.get(form)
  if (found !== undefined) return found
  const { values, properties, additional } = form
  const node: JsonNode = {
    form,
    types: form.types === null ? ANY_TYPE : form.types.reduce((bits, type) => bits | TYPE_BIT[type], 0),
    strings: values && createNameTable(values.filter((value) => typeof value === "string")),
    numbers: values && Float64Array.from(values.filter((value) => typeof value === "number")).sort(),
    literals: values && { true: values.includes(true), false: values.includes(false), null: values.includes(null) },
    names: createNameTable(properties.map(({ name }) => name)),
    children: properties.map((property) => compileJson(property.form, known)),
    required: properties.map(({ required }) => required),
    requiredCount: properties.filter(({ required }) => required).length,
    open: additional !== false,
    additional: typeof additional === "boolean" ? null : compileJson(additional, known),
    items: form.items && compileJson(form.items, known),
  }
  known.set(form, node)
  return node
}

function compileSparkplug(metrics: readonly SparkplugMetric[]): SparkplugTable {
  const isPrefix = metrics.map(({ name }) => name.endsWith("*"))
  const names = metrics.map(({ name }, k) => (isPrefix[k] === true ? name.slice(0, -1) : name))
  const lengths = names.filter((_, k) => isPrefix[k]).map((name) => Array.from(name).length)
  const prefixLengths = new Uint8Array(Math.max(-1, ...lengths) + 1)
  for (const length of lengths) prefixLengths[length] = 1
  const bits = ({ types }: SparkplugMetric): number =>
    types.reduce((sum, type) => sum | (1 << SPARKPLUG_TYPES[type]), 0)
  return { metrics, types: Int32Array.from(metrics, bits), table: createNameTable(names), isPrefix, prefixLengths }
}
