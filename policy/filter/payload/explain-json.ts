import { MAX_JSON_DEPTH, type JsonForm, type JsonType } from "../../language/payload-form.ts"
import { quote } from "../../language/characters.ts"
import type { JsonNode } from "./compile-form.ts"
import { MAX_NUMBER_BYTES } from "./json-number.ts"
import { JsonScan, type JsonFault } from "./json-scan.ts"

/**
 * Why the JSON text `bytes[start, end)` does not fit, or null if it does: `/motor/speed: is above the maximum 3000`.
 *
 * Tells names and the policy's own numbers, never a value of the payload; names are cut and made printable.
 */
export function explainJson(root: JsonNode, bytes: Uint8Array, start: number, end: number): string | null {
  const scan = new JsonScan(bytes, start, end, true)
  if (scan.text(root) || scan.fault === null) return null
  const pointer = scan.trail
    .toReversed()
    .map((step) => `/${pointerStep(step)}`)
    .join("")
  const where = pointer === "" ? "at the top" : pointer
  const what =
    scan.faultNode === null ? TEXT_FAULTS[scan.fault] : formFault(scan.fault, scan.faultNode.form, scan.missing)
  return `${where}, byte ${scan.at - start}: ${what ?? scan.fault}`
}

/** @see RFC 6901 section 3 */
function pointerStep(step: string | number): string {
  return typeof step === "number" ? String(step) : printable(step).replaceAll("~", "~0").replaceAll("/", "~1")
}

function printable(name: string): string {
  return quote(name).slice(1, -1)
}

const TEXT_FAULTS: Partial<Record<JsonFault, string>> = {
  cut: "the text ends too early",
  syntax: "is not JSON",
  string: "a string with a raw control character, an unknown escape, half a surrogate pair or broken UTF-8",
  number: `a number that no double holds, or of more than ${MAX_NUMBER_BYTES} characters`,
  depth: `more than ${MAX_JSON_DEPTH} objects and arrays in one another`,
  trailing: "something stands behind the JSON text",
  collisions: "too many member names of one hash",
  repeated: "the member stands twice",
}

function formFault(fault: JsonFault, form: JsonForm, missing: string | null): string {
  switch (fault) {
    case "type":
      return `should be ${articles(form.types ?? [])}`
    case "values":
      return "is none of the listed values"
    case "minimum":
      return `is below the minimum ${form.minimum ?? ""}`
    case "maximum":
      return `is above the maximum ${form.maximum ?? ""}`
    case "exclusiveMinimum":
      return `is not above ${form.exclusiveMinimum ?? ""}`
    case "exclusiveMaximum":
      return `is not below ${form.exclusiveMaximum ?? ""}`
    case "minLength":
      return `is shorter than ${form.minLength ?? ""} characters`
    case "maxLength":
      return `is longer than ${form.maxLength ?? ""} characters`
    case "minItems":
      return `has fewer than ${form.minItems ?? ""} items`
    case "maxItems":
      return `has more than ${form.maxItems ?? ""} items`
    case "unknown":
      return "the form knows no such member"
    case "required":
      return `lacks the member "${printable(missing ?? "")}"`
    case "cut":
    case "syntax":
    case "string":
    case "number":
    case "depth":
    case "trailing":
    case "collisions":
    case "repeated":
      return TEXT_FAULTS[fault] ?? fault
  }
}

function articles(types: readonly JsonType[]): string {
  if (types.length === 0) return "of no type: the form allows none"
  return types.map((type) => (type === "null" ? type : `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`)).join(" or ")
}
