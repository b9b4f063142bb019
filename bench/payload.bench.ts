/**
 * What it costs to hold a payload against its form on the wire bytes, beside what a receiver does: JSON.parse and a schema
 * validator; protobufjs to objects and a loop over them. A JSON text of 200 bytes, a Sparkplug B payload of 10 metrics.
 */
import { Validator } from "@cfworker/json-schema"
import { checkPayload, compileForm } from "../policy/filter/payload/check-payload.ts"
import { asSchema, makeForm, makeObject } from "../test/support/json-forms.ts"
import { decodePayload, encodePayload } from "../test/support/sparkplug/payloads.ts"
import { fitsSlowly } from "../test/support/sparkplug/slow-check.ts"
import type { SparkplugMetric } from "../policy/language/payload-form.ts"
import { measure, ratio, report, table, type Case } from "./harness.ts"

const ROUNDS = 15
const DOCUMENTS = 64
const OPERATIONS = 4096

const reading = makeForm({ types: ["number"], minimum: -50, maximum: 500 })
const FORM = makeObject({
  timestamp: makeForm({ types: ["integer"], minimum: 0 }),
  device: makeForm({ types: ["string"], maxLength: 32 }),
  values: makeObject({ "temperature?": reading, "pressure?": reading, "flow?": reading, "level?": reading }),
  quality: makeForm({ values: ["good", "bad", "stale"] }),
  "tags?": makeForm({ types: ["array"], items: makeForm({ types: ["string"], maxLength: 40 }), maxItems: 8 }),
})
const METRICS: readonly SparkplugMetric[] = [
  { name: "bdSeq", types: ["Int64"], min: null, max: null },
  ...Array.from({ length: 20 }, (_, k): SparkplugMetric => {
    return { name: `Motor ${k}/Speed`, types: ["Double"], min: 0, max: 3000 }
  }),
  { name: "Alarm/*", types: ["Boolean"], min: null, max: null },
]

const text = new TextEncoder()
const documents = Array.from({ length: DOCUMENTS }, (_, k) =>
  text.encode(
    JSON.stringify({
      timestamp: 1_718_000_000_123 + k,
      device: `pump-${String(k).padStart(4, "0")}`,
      values: { temperature: 36.625 + k, pressure: 4.25, flow: 7.5 * k, level: k },
      quality: k % 2 === 0 ? "good" : "stale",
      tags: ["north", "2nd line", "vibration", "maintained 2024"],
    }),
  ),
)
const payloads = Array.from({ length: DOCUMENTS }, (_, k) =>
  encodePayload({
    timestamp: 1_718_000_000_123n,
    seq: BigInt(k),
    metrics: Array.from({ length: 10 }, (_, m) => {
      return { name: `Motor ${m + (k % 8)}/Speed`, datatype: 10, timestamp: 1_718_000_000_123n, doubleValue: k * m }
    }),
  }),
)

let sink = 0
/** A case that takes each payload in turn; it must pass them all. */
function caseOf(name: string, of: readonly Uint8Array[], check: (payload: Uint8Array) => boolean): Case {
  for (const payload of of) if (!check(payload)) throw new Error(`${name} refuses what fits`)
  const run = (): void => {
    for (let k = 0; k < OPERATIONS; k++) sink += Number(check(of[k % DOCUMENTS]!))
  }
  return { name, operations: OPERATIONS, run }
}

const json = compileForm({ kind: "json", form: FORM })
const sparkplug = compileForm({ kind: "sparkplug-b", metrics: METRICS })
const utf8 = compileForm({ kind: "utf8" })
const validator = new Validator(asSchema(FORM), "2020-12", true)
const parse = (bytes: Uint8Array): unknown =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"))

const allowed = new Map(METRICS.map((metric) => [metric.name, metric]))
/** What one would write by hand over the decoded object, names in a map. */
function fitsLoop(bytes: Uint8Array): boolean {
  const { metrics = [] } = decodePayload(bytes)
  return metrics!.every(({ name, datatype, doubleValue }) => {
    const rule = allowed.get(name ?? "")
    if (rule === undefined || datatype !== 10 || typeof doubleValue !== "number") return false
    return doubleValue >= (rule.min ?? -Infinity) && doubleValue <= (rule.max ?? Infinity)
  })
}

const groups: readonly (readonly [what: string, sample: Uint8Array, cases: readonly Case[]])[] = [
  [
    "JSON",
    documents[0]!,
    [
      caseOf("checkPayload", documents, (bytes) => checkPayload(json, bytes, 0, bytes.length)),
      caseOf("JSON.parse alone", documents, (bytes) => parse(bytes) !== null),
      caseOf("JSON.parse and @cfworker/json-schema", documents, (bytes) => validator.validate(parse(bytes)).valid),
      caseOf("utf8 alone", documents, (bytes) => checkPayload(utf8, bytes, 0, bytes.length)),
    ],
  ],
  [
    "Sparkplug B, 10 metrics",
    payloads[0]!,
    [
      caseOf("checkPayload", payloads, (bytes) => checkPayload(sparkplug, bytes, 0, bytes.length)),
      caseOf("protobufjs decode alone", payloads, (bytes) => decodePayload(bytes).metrics?.length === 10),
      caseOf("protobufjs decode and a loop", payloads, fitsLoop),
    ],
  ],
]

for (const payload of payloads)
  if (!fitsSlowly(METRICS, decodePayload(payload))) throw new Error("the slow check refuses what fits")

const ns = (x: number): string => Math.round(x).toLocaleString("en")
const rows = groups.flatMap(([what, sample, cases]) => {
  const measured = measure(cases, { rounds: ROUNDS, iterations: 5 })
  return measured.map((found) => {
    const { median, low, high } = ratio(found, measured[0]!)
    const spread = found === measured[0] ? "" : `${low.toFixed(2)}..${high.toFixed(2)}`
    return [
      `${what}: ${found.name}`,
      String(sample.length),
      ns(found.median),
      ns(found.mad),
      `${median.toFixed(2)}x`,
      spread,
    ]
  })
})
report(
  "Payload: inspection on the wire bytes",
  `
A form with ranges, lengths, listed values and no other members; ${DOCUMENTS} payloads that all fit, so that every check goes to
the end. Peers start from the same bytes. Medians of ${ROUNDS} interleaved rounds, ratios round by round.

${table(["check", "bytes", "ns", "MAD", "to ours", "95 %"], rows)}
`,
)
process.exitCode = sink === 0.5 ? 1 : 0
