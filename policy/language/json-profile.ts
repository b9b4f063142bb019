import type { DocNode } from "./document.ts"
import type { JsonSchema } from "./json-schema.ts"
import type { JsonForm, JsonProperty, JsonScalar, JsonType } from "./payload-form.ts"
import type { Report } from "./report.ts"
import type { Shape } from "./shape.ts"
import { findControl, quote } from "./characters.ts"
import { list, freeMap, object, oneOrMore, optional } from "./group-shapes.ts"
import { faultAt } from "./locate.ts"
import { FAULTY, checked, choice, flag, integer, mismatch, number, text } from "./shape.ts"

/** How many forms, one within another counted too, one rule and one policy may hold. */
export const MAX_FORMS = { rule: 1000, policy: 20_000 } as const

const MAX_COUNT = 256 * 1024
const TYPES: readonly JsonType[] = ["object", "array", "string", "number", "integer", "boolean", "null"]

/** Keywords that bear on values of some types only. */
const BEARS_ON: Readonly<Record<string, readonly JsonType[]>> = {
  minimum: ["number", "integer"],
  maximum: ["number", "integer"],
  exclusiveMinimum: ["number", "integer"],
  exclusiveMaximum: ["number", "integer"],
  minLength: ["string"],
  maxLength: ["string"],
  properties: ["object"],
  required: ["object"],
  additionalProperties: ["object"],
  items: ["array"],
  minItems: ["array"],
  maxItems: ["array"],
}

const NO_REFERENCE = "a form has no references: write it out where it is needed"
const NO_EXPRESSION = "a regular expression can take unbounded time: use enum, minLength and maxLength"
const NO_CHOICE = "a form has one shape: give type a list, or write a rule for each"
const NO_CONDITION = "a form has no conditions: write a rule for each case"
const NO_TEXT = "it says nothing of the payload: write a comment"

/** Keywords of JSON Schema that are not in the profile, and what to write instead. */
const REFUSED: Readonly<Record<string, string>> = {
  $ref: NO_REFERENCE,
  $dynamicRef: NO_REFERENCE,
  $defs: NO_REFERENCE,
  definitions: NO_REFERENCE,
  $id: NO_REFERENCE,
  $anchor: NO_REFERENCE,
  $dynamicAnchor: NO_REFERENCE,
  $vocabulary: NO_REFERENCE,
  $schema: "the profile is always the one of the reference page: leave it out",
  $comment: NO_TEXT,
  default: NO_TEXT,
  examples: NO_TEXT,
  deprecated: NO_TEXT,
  readOnly: NO_TEXT,
  writeOnly: NO_TEXT,
  pattern: NO_EXPRESSION,
  patternProperties: NO_EXPRESSION,
  propertyNames: "list the names under properties, and set additionalProperties: false",
  format: "most readers take it for a comment: use enum, minLength and maxLength",
  contentEncoding: "what a text holds is not looked into",
  contentMediaType: "what a text holds is not looked into",
  contentSchema: "what a text holds is not looked into",
  uniqueItems: "all items would have to be remembered: bound them with maxItems",
  contains: "items speaks of every item; there is nothing for some of them",
  minContains: "items speaks of every item; there is nothing for some of them",
  maxContains: "items speaks of every item; there is nothing for some of them",
  prefixItems: "items of different forms belong into an object, with names",
  unevaluatedItems: "use items",
  unevaluatedProperties: "use additionalProperties",
  multipleOf: "fractions have no exact remainder: use type: integer, minimum and maximum",
  minProperties: "name what must be there under required",
  maxProperties: "list the names under properties, and set additionalProperties: false",
  dependentRequired: NO_CONDITION,
  dependentSchemas: NO_CONDITION,
  dependencies: NO_CONDITION,
  anyOf: NO_CHOICE,
  oneOf: NO_CHOICE,
  allOf: "write all demands into one form",
  not: "say what may be there, not what may not",
  if: NO_CONDITION,
  then: NO_CONDITION,
  else: NO_CONDITION,
}

/** A value that stands for itself. */
const scalar: Shape<JsonScalar> = {
  expected: "a text, a number, true, false or null",
  read(node, path, report) {
    if (node.kind !== "scalar") return mismatch(node, path, report, this.expected)
    if (typeof node.value === "number") return number().read(node, path, report)
    // Nothing at all is null to YAML, and seldom meant.
    if (node.value === null && node.source === "") return mismatch(node, path, report, this.expected, "write null")
    if (typeof node.value !== "string") return node.value
    return text({ expected: this.expected, minLength: 0, maxLength: 1024 }).read(node, path, report)
  },
  schema: () => ({ anyOf: [{ type: "string" }, { type: "number" }, { type: "boolean" }, { const: null }] }),
}

/** A form in the profile. Recursive: its JSON Schema is a reference to `jsonFormSchema`. */
export const jsonForm: Shape<JsonForm> = {
  expected: "a form: a map",
  read(node, path, report) {
    const entry = keywords.read(node, path, report)
    return entry === FAULTY ? FAULTY : resolve(entry)
  },
  schema: () => ({ $ref: "#/$defs/json-form" }),
}

const count = (about: string) => optional(integer(0, MAX_COUNT), null, about)
const bound = (about: string) => optional(number(), null, about)
const propertyName = (name: string): string | null =>
  name.length > 256 || findControl(name) !== -1
    ? `expected a name of at most 256 characters, found ${quote(name)}`
    : null
const names = list(text({ expected: "the name of a property", minLength: 0, maxLength: 256 }), { min: 1, max: 1000 })

const keywordFields = {
  type: optional(oneOrMore(choice(TYPES), TYPES.length), null, "What the value is; default anything."),
  enum: optional(list(scalar, { min: 1, max: 1000 }), null, "The values there are; default any."),
  const: optional(scalar, undefined, "The only value there is."),
  minimum: bound("Least number."),
  maximum: bound("Greatest number."),
  exclusiveMinimum: bound("Numbers are above it."),
  exclusiveMaximum: bound("Numbers are below it."),
  minLength: count("Least length of a text, in characters (code points)."),
  maxLength: count("Greatest length of a text, in characters (code points)."),
  properties: optional(freeMap(jsonForm, propertyName, 1000), null, "Members of an object by name."),
  required: optional(names, null, "Members that must be there."),
  additionalProperties: optional(
    flagOrForm(),
    true,
    "Members that `properties` does not name: whether there may be any, or their form.",
    true,
  ),
  items: optional(jsonForm, null, "Form of every item of a list; default any."),
  minItems: count("Fewest items of a list."),
  maxItems: count("Most items of a list."),
  title: optional(text({ expected: "a title", minLength: 0, maxLength: 1024 }), null, "Not looked at."),
  description: optional(text({ expected: "a text", minLength: 0, maxLength: 4096 }), null, "Not looked at."),
}

type Keywords = typeof rawKeywords extends Shape<infer T> ? T : never
const rawKeywords = object("a JSON form", keywordFields, { refused: REFUSED })
const keywords = checked(rawKeywords, checkKeywords)

function flagOrForm(): Shape<JsonForm | boolean> {
  const [yes, expected] = [flag(), "true, false or a form"]
  return {
    expected,
    read(node, path, report) {
      if (node.kind === "map") return jsonForm.read(node, path, report)
      return node.kind === "scalar" ? yes.read(node, path, report) : mismatch(node, path, report, expected)
    },
    schema: () => ({ anyOf: [yes.schema(), jsonForm.schema()] }),
  }
}

type Place = { readonly node: DocNode; readonly path: string }

/** What would demand nothing, or what nothing could meet. */
function checkKeywords(entry: Keywords, place: Place, report: Report): void {
  const { node } = place
  if (node.kind !== "map") return
  for (const { key } of node.entries) {
    const types = BEARS_ON[key]
    if (types === undefined || entry.type === null || entry.type.some((type) => types.includes(type))) continue
    const message = `${key} bears on the type ${types.join(" and ")}, which this form does not allow`
    faultAt(report, place, [key], message, "remove it, or add the type")
  }
  if (entry.const !== undefined && entry.enum !== null) {
    faultAt(report, place, ["const"], "const and enum say the same in two ways", "keep one of both")
  }
  const pairs = [
    ["minimum", entry.minimum, "maximum", entry.maximum],
    ["minLength", entry.minLength, "maxLength", entry.maxLength],
    ["minItems", entry.minItems, "maxItems", entry.maxItems],
  ] as const
  for (const [low, min, high, max] of pairs) {
    if (min !== null && max !== null && min > max) {
      faultAt(report, place, [low], `${low} ${min} is above ${high} ${max}: nothing fits`)
    }
  }
  const named = new Set(entry.properties?.map(({ name }) => name))
  for (const [i, name] of (entry.required ?? []).entries()) {
    const additional = entry.additionalProperties
    if (additional === true || named.has(name)) continue
    // A form for each such name would be the same one many times, and forms within it many times more.
    const message =
      additional === false
        ? `${quote(name)} must be there, and must not: additionalProperties is false`
        : `${quote(name)} must be there, and nothing says its form`
    faultAt(report, place, ["required", i], message, "name it under properties")
  }
}

const ANYTHING: JsonForm = {
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
}

function resolve(entry: Keywords): JsonForm {
  const additional = entry.additionalProperties
  const needed = new Set(entry.required)
  const properties = (entry.properties ?? []).map(({ name, value }): JsonProperty => ({
    name,
    required: needed.delete(name),
    form: value,
  }))
  // Only where anything may stand: see `checkKeywords`.
  for (const name of needed) properties.push({ name, required: true, form: ANYTHING })
  return {
    types: entry.type,
    values: entry.const === undefined ? entry.enum : [entry.const],
    minimum: entry.minimum,
    maximum: entry.maximum,
    exclusiveMinimum: entry.exclusiveMinimum,
    exclusiveMaximum: entry.exclusiveMaximum,
    minLength: entry.minLength,
    maxLength: entry.maxLength,
    properties,
    additional,
    items: entry.items,
    minItems: entry.minItems,
    maxItems: entry.maxItems,
  }
}

/** How many forms there are in a form, itself included. */
export function countForms(form: JsonForm): number {
  let total = 1
  for (const property of form.properties) total += countForms(property.form)
  if (typeof form.additional !== "boolean") total += countForms(form.additional)
  return form.items === null ? total : total + countForms(form.items)
}

/** What the profile looks like, for `$defs/json-form` of the policy's JSON Schema. */
export function jsonFormSchema(): JsonSchema {
  return rawKeywords.schema()
}
