import type { Report } from "./report.ts"
import { memberPath, itemPath } from "./report.ts"
import { codePointName, findForbidden, quote, utf8Length } from "./characters.ts"
import { readJsonText } from "./json-text.ts"
import { readYamlText } from "./yaml-text.ts"

/** A value in a document and where it begins (`at`, an offset into `Report.text`). */
export type DocNode = ScalarNode | ListNode | MapNode

/** A single value of a document, and where it stands. */
export interface ScalarNode {
  readonly kind: "scalar"
  readonly at: number
  readonly value: string | number | boolean | null
  /** As written, without quotes. For messages. */
  readonly source: string
}

/** A list, and where it stands. */
export interface ListNode {
  readonly kind: "list"
  readonly at: number
  readonly items: readonly DocNode[]
}

/** A map, and where it stands. */
export interface MapNode {
  readonly kind: "map"
  readonly at: number
  /** In the order of the document; keys are unique once `readDocument` has returned it. */
  readonly entries: readonly MapEntry[]
}

/** One entry of a map: key and value, each with its place. */
export interface MapEntry {
  readonly key: string
  readonly keyAt: number
  readonly value: DocNode
}

/** Bounds on one document. */
export interface DocumentLimits {
  /** UTF-8 bytes of a document that the YAML reader has to read. Reading takes about 300 times that in memory. */
  readonly maxYamlBytes: number
  /** Words, signs, spaces and line ends of the same: the package keeps every one of them, at up to 900 bytes each. */
  readonly maxYamlLexemes: number
  /** UTF-8 bytes of a document in JSON. Reading takes about 20 times that. */
  readonly maxJsonBytes: number
  /** Nested lists and maps. */
  readonly maxDepth: number
}

/** Enough for anything that a person writes by hand. */
export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = {
  maxYamlBytes: 1024 * 1024,
  maxYamlLexemes: 800_000,
  maxJsonBytes: 1024 * 1024,
  maxDepth: 32,
}

/**
 * The tree of the one document in `report.text`, or null when it has faults, which then stand in `report`.
 *
 * Read is YAML 1.2 (core schema) less all that makes a text mean more than it shows: anchors, aliases, tags,
 * directives, merge keys and second documents are faults, and so are duplicate keys. JSON is YAML too; a text that is
 * JSON throughout takes a reader of its own, to the same tree in a tenth of time and memory. Never throws.
 *
 * @see YAML 1.2.2; RFC 8259
 */
export function readDocument(report: Report, limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS): DocNode | null {
  const { text } = report
  const isJson = /^\s*[{[]/.test(text)
  const maxBytes = isJson ? Math.max(limits.maxJsonBytes, limits.maxYamlBytes) : limits.maxYamlBytes
  const bytes = text.length > maxBytes ? text.length : utf8Length(text)
  if (bytes > maxBytes) {
    report.add(0, "", `the document has more than ${maxBytes} bytes`)
    return null
  }
  const forbidden = findForbidden(text)
  if (forbidden !== -1) {
    const name = codePointName(text, forbidden)
    const hint = text[forbidden] === "\r" ? "lines end with LF or CR LF" : 'write it as an escape in quotes: "\\u...."'
    report.add(forbidden, "", `the character ${name} must not stand in a document`, hint)
    return null
  }
  const root = readEither(report, isJson, bytes, limits)
  if (root !== null) refuseDuplicates(root, "", report)
  return report.clean ? root : null
}

function readEither(report: Report, isJson: boolean, bytes: number, limits: DocumentLimits): DocNode | null {
  if (!isJson) return readYamlText(report, limits)
  const json = readJsonText(report.text, limits.maxDepth)
  if (json.ok) {
    if (bytes <= limits.maxJsonBytes) return json.root
    report.add(0, "", `the document has more than ${limits.maxJsonBytes} bytes`)
    return null
  }
  // Flow style without quotes, or JSON with a mistake: the YAML reader says more about both, if it may look.
  if (bytes <= limits.maxYamlBytes) return readYamlText(report, limits)
  report.add(json.at, "", `not JSON: ${json.message}`, `only JSON may have more than ${limits.maxYamlBytes} bytes`)
  return null
}

function refuseDuplicates(node: DocNode, path: string, report: Report): void {
  if (node.kind === "scalar") return
  if (node.kind === "list") {
    for (const [i, item] of node.items.entries()) {
      if (item.kind !== "scalar") refuseDuplicates(item, itemPath(path, i), report)
    }
    return
  }
  const seen = new Map<string, number>()
  for (const { key, keyAt, value } of node.entries) {
    const first = seen.get(key)
    if (first === undefined) seen.set(key, keyAt)
    else {
      const { line } = report.position(first)
      report.add(keyAt, memberPath(path, key), `the key ${quote(key)} stands twice`, `first on line ${line}`)
    }
    if (value.kind !== "scalar") refuseDuplicates(value, memberPath(path, key), report)
  }
}
