import type { DocNode, DocumentLimits, MapEntry } from "./document.ts"
import type { Report } from "./report.ts"
import type { CST, Document, Node, ParsedNode } from "yaml"
import { CST as Tokens, Composer, Lexer, Parser, isMap, isScalar, isSeq } from "yaml"

/** What YAML has and this reader refuses, by the first character of the lexeme. */
const REFUSED: Readonly<Record<string, string>> = {
  "&": "anchors are not accepted: what is written here should be all there is",
  "*": "aliases are not accepted: what is written here should be all there is",
  "!": "tags are not accepted",
  "%": "directives are not accepted",
}

/** The package's names of tokens, as a person knows them. */
const TOKENS: Readonly<Record<string, string>> = {
  "flow-seq-start": '"["',
  "flow-seq-end": '"]"',
  "flow-map-start": '"{"',
  "flow-map-end": '"}"',
  "map-value-ind": '":"',
  "seq-item-ind": '"-"',
  "explicit-key-ind": '"?"',
  "double-quoted-scalar": "quoted text",
  "single-quoted-scalar": "quoted text",
  scalar: "text",
}

const HINTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "indent with spaces",
  BAD_INDENT: "check the indentation, and that brackets are closed",
  BAD_SCALAR_START: "put the value in quotes",
  BLOCK_AS_IMPLICIT_KEY: 'a value with ": " in it stands in quotes',
  MULTILINE_IMPLICIT_KEY: 'a key ends with ":" on its own line',
}

/** Our words where the package speaks of its options. */
const MESSAGES: Readonly<Record<string, string>> = {
  NON_STRING_KEY: "a key must be plain text",
  RESOURCE_EXHAUSTION: "the nesting is too deep",
}

const OPTIONS = {
  version: "1.2",
  schema: "core",
  strict: true,
  stringKeys: true,
  // The package compares every key with every other; `readDocument` does it in linear time.
  uniqueKeys: false,
  merge: false,
  resolveKnownTags: false,
  logLevel: "silent",
} as const

/**
 * The tree of one YAML document, or null when it has faults, which then stand in `report`. Never throws.
 *
 * The package's lexer, parser and composer are driven one by one, so that nesting, documents and the number of faults
 * are bounded while reading, not after.
 */
export function readYamlText(report: Report, limits: DocumentLimits): DocNode | null {
  try {
    const tokens = readTokens(report, limits)
    if (tokens === null) return null
    const document = compose(tokens, report)
    if (document === null) return null
    return toNode(document.contents, 0, limits.maxDepth, report)
  } catch {
    // The package is not ours, and hostile text is no reason to die.
    report.add(0, "", "the YAML reader cannot read this document", "write it as JSON, or simpler")
    return null
  }
}

/** One comment: where it begins, and its text from the `#` to the end of the line. */
export interface YamlComment {
  readonly at: number
  readonly text: string
}

/** The comments of a text that `readYamlText` has read without fault, in its order. */
export function readYamlComments(text: string): readonly YamlComment[] {
  const comments: YamlComment[] = []
  let at = 0
  let scalarFollows = false
  for (const lexeme of new Lexer().lex(text)) {
    if (MARKS.has(lexeme)) {
      scalarFollows = lexeme === Tokens.SCALAR
      continue
    }
    if (lexeme.startsWith("#") && !scalarFollows) comments.push({ at, text: lexeme.trimEnd() })
    scalarFollows = false
    at += lexeme.length
  }
  return comments
}

/** Lexemes that stand for nothing in the text. */
const MARKS: ReadonlySet<string> = new Set([Tokens.DOCUMENT, Tokens.FLOW_END, Tokens.SCALAR])

function readTokens(report: Report, { maxDepth, maxYamlLexemes }: DocumentLimits): CST.Token[] | null {
  const parser = new Parser()
  const tokens: CST.Token[] = []
  let documents = 0
  let lexemes = 0
  let scalarFollows = false
  const take = (token: CST.Token, at: number): boolean => {
    if (token.type === "error") fault(report, token.offset, "UNEXPECTED_TOKEN", token.message)
    else if (token.type === "document" && documents++ > 0) {
      report.add(at, "", "expected one document, found a second one", 'remove the "---"')
      return false
    } else tokens.push(token)
    return !report.full
  }
  for (const lexeme of new Lexer().lex(report.text)) {
    const at = parser.offset
    if (++lexemes > maxYamlLexemes) {
      report.add(at, "", `the document has more than ${maxYamlLexemes} words and signs`, "write it as JSON")
      return null
    }
    if (scalarFollows) scalarFollows = false
    else {
      scalarFollows = lexeme === Tokens.SCALAR
      const refusal = REFUSED[lexeme.charAt(0)]
      if (refusal !== undefined) {
        report.add(at, "", refusal, `text that begins with ${lexeme.charAt(0)} stands in quotes`)
        if (report.full) return null
      }
    }
    for (const token of parser.next(lexeme))
      if (!take(token, token.type === "document" ? token.offset : at)) return null
    // The document and a scalar stand on the stack too.
    if (parser.stack.length > maxDepth + 2) {
      report.add(at, "", `expected at most ${maxDepth} lists and maps within each other`)
      return null
    }
  }
  for (const token of parser.end()) if (!take(token, token.type === "document" ? token.offset : 0)) return null
  return report.clean ? tokens : null
}

type ErrorSource = number | readonly [number, ...number[]] | { readonly offset: number }

function compose(tokens: CST.Token[], report: Report): Document.Parsed | null {
  const composer = new Composer<ParsedNode>(OPTIONS)
  // The composer makes an Error of every mistake: a megabyte of commas is a million of them. Its collector is an own
  // property, here replaced by the report, which keeps the first and counts the rest. Should another version of the
  // package ignore that, `document.errors` has all of them.
  Object.defineProperty(composer, "onError", {
    value: (source: ErrorSource, code: string, message: string): void => {
      const offset = typeof source === "number" ? source : "offset" in source ? source.offset : source[0]
      fault(report, offset, code, message)
    },
  })
  for (const document of composer.compose(tokens, true, report.text.length)) {
    for (const error of [...document.errors, ...document.warnings]) {
      fault(report, error.pos[0], error.code, error.message)
    }
    // `forceDoc` yields a document always; the first is the only one, for a second was refused as a token.
    return report.clean ? document : null
  }
  return null
}

function fault(report: Report, offset: number, code: string, message: string): void {
  if (report.full) {
    report.add(offset, "", "")
    return
  }
  const text = (MESSAGES[code] ?? message)
    .replace(/\s+/g, " ")
    .replace(/^(Unexpected )([a-z-]+)/, (all, start: string, token: string) => {
      const known = TOKENS[token]
      return known === undefined ? all : start + known
    })
  const shown = text.length > 120 ? `${text.slice(0, 120)}...` : text
  report.add(Math.min(offset, report.text.length), "", `not well-formed YAML: ${shown}`, HINTS[code] ?? null)
}

function toNode(node: Node | null, at: number, depthLeft: number, report: Report): DocNode {
  const start = node?.range?.[0] ?? at
  if (isScalar(node)) {
    const { value } = node
    const known = typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null
    return { kind: "scalar", at: start, value: known, source: node.source ?? "" }
  }
  if ((isMap(node) || isSeq(node)) && depthLeft === 0) {
    report.add(start, "", "expected fewer lists and maps within each other")
    return { kind: "scalar", at: start, value: null, source: "" }
  }
  if (isSeq(node)) {
    const items = node.items.map((item) => toNode(item as Node | null, start, depthLeft - 1, report))
    return { kind: "list", at: start, items }
  }
  if (isMap(node)) {
    const entries = node.items.map((pair): MapEntry => {
      const key = toNode(pair.key as Node | null, start, 0, report)
      const value = toNode(pair.value as Node | null, key.at, depthLeft - 1, report)
      return { key: key.kind === "scalar" ? key.source : "", keyAt: key.at, value }
    })
    return { kind: "map", at: start, entries }
  }
  return { kind: "scalar", at: start, value: null, source: "" }
}
