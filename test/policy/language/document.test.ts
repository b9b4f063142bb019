import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { Composer, Parser } from "yaml"
import type { DocNode, DocumentLimits } from "../../../policy/language/document.ts"
import type { Parsed } from "../../../policy/language/fault.ts"
import { DEFAULT_DOCUMENT_LIMITS, readDocument } from "../../../policy/language/document.ts"
import { MAX_FAULTS, Report } from "../../../policy/language/report.ts"
import { randomBytes, seeded } from "../../support/hostile.ts"
import { cpuMs } from "../../support/cpu-time.ts"
import { faulty, good } from "../../support/faults.ts"
import type { Expected } from "../../support/faults.ts"

const test = suite("policy/language/document")

function read(text: string, limits: DocumentLimits = DEFAULT_DOCUMENT_LIMITS): Parsed<DocNode> {
  const report = new Report("doc.yaml", text)
  const value = readDocument(report, limits)
  return value === null ? report.failure() : { ok: true, value }
}

/** The tree as plain data, for comparing; maps as lists of pairs, so that `__proto__` is a key like any other. */
function plain(node: DocNode): unknown {
  if (node.kind === "scalar") return node.value
  if (node.kind === "list") return node.items.map(plain)
  return { map: node.entries.map(({ key, value }) => [key, plain(value)]) }
}

/** The same for a value as JSON.parse gives it. */
function plainJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainJson)
  if (typeof value !== "object" || value === null) return value
  return { map: Object.entries(value).map(([key, item]) => [key, plainJson(item)]) }
}

test("reads block style, flow style and JSON to the same tree", () => {
  const block = good(read("a: 1\nb:\n  - x\n  - true\n  - null\nc: { d: 1.5 }\n"))
  const flow = good(read("{ a: 1, b: [x, true, ~], c: { d: 1.5 } }"))
  const json = good(read('{"a": 1, "b": ["x", true, null], "c": {"d": 1.5}}'))
  assert.equal(plain(block), plain(flow))
  assert.equal(plain(block), plain(json))
})

test("knows the place of every key and value, CR LF and a byte order mark or not", () => {
  for (const [before, end] of [
    ["", "\n"],
    ["\ufeff", "\n"],
    ["", "\r\n"],
  ] as const) {
    const text = `${before}# pumps${end}a:${end}  - { b: c }${end}`
    const report = new Report("f", text)
    const root = readDocument(report)
    assert.ok(root?.kind === "map")
    const a = root.entries[0]!
    assert.equal(report.position(a.keyAt), { line: 2, column: 1 })
    assert.ok(a.value.kind === "list")
    const item = a.value.items[0]!
    assert.equal(report.position(item.at), { line: 3, column: 5 })
    assert.ok(item.kind === "map")
    assert.equal(report.position(item.entries[0]!.keyAt), { line: 3, column: 7 })
    assert.equal(report.position(item.entries[0]!.value.at), { line: 3, column: 10 })
  }
})

test("knows the place of every key and value in JSON", () => {
  const report = new Report("f", '{\n  "a": [\n    "b",\n    17\n  ]\n}\n')
  const root = readDocument(report)
  assert.ok(root?.kind === "map")
  const a = root.entries[0]!
  assert.equal(report.position(a.keyAt), { line: 2, column: 3 })
  assert.ok(a.value.kind === "list")
  assert.equal(report.position(a.value.items[1]!.at), { line: 4, column: 5 })
})

test("follows the YAML 1.2 core schema, not 1.1", () => {
  const root = good(read("[yes, no, on, off, 0o17, 017, 1_000, 2001-01-01, 12:30:00, ~, '', .5]"))
  const expected = ["yes", "no", "on", "off", 15, 17, "1_000", "2001-01-01", "12:30:00", null, "", 0.5]
  assert.equal(plain(root), expected)
})

test("keys are text, whatever they look like", () => {
  const root = good(read("1: a\ntrue: b\nnull: c\n1.50: d\n__proto__: e\n"))
  assert.equal(
    (plain(root) as { map: [string, unknown][] }).map.map(([key]) => key),
    ["1", "true", "null", "1.50", "__proto__"],
  )
})

const REFUSED: readonly (readonly [name: string, marked: string, ...expected: Expected[]])[] = [
  ["a second document", "a: 1\n¦---\nb: 2\n", ["", "second"]],
  ["an anchor", "a: ¦&x 1\n", ["", "anchors", "quotes"]],
  ["an alias", "a: ¦*x\n", ["", "aliases", "quotes"]],
  ["a tag", "a: ¦!!binary aGk=\n", ["", "tags"]],
  ["a tag of its own", "a: ¦!ruby/object:Gem x\n", ["", "tags"]],
  ["a version directive", "¦%YAML 1.1\n---\na: yes\n", ["", "directives"]],
  ["a tag directive", "¦%TAG ! tag:x,2000:\n---\na: 1\n", ["", "directives"]],
  ["a duplicate key", "a: 1\nb: 2\n¦a: 3\n", ["a", "stands twice", "first on line 1"]],
  ["a duplicate key deep inside", "x:\n  - { a: 1, ¦a: 2 }\n", ["x[0].a", "stands twice"]],
  ["a duplicate key in JSON", '{"a": 1, ¦"a": 2}', ["a", "stands twice"]],
  ["a duplicate key by an escape", '{"a": 1, ¦"\\u0061": 2}', ["a", "stands twice"]],
  ["a key that is a list", "? ¦[a, b]\n: c\n", ["", "plain text"]],
  ["a tab as indentation", "a:\n¦\tb: 1\n", ["", "not well-formed YAML", "spaces"]],
  ["an unclosed quote", 'a: "b¦', ["", "quote"]],
  ["an unclosed bracket", "a: [b, c\n¦", ["", "not well-formed YAML", "brackets are closed"]],
  ["text that begins with %", "a: ¦%u\n", ["", "%", "quotes"]],
  ["NUL", "a: b¦\0c\n", ["", "U+0000"]],
  ["a control character", "a: ¦\u001b[2J\n", ["", "U+001B"]],
  ["a lone carriage return", "# c¦\ra: 1\n", ["", "U+000D", "LF"]],
  ["a character that reorders the line (CVE-2021-42574)", "a: b # ¦\u202e c\n", ["", "U+202E"]],
  ["an invisible line end", "# c¦\u2028a: 1\n", ["", "U+2028"]],
  ["half a surrogate pair", "a: ¦\ud800\n", ["", "U+D800"]],
  ["a byte order mark inside", "a: ¦\ufeffb\n", ["", "U+FEFF"]],
]

for (const [name, marked, ...expected] of REFUSED) {
  test(`[CR 3.5] refuses ${name}`, () => faulty(read, marked, expected))
}

test("[CR 3.5] refuses several things at once, each at its place", () => {
  faulty(read, "a: ¦&x 1\nb: ¦*x\nc: ¦!t d\n", [
    ["", "anchors"],
    ["", "aliases"],
    ["", "tags"],
  ])
})

test("a merge key is a key like any other: it is not followed", () => {
  assert.equal(plain(good(read("<<: { a: 1 }\n"))), { map: [["<<", { map: [["a", 1]] }]] })
})

test("an empty document has one value, nothing", () => {
  for (const text of ["", "\n", "# nothing\n", "---\n", "\ufeff"])
    assert.is(plain(good(read(text))), null, JSON.stringify(text))
})

test("[CR 3.5] bounds the size in bytes, in YAML and in JSON", () => {
  const limits = { ...DEFAULT_DOCUMENT_LIMITS, maxYamlBytes: 20, maxJsonBytes: 40 }
  good(read("a: ééééééééé", { ...limits, maxYamlBytes: 21 }))
  faulty((text) => read(text, limits), "¦a: ééééééééé", [["", "more than 20 bytes"]])
  good(read(`{"a": "${"x".repeat(31)}"}`, limits))
  faulty((text) => read(text, limits), `¦{"a": "${"x".repeat(32)}"}`, [["", "more than 40 bytes"]])
  // Between the two limits only JSON may stand, for the YAML reader needs much more memory.
  faulty((text) => read(text, limits), `{"a": "${"x".repeat(20)}", ¦b: 1}`, [["", "not JSON", "20 bytes"]])
})

test("[CR 3.5] bounds nesting exactly, in YAML and in JSON", () => {
  const nest = (n: number, open: string, close: string, inner = ""): string => open.repeat(n) + inner + close.repeat(n)
  for (const [open, close, inner] of [
    ["[", "]", ""],
    ['{"a":', "}", "1"],
    ["{a: ", "}", "1"],
  ] as const) {
    good(read(nest(32, open, close, inner)))
    assert.not(read(nest(33, open, close, inner)).ok)
  }
  const block = (n: number): string => Array.from({ length: n }, (_, i) => `${" ".repeat(i)}a:`).join("\n")
  good(read(block(32)))
  assert.not(read(block(33)).ok)
  good(read("- ".repeat(32)))
  assert.not(read("- ".repeat(33)).ok)
})

const n = 25_000
const repeat = (s: string): string => s.repeat(Math.ceil(n / s.length))
const BOMBS: Readonly<Record<string, string>> = {
  "billion laughs": "a: &a [x, x]\n" + Array.from({ length: 20 }, (_, i) => `b${i}: &b${i} [*a, *a]\n`).join(""),
  "open brackets": repeat("["),
  "open JSON lists": `{"a":${repeat("[")}`,
  "open maps": repeat("{a: "),
  dashes: repeat("- "),
  "complex keys": repeat("? "),
  "deep indentation": Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
  commas: `[${repeat(",")}`,
  closers: repeat("]"),
  quotes: repeat('"'),
  documents: repeat("a\n---\n"),
  directives: repeat("%TAG ! a\n"),
  anchors: repeat("- &a b\n"),
  tags: repeat("!a "),
  "empty keys": repeat(":\n"),
  "bad indentation": repeat("   a: b\n  c: d\n e: f\n"),
  "one long escape": `"${repeat("\\")}`,
  "JSON with many duplicate keys": `{${Array.from({ length: 5000 }, () => '"a":1').join(",")}}`,
}

/** Reading must end where the nesting becomes too deep, not after it. */
const DEEP = ["open brackets", "open JSON lists", "open maps", "dashes", "complex keys", "deep indentation"]

for (const [name, text] of Object.entries(BOMBS)) {
  test(`[CR 3.5] a bomb of ${name} ends in faults, soon and few`, () => {
    const [parsed, ms] = cpuMs(() => read(text))
    assert.not(parsed.ok)
    assert.ok(!parsed.ok && parsed.faults.length <= MAX_FAULTS + 1)
    for (const fault of parsed.ok ? [] : parsed.faults) assert.ok(fault.message.length < 250, fault.message)
    if (DEEP.includes(name))
      assert.ok(!parsed.ok && parsed.faults.length === 1 && /within each/.test(parsed.faults[0]!.message))
    // It takes 10..100 ms; the bound is there for what is quadratic.
    assert.ok(ms < 2000, `${ms} ms`)
  })
}

test("[CR 3.5] the package's errors go to the report, not into a list without bound", () => {
  // `yaml-text.ts` relies on this property of the package; if this fails, look there.
  const composer = new Composer()
  assert.type(Object.getOwnPropertyDescriptor(composer, "onError")?.value, "function")
  let calls = 0
  Object.defineProperty(composer, "onError", { value: () => calls++ })
  for (const document of composer.compose(new Parser().parse("[,,,,]"), true, 6)) assert.is(document.errors.length, 0)
  assert.ok(calls >= 4)
})

test("[CR 3.5] 20,000 different keys in one map take linear time", () => {
  const [parsed, ms] = cpuMs(() => read(Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join("\n")))
  const root = good(parsed)
  assert.ok(root.kind === "map" && root.entries.length === 20_000)
  assert.ok(ms < 4000, `${ms} ms`)
})

test("[CR 3.5] a document of nothing but signs ends before it has filled the memory", () => {
  const limits = { ...DEFAULT_DOCUMENT_LIMITS, maxYamlLexemes: 31 }
  good(read("- []\n".repeat(6), limits))
  faulty((text) => read(text, limits), `${"- []\n".repeat(6)}¦- []\n`, [["", "more than 31 words and signs", "JSON"]])
})

test("more faults than are listed are counted", () => {
  const parsed = read(`{${Array.from({ length: MAX_FAULTS + 12 }, () => '"a":1').join(",")}}`)
  assert.ok(!parsed.ok)
  assert.is(parsed.faults.length, MAX_FAULTS + 1)
  assert.match(parsed.faults.at(-1)!.message, "11 further faults")
})

test("huge and special numbers are read as numbers, for shapes to judge", () => {
  assert.equal(plain(good(read("[.inf, -.INF, 9e999]"))), [Infinity, -Infinity, Infinity])
  const root = good(read(".nan"))
  assert.ok(root.kind === "scalar" && Number.isNaN(root.value))
  assert.is(plain(good(read("9".repeat(500)))), Infinity)
})

test("any JSON value is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 1, 2), (text, space) => {
      const value: unknown = JSON.parse(text)
      const spaced = JSON.stringify(value, null, space)
      const parsed = read(`[${spaced}]`)
      // Text outside the permitted characters is refused, and that is all.
      if (!parsed.ok) assert.match(parsed.faults[0]!.message, "must not stand in a document")
      else assert.equal(plain(parsed.value), [plainJson(value)])
    }),
    { numRuns: 300 },
  )
})

test("what JSON.parse refuses, the JSON reader refuses: the YAML reader then judges it", () => {
  // Each of these is fine YAML: it must come out as YAML reads it.
  assert.equal(plain(good(read("[1,]"))), [1])
  assert.equal(plain(good(read("[01, +1, 1., 'x']"))), [1, 1, 1, "x"])
  assert.equal(plain(good(read("[tru]"))), ["tru"])
  assert.equal(plain(good(read('["a\n  b", "c\td"]'))), ["a b", "c\td"])
  for (const text of ["[1] 2", '["\\x"]', '["\n\t\\"', "{,}", '{"a" "b"}', '["\\u12"]']) assert.not(read(text).ok, text)
})

test("[CR 3.5] random text never throws", () => {
  const piece = fc.constantFrom(
    ..."a b 1 - ? : , [ ] { } # & * ! | > ' \" % @ ` \n \t \\ ~ . < = / + $ é \u{1f600} null true - --- ... \n\n".split(
      " ",
    ),
    " ",
    "  ",
    ": ",
    "- ",
    "\r\n",
  )
  const check = (text: string): void => {
    const parsed = read(text)
    if (!parsed.ok) assert.ok(parsed.faults.length > 0)
  }
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => check(pieces.join(""))),
    { numRuns: 800 },
  )
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), check), { numRuns: 300 })
  const random = seeded(17)
  for (let i = 0; i < 200; i++) check(new TextDecoder().decode(randomBytes(100, random)))
})

test.run()
