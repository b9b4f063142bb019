import type { SparkplugMetric, SparkplugType } from "../../../policy/language/payload-form.ts"
import { SPARKPLUG_TYPES } from "../../../policy/language/payload-form.ts"
import type { sparkplug } from "./sparkplug-b.generated.js"

type Payload = sparkplug.Payload.$Properties
type Metric = sparkplug.Metric.$Properties

const VALUES = [
  "intValue",
  "longValue",
  "floatValue",
  "doubleValue",
  "booleanValue",
  "stringValue",
  "bytesValue",
] as const

/** Whether the decoded payload fits: slow and obvious, over objects, with big integers. */
export function fitsSlowly(allowed: readonly SparkplugMetric[], payload: Payload): boolean {
  if (Object.hasOwn(payload, "body")) return false
  return (payload.metrics ?? []).every((metric) => allowed.some((rule) => fitsOne(rule, metric)))
}

function fitsOne(rule: SparkplugMetric, metric: Metric): boolean {
  if (!has(metric, "name") || !has(metric, "datatype")) return false
  const name = metric.name ?? ""
  const named = rule.name.endsWith("*") ? name.startsWith(rule.name.slice(0, -1)) : name === rule.name
  const type = rule.types.find((t) => SPARKPLUG_TYPES[t] === metric.datatype)
  if (!named || type === undefined) return false
  const given = VALUES.filter((field) => has(metric, field))
  if (given.length === 0) return metric.isNull === true
  const value = given.length === 1 ? valueAs(type, metric) : null
  if (value === null) return false
  if (typeof value === "number" && Number.isNaN(value)) return rule.min === null && rule.max === null
  if (typeof value !== "number" && typeof value !== "bigint") return true
  return (rule.min === null || value >= rule.min) && (rule.max === null || value <= rule.max)
}

function has(metric: Metric, key: keyof Metric): boolean {
  return Object.hasOwn(metric, key) && metric[key] !== null && metric[key] !== undefined
}

/** The value as its type has it, or null if it is not of that type. JavaScript compares big integers with doubles exactly. */
function valueAs(type: SparkplugType, metric: Metric): number | bigint | string | boolean | null {
  const int = has(metric, "intValue") ? BigInt(metric.intValue ?? 0) : null
  const long = has(metric, "longValue") ? BigInt(metric.longValue?.toString() ?? 0) : null
  switch (type) {
    case "Int8":
      return signed(int, 8)
    case "Int16":
      return signed(int, 16)
    case "Int32":
      return signed(int, 32)
    case "UInt8":
      return below(int, 8)
    case "UInt16":
      return below(int, 16)
    case "UInt32":
      return below(int ?? long, 32)
    case "Int64":
      return long === null ? null : BigInt.asIntN(64, long)
    case "UInt64":
    case "DateTime":
      return long
    case "Float":
      return metric.floatValue ?? null
    case "Double":
      return metric.doubleValue ?? null
    case "Boolean":
      return metric.booleanValue ?? null
    case "String":
    case "Text":
    case "UUID":
      return metric.stringValue ?? null
  }
}

/** In its own width, or sign-extended to 32 bits. */
function signed(value: bigint | null, bits: number): bigint | null {
  if (value === null) return null
  const number = BigInt.asIntN(bits, value)
  return value === BigInt.asUintN(bits, number) || value === BigInt.asUintN(32, number) ? number : null
}

function below(value: bigint | null, bits: number): bigint | null {
  return value !== null && value < 1n << BigInt(bits) ? value : null
}
