import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import type { FromLine, ToLine } from "../../../firmware/lines/wire.ts"
import {
  decodeFromLine,
  decodeToLine,
  encodeFromLine,
  encodeToLine,
  MAX_MESSAGE_BYTES,
  WireReader,
} from "../../../firmware/lines/wire.ts"
import { readFromLines, writeFromLines, type FromLines } from "../../../firmware/lines/control.ts"
import { bitFlips, chunks, randomBytes, seeded, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/lines/wire")

const TO: readonly ToLine[] = [
  { kind: "use", line: "line-a" },
  { kind: "use", line: "L".repeat(64) },
  { kind: "ask", id: 0, master: 0, priority: 0, unit: 0, pdu: Uint8Array.of(7) },
  { kind: "ask", id: 2 ** 32 - 1, master: 2 ** 32 - 1, priority: 1, unit: 255, pdu: new Uint8Array(253).fill(255) },
  { kind: "forget", master: 70_000 },
  { kind: "recall", id: 2 ** 32 - 1 },
]
const FROM: readonly FromLine[] = [
  { id: 5, outcome: { kind: "answer", pdu: Uint8Array.of(3, 2, 0, 1) } },
  { id: 2 ** 32 - 1, outcome: { kind: "answer", pdu: new Uint8Array(253) } },
  { id: 6, outcome: { kind: "broadcast" } },
  ...(["timeout", "lost", "garbled", "busy", "closed", "recalled"] as const).map((why): FromLine => ({
    id: 1,
    outcome: { kind: "none", why },
  })),
]
const stream = (messages: readonly Uint8Array[]): Uint8Array => Uint8Array.from(messages.flatMap((m) => [...m]))

test("every message comes back as it was, in any chunks", () => {
  for (const size of [1, 2, 7, 100, 10_000]) {
    const to = new WireReader()
    const from = new WireReader()
    const random = seeded(size)
    const told = [...chunks(stream(TO.map(encodeToLine)), size, random)].flatMap((part) => [...to.push(part)])
    assert.equal(told.map(decodeToLine), TO)
    const said = [...chunks(stream(FROM.map(encodeFromLine)), size, random)].flatMap((part) => [...from.push(part)])
    assert.equal(said.map(decodeFromLine), FROM)
  }
})

test("[CR 3.5] what is cut, changed or random is a message or a fault, and takes bounded room", async () => {
  const tryAll = (bytes: Uint8Array, decode: (message: Uint8Array) => unknown): void => {
    try {
      for (const message of new WireReader().push(bytes)) decode(message)
    } catch (error) {
      assert.is((error as { code?: string }).code, "ERR_LINE_WIRE")
    }
  }
  for (const [bytes, decode] of [
    ...TO.map((m) => [encodeToLine(m), decodeToLine] as const),
    ...FROM.map((m) => [encodeFromLine(m), decodeFromLine] as const),
  ]) {
    for (const hurt of [...truncations(bytes), ...bitFlips(bytes)]) tryAll(hurt, decode)
    // A message cut at its own length.
    for (const cut of truncations(bytes.subarray(2)))
      try {
        decode(cut)
      } catch (error) {
        assert.is((error as { code?: string }).code, "ERR_LINE_WIRE")
      }
  }
  const random = seeded(1)
  for (let n = 0; n < 300; n++) {
    tryAll(randomBytes(300, random), decodeToLine)
    tryAll(randomBytes(300, random), decodeFromLine)
  }
  for (const length of [0, MAX_MESSAGE_BYTES - 1, 65_535])
    await rejects(() => [...new WireReader().push(Uint8Array.of(length >> 8, length & 0xff, 1, 2))], "ERR_LINE_WIRE")
})

test("[CR 3.5] another release, a name that is none, and an empty request are refused", async () => {
  for (const bytes of [
    [1, 1, 65],
    [1, 2],
    [1, 2, 46],
    [1, 2, 65, 0],
    [1, 2, ...new Array(65).fill(65)],
    [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3],
    [3, 0],
    [9],
  ])
    // prettier-ignore
    await rejects(() => decodeToLine(Uint8Array.from(bytes)), "ERR_LINE_WIRE")
  for (const bytes of [[16, 0, 0, 0, 1], [6, 0, 0, 0, 1], [17, 0, 0, 0, 1, 0], [0, 0, 0], []])
    await rejects(() => decodeFromLine(Uint8Array.from(bytes)), "ERR_LINE_WIRE")
})

test("[CR 3.5] what the process says is read strictly", async () => {
  const good: readonly FromLines[] = [
    { kind: "ready" },
    { kind: "event", line: "a", event: { kind: "opened" } },
    { kind: "event", line: "a", event: { kind: "echo" } },
    { kind: "event", line: "a", event: { kind: "lost", code: "ERR_SERIAL_LOST", text: "gone" } },
    { kind: "event", line: "*", event: { kind: "refused", code: "ERR_LINE_WIRE" } },
  ]
  for (const message of good) assert.equal(readFromLines(Buffer.from(writeFromLines(message))), message)
  const long = writeFromLines({ kind: "event", line: "a", event: { kind: "lost", code: "ERR_X", text: "x".repeat(9_999) } }) // prettier-ignore
  assert.ok(long.length < 500)
  for (const text of [
    "",
    "1",
    "null",
    "[]",
    "{}",
    '{"kind":"event"}',
    '{"kind":"event","line":"a","event":{"kind":"lost","code":"x","text":""}}',
    '{"kind":"event","line":7,"event":{"kind":"opened"}}',
    '{"kind":"event","line":"a","event":{"kind":"lost","code":"ERR_X"}}',
    '{"kind":"event","line":"a","event":{"kind":"other","code":"ERR_X","text":""}}',
    "\xff",
  ])
    // prettier-ignore
    await rejects(() => readFromLines(Buffer.from(text, "latin1")), "ERR_LINES_CONTROL")
  fc.assert(
    fc.property(fc.json(), (text) => {
      try {
        readFromLines(Buffer.from(text))
      } catch (error) {
        assert.is((error as { code?: string }).code, "ERR_LINES_CONTROL")
      }
    }),
    { numRuns: 200 },
  )
})

test.run()
