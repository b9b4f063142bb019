import { quote } from "../../language/characters.ts"
import { MAX_INSPECTED_BYTES, type PayloadForm } from "../../language/payload-form.ts"
import {
  aliasScope,
  complainAboutBirths,
  mayBeBirth,
  remember,
  type AliasMemory,
  type AliasScope,
} from "./alias-memory.ts"
import { compileForm } from "./compile-form.ts"
import { SparkplugScan } from "./sparkplug-scan.ts"

export type SparkplugForm = Extract<PayloadForm, { readonly kind: "sparkplug-b" }>

/**
 * True if `bytes[start, end)` is a Sparkplug B payload and every metric fits.
 *
 * Without `scope` a metric must have its name and datatype. With one, a metric may have only the alias that its birth gave;
 * an alias beside a name must be that name's; and a birth must leave every alias clear. Remembers nothing: see
 * `learnAliases`.
 */
export function checkSparkplug(
  form: SparkplugForm,
  bytes: Uint8Array,
  start: number,
  end: number,
  scope: AliasScope | null,
): boolean {
  if (end - start > MAX_INSPECTED_BYTES) return false
  const scan = scanOf(form, bytes, start, end, scope)
  return scan.payload() && complaintOf(scan, scope) === null
}

/** Why it does not fit, or null if it does: `metric 3 "Motor/Speed": is above the maximum 3000`. */
export function explainSparkplug(
  form: SparkplugForm,
  bytes: Uint8Array,
  start: number,
  end: number,
  scope: AliasScope | null,
): string | null {
  if (end - start > MAX_INSPECTED_BYTES) return `is larger than ${MAX_INSPECTED_BYTES} bytes`
  const scan = scanOf(form, bytes, start, end, scope)
  if (!scan.payload()) {
    if (scan.metric < 0) return `the payload ${scan.fault ?? ""}`
    const name = scan.name === null ? "" : ` ${quote(new TextDecoder().decode(scan.name))}`
    return `metric ${scan.metric + 1}${name}: ${scan.fault ?? ""}`
  }
  const complaint = complaintOf(scan, scope)
  return complaint === null ? null : `the birth has ${complaint}`
}

/**
 * Remember what a birth says, whatever rule let it through. Call it for each message that passes, when it passes: an alias
 * learned from a message that was then dropped would let its sender pass one metric off as another. Other messages teach
 * nothing.
 *
 * False if it is a birth that cannot be remembered; then every alias of its edge node is forgotten, and none will fit.
 */
export function learnAliases(bytes: Uint8Array, start: number, end: number, scope: AliasScope): boolean {
  if (scope.birth === null) return true
  const scan = new SparkplugScan(null, bytes, start, end, scope)
  const good = end - start <= MAX_INSPECTED_BYTES && scan.payload() && complainAboutBirths(scope, scan.births) === null
  remember(scope, good ? scan.births : null)
  return good
}

/**
 * Note a message that passes, when it passes: to the topic `topic[start, end)`, its payload the `payloadBytes` of `payload`
 * from `payloadAt` on. Only births teach. If `payloadAt` is negative the payload went by unread: of a birth, that makes all
 * aliases of its edge node unknown.
 */
export function noteMessage(
  memory: AliasMemory,
  topic: Uint8Array,
  start: number,
  end: number,
  payload: Uint8Array,
  payloadAt: number,
  payloadBytes: number,
): void {
  if (!mayBeBirth(topic, start, end)) return
  const scope = aliasScope(memory, topic, start, end)
  if (scope === null) return
  if (payloadBytes === 0 || (payloadAt >= 0 && payloadAt + payloadBytes <= payload.length)) {
    const at = payloadBytes === 0 ? 0 : payloadAt
    learnAliases(payload, at, at + payloadBytes, scope)
  } else remember(scope, null)
}

function complaintOf(scan: SparkplugScan, scope: AliasScope | null): string | null {
  return scope === null || scope.birth === null ? null : complainAboutBirths(scope, scan.births)
}

function scanOf(
  form: SparkplugForm,
  bytes: Uint8Array,
  start: number,
  end: number,
  scope: AliasScope | null,
): SparkplugScan {
  const compiled = compileForm(form)
  return new SparkplugScan(compiled.kind === "sparkplug-b" ? compiled.table : null, bytes, start, end, scope)
}
