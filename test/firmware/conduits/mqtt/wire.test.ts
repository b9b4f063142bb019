import { suite } from "uvu"
import * as assert from "uvu/assert"
import {
  MAX_VARIABLE_INTEGER,
  measureVariableInteger,
  readVariableInteger,
  variableIntegerSize,
  writeVariableInteger,
} from "../../../../firmware/conduits/mqtt/variable-integer.ts"
import {
  checkTopicFilter,
  checkTopicName,
  isPrintable,
  isUtf8,
  printable,
} from "../../../../firmware/conduits/mqtt/text.ts"
import { Reader } from "../../../../firmware/conduits/mqtt/reader.ts"
import { Writer } from "../../../../firmware/conduits/mqtt/writer.ts"
import { faultOf, mqttError } from "../../../../firmware/conduits/mqtt/protocol-error.ts"
import { InputError } from "../../../../policy/base/errors.ts"
import { randomBytes, seeded, truncations } from "../../../support/hostile.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("firmware/conduits/mqtt: integers and strings on the wire")

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))

test("variable byte integers: the limits of each length, there and back", async () => {
  const sizes = [
    [0, 1],
    [127, 1],
    [128, 2],
    [16_383, 2],
    [16_384, 3],
    [2_097_151, 3],
    [2_097_152, 4],
    [MAX_VARIABLE_INTEGER, 4],
  ] as const
  for (const [value, size] of sizes) {
    assert.is(variableIntegerSize(value), size)
    const bytes = new Uint8Array(6).fill(0xff)
    assert.is(writeVariableInteger(bytes, 1, value), 1 + size)
    assert.is(readVariableInteger(bytes, 1, 1 + size), value)
    assert.is(measureVariableInteger(bytes, 1, 6), size)
    for (const cut of truncations(bytes.slice(1, 1 + size))) {
      assert.is(measureVariableInteger(cut, 0, cut.length), 0)
      await rejects(() => readVariableInteger(cut, 0, cut.length), "ERR_MQTT_TRUNCATED")
    }
  }
  assert.equal([...new Writer().variableInteger(321).body()], [0xc1, 0x02], "the example of section 1.5.5")
})

test("[CR 3.5] variable byte integers: five bytes and padded forms are refused", async () => {
  const five = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x01)
  await rejects(() => measureVariableInteger(five, 0, 5), "ERR_MQTT_LENGTH")
  await rejects(() => measureVariableInteger(five, 0, 4), "ERR_MQTT_LENGTH")
  assert.is(measureVariableInteger(five, 0, 3), 0)
  for (const padded of [
    [0x80, 0],
    [0xff, 0x80, 0],
    [0xff, 0xff, 0x80, 0],
  ]) {
    await rejects(() => readVariableInteger(Uint8Array.from(padded), 0, padded.length), "ERR_MQTT_LENGTH")
  }
})

test("UTF-8: every lead byte with every second byte, against the decoder of the platform", () => {
  const strict = new TextDecoder("utf-8", { fatal: true })
  const agrees = (bytes: Uint8Array): void => {
    let expected = !bytes.includes(0)
    try {
      strict.decode(bytes)
    } catch {
      expected = false
    }
    assert.is(isUtf8(bytes, 0, bytes.length), expected, [...bytes].join(" "))
  }
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      agrees(Uint8Array.of(first, second))
      if (first >= 0xe0) agrees(Uint8Array.of(first, second, 0x80))
      if (first >= 0xf0) agrees(Uint8Array.of(first, second, 0x80, 0xbf))
    }
  }
  const random = seeded(1)
  for (let i = 0; i < 2000; i++) agrees(randomBytes(1 + Math.floor(random() * 6), random))
  for (const sample of ["", "ascii", "äöü", "日本語", "\u{1F600}x\u{10FFFF}", "\ufeffbom"]) agrees(text(sample))
})

test("UTF-8: bounds are kept, a character cut by the end is refused", () => {
  const bytes = text("a\u{1F600}b")
  assert.is(isUtf8(bytes, 1, 5), true)
  for (let end = 2; end < 5; end++) assert.is(isUtf8(bytes, 1, end), false)
  assert.is(isUtf8(Uint8Array.of(0x61, 0), 0, 1), true)
})

test("topic names hold no wildcard and are not empty", async () => {
  for (const name of ["a", "/", "a//b", "$SYS/x", "ä/b c", "a\u0001"]) checkTopicName(text(name), 0, text(name).length)
  for (const [name, code] of [
    ["", "ERR_MQTT_TOPIC_NAME"],
    ["a/+", "ERR_MQTT_TOPIC_NAME"],
    ["#", "ERR_MQTT_TOPIC_NAME"],
    ["a+b", "ERR_MQTT_TOPIC_NAME"],
    ["a\u0000", "ERR_MQTT_UTF8"],
  ] as const) {
    await rejects(() => checkTopicName(text(name), 0, text(name).length), code)
  }
  await rejects(() => checkTopicName(Uint8Array.of(0xed, 0xa0, 0x80), 0, 3), "ERR_MQTT_UTF8")
  const around = text("+a+")
  checkTopicName(around, 1, 2)
})

test("topic filters: wildcards are whole levels, # is the last", async () => {
  const check = (filter: string, version: 4 | 5): boolean =>
    checkTopicFilter(text(`+${filter}+`), 1, 1 + text(filter).length, version)
  for (const filter of ["#", "+", "a/#", "+/+/#", "/", "a//+", "$SYS/#", "+/a", "$share", "$shared/a", "share/a/b"]) {
    assert.is(check(filter, 5), false, filter)
    assert.is(check(filter, 4), false, filter)
  }
  for (const filter of ["", "a#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "##", "++", "a/+#"]) {
    for (const version of [4, 5] as const) await rejects(() => check(filter, version), "ERR_MQTT_TOPIC_FILTER")
  }
  for (const filter of ["$share/g/a", "$share/g/#", "$share/g//", "$share/group-1/+/b"]) {
    assert.is(check(filter, 4), true, filter)
    assert.is(check(filter, 5), true, filter)
  }
  for (const filter of ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a"]) {
    assert.is(check(filter, 4), false)
    await rejects(() => check(filter, 5), "ERR_MQTT_TOPIC_FILTER")
  }
  await rejects(() => check("a\u0000", 5), "ERR_MQTT_UTF8")
})

test("printable text for the log: at most so many characters, nothing that forges a line", () => {
  const show = (value: string, limit?: number): string => printable(text(value), 0, text(value).length, limit)
  assert.is(show("plain/ä/日本"), "plain/ä/日本")
  assert.is(
    show("a\r\nb\u001b[31m\u007f\u0085\u2028\u202e\u2066\ufeff"),
    "a\ufffd\ufffdb\ufffd[31m" + "\ufffd".repeat(6),
  )
  assert.is(show("x".repeat(500)).length, 128)
  assert.is(show("\u{1F600}".repeat(100), 5), "\u{1F600}\u{1F600}")
  assert.is(printable(Uint8Array.of(0x61, 0xff, 0x62), 0, 3), "a\ufffdb")
  assert.is(isPrintable("a b/ä"), true)
  assert.is(isPrintable("a\u2029"), false)
})

test("a reader takes nothing from behind its end", async () => {
  const bytes = Uint8Array.of(0, 3, 0x61, 0x62, 0x63, 0x64)
  await rejects(() => new Reader(bytes, 0, 4).binary(), "ERR_MQTT_TRUNCATED")
  await rejects(() => new Reader(bytes, 0, 1).u16(), "ERR_MQTT_TRUNCATED")
  await rejects(() => new Reader(bytes, 0, 0).u8(), "ERR_MQTT_TRUNCATED")
  await rejects(
    () => new Reader(bytes, 0, 6).packetId() && new Reader(Uint8Array.of(0, 0), 0, 2).packetId(),
    "ERR_MQTT_PACKET_ID",
  )
  const reader = new Reader(bytes, 0, 6)
  assert.equal(reader.binary(), { start: 2, end: 5 })
  await rejects(() => reader.done(), "ERR_MQTT_TRAILING_BYTES")
  reader.u8()
  reader.done()
})

test("only errors of this room have an answer for the peer", () => {
  assert.is(faultOf(new InputError("ERR_ELSE", "x")), null)
  assert.is(faultOf(new InputError("toString", "x")), null)
  assert.is(faultOf(new TypeError("x")), null)
  assert.equal(faultOf(mqttError("ERR_MQTT_QUOTA", "x")), {
    code: "ERR_MQTT_QUOTA",
    detail: {},
    fault: { reason: 0x97, limit: true },
  })
})

test.run()
