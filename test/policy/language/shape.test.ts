import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import type { Parsed } from "../../../policy/language/fault.ts"
import type { Shape } from "../../../policy/language/shape.ts"
import { DEFAULT_DOCUMENT_LIMITS } from "../../../policy/language/document.ts"
import { list, object, optional, required } from "../../../policy/language/group-shapes.ts"
import { duration, durationText, size, sizeText } from "../../../policy/language/quantity-shapes.ts"
import { Report, memberPath } from "../../../policy/language/report.ts"
import { choice, flag, integer, parseDocument, text } from "../../../policy/language/shape.ts"
import { didYouMean, editDistance } from "../../../policy/language/suggestion.ts"
import { quote, utf8Length } from "../../../policy/language/characters.ts"
import { splitFilter } from "../../../policy/language/topic-filter.ts"
import { faulty, good } from "../../support/faults.ts"

const test = suite("policy/language/shape")

const read = <T>(shape: Shape<T>, document: string): Parsed<T> =>
  parseDocument(shape, new Report("f", document), DEFAULT_DOCUMENT_LIMITS, (value) => value)

test("an object gives typed values and fills in what may be left out", () => {
  const pump = object("a pump", {
    id: required(text({ expected: "an id", maxLength: 8 }), ""),
    speed: optional(integer(0, 10), 5, ""),
    mode: optional(choice(["auto", "hand"]), null, ""),
  })
  const value = good(read(pump, "{ id: p1, mode: hand }"))
  const speed: number = value.speed
  const mode: "auto" | "hand" | null = value.mode
  assert.equal([value.id, speed, mode], ["p1", 5, "hand"])
  faulty((t) => read(pump, t), "{ ¦speed: fast }".replace("¦speed: fast", "speed: ¦fast").replace("{", "¦{"), [
    ["id", 'needs the key "id": an id'],
    ["speed", "a whole number 0..10, found"],
  ])
})

test("an object is not fooled by keys that every object inherits", () => {
  const nothing = object("nothing", { a: optional(flag(), null, "") })
  for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"])
    assert.not(read(nothing, `{ ${key}: {} }`).ok)
})

test("whole numbers are whole, in range and exactly representable", () => {
  const shape = integer(0, Number.MAX_SAFE_INTEGER)
  for (const [written, value] of [
    ["0", 0],
    ["-0", 0],
    ["1e3", 1000],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ] as const) {
    assert.ok(Object.is(good(read(shape, written)), value), written)
  }
  for (const written of ["9007199254740992", "1.5", ".inf", ".nan", "-1", "true", "''", "[]", "1_0"]) {
    assert.not(read(shape, written).ok, written)
  }
})

test("sizes, times and their texts agree", () => {
  const sizes = size(0, 2 ** 30)
  for (const [written, bytes] of [
    ["0", 0],
    ["1", 1],
    ["7B", 7],
    ["4KiB", 4096],
    ["1MiB", 1_048_576],
  ] as const) {
    assert.is(good(read(sizes, written)), bytes)
  }
  for (const written of ["4K", "4kB", "4 KiB", "1.5KiB", "-1KiB", "KiB", "1e400", "99999999999B"])
    assert.not(read(sizes, written).ok, written)
  const times = duration(0, 86_400_000)
  for (const [written, ms] of [
    ["500ms", 500],
    ["10s", 10_000],
    ["5min", 300_000],
    ["24h", 86_400_000],
  ] as const) {
    assert.is(good(read(times, written)), ms)
    assert.is(durationText(ms), written)
  }
  for (const written of ["10", "10 s", "1m", "25h", "s", "-1s"]) assert.not(read(times, written).ok, written)
  fc.assert(
    fc.property(fc.nat(2 ** 30), (bytes) => assert.is(good(read(sizes, sizeText(bytes))), bytes)),
    { numRuns: 100 },
  )
})

test("a list reports every faulty item, and items that stand twice", () => {
  faulty((t) => read(list(integer(0, 9), { max: 5 }), t), "[1, ¦x, ¦99, ¦1]", [
    ["[1]", "found"],
    ["[2]", "the number 99"],
    ["[3]", "twice"],
  ])
})

test("suggestions are near, and only near", () => {
  const words = ["publish", "subscribe", "receive", "tls-min"]
  assert.is(didYouMean("publihs", words), 'did you mean "publish"?')
  assert.is(didYouMean("Receive", words), 'did you mean "receive"?')
  assert.is(didYouMean("tls", words), 'did you mean "tls-min"?')
  assert.is(didYouMean("forward", words), null)
  assert.is(didYouMean("", words), null)
  assert.is(didYouMean("x".repeat(5000), words), null)
})

test("the edit distance is a distance, and a swap counts one", () => {
  assert.is(editDistance("abcd", "acbd"), 1)
  assert.is(editDistance("", "abc"), 3)
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const d = editDistance(a, b)
      assert.is(d, editDistance(b, a))
      assert.is(d === 0, a === b)
      assert.ok(d >= Math.abs(a.length - b.length) && d <= Math.max(a.length, b.length))
    }),
  )
})

test("the UTF-8 length is that of the encoder", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (s) => assert.is(utf8Length(s), new TextEncoder().encode(s).length)),
  )
  assert.is(utf8Length("\ud800a"), 4)
})

test("[CR 3.7] what is quoted is short and printable", () => {
  assert.is(quote("a\u001b[2J\u202e\u007f"), '"a\\u001b[2J\\u202e\\u007f"')
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), (s) => {
      const shown = quote(s)
      assert.ok(shown.length <= 6 * 43 + 2)
      assert.not(/[\p{Cc}\p{Cs}]/u.test(shown))
    }),
  )
})

test("paths are clear whatever the key", () => {
  assert.is(memberPath("", "a"), "a")
  assert.is(memberPath("a", "b-c_1"), "a.b-c_1")
  assert.is(memberPath("a", "b.c"), 'a["b.c"]')
  assert.is(memberPath("a", ""), 'a[""]')
})

test("positions are those of a count line by line", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "\n", "\r\n", "é"), { maxLength: 30 }), fc.nat(40), (parts, nth) => {
      const document = parts.join("")
      const offset = Math.min(nth, document.length)
      const before = document.slice(0, offset).split("\n")
      const expected = { line: before.length, column: before.at(-1)!.length + 1 }
      assert.equal(new Report("f", document).position(offset), expected)
    }),
  )
})

test("a shared subscription is taken apart at its group", () => {
  assert.equal(splitFilter("$share/g/a/#"), { group: "g", filter: "a/#" })
  assert.equal(splitFilter("$share/g//a"), { group: "g", filter: "/a" })
  assert.equal(splitFilter("plant/#"), { group: null, filter: "plant/#" })
})

test.run()
