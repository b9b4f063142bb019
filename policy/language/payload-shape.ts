import type { PayloadForm, SparkplugMetric, SparkplugType } from "./payload-form.ts"
import type { Shape } from "./shape.ts"
import type { Sets } from "./sets.ts"
import { list, object, oneOrMore, optional, required, variants, wordOrMap } from "./group-shapes.ts"
import { jsonForm } from "./json-profile.ts"
import { faultAt } from "./locate.ts"
import { SPARKPLUG_TYPES } from "./payload-form.ts"
import { MAX_TOPICS_OF_RULE, writeOutAll } from "./sets.ts"
import { checked, choice, number, text } from "./shape.ts"

/** Least and greatest value of the types that have bounds. */
const LIMITS: Readonly<Partial<Record<SparkplugType, readonly [min: number, max: number]>>> = {
  Int8: [-(2 ** 7), 2 ** 7 - 1],
  Int16: [-(2 ** 15), 2 ** 15 - 1],
  Int32: [-(2 ** 31), 2 ** 31 - 1],
  Int64: [-(2 ** 63), 2 ** 63],
  UInt8: [0, 2 ** 8 - 1],
  UInt16: [0, 2 ** 16 - 1],
  UInt32: [0, 2 ** 32 - 1],
  UInt64: [0, 2 ** 64],
  DateTime: [0, 2 ** 64],
  Float: [-(2 - 2 ** -23) * 2 ** 127, (2 - 2 ** -23) * 2 ** 127],
  Double: [-Number.MAX_VALUE, Number.MAX_VALUE],
}

const typeWords = Object.keys(SPARKPLUG_TYPES) as SparkplugType[]

const rawMetric = object("a metric", {
  metric: required(
    text({
      expected: 'the name of a metric, with "*" at its end for all that begin so',
      pattern: /^([^*]+\*?|\*)$/,
      maxLength: 1024,
    }),
    "Its name; with `*` at the end every name that begins so.",
  ),
  types: required(oneOrMore(choice(typeWords), typeWords.length), "Datatypes that it may have."),
  min: optional(number(), null, "Least value; default none."),
  max: optional(number(), null, "Greatest value; default none."),
})

const metric = checked(rawMetric, ({ types, min, max }, place, report) => {
  if (min !== null && max !== null && min > max) {
    faultAt(report, place, ["min"], `min ${min} is above max ${max}: nothing fits`)
    return
  }
  const limits = types.map((type) => LIMITS[type]).filter((limit) => limit !== undefined)
  for (const [key, value] of [
    ["min", min],
    ["max", max],
  ] as const) {
    if (value === null) continue
    if (limits.length === 0) {
      faultAt(report, place, [key], `${key} bears on numbers, and ${types.join(", ")} holds none`, "remove the key")
    } else if (limits.every(([low, high]) => value < low || value > high)) {
      faultAt(report, place, [key], `${value} is outside of ${types.join(", ")}`)
    }
  }
})

/** What a payload must look like. */
export const form = wordOrMap(
  choice(["any", "utf8"], {
    refused: {
      json: "it says what the JSON looks like: write { json: { type: object, ... } }",
      "sparkplug-b": "it says which metrics there may be: write { sparkplug-b: [{ metric: ..., types: ... }] }",
    },
  }),
  variants("a form", {
    json: object("a form", { json: required(jsonForm, "One JSON text of this form (JSON Schema, bounded profile).") }),
    "sparkplug-b": object("a form", {
      "sparkplug-b": required(
        list(metric, { min: 1, max: MAX_TOPICS_OF_RULE }),
        "A Sparkplug B payload of which every metric fits one of these.",
      ),
    }),
  }),
)

export type FormEntry = typeof form extends Shape<infer T> ? T : never

/** The form as the policy holds it, sets in metric names written out. */
export function payloadForm(entry: FormEntry, sets: Sets | null): PayloadForm {
  if (typeof entry === "string") return { kind: entry }
  if ("json" in entry) return { kind: "json", form: entry.json }
  const metrics = entry["sparkplug-b"].flatMap(({ metric, types, min, max }) =>
    writeOutAll([metric], sets).map((name): SparkplugMetric => ({ name, types, min, max })),
  )
  return { kind: "sparkplug-b", metrics }
}
