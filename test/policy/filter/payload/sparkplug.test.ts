import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { checkPayload, compileForm, explainPayload } from "../../../../policy/filter/payload/check-payload.ts"
import {
  MAX_INSPECTED_BYTES,
  SPARKPLUG_TYPES,
  type SparkplugMetric,
  type SparkplugType,
} from "../../../../policy/language/payload-form.ts"
import { countReads } from "../../../support/counted-bytes.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../../support/hostile.ts"
import { ROOT } from "../../../support/source-tree.ts"
import { decodePayload, encodePayload, randomMetrics, randomPayload } from "../../../support/sparkplug/payloads.ts"
import { fitsSlowly } from "../../../support/sparkplug/slow-check.ts"

const test = suite("policy/filter/payload, Sparkplug B")

const sparkplug = (metrics: readonly SparkplugMetric[]) => compileForm({ kind: "sparkplug-b", metrics })
const allow = (name: string, types: readonly SparkplugType[], min: number | null = null, max: number | null = null) =>
  ({ name, types, min, max }) satisfies SparkplugMetric

/** Checks bytes within others, so that reading beyond either end would show. */
function check(form: ReturnType<typeof sparkplug>, bytes: Uint8Array): boolean {
  const around = new Uint8Array(bytes.length + 24).fill(0x01)
  around.set(bytes, 11)
  const found = checkPayload(form, around, 11, 11 + bytes.length)
  assert.is(explainPayload(form, around, 11, 11 + bytes.length) === null, found, "explain says the same as check")
  return found
}

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/[^0-9a-f]/g, ""), "hex"))
/** A metric of these fields, in a payload. */
const one = (fields: string): Uint8Array => {
  const metric = hex(fields)
  assert.ok(metric.length < 128)
  return Uint8Array.from([0x12, metric.length, ...metric])
}

// Bytes by hand, after the encoding of Protocol Buffers and Sparkplug 3.0 sections 6.4.1 and 6.4.16.
const NAME = "0a 01 78" // "x"
const VALUES: readonly (readonly [type: SparkplugType, good: string, bad: string])[] = [
  ["Int8", "50 00|50 7f|50 80 01|50 ff 01|50 80 ff ff ff 0f|50 ff ff ff ff 0f", "50 80 02|50 ff fe ff ff 0f|58 01|70 01|50 80 80 04"],
  ["Int16", "50 ff ff 01|50 80 80 02|50 80 80 fe ff 0f|50 ff 01", "50 80 80 04|50 ff ff fd ff 0f|58 01"],
  ["Int32", "50 ff ff ff ff 0f|50 80 80 80 80 08|50 00", "50 ff ff ff ff 1f|50 ff ff ff ff ff ff ff ff ff 01|58 01"],
  ["Int64", "58 ff ff ff ff ff ff ff ff ff 01|58 00|58 80 80 80 80 80 80 80 80 80 01", "50 01|58 ff ff ff ff ff ff ff ff ff 02|58 ff ff ff ff ff ff ff ff ff ff 01"],
  ["UInt8", "50 00|50 ff 01", "50 80 02|58 01"],
  ["UInt16", "50 ff ff 03", "50 80 80 04|58 01"],
  ["UInt32", "50 ff ff ff ff 0f|58 ff ff ff ff 0f", "58 80 80 80 80 10|65 00000000"],
  ["UInt64", "58 ff ff ff ff ff ff ff ff ff 01", "50 01|69 0000000000000000"],
  ["Float", "65 0000803f|65 0000c07f|65 0000807f", "69 000000000000f03f|65 000080|50 01"],
  ["Double", "69 000000000000f03f|69 000000000000f87f", "65 0000803f|69 00000000000000"],
  ["Boolean", "70 00|70 01", "70 02|70 80 00|70 81 00|50 01"],
  ["String", "7a 00|7a 02 c3a9|7a 01 00", "7a 01 c3|7a 02 c0af|7a 03 61|82 01 01 61"],
  ["DateTime", "58 80 a0 c0 e8 f0 31", "50 01|7a 01 31"],
  ["Text", "7a 01 61", "7a 01 ff"],
  ["UUID", "7a 01 61", "58 01"],
] // prettier-ignore
test("[CR 3.5] each datatype is carried as the specification says, in its range", () => {
  assert.is(VALUES.length, Object.keys(SPARKPLUG_TYPES).length)
  for (const [type, good, bad] of VALUES) {
    const form = sparkplug([allow("x", [type])])
    const typed = `${NAME} 20 ${SPARKPLUG_TYPES[type].toString(16).padStart(2, "0")}`
    for (const value of good.split("|")) assert.ok(check(form, one(`${typed} ${value}`)), `${type} ${value}`)
    for (const value of bad.split("|")) assert.not.ok(check(form, one(`${typed} ${value}`)), `${type} ${value}`)
    assert.ok(check(form, one(`${typed} 38 01`)), `${type}, null`)
    assert.not.ok(check(form, one(`${typed} 38 00`)), `${type}, neither null nor a value`)
    assert.not.ok(check(form, one(typed)), `${type}, no value`)
    // Of another datatype than is allowed.
    const other = sparkplug([allow("x", [type === "Int8" ? "Int16" : "Int8"])])
    for (const value of good.split("|")) assert.not.ok(check(other, one(`${typed} ${value}`)))
    assert.not.ok(check(other, one(`${typed} 38 01`)))
  }
  for (const datatype of ["00", "10", "11", "13", "1f", "21", "2c", "41", "ff 01", "81 80 80 80 08", "8c 80 80 80 10"])
    for (const value of ["50 01", "38 01"])
      assert.not.ok(
        check(sparkplug([allow("x", ["Int8", "String"])]), one(`${NAME} 20 ${datatype} ${value}`)),
        datatype,
      )
})

const INT = sparkplug([allow("x", ["Int32"])])
const GOOD_METRIC = `${NAME} 20 03 50 05`
test("[CR 3.5] the wire format is read strictly: what two readers could take in two ways is refused", () => {
  for (const good of [
    "50 05 20 03 0a 01 78", // any order
    `${GOOD_METRIC} 10 07 18 80 a0 c0 e8 f0 31 28 01 30 00`,
    `${GOOD_METRIC} 42 00 4a 00`,
    `${GOOD_METRIC} 42 11 08 01 12 01 61 18 05 20 00 2a 00 32 00 3a 00 42 00`,
    `${GOOD_METRIC} 4a 09 0a 01 51 12 04 08 03 18 01`,
  ])
    assert.ok(check(INT, one(good)), good)
  for (const bad of [
    `${NAME} 50 05`, // no datatype
    "20 03 50 05", // no name
    "10 07 20 03 50 05", // an alias in its place
    `${GOOD_METRIC} ${NAME}`,
    `${GOOD_METRIC} 20 03`,
    `${GOOD_METRIC} 50 06`,
    `${GOOD_METRIC} 58 05`, // two values
    `${GOOD_METRIC} 38 00 38 00`,
    `${GOOD_METRIC} 10 07 10 07`,
    `${GOOD_METRIC} a0 01 00`, // field 20
    `${GOOD_METRIC} 9a 01 00`, // field 19, an extension
    `${GOOD_METRIC} 00 00`, // field 0
    `${GOOD_METRIC} 53 54`, // a group
    `${GOOD_METRIC} 54`,
    `${GOOD_METRIC} 56 00`, // wire type 6
    `${NAME} 20 83 00 50 05`, // a varint longer than it needs
    `${NAME} 20 03 50 85 00`,
    `${NAME} 20 03 d0 00 05`, // a tag longer than it needs
    `0a 81 00 78 20 03 50 05`, // a length longer than it needs
    `0a 02 78 20 03 50`, // eats what follows
    `0a 7f 78`,
    `0a ff ff ff ff 0f 78`,
    `0a ff ff ff ff ff ff ff ff ff 01 78`,
    `22 04 00000003 ${NAME} 50 05`, // datatype as bytes
    `${NAME} 25 03000000 50 05`, // as fixed32
    `${GOOD_METRIC} 28 02`,
    `${GOOD_METRIC} 42 02 08 02`,
    `${GOOD_METRIC} 42 04 08 01 08 01`,
    `${GOOD_METRIC} 42 02 48 01`,
    `${GOOD_METRIC} 42 03 08 01`, // ends outside the metric
    `${GOOD_METRIC} 4a 03 0a 01 51`, // a key without value
    `${GOOD_METRIC} 4a 02 12 00`, // a value without key
    `${GOOD_METRIC} 4a 09 0a 01 51 12 04 18 01 20 01`, // two values
    `${GOOD_METRIC} 4a 07 0a 01 51 12 02 5a 00`, // an extension
    `${GOOD_METRIC} 4a 05 0a 01 ff 12 00`,
    `0a 01 ff 20 03 50 05`,
  ])
    assert.not.ok(check(INT, one(bad)), bad)
  const metric = Buffer.from(one(GOOD_METRIC)).toString("hex")
  for (const good of ["", "08 01", "18 ff 01", "22 02 6964", "08 01 18 00", metric + metric, `18 05 ${metric} 08 01`])
    assert.ok(check(INT, hex(good)), good)
  for (const bad of ["00", "08", "08 80", "08 01 08 01", "18 01 18 01", "22 01 ff", "2a 00", "2a 01 00", "32 00", "10 01", "13 14", "12", "12 05", "0a 00", "09 0000000000000000", "80 80 00", "ff"])
    for (const around of ["", metric]) assert.not.ok(check(INT, hex(around + bad)), around + bad)
}) // prettier-ignore

test("properties nest 8 deep, and no deeper", () => {
  const field = (tag: number, content: readonly number[]): number[] =>
    content.length < 128 ? [tag, content.length, ...content] : [tag, (content.length & 0x7f) | 0x80, content.length >> 7, ...content]
  const nested = (depth: number): number[] =>
    depth === 0 ? [] : [...field(0x0a, [0x51]), ...field(0x12, depth % 2 === 0 ? field(0x4a, nested(depth - 1)) : field(0x52, field(0x0a, nested(depth - 1))))]
  const payload = (depth: number): Uint8Array =>
    Uint8Array.from(field(0x12, [...hex(GOOD_METRIC), ...field(0x4a, nested(depth))]))
  for (let depth = 0; depth <= 8; depth++) assert.ok(check(INT, payload(depth)), `${depth}`)
  for (let depth = 9; depth < 20; depth++) assert.not.ok(check(INT, payload(depth)), `${depth}`)
}) // prettier-ignore

const named = (name: string, fields = "20 03 50 05"): Uint8Array => {
  const bytes = Buffer.from(name)
  return one(`0a ${bytes.length.toString(16).padStart(2, "0")} ${bytes.toString("hex")} ${fields}`)
}
test("[CR 3.5] names: whole, or by their beginning; any of several entries may take the metric", () => {
  const form = sparkplug([
    allow("bdSeq", ["Int32"]),
    allow("Motor/*", ["Int32"], 0, 10),
    allow("Motor/Speed", ["Int32"], 100, 200),
    allow("Node Control/Rebirth", ["Boolean"]),
    allow("Größe \u{1f6a2}*", ["Int32"]),
    allow("a*b", ["Int32"]),
    allow("Motor/Speed", ["String"]),
  ])
  for (const good of ["bdSeq", "Motor/Speed", "Motor/", "Motor/Torque/Peak", "Größe \u{1f6a2}", "Größe \u{1f6a2}\u{1f6a2}", "a*b"])
    assert.ok(check(form, named(good)), good)
  for (const bad of ["", "bdSe", "bdSeqs", "BDSEQ", "Motor", "motor/x", "Gro\u0308ße \u{1f6a2}", "Größe ", "axb", "a*", "*", "Node Control/Rebirth", "x Motor/"])
    assert.not.ok(check(form, named(bad)), bad)
  const speed = (value: string): boolean => check(form, named("Motor/Speed", `20 03 50 ${value}`))
  assert.equal(["0a", "0b", "63", "64", "c8 01", "c9 01"].map(speed), [true, false, false, true, true, false])
  assert.ok(check(form, named("Motor/Speed", "20 0c 7a 01 78")))
  assert.not.ok(check(form, named("Motor/Torque", "20 0c 7a 01 78")))
  const all = sparkplug([allow("*", ["Int32"])])
  for (const good of ["", "x", "anything at all"]) assert.ok(check(all, named(good)))
  assert.not.ok(check(sparkplug([]), named("x")))
  assert.ok(check(sparkplug([]), new Uint8Array(0)))
}) // prettier-ignore

test("[CR 3.5] 64 bits are compared exactly against a bound that is a double", () => {
  const long = (type: SparkplugType, min: number | null, max: number | null, value: bigint): boolean => {
    const metric = { name: "x", datatype: SPARKPLUG_TYPES[type], longValue: BigInt.asUintN(64, value) }
    return check(sparkplug([allow("x", [type], min, max)]), encodePayload({ metrics: [metric] }))
  }
  const big = 2n ** 53n
  const CASES: readonly (readonly [SparkplugType, number | null, number | null, bigint, boolean])[] = [
    ["UInt64", null, 2 ** 53, big, true],
    ["UInt64", null, 2 ** 53, big + 1n, false],
    ["UInt64", 2 ** 53 + 2, null, big + 1n, false],
    ["UInt64", 2 ** 53 + 2, null, big + 2n, true],
    ["UInt64", 2 ** 63, 2 ** 64, 2n ** 64n - 1n, true],
    ["UInt64", 2 ** 64, null, 2n ** 64n - 1n, false],
    ["UInt64", -1, 1e300, 0n, true],
    ["UInt64", 0, 0, 0n, true],
    ["UInt64", 0.5, 1.5, 1n, true],
    ["UInt64", 1.5, null, 1n, false],
    ["UInt64", null, 0.5, 1n, false],
    ["Int64", -(2 ** 53), null, -big, true],
    ["Int64", -(2 ** 53), null, -big - 1n, false],
    ["Int64", null, -1.5, -1n, false],
    ["Int64", null, -0.5, -1n, true],
    ["Int64", -1, 1, -1n, true],
    ["Int64", -(2 ** 63), 2 ** 63, -(2n ** 63n), true],
    ["Int64", -(2 ** 63), -(2 ** 63), -(2n ** 63n) + 1n, false],
    ["Int64", null, 2 ** 32, 2n ** 32n, true],
    ["Int64", null, 2 ** 32, 2n ** 32n + 1n, false],
    ["Int64", -1e300, 1e300, 5n, true],
    ["DateTime", 1e12, null, 10n ** 12n - 1n, false],
  ] // prettier-ignore
  for (const [type, min, max, value, expected] of CASES)
    assert.is(long(type, min, max, value), expected, `${type} ${value} in ${min}..${max}`)
})

test("NaN fits only where no bound is set", () => {
  const double = (min: number | null, max: number | null, value: number): boolean =>
    check(sparkplug([allow("x", ["Double"], min, max)]), encodePayload({ metrics: [{ name: "x", datatype: 10, doubleValue: value }] }))
  assert.equal([[null, null], [0, null], [null, 0], [0, 1]].map(([min, max]) => double(min!, max!, NaN)), [true, false, false, false])
  assert.equal([double(0, null, Infinity), double(null, 1e308, Infinity), double(-0, 0, -0)], [true, false, true])
}) // prettier-ignore

const EXPLAINED: readonly (readonly [string, Uint8Array, string | null])[] = [
  ["fits", named("Motor/Speed"), null],
  ["value", named("Motor/Speed", "20 03 50 0b"), 'metric 1 "Motor/Speed": is above the maximum 10'],
  ["low", named("Motor/Speed", "20 03 50 ff ff ff ff 0f"), 'metric 1 "Motor/Speed": is below the minimum 0'],
  ["type", named("Motor/Speed", "20 0c 7a 01 78"), 'metric 1 "Motor/Speed": should be of type Int32 or Float'],
  ["NaN", named("Motor/Speed", "20 09 65 0000c07f"), 'metric 1 "Motor/Speed": is not a number, and has bounds'],
  ["name", named("Pump\n"), 'metric 1 "Pump\\n": is none of the allowed metrics'],
  ["alias", one("10 07 20 03 50 01"), "metric 1: has no name"],
  ["second", Uint8Array.from([...named("Motor/A"), ...named("Motor/B", "20 03 58 01")]), 'metric 2 "Motor/B": has a value that is not of its datatype'],
  ["body", hex("2a 00"), "the payload has a body, of which the form knows nothing"],
  ["json", new TextEncoder().encode('{"metrics":[]}'), "the payload is not Sparkplug B: a field that it does not know, or of the wrong wire type"],
] // prettier-ignore
test("says which metric and why, without a value", () => {
  const metrics = [allow("Motor/*", ["Int32", "Float"], 0, 10)]
  for (const [, bytes, why] of EXPLAINED) {
    assert.is(explainPayload(sparkplug(metrics), bytes, 0, bytes.length), why)
    // Not compiled, and after a journey to a worker.
    assert.is(checkPayload({ kind: "sparkplug-b", metrics }, bytes, 0, bytes.length), why === null)
    assert.is(checkPayload(structuredClone(sparkplug(metrics)), bytes, 0, bytes.length), why === null)
  }
})

test("random payloads as protobufjs writes them: the same verdict as a slow check on the object", () => {
  const random = seeded(Date.now())
  let fitting = 0
  const rounds = 6000
  for (let k = 0; k < rounds; k++) {
    const allowed = randomMetrics(random)
    const payload = randomPayload(random, allowed)
    const bytes = encodePayload(payload)
    const expected = fitsSlowly(allowed, decodePayload(bytes))
    if (check(sparkplug(allowed), bytes) !== expected)
      assert.unreachable(`slow ${expected}: ${JSON.stringify(allowed)} ${Buffer.from(bytes).toString("hex")}`)
    if (expected) fitting++
  }
  assert.ok(fitting > rounds / 5 && fitting < rounds * 0.9, `${fitting} fit`)
})

test("[CR 3.5] whatever bytes pass, protobufjs reads to an object that fits", () => {
  const random = seeded(Date.now() ^ 3)
  let passed = 0
  const mayPass = (allowed: readonly SparkplugMetric[], bytes: Uint8Array): void => {
    if (!checkPayload(sparkplug(allowed), bytes, 0, bytes.length)) return
    passed++
    assert.ok(fitsSlowly(allowed, decodePayload(bytes)), Buffer.from(bytes).toString("hex"))
  }
  for (let k = 0; k < 40; k++) {
    const allowed = randomMetrics(random)
    let bytes: Uint8Array = new Uint8Array(0)
    // Mutants of what does not fit hardly ever pass.
    for (
      let tries = 0;
      tries < 100 && (bytes.length < 20 || bytes.length > 150 || !check(sparkplug(allowed), bytes));
      tries++
    )
      bytes = encodePayload(randomPayload(random, allowed))
    for (const flipped of bitFlips(bytes)) mayPass(allowed, flipped)
    for (const cut of truncations(bytes)) mayPass(allowed, cut)
    for (let j = 0; j < 100; j++) {
      const mutated = bytes.slice()
      for (let n = 0; n < 3; n++) mutated[Math.floor(random() * mutated.length)] = Math.floor(random() * 256)
      mayPass(allowed, mutated)
      const at = Math.floor(random() * bytes.length)
      mayPass(allowed, Uint8Array.from([...bytes.subarray(0, at), ...randomBytes(1, random), ...bytes.subarray(at)]))
    }
  }
  assert.ok(passed > 500, `${passed} passed`)
})

test("[CR 3.5] no proper beginning of a payload of one metric passes", () => {
  const metric = encodePayload({ metrics: [{ name: "x", datatype: 3, intValue: 5, metadata: { md5: "0" } }] })
  assert.ok(check(INT, metric))
  for (const cut of truncations(metric)) assert.is(check(INT, cut), cut.length === 0)
})

test("[CR 3.5] the largest payload takes no more than 6 steps a byte, however many metrics are allowed", () => {
  const names = Array.from({ length: 500 }, (_, k) => `Line 1/Motor ${k}/Speed`)
  const form = sparkplug([
    ...names.map((name) => allow(name, ["Int32"])),
    ...names.map((name) => allow(`${name}/*`, ["Int32"])),
    allow("*", ["Int32"]),
  ])
  const repeat = (piece: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(Math.floor(MAX_INSPECTED_BYTES / piece.length) * piece.length)
    for (let at = 0; at < bytes.length; at += piece.length) bytes.set(piece, at)
    return bytes
  }
  const payloads = [
    repeat(named("Line 1/Motor 499/Speed")),
    repeat(named("Line 1/Motor 499/Speed/max")),
    repeat(named(`Line 1/Motor 49${"9".repeat(80)}`)),
    repeat(named("", "20 03 50 05")),
    repeat(one("")),
    repeat(hex("08 01")),
    encodePayload({ metrics: [{ name: "x".repeat(250_000), datatype: 3, intValue: 5 }] }),
    encodePayload({ metrics: [{ name: "x", datatype: 3, intValue: 5, properties: { keys: Array<string>(50_000).fill(""), values: Array<object>(50_000).fill({}) } }] }),
  ] // prettier-ignore
  for (const [k, bytes] of payloads.entries()) {
    const { view, reads } = countReads(bytes)
    const found = checkPayload(form, view, 0, bytes.length)
    assert.is(found, ![4, 5].includes(k), `payload ${k}`)
    assert.ok(reads() <= 6 * bytes.length, `payload ${k}: ${(reads() / bytes.length).toFixed(1)} steps a byte`)
  }
})

test("the generated coders are what the .proto says", () => {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-sparkplug-"))
  const script = join(ROOT, "test/support/sparkplug/generate.ts")
  const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: "utf8" })
  assert.is(status, 0, stderr)
  for (const name of ["sparkplug-b.generated.js", "sparkplug-b.generated.d.ts"])
    assert.is(
      readFileSync(join(folder, name), "utf8"),
      readFileSync(join(ROOT, "test/support/sparkplug", name), "utf8"),
    )
  rmSync(folder, { recursive: true })
})

test.run()
