import type { DocNode, MapEntry } from "./document.ts"
import { codePointName } from "./characters.ts"

/** The tree of a text, or the first place where it is not JSON. */
export type JsonTree =
  { readonly ok: true; readonly root: DocNode } | { readonly ok: false; readonly at: number; readonly message: string }

interface Cursor {
  readonly text: string
  readonly maxDepth: number
  at: number
  /** Set once by the first fault; every reader then returns null up to the top. */
  fault: { readonly at: number; readonly message: string } | null
}

/**
 * Read a whole text as JSON, positions included. Linear in the text; recursion ends at `maxDepth`. Keys are not checked
 * for uniqueness here. Never throws.
 *
 * @see RFC 8259
 */
export function readJsonText(text: string, maxDepth: number): JsonTree {
  const cursor: Cursor = { text, maxDepth, at: 0, fault: null }
  skipSpace(cursor)
  const root = readValue(cursor, 0)
  if (root !== null) {
    skipSpace(cursor)
    if (cursor.at === text.length) return { ok: true, root }
    fail(cursor, "expected the end of the document")
  }
  return { ok: false, ...(cursor.fault ?? { at: cursor.at, message: "expected a value" }) }
}

function fail(cursor: Cursor, message: string): null {
  const { text, at } = cursor
  const found =
    at >= text.length ? "the end" : /[!-~]/.test(text.charAt(at)) ? `"${text.charAt(at)}"` : codePointName(text, at)
  cursor.fault ??= { at, message: `${message}, found ${found}` }
  return null
}

function skipSpace(cursor: Cursor): void {
  for (;;) {
    const code = cursor.text.charCodeAt(cursor.at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
    cursor.at++
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const WORD = /true|false|null/y
const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null }

function readValue(cursor: Cursor, depth: number): DocNode | null {
  const { text, at } = cursor
  switch (text.charAt(at)) {
    case "{":
      return depth < cursor.maxDepth ? readMap(cursor, depth + 1) : tooDeep(cursor)
    case "[":
      return depth < cursor.maxDepth ? readList(cursor, depth + 1) : tooDeep(cursor)
    case '"': {
      const value = readString(cursor)
      return value === null ? null : { kind: "scalar", at, value, source: value }
    }
    default: {
      const word = take(cursor, WORD)
      if (word !== null) return { kind: "scalar", at, value: WORDS[word] ?? null, source: word }
      const number = take(cursor, NUMBER)
      if (number !== null) return { kind: "scalar", at, value: Number(number), source: number }
      return fail(cursor, "expected a value")
    }
  }
}

function tooDeep(cursor: Cursor): null {
  return fail(cursor, `expected at most ${cursor.maxDepth} lists and maps within each other`)
}

function take(cursor: Cursor, pattern: RegExp): string | null {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)
  if (found === null) return null
  cursor.at += found[0].length
  return found[0]
}

function readList(cursor: Cursor, depth: number): DocNode | null {
  const at = cursor.at++
  const items: DocNode[] = []
  skipSpace(cursor)
  if (cursor.text[cursor.at] === "]") return close(cursor, { kind: "list", at, items })
  for (;;) {
    skipSpace(cursor)
    const item = readValue(cursor, depth)
    if (item === null) return null
    items.push(item)
    skipSpace(cursor)
    const next = cursor.text[cursor.at]
    if (next === "]") return close(cursor, { kind: "list", at, items })
    if (next !== ",") return fail(cursor, 'expected "," or "]"')
    cursor.at++
  }
}

function readMap(cursor: Cursor, depth: number): DocNode | null {
  const at = cursor.at++
  const entries: MapEntry[] = []
  skipSpace(cursor)
  if (cursor.text[cursor.at] === "}") return close(cursor, { kind: "map", at, entries })
  for (;;) {
    skipSpace(cursor)
    const keyAt = cursor.at
    if (cursor.text[keyAt] !== '"') return fail(cursor, "expected a key in quotes")
    const key = readString(cursor)
    if (key === null) return null
    skipSpace(cursor)
    if (cursor.text[cursor.at] !== ":") return fail(cursor, 'expected ":"')
    cursor.at++
    skipSpace(cursor)
    const value = readValue(cursor, depth)
    if (value === null) return null
    entries.push({ key, keyAt, value })
    skipSpace(cursor)
    const next = cursor.text[cursor.at]
    if (next === "}") return close(cursor, { kind: "map", at, entries })
    if (next !== ",") return fail(cursor, 'expected "," or "}"')
    cursor.at++
  }
}

function close(cursor: Cursor, node: DocNode): DocNode {
  cursor.at++
  return node
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
}

function readString(cursor: Cursor): string | null {
  const { text } = cursor
  let value = ""
  let from = ++cursor.at
  for (;;) {
    const code = text.charCodeAt(cursor.at)
    if (code === 0x22) {
      value += text.slice(from, cursor.at)
      cursor.at++
      return value
    }
    // NaN, past the end, is not above 0x1f either.
    if (!(code > 0x1f)) return fail(cursor, "expected a closing quote")
    if (code !== 0x5c) {
      cursor.at++
      continue
    }
    value += text.slice(from, cursor.at)
    const escape = text[cursor.at + 1] ?? ""
    const simple = ESCAPES[escape]
    const hex = text.slice(cursor.at + 2, cursor.at + 6)
    if (simple !== undefined) {
      value += simple
      cursor.at += 2
    } else if (escape === "u" && /^[0-9a-fA-F]{4}$/.test(hex)) {
      value += String.fromCharCode(parseInt(hex, 16))
      cursor.at += 6
    } else return fail(cursor, "expected a JSON escape")
    from = cursor.at
  }
}
