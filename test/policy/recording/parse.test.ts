import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import { InputError } from "../../../policy/base/errors.ts"
import { encodeRecording } from "../../../policy/recording/encode.ts"
import { parseRecording } from "../../../policy/recording/parse.ts"
import type { ModbusFlow, Recording } from "../../../policy/recording/recording.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { makeFlow, makePeer, makeRecording, sha256 } from "../../support/recordings.ts"

const test = suite("policy/recording/parse")

const modbus: ModbusFlow = {
  kind: "modbus",
  unit: 3,
  function: 23,
  sub: null,
  range: { from: 10, to: 19 },
  written: { from: 100, to: 101 },
  verdict: "no-rule",
  count: 4,
  busiest: 2,
  firstMs: 10,
  lastMs: 2_000,
}
const SAMPLE = makeRecording([
  makePeer([makeFlow("plant/s-1/temp"), makeFlow('a "b"\\/ü', { action: "subscribe", qos: 1, maxBytes: 8 }), modbus]),
  makePeer([], { subject: "s-2", names: { sanUri: ["urn:x:s-2"], sanDns: [], commonName: null } }),
])

/** The text with its hash put right: what an attacker who can write the file would do. */
function sealed(text: string): Uint8Array {
  const body = text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1)
  const seal = JSON.stringify({ sha256: sha256(new TextEncoder().encode(body)) })
  return new TextEncoder().encode(`${body}${seal}\n`)
}
const written = (recording: Recording): string => new TextDecoder().decode(encodeRecording(recording, sha256))

function codeOf(bytes: Uint8Array): string {
  try {
    parseRecording(bytes, sha256)
    return "taken"
  } catch (error) {
    assert.instance(error, InputError)
    return (error as InputError).code
  }
}

test("a recording reads back as it was written, and is lines of JSON", () => {
  const bytes = encodeRecording(SAMPLE, sha256)
  assert.equal(parseRecording(bytes, sha256), SAMPLE)
  for (const line of new TextDecoder().decode(bytes).trimEnd().split("\n")) assert.type(JSON.parse(line), "object")
})

test("[CR 3.5] every cut and every flipped bit is refused by its hash", () => {
  const bytes = encodeRecording(makeRecording([makePeer([makeFlow("a/b")])]), sha256)
  for (const cut of truncations(bytes)) assert.is(codeOf(cut), "ERR_RECORDING_DAMAGED")
  let n = 0
  for (const flipped of bitFlips(bytes)) {
    if (n++ % 3 !== 0) continue
    assert.is(codeOf(flipped), "ERR_RECORDING_DAMAGED")
  }
  assert.is(codeOf(new Uint8Array(8 * 1024 * 1024 + 1)), "ERR_RECORDING_SIZE")
})

test("[CR 3.5] with a hash that fits, every bit flip gives a recording or a code, never anything else", () => {
  const bytes = encodeRecording(makeRecording([makePeer([makeFlow("a/b"), modbus])]), sha256)
  let taken = 0
  let n = 0
  for (const flipped of bitFlips(bytes)) {
    if (n++ % 2 !== 0) continue
    const text = new TextDecoder().decode(flipped)
    if (text.includes("\ufffd")) continue
    if (codeOf(sealed(text)) === "taken") taken++
  }
  assert.ok(taken > 50, "letters of names and digits may change")
})

/** Each breaks one rule of the format. */
const BREAKS: readonly (readonly [what: string, change: (text: string) => string])[] = [
  ["another format", (t) => t.replace('"lockgate-recording":1', '"lockgate-recording":2')],
  ["a member besides", (t) => t.replace('"minutes":60', '"minutes":60,"x":1')],
  ["a member twice", (t) => t.replace('"minutes":60', '"minutes":60,"minutes":60')],
  ["members in another order", (t) => t.replace('"qos":0,"retain":false', '"retain":false,"qos":0')],
  ["a space", (t) => t.replace('"minutes":60', '"minutes": 60')],
  ["an escape that is not needed", (t) => t.replace("plant/s-1", "pl\\u0061nt/s-1")],
  ["a control character", (t) => t.replace("plant/s-1", "plant\\u0007/s-1")],
  ["half a surrogate pair", (t) => t.replace("plant/s-1", "plant\\ud800/s-1")],
  ["a number with a fraction", (t) => t.replace('"count":60', '"count":60.5')],
  ["a negative number", (t) => t.replace('"firstMs":500', '"firstMs":-1')],
  ["a number too large", (t) => t.replace('"count":60', '"count":1e300')],
  ["busier than all", (t) => t.replace('"busiest":1', '"busiest":61')],
  ["the end before the beginning", (t) => t.replace('"lastMs":59500', '"lastMs":499')],
  ["an unknown verdict", (t) => t.replace('"verdict":"allowed"', '"verdict":"constructor"')],
  ["an unknown action", (t) => t.replace('"action":"publish"', '"action":"toString"')],
  ["another QoS", (t) => t.replace('"qos":0', '"qos":3')],
  ["a range backwards", (t) => t.replace('"from":10,"to":19', '"from":20,"to":19')],
  ["a flow without a peer", (t) => t.replace(/\{"peer".*\n/, "")],
  ["another number of flows", (t) => t.replace('"flows":3', '"flows":4')],
  ["a line between", (t) => t.replace('{"end"', '{}\n{"end"')],
  ["an empty line", (t) => t.replace('{"end"', '\n{"end"')],
  ["an end twice", (t) => t.replace(/(\{"end".*\n)/, "$1$1")],
  ["no end", (t) => t.replace(/\{"end".*\n/, "")],
  ["a list for an object", (t) => t.replace(/"names":\{[^}]*\}/, '"names":[]')],
  ["__proto__", (t) => t.replace('"minutes":60', '"minutes":60,"__proto__":{}')],
  ["carriage returns", (t) => t.replaceAll("\n", "\r\n")],
]
for (const [what, change] of BREAKS)
  test(`[CR 3.5] refuses ${what}`, () => {
    const text = written(SAMPLE)
    assert.is.not(change(text), text, "the break must bite")
    assert.is.not(codeOf(sealed(change(text))), "taken")
  })

test("[CR 3.5] a fault names its line", () => {
  const text = written(SAMPLE).replace('"count":60', '"count":0')
  assert.throws(() => parseRecording(sealed(text), sha256), /^line 3: /)
})

test("any text for a topic comes back (property)", () => {
  const topic = fc.string({ maxLength: 40, unit: "grapheme" }).filter((t) => !/[\u0000-\u001f\u007f-\u009f]/.test(t)) // eslint-disable-line no-control-regex
  fc.assert(
    fc.property(fc.array(topic, { maxLength: 5 }), (topics) => {
      const recording = makeRecording([makePeer(topics.map((t) => makeFlow(t)))])
      assert.equal(parseRecording(encodeRecording(recording, sha256), sha256), recording)
    }),
    { numRuns: 50 },
  )
})

test.run()
