import { MAX_INSPECTED_BYTES, type PayloadForm } from "../../language/payload-form.ts"
import type { AliasScope } from "./alias-memory.ts"
import { compileForm } from "./compile-form.ts"
import { explainJson } from "./explain-json.ts"
import { JsonScan } from "./json-scan.ts"
import { checkSparkplug, explainSparkplug } from "./sparkplug.ts"
import { findMalformed } from "./utf8.ts"

export { compileForm, type CompiledForm } from "./compile-form.ts"

/**
 * True if the payload `bytes[start, end)` fits the form. All but `any` fit in at most `MAX_INSPECTED_BYTES`.
 *
 * Takes steps in the payload's size alone if the form comes from `compileForm`; otherwise it is compiled on the spot. Range
 * errors are misfits: nothing outside the bytes in hand is read. With `scope`, Sparkplug metrics may come by alias alone.
 */
export function checkPayload(
  form: PayloadForm,
  bytes: Uint8Array,
  start: number,
  end: number,
  scope: AliasScope | null = null,
): boolean {
  if (form.kind === "any") return true
  if (start < 0 || end < start || end > bytes.length || end - start > MAX_INSPECTED_BYTES) return false
  const compiled = compileForm(form)
  switch (compiled.kind) {
    case "any":
      return true
    case "utf8":
      return findMalformed(bytes, start, end) < 0
    case "json":
      return new JsonScan(bytes, start, end, false).text(compiled.root)
    case "sparkplug-b":
      return checkSparkplug(compiled, bytes, start, end, scope)
  }
}

/**
 * Why the payload does not fit, in one line, or null if it does. Says where (member, metric, byte) and what the policy asks;
 * never a value of the payload, only its names, cut and made printable.
 *
 * @see IEC 62443-4-2 CR 3.7
 */
export function explainPayload(form: PayloadForm, bytes: Uint8Array, start: number, end: number): string | null {
  if (form.kind === "any") return null
  if (start < 0 || end < start || end > bytes.length) return "the payload is not in hand"
  if (end - start > MAX_INSPECTED_BYTES) return `the payload is larger than ${MAX_INSPECTED_BYTES} bytes`
  const compiled = compileForm(form)
  switch (compiled.kind) {
    case "any":
      return null
    case "utf8": {
      const at = findMalformed(bytes, start, end)
      return at < 0 ? null : `byte ${at - start}: is not UTF-8`
    }
    case "json":
      return explainJson(compiled.root, bytes, start, end)
    case "sparkplug-b":
      return explainSparkplug(compiled, bytes, start, end, null)
  }
}
