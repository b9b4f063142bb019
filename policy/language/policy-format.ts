import type { DocNode, DocumentLimits } from "./document.ts"
import type { Parsed } from "./fault.ts"
import type { KeyOrder } from "./layout.ts"
import { readDocument } from "./document.ts"
import { readJsonText } from "./json-text.ts"
import { layOut } from "./layout.ts"
import { takeApart } from "./layout-units.ts"
import { POLICY_LIMITS, parsePolicy } from "./parse-policy.ts"
import { Report } from "./report.ts"
import { readYamlComments } from "./yaml-text.ts"

/** Order of the keys of each map, by its place: what a reader wants to know first comes first. */
const ORDER: Readonly<Record<string, readonly string[]>> = {
  "": [
    "lockgate-policy",
    "name",
    "sets",
    "zones",
    "roles",
    "subjects",
    "conduits",
    "radios",
    "rules",
    "island",
    "alarms",
    "audit",
    "people",
  ],
  people: [
    "roles",
    "two-persons",
    "approval-time",
    "two-factors",
    "presence",
    "sessions",
    "passwords",
    "attempts",
    "identity-provider",
    "notice",
    "diagnostics",
  ],
  "people.presence": ["for", "when"],
  "people.sessions": ["idle", "longest", "per-person"],
  "people.passwords": ["min-length", "longest-days", "shortest-hours", "remembered"],
  "people.attempts": ["free", "longest"],
  "people.identity-provider": ["issuer", "audience", "claim", "keys"],
  audit: ["when-full", "overwrite-uncollected", "warn-at", "window"],
  island: ["when", "restore"],
  "zones.*": ["level", "kind", "authorities", "tls-min", "clear-text"],
  "subjects.*": ["id", "zone", "match", "name", "modbus-role", "roles", "client-id"],
  "conduits.*": [
    "from",
    "to",
    "protocol",
    "direction",
    "access",
    "transport",
    "upstream-identity",
    "on-deny",
    "enhanced-auth",
    "buffer",
    "refusal",
  ],
  "conduits.*.buffer": ["size", "when-full"],
  "conduits.*.transport": ["from", "to"],
  "rules.*": [
    "id",
    "allow",
    "deny",
    "roles",
    "conduits",
    "topics",
    "qos",
    "retain",
    "payload",
    "form",
    "units",
    "coils",
    "discrete-inputs",
    "registers",
    "input-registers",
    "fifos",
    "files",
    "points",
    "rate",
    "essential",
    "record",
    "hours",
    "when",
    "emergency",
    "refusal",
  ],
  "alarms.*": ["id", "on", "conduits", "subjects", "count", "within", "text"],
  "rules.*.hours": ["days", "from", "to", "utc"],
  "rules.*.form.sparkplug-b.*": ["metric", "types", "min", "max"],
  "rules.*.files.*": ["file", "records"],
  "rules.*.points.*": ["name", "at", "type", "words", "min", "max"],
}

const order: KeyOrder = (place) => ORDER[place] ?? null

/**
 * The same policy in canonical layout, or all its faults: what is faulty is left as it is. YAML stays YAML with all its
 * comments, JSON stays JSON. Laid out again, nothing changes. Before it is given out, the new text is read, and must be
 * the same policy.
 */
export function formatPolicy(text: string, file: string, limits: DocumentLimits = POLICY_LIMITS): Parsed<string> {
  const parsed = parsePolicy(text, file, limits)
  if (!parsed.ok) return parsed
  const report = new Report(file, text)
  const root = readDocument(report, limits)
  if (root === null) return report.failure()
  if (readJsonText(report.text, limits.maxDepth).ok) return { ok: true, value: `${json(root, "", "")}\n` }
  const comments = readYamlComments(report.text)
  const value = layOut(report.text, takeApart(report.text, root, comments), order)
  const again = parsePolicy(value, file, limits)
  const words = (of: readonly { readonly text: string }[]): string =>
    JSON.stringify(of.map((one) => one.text).toSorted())
  if (
    again.ok &&
    JSON.stringify(again.value) === JSON.stringify(parsed.value) &&
    words(readYamlComments(value)) === words(comments)
  ) {
    return { ok: true, value }
  }
  report.add(
    0,
    "",
    "no layout was found that surely means the same",
    "the file is as it was; move comments to lines of their own",
  )
  return report.failure()
}

function json(node: DocNode, indent: string, place: string): string {
  if (node.kind === "scalar") return typeof node.value === "number" ? node.source : JSON.stringify(node.value)
  const inner = `${indent}  `
  const parts =
    node.kind === "list"
      ? node.items.map((item) => json(item, inner, `${place}.*`))
      : node.entries.map(({ key, value }) => `${JSON.stringify(key)}: ${json(value, inner, `${place}.${key}`)}`)
  const [open, close] = node.kind === "list" ? ["[", "]"] : ["{", "}"]
  if (parts.length === 0) return open + close
  const line = `${open}${node.kind === "map" ? " " : ""}${parts.join(", ")}${node.kind === "map" ? " " : ""}${close}`
  const isShort = place !== "" && indent.length + line.length <= 100 && !line.includes("\n")
  return isShort ? line : `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`
}
