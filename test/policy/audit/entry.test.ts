import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { encodeEntry, MAX_ENTRY_BYTES, parseEntry, type EntryFields } from "../../../policy/audit/entry.ts"
import { EVENTS, type AuditEvent, type EventId } from "../../../policy/audit/event.ts"
import { LockgateError } from "../../../policy/base/errors.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/audit/entry")

const EVENT: AuditEvent = {
  id: "conduit.denied",
  outcome: "denied",
  source: "conduit/sensors",
  subject: "pump-7",
  conduit: "sensors",
  object: "plant/line-a/pump-7/set",
  rule: "sensors-publish",
  reason: "no-rule",
  count: 3,
  detail: { action: "publish", qos: 1, retained: false },
}

function fields(event: AuditEvent, more: Partial<EntryFields> = {}): EntryFields {
  return {
    seq: 42,
    wallAt: Date.UTC(2030, 0, 2, 3, 4, 5, 678),
    time: { earliestAt: 1_000, latestAt: Infinity },
    boot: "b0",
    monotonicMs: 1234.9,
    gateway: "gw-1",
    event,
    ...more,
  }
}

const line = (f: EntryFields): string => Buffer.from(encodeEntry(f)).toString()

test("[CR 2.8] an entry bears timestamp, source, category, type, event id and result, in a fixed order", () => {
  assert.is(
    line(fields(EVENT)),
    '{"seq":42,"time":"2030-01-02T03:04:05.678Z","earliest":1000,"latest":null,"boot":"b0","mono":1234,' +
      '"gateway":"gw-1","source":"conduit/sensors","category":"access-control","type":"warning",' +
      '"event":"conduit.denied","outcome":"denied","subject":"pump-7","conduit":"sensors",' +
      '"object":"plant/line-a/pump-7/set","rule":"sensors-publish","reason":"no-rule","count":3,' +
      '"requirement":"NDR 5.2","detail":{"action":"publish","qos":1,"retained":false}}',
  )
})

test("what has nothing to say is left out; nobody is null", () => {
  const text = line(fields({ id: "gateway.started", outcome: "success", source: "gateway" }))
  assert.equal(Object.keys(JSON.parse(text) as object).slice(-3), ["outcome", "subject", "requirement"])
  assert.match(text, '"subject":null')
})

test("an entry reads back as it was written", () => {
  const entry = parseEntry(encodeEntry(fields(EVENT, { time: { earliestAt: 5, latestAt: 99 } })))
  const { subject, conduit, object, rule, reason, count, detail } = EVENT
  assert.equal(
    { ...entry },
    {
      seq: 42,
      time: "2030-01-02T03:04:05.678Z",
      earliest: 5,
      latest: 99,
      boot: "b0",
      mono: 1234,
      gateway: "gw-1",
      source: "conduit/sensors",
      category: "access-control",
      type: "warning",
      event: "conduit.denied",
      outcome: "denied",
      ...{ subject, conduit, object, rule, reason, count, detail },
      requirement: "NDR 5.2",
    },
  )
})

test("[CR 2.12] a person's request is named whole, whatever else the entry holds, in a field of its own", () => {
  const request = "0123456789abcdef".repeat(4)
  const detail = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`fact-${i}`, "v".repeat(200)]))
  const text = line(fields({ ...EVENT, object: "x".repeat(900), request, detail }))
  assert.match(text, `"count":3,"request":"${request}","requirement":`)
  assert.is(parseEntry(Buffer.from(text)).request, request)
})

test("[CR 2.8] every event of the vocabulary makes an entry", () => {
  for (const id of Object.keys(EVENTS) as EventId[]) {
    const entry = parseEntry(encodeEntry(fields({ id, outcome: "success", source: "test" })))
    assert.is(entry.event, id)
    assert.is(entry.category, EVENTS[id].category)
    assert.is(entry.type, EVENTS[id].severity)
  }
})

test("[CR 3.5] control characters, bidi marks and lone surrogates cannot break a line or drive a terminal", () => {
  const nasty = '\x1b[2J\r\n\x7f\x9b31m"\\\u202egpj.exe\u2028\u200b\ufeff\u{e0041}'
  const text = line(
    fields({ ...EVENT, object: `${nasty}\ud800`, subject: nasty.slice(0, 9), detail: { [nasty]: nasty } }),
  )
  // eslint-disable-next-line no-control-regex
  assert.not.match(text, /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]/)
  assert.not.match(text, "\u{e0041}")
  const entry = parseEntry(new TextEncoder().encode(text))
  assert.is(entry.subject, nasty.slice(0, 9))
  assert.is(Object.values(entry.detail ?? {})[0], nasty)
  assert.is(entry.object, `${nasty}\ufffd`)
})

test("a string too long is cut between characters and says so", () => {
  const cut = parseEntry(encodeEntry(fields({ ...EVENT, object: "é".repeat(1000) }))).object ?? ""
  assert.match(cut, /^é+…$/)
  assert.is(Buffer.from(cut).length <= 256, true)
  const exact = "x".repeat(256)
  assert.is(parseEntry(encodeEntry(fields({ ...EVENT, object: exact }))).object, exact)
  assert.is(parseEntry(encodeEntry(fields({ ...EVENT, object: `${exact}x` }))).object, `${"x".repeat(253)}…`)
})

test("facts that find no room are left out and counted", () => {
  const detail = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`fact-${i}`, "v".repeat(200)]))
  const entry = parseEntry(encodeEntry(fields({ ...EVENT, detail })))
  const kept = Object.keys(entry.detail ?? {}).length - 1
  assert.ok(kept > 0)
  assert.is(entry.detail?.["cut"], 40 - kept)
})

test("times that no calendar has do not break a line", () => {
  for (const wallAt of [NaN, Infinity, -1, 8.7e15, -0.5]) {
    const entry = parseEntry(encodeEntry(fields(EVENT, { wallAt, monotonicMs: wallAt })))
    assert.ok(Number.isFinite(Date.parse(entry.time)))
  }
})

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 600 }),
  fc.string({
    unit: fc.constantFrom("\x1b", '"', "\\", "\ud800", "é", "…", "\u{1f600}", "\u{e0041}", "a"),
    maxLength: 600,
  }),
)
const anyEvent: fc.Arbitrary<AuditEvent> = fc
  .record(
    {
      id: fc.constantFrom(...(Object.keys(EVENTS) as EventId[])),
      outcome: fc.constantFrom("success" as const, "failure" as const, "denied" as const),
      source: anyText,
      subject: fc.option(anyText),
      conduit: anyText,
      object: anyText,
      rule: anyText,
      reason: anyText,
      count: fc.double(),
      request: anyText,
      detail: fc.dictionary(anyText, fc.oneof(anyText, fc.double(), fc.boolean()), { maxKeys: 30 }),
    },
    { requiredKeys: ["id", "outcome", "source"] },
  )
  .map((event) => event as AuditEvent)

test("[CR 2.8] whatever is in an event, its entry is at most 1,024 bytes of UTF-8 and reads back", () => {
  fc.assert(
    fc.property(anyEvent, anyText, fc.double(), fc.maxSafeNat(), (event, gateway, wallAt, seq) => {
      const bytes = encodeEntry(
        fields(event, { gateway, boot: gateway, wallAt, monotonicMs: wallAt, seq: seq % 2 ** 47 }),
      )
      assert.ok(bytes.length <= MAX_ENTRY_BYTES, `${bytes.length} bytes`)
      assert.not(bytes.includes(0x0a))
      assert.is(parseEntry(bytes).event, event.id)
    }),
    { numRuns: 1000 },
  )
})

test("the worst case fits", () => {
  const worst = "\u{e0041}".repeat(600)
  const detail = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${worst}${i}`, worst]))
  const event = {
    source: worst,
    subject: worst,
    conduit: worst,
    object: worst,
    rule: worst,
    reason: worst,
    request: worst,
    detail,
  }
  for (const id of Object.keys(EVENTS) as EventId[]) {
    const bytes = encodeEntry({
      ...fields({ ...event, id, outcome: "success", count: Infinity }),
      ...{ seq: Infinity, wallAt: Infinity, monotonicMs: Infinity, boot: worst, gateway: worst },
      time: { earliestAt: 1e300, latestAt: 1e300 },
    })
    assert.ok(bytes.length <= MAX_ENTRY_BYTES, `${id}: ${bytes.length}`)
    parseEntry(bytes)
  }
})

test("[CR 3.5] bytes that are no entry are an input error, and nothing else", async () => {
  const good = encodeEntry(fields(EVENT))
  const random = seeded(1)
  for (const bytes of truncations(good)) await rejects(() => parseEntry(bytes), "ERR_AUDIT_ENTRY")
  const tries = [...bitFlips(good), ...Array.from({ length: 500 }, () => randomBytes(60, random))]
  let refused = 0
  for (const bytes of tries) {
    try {
      parseEntry(bytes)
    } catch (error) {
      assert.ok(error instanceof LockgateError && error.code === "ERR_AUDIT_ENTRY", String(error))
      refused++
    }
  }
  assert.ok(refused > 1000)
})

test("each part of an entry is judged", async () => {
  const good = JSON.parse(line(fields(EVENT))) as Record<string, unknown>
  const bad: readonly [string, readonly unknown[]][] = [
    ["seq", [-1, 1.5, "1", null, 2 ** 60]],
    ["time", ["", "now", 5, "2030-01-02 03:04:05"]],
    ["earliest", [null, "x"]],
    ["latest", ["x", true]],
    ["subject", [1, {}, undefined]],
    ["event", [null, 3]],
    ["count", [-3, "2"]],
    ["detail", [null, [], "x", { a: {} }, { a: null }]],
  ]
  for (const [key, values] of bad) {
    for (const value of values) {
      const bytes = Buffer.from(JSON.stringify({ ...good, [key]: value }))
      const error = await rejects(() => parseEntry(bytes), "ERR_AUDIT_ENTRY")
      assert.is(error.detail["key"], key)
    }
  }
  for (const text of ["", "null", "[]", "1", '"x"', "{}", '{"__proto__":{}}']) {
    await rejects(() => parseEntry(Buffer.from(text)), "ERR_AUDIT_ENTRY")
  }
  await rejects(() => parseEntry(Buffer.from(JSON.stringify({ ...good, x: "y".repeat(1024) }))), "ERR_AUDIT_ENTRY")
  assert.is(parseEntry(Buffer.from(JSON.stringify({ ...good, later: "release" }))).seq, 42)
})

test.run()
