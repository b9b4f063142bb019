import { suite } from "uvu"
import * as assert from "uvu/assert"
import { Validator } from "@cfworker/json-schema"
import { checkPayload, compileForm, explainPayload } from "../../../../policy/filter/payload/check-payload.ts"
import { MAX_INSPECTED_BYTES, MAX_JSON_DEPTH, type JsonForm } from "../../../../policy/language/payload-form.ts"
import { countReads } from "../../../support/counted-bytes.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../../support/hostile.ts"
import { asSchema, fits, makeForm, makeObject, randomForm, randomValue, write } from "../../../support/json-forms.ts"

const text = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const test = suite("policy/filter/payload, JSON")

const json = (form: JsonForm) => compileForm({ kind: "json", form })
const ANY = json(makeForm())

/** Checks bytes within others, so that reading beyond either end would show. */
function check(form: ReturnType<typeof json>, payload: string | Uint8Array): boolean {
  const bytes = typeof payload === "string" ? text.encode(payload) : payload
  const around = new Uint8Array(bytes.length + 8).fill(0x31)
  around.set(bytes, 3)
  const found = checkPayload(form, around, 3, 3 + bytes.length)
  assert.is(explainPayload(form, around, 3, 3 + bytes.length) === null, found, "explain says the same as check")
  return found
}

// Written for this test after the grammar of RFC 8259 and the kinds of cases that "Parsing JSON is a Minefield" (N. Seriot,
// 2016) found parsers to disagree on. Where the RFC leaves a choice, ours is the strict one.
const GOOD = `null|true|false|0|-0|1|-1|12.5|0.5e+3|1E5|1e-5|-0.0e0|1e308|5e-324|1e-400|123456789012345678901234567890|""|" "|"\\""|"\\\\\\/\\b\\f\\n\\r\\t"|"\\u0000"|"\\ud83d\\udea2"|"\\uD83D\\uDEA2"|"\\uffff"|"é\u{1f6a2}\u007f\u0080\ufeff\uffff"|[]|[1,2]|[[],[[]],{}]|{}|{"":0}|{"a":{"b":[]}}|  [ 1 , 2 ]\n|\t{ "a" : 1 , "b" : 2 }\r\n|{"a":1,"A":2}|{"a":1,"a ":2}|{"é":1,"e\u0301":2}|{"a":{"a":{"a":1}}}`
const BAD = `|  |nul|nulll|True|NaN|Infinity|-|+1|.5|5.|01|-01|1.e5|1e|1e+|1e5.5|0x10|1_000|- 1|1 2|--1|1e400|-1e400|${"9".repeat(400)}|0.${"0".repeat(1100)}1|"|"a|a"|'a'|"\\|"\\"|"\\x41"|"\\u12"|"\\u12g4"|"\\U0041"|"\\a"|"\\ud83d"|"\\udea2"|"\\ud83d\\ud83d"|"\\ud83dx"|"\\ud83d\\n"|"\\udea2\\ud83d"|"\n"|"\t"|"\u0000"|"\u001f"|[|]|[1|[1,|[1,]|[,1]|[1 2]|[1}|[1:2]|{|}|{"a"|{"a":|{"a":1|{"a":1,|{"a":1,}|{,}|{a:1}|{'a':1}|{"a" 1}|{1:1}|{"a":1 "b":2}|{"a":1]|{"a"::1}|{"a","b"}|[]]|{}{}|[]x|"a""b"|null null|\ufeff{}|{}\ufeff|//\n1|/**/1|1\u0000|\u00a01|1\u2028|\u000b1|{"a":1,"a":1}|{"a":1,"\\u0061":2}|{"é":1,"\\u00e9":2}|{"\u{1f6a2}":1,"\\ud83d\\udea2":2}|{"":1,"":2}|{"b":1,"a":{"c":1,"c":1}}|[{"x":1,"y":2,"x":3}]`
for (const [form, what] of [
  [ANY, "any form"],
  [json(makeForm({ additional: makeForm({ additional: makeForm() }), items: makeForm() })), "a form within"],
] as const) {
  test(`[CR 3.5] takes JSON by the letter of RFC 8259, ${what}`, () => {
    for (const good of GOOD.split("|")) assert.ok(check(form, good), good)
    // "|" stands in none of the bad ones.
    for (const bad of BAD.split("|")) assert.not.ok(check(form, bad), bad)
  })
}

test("[CR 3.5] refuses bytes that are not UTF-8, in a value as in a name", () => {
  const bad = [
    "80",
    "c080",
    "c1bf",
    "e08080",
    "eda080",
    "edbfbf",
    "f08080 80",
    "f4908080",
    "f5808080",
    "ff",
    "c3",
    "e282",
    "f09f9a",
  ]
  for (const hex of bad) {
    const middle = Buffer.from(hex.replaceAll(" ", ""), "hex")
    for (const [before, after] of [
      ['"', '"'],
      ['{"a', '":1}'],
      ['["x","', 'y"]'],
      ["", ""],
      ['"', ""],
    ] as const)
      assert.not.ok(
        check(ANY, Buffer.concat([Buffer.from(before), middle, Buffer.from(after)])),
        `${before}${hex}${after}`,
      )
  }
})

test("objects and arrays nest 32 deep, and no deeper", () => {
  const nested = (n: number): string => "[".repeat(n) + "]".repeat(n)
  const objects = (n: number): string => '{"a":'.repeat(n) + "1" + "}".repeat(n)
  assert.ok(check(ANY, nested(MAX_JSON_DEPTH)) && check(ANY, objects(MAX_JSON_DEPTH)))
  assert.not.ok(check(ANY, nested(MAX_JSON_DEPTH + 1)) || check(ANY, objects(MAX_JSON_DEPTH + 1)))
  assert.ok(check(ANY, `[${[nested(31), nested(31)].join()}]`))
})

const FORMS: readonly (readonly [over: Partial<JsonForm>, good: string, bad: string])[] = [
  [{ types: ["integer"] }, "1|-1|1.0|1e2|120e-1|-0|0.0|0e-9|1.5e1|1000000000000000000000000", `1.5|1e-1|12e-1|"1"|true|null|[]|{}|1.0000000000000000000000001|1e-400|0.1e0`],
  [{ types: ["number"] }, "1|1.5|-1e-3", `"1"|true|null|[]|{}`],
  [{ types: ["string"] }, `""|"1"`, "1|true|null|[]|{}"],
  [{ types: ["boolean"] }, "true|false", `0|"true"|null|[]|{}`],
  [{ types: ["null"] }, "null", "0|false|[]|{}"],
  [{ types: ["array", "null"] }, "null|[]|[1]", `0|{}|""`],
  [{ types: ["object"] }, "{}", "[]|null|1"],
  [{ types: [] }, "", `1|null|[]|{}|""`],
  [{ minimum: 0, maximum: 10 }, `0|-0|10|10.0|1e1|0.5|"x"|null|[99]`, "-1|10.5|11|-1e-300|1.1e1"],
  [{ exclusiveMinimum: 0, exclusiveMaximum: 10 }, `0.001|9.999|5e-324|""`, "0|-0|10|1e1|-5"],
  [{ maximum: 0.1 }, "0.1|0.10000000000000000001", "0.11|0.1000000000000001"],
  [{ minimum: 2 ** 53 }, "9007199254740992|9007199254740993", "9007199254740991"],
  [{ values: ["a", "é", 1, true, null] }, `"a"|"\\u0061"|"é"|"\\u00e9"|1|1.0|10e-1|true|null`, `"b"|"aa"|""|2|false|[]|{}|["a"]|"1"`],
  [{ values: [0] }, "0|-0|0.0|0e7", `1|"0"|null|false`],
  [{ values: [] }, "", `1|null|""|[]|{}|true`],
  [{ minLength: 2, maxLength: 3 }, `"ab"|"abc"|"\\u0061b"|"\u{1f6a2}\u{1f6a2}"|"\\ud83d\\udea2x"|1|[]`, `""|"a"|"abcd"|"\u{1f6a2}"|"\\ud83d\\udea2"`],
  [{ minItems: 1, maxItems: 2 }, `[1]|[[],[]]|{}|"abc"`, "[]|[1,2,3]"],
  [{ items: makeForm({ types: ["integer"] }) }, "[]|[1,2.0]|{}", "[1,1.5]|[[1]]|[null]"],
  [{ additional: false }, "{}|[]|1", `{"a":1}|{"":1}`],
  [{ additional: makeForm({ types: ["string"] }) }, `{}|{"a":"x"}`, `{"a":1}|{"a":"x","b":null}`],
] // prettier-ignore
test("[CR 3.5] each keyword takes and refuses what JSON Schema says", () => {
  for (const [over, good, bad] of FORMS) {
    const form = json(makeForm(over))
    for (const value of good === "" ? [] : good.split("|"))
      assert.ok(check(form, value), `${JSON.stringify(over)}: ${value}`)
    for (const value of bad.split("|")) assert.not.ok(check(form, value), `${JSON.stringify(over)}: ${value}`)
  }
})

const MOTOR = makeObject({
  id: makeForm({ types: ["string"], maxLength: 8 }),
  "speed?": makeForm({ types: ["number"], minimum: 0, maximum: 3000 }),
  "a/b~c?": makeForm({ types: ["array"], items: makeObject({ "x\u0007?": makeForm({ types: ["null"] }) }) }),
})
const EXPLAINED: readonly (readonly [payload: string, why: string | null])[] = [
  [`{"id":"m1","speed":3000}`, null],
  [`{"id":"m1","\\u0073peed":3000}`, null],
  [`{"id":"m1","speed":3001}`, "/speed, byte 19: is above the maximum 3000"],
  [`{"speed":1}`, 'at the top, byte 0: lacks the member "id"'],
  [`{"id":7}`, "/id, byte 6: should be a string"],
  [`{"id":"a secret value"}`, "/id, byte 6: is longer than 8 characters"],
  [`{"id":"m1","torque":1}`, "/torque, byte 11: the form knows no such member"],
  [`{"id":"m1","id":"m1"}`, "/id, byte 11: the member stands twice"],
  [`{"id":"m1","a/b~c":[{},{"x\\u0007":1}]}`, "/a~1b~0c/1/x\\u0007, byte 34: should be null"],
  [`{"id":"m1"`, "at the top, byte 10: the text ends too early"],
  [`[]`, "at the top, byte 0: should be an object"],
  [`{"id":"m1"}x`, "at the top, byte 11: something stands behind the JSON text"],
]
test("says where and why, without a value", () => {
  for (const [payload, why] of EXPLAINED) {
    const bytes = text.encode(payload)
    assert.is(explainPayload(json(MOTOR), bytes, 0, bytes.length), why)
  }
  const long = text.encode(`{"${"n".repeat(500)}":1}`)
  assert.ok((explainPayload(json(MOTOR), long, 0, long.length) ?? "").length < 100)
})

test("a form that was not compiled judges the same, and one that was travels between threads", () => {
  for (const [payload, why] of EXPLAINED) {
    const bytes = text.encode(payload)
    assert.is(checkPayload({ kind: "json", form: MOTOR }, bytes, 0, bytes.length), why === null)
    assert.is(checkPayload(structuredClone(json(MOTOR)), bytes, 0, bytes.length), why === null)
  }
})

test("forms that share their parts are compiled once each, however often they stand", () => {
  let form = makeForm({ types: ["integer"] })
  for (let k = 0; k < 24; k++)
    form = makeForm({ items: form, additional: form, properties: [{ name: "a", required: false, form }] })
  assert.ok(check(json(form), "[[[1.5]]]"))
  assert.not.ok(check(json(form), "[".repeat(24) + "1.5" + "]".repeat(24)))
})

test("random forms and documents: as JSON.parse and a slow check say, and as @cfworker/json-schema says", () => {
  const random = seeded(Date.now())
  let fitting = 0
  const rounds = 1000
  for (let k = 0; k < rounds; k++) {
    const form = randomForm(random)
    const compiled = json(form)
    const validator = new Validator(asSchema(form), "2020-12")
    for (let j = 0; j < 4; j++) {
      const payload = write(randomValue(random, form), random)
      const parsed = JSON.parse(payload)
      const expected = fits(form, parsed)
      if (check(compiled, payload) !== expected || validator.validate(parsed).valid !== expected)
        assert.unreachable(`${payload} and ${JSON.stringify(form)}: slow ${expected}, schema ${!expected}`)
      if (expected) fitting++
    }
  }
  assert.ok(fitting > rounds / 2 && fitting < 3.5 * rounds, `${fitting} fit`)
})

/** True if the payload may pass: JSON.parse takes it and the slow check too. */
function mayPass(form: JsonForm, bytes: Uint8Array): boolean {
  try {
    return fits(form, JSON.parse(decoder.decode(bytes)))
  } catch {
    return false
  }
}

test("[CR 3.5] no truncation passes, and a flipped bit only where JSON.parse and the form agree", () => {
  const form = json(MOTOR)
  const bytes = text.encode(`{"id":"\\ud83d\\udea2 é","speed":-0.5e-3,"a/b~c":[{"x\\u0007":null},{}]}`)
  const loose = json(makeForm())
  assert.ok(check(loose, bytes))
  for (const cut of truncations(bytes)) assert.not.ok(check(loose, cut))
  let passed = 0
  for (const flipped of bitFlips(bytes)) {
    if (check(loose, flipped)) passed++
    if (check(loose, flipped)) assert.ok(mayPass(makeForm(), flipped))
    if (check(form, flipped)) assert.ok(mayPass(MOTOR, flipped))
  }
  assert.ok(passed > 20)
})

test("[CR 3.5] random bytes and mutated texts pass only if JSON.parse takes them", () => {
  const random = seeded(Date.now() ^ 7)
  const alphabet = text.encode(`{}[]",:\\u0123456789abcdefnrtls.eE+- \u00e9`)
  for (let k = 0; k < 20_000; k++) {
    const bytes = k % 2 === 0 ? randomBytes(1 + (k % 6), random) : new Uint8Array(1 + (k % 9))
    if (k % 2 === 1) bytes.forEach((_, i) => (bytes[i] = alphabet[Math.floor(random() * alphabet.length)]!))
    if (checkPayload(ANY, bytes, 0, bytes.length))
      assert.ok(mayPass(makeForm(), bytes), Buffer.from(bytes).toString("hex"))
  }
})

/** Fill 256 KiB with `piece`, numbered where it has a `#`. */
function fill(before: string, piece: string, after: string): Uint8Array {
  const pieces: string[] = []
  let size = before.length + after.length
  for (let k = 0; ; k++) {
    const next = piece.replaceAll("#", k.toString(36))
    size += Buffer.byteLength(next)
    if (size > MAX_INSPECTED_BYTES) break
    pieces.push(next)
  }
  return text.encode(before + pieces.join("") + after)
}

/** Names of one hash: FNV-1a over code points, solved for the last ones. */
function colliding(count: number): string[] {
  const wanted = new Map<number, string[]>()
  const PRIME = 0x01000193
  // Two code points reach a given state from many prefixes: gather prefixes by what a last code point of theirs must be.
  const inverse = 0x359c449b
  assert.is(Math.imul(PRIME, inverse), 1)
  const target = Math.imul(0x12345678, inverse)
  for (let k = 0; wanted.size === 0 || [...wanted.values()][0]!.length < count; k++) {
    const prefix = `n${k.toString(36)}`
    let hash = 0x811c9dc5 | 0
    for (const character of prefix) hash = Math.imul(hash ^ character.charCodeAt(0), PRIME)
    // hash2 = (hash ^ x) * PRIME; need (hash2 ^ y) = target with y small: try every x.
    for (let x = 0x3000; x < 0x9000; x++) {
      const y = (Math.imul(hash ^ x, PRIME) ^ target) >>> 0
      if (y >= 0x3000 && y < 0x9000) {
        const name = prefix + String.fromCharCode(x, y)
        wanted.set(0, [...(wanted.get(0) ?? []), name])
        break
      }
    }
  }
  return wanted.get(0)!
}

test("[CR 3.5] a sender who makes names collide is refused, and one repeated name is found among very many", () => {
  const names = colliding(40)
  const object = (of: readonly string[]): string => `{${of.map((name) => `${JSON.stringify(name)}:1`).join()}}`
  assert.ok(check(ANY, object(names.slice(0, 8))))
  assert.ok(check(ANY, object(names.slice(0, 16))), "few are held pair by pair")
  assert.not.ok(check(ANY, object(names)))
  const bytes = text.encode(object(names))
  assert.match(explainPayload(ANY, bytes, 0, bytes.length) ?? "", "too many member names of one hash")
  const many = Array.from({ length: 20_000 }, (_, k) => `member ${k}`)
  assert.ok(check(ANY, object(many.slice(0, 15_000))))
  for (const [at, twice] of [[0, 14_999], [7, 8], [14_998, 3]] as const)
    assert.not.ok(check(ANY, object(many.slice(0, 15_000).with(at, many[twice]!)))) // prettier-ignore
})

test("[CR 3.5] the largest payload takes no more than 8 steps a byte, and a larger one is not looked at", () => {
  const named = json(
    makeForm({
      properties: Array.from({ length: 200 }, (_, k) => ({ name: `member ${k}`, required: k < 100, form: makeForm() })),
      values: null,
      items: makeForm({ values: Array.from({ length: 200 }, (_, k) => `member ${k}`) }),
    }),
  )
  const payloads: readonly (readonly [string, Uint8Array])[] = [
    ["[", fill("", "[", "")],
    ['{"a":', fill("", '{"a":', "")],
    ['{"a":1,', fill("", '{"a":1,', "")],
    ["flat arrays", fill("[0", ",[]", "]")],
    ["members", fill('{"":0', ',"#":1', "}")],
    ["members with long names", fill('{"":0', `,"${"long ".repeat(40)}#":1`, "}")],
    ["members of the form", fill('{"":0', ',"member #":1', "}")],
    ["objects", fill("[0", ',{"a":1,"b":2}', "]")],
    ["escapes", fill('"', "\\u0041", '"')],
    ["pairs", fill('"', "\\ud83d\\udea2", '"')],
    ["backslashes", fill('"', "\\\\", '"')],
    ["strings", fill('["', 'member 199","', '"]')],
    ["digits", fill("", "9", "")],
    ["zeros", fill("0.", "0", "")],
    ["exponents", fill("1e", "9", "")],
    ["numbers", fill("[1", ",12345678901234567890e-5", "]")],
    ["white space", fill("", " ", "1")],
    ["open string", fill('"', "x", "")],
    ["four-byte characters", fill('"', "\u{1f6a2}", '"')],
  ]
  for (const [name, bytes] of payloads) {
    assert.ok(
      bytes.length <= MAX_INSPECTED_BYTES && bytes.length > MAX_INSPECTED_BYTES - 300,
      `${name}: ${bytes.length}`,
    )
    const { view, reads } = countReads(bytes)
    checkPayload(named, view, 0, bytes.length)
    assert.ok(reads() <= 8 * bytes.length, `${name}: ${(reads() / bytes.length).toFixed(1)} steps a byte`)
  }
  const { view, reads } = countReads(new Uint8Array(MAX_INSPECTED_BYTES + 1).fill(0x20))
  assert.not.ok(checkPayload(ANY, view, 0, MAX_INSPECTED_BYTES + 1))
  assert.is(reads(), 0)
})

test("what is not in hand never fits", () => {
  const bytes = text.encode("[1]")
  for (const [start, end] of [
    [-1, 3],
    [0, 4],
    [2, 1],
  ] as const)
    // prettier-ignore
    assert.not.ok(checkPayload(ANY, bytes, start, end))
  assert.ok(checkPayload({ kind: "any" }, bytes, 0, 99))
})

test("[CR 3.5] utf8: well-formed, controls allowed", () => {
  const utf8 = (hex: string): boolean => {
    const bytes = Buffer.from(hex, "hex")
    const found = checkPayload({ kind: "utf8" }, bytes, 0, bytes.length)
    assert.is(explainPayload({ kind: "utf8" }, bytes, 0, bytes.length) === null, found)
    return found
  }
  for (const good of ["", "00", "7f", "c280", "c2a9", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf", "41c3a941"])
    assert.ok(utf8(good), good) // prettier-ignore
  for (const bad of ["80", "c0af", "c1bf", "c2", "c241", "e09fbf", "e0a0", "eda080", "f08fbfbf", "f0908041", "f4908080", "f5808080", "ff", "4180"])
    assert.not.ok(utf8(bad), bad) // prettier-ignore
  // Every sequence of two bytes, and a sample of longer ones, against the platform's decoder.
  const random = seeded(5)
  const lenient = (bytes: Uint8Array): boolean => {
    try {
      return decoder.decode(bytes) !== null
    } catch {
      return false
    }
  }
  for (let k = 0; k < 65_536 + 30_000; k++) {
    const bytes =
      k < 65_536
        ? Uint8Array.of(k >> 8, k & 0xff)
        : randomBytes(4, random).map((b, i) => (i === 0 ? b | 0xe0 : b & 0xbf))
    if (checkPayload({ kind: "utf8" }, bytes, 0, bytes.length) !== lenient(bytes)) assert.unreachable(bytes.toString())
  }
  const big = new Uint8Array(MAX_INSPECTED_BYTES + 1)
  assert.ok(checkPayload({ kind: "utf8" }, big, 1, big.length))
  assert.not.ok(checkPayload({ kind: "utf8" }, big, 0, big.length))
})

test.run()
