import { suite } from "uvu"
import * as assert from "uvu/assert"
import {
  childrenOf,
  readBits,
  readBoolean,
  readElement,
  readOid,
  readTime,
  readUnsigned,
} from "../../../firmware/tls/der.ts"
import { LockgateError } from "../../../policy/base/errors.ts"

const test = suite("firmware/tls/der")

/** What `read` makes of the one element in `hex`, or `refused`. */
function outcome<T>(
  hex: string,
  read: (bytes: Uint8Array, element: ReturnType<typeof readElement>) => T,
): T | "refused" {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex")
  try {
    return read(bytes, readElement(bytes, 0, bytes.length))
  } catch (error) {
    if (error instanceof LockgateError && error.code === "ERR_CERTIFICATE") return "refused"
    throw error
  }
}

test("[CR 3.5] an element is read in its one form, within what holds it", () => {
  const cases: [string, number | "refused"][] = [
    ["0500", 0],
    ["040141", 1],
    [`0481 80 ${"00".repeat(128)}`, 128],
    [`0482 0100 ${"00".repeat(256)}`, 256],
    ["", "refused"],
    ["04", "refused"],
    ["0402 41", "refused"],
    ["0481 01 41", "refused"],
    [`0482 0080 ${"00".repeat(128)}`, "refused"],
    [`0483 000100 ${"00".repeat(256)}`, "refused"],
    ["0480 41 0000", "refused"],
    ["0484 00000001 41", "refused"],
    ["04ff", "refused"],
    ["1f01 00", "refused"],
    ["0481", "refused"],
    [`0482 01`, "refused"],
  ]
  for (const [hex, length] of cases)
    assert.is(
      outcome(hex, (_, { from, to }) => to - from),
      length,
      hex,
    )
})

test("[CR 3.5] an element does not reach beyond the end that it is given, though bytes follow", () => {
  const bytes = Buffer.from("30030402414243", "hex")
  assert.throws(() => childrenOf(bytes, readElement(bytes, 0, bytes.length)))
  assert.throws(() => readElement(Buffer.from("0402414243", "hex"), 0, 3))
})

test("[CR 3.5] children fill their parent, and there is a bound on them", () => {
  assert.equal(
    outcome("3006 0500 040141".replace("06", "05"), (bytes, element) => childrenOf(bytes, element).length),
    2,
  )
  assert.is(
    outcome("3003 0500 04", (bytes, element) => childrenOf(bytes, element).length),
    "refused",
  )
  const many = (count: number): string => `3082${(count * 2).toString(16).padStart(4, "0")}${"0500".repeat(count)}`
  assert.is(
    outcome(many(256), (bytes, element) => childrenOf(bytes, element).length),
    256,
  )
  assert.is(
    outcome(many(257), (bytes, element) => childrenOf(bytes, element).length),
    "refused",
  )
})

test("object identifiers: the two first arcs share a byte or more, the rest is in base 128", () => {
  const cases: [string, string][] = [
    ["0603 550413", "2.5.4.19"],
    ["0606 2a864886f70d", "1.2.840.113549"],
    ["0601 27", "0.39"],
    ["0602 8837", "2.999"],
    ["0600", "refused"],
    ["0602 5580", "refused"],
    ["0603 558001", "refused"],
    ["0608 55ffffffffffff7f", "refused"],
    ["0402 5504", "refused"],
  ]
  for (const [hex, expected] of cases) assert.is(outcome(hex, readOid), expected, hex)
})

test("[CR 3.5] times exist, in one of two forms, in UTC and to the second", () => {
  const time = (tag: string, text: string): number | "refused" => {
    const hex = Buffer.from(text).toString("hex")
    return outcome(`${tag}${text.length.toString(16).padStart(2, "0")}${hex}`, readTime)
  }
  assert.is(time("17", "491231235959Z"), Date.UTC(2049, 11, 31, 23, 59, 59))
  assert.is(time("17", "500101000000Z"), Date.UTC(1950, 0, 1))
  assert.is(time("18", "20500101000000Z"), Date.UTC(2050, 0, 1))
  assert.is(time("18", "99991231235959Z"), Date.UTC(9999, 11, 31, 23, 59, 59))
  assert.is(time("18", "20240229000000Z"), Date.UTC(2024, 1, 29))
  const bad = ["20230229000000Z", "20241301000000Z", "20240132000000Z", "20240101240000Z", "20240101006000Z"]
  for (const text of [
    ...bad,
    "20240101000060Z",
    "20240101000000",
    "20240101000000.5Z",
    "202401010000Z",
    "20240101000000+0000",
  ]) {
    assert.is(time("18", text), "refused", text)
  }
  for (const [tag, text] of [
    ["17", "20240101000000Z"],
    ["18", "240101000000Z"],
    ["04", "240101000000Z"],
    ["17", "2401010000Z"],
    ["17", "240101000000Z\n"],
  ] as const) {
    assert.is(time(tag, text), "refused", text)
  }
})

test("[CR 3.5] booleans, integers and bit strings have one form each", () => {
  const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
  assert.is(outcome("0101ff", readBoolean), true)
  assert.is(outcome("010100", readBoolean), false)
  for (const hex of ["010101", "0100", "0102ffff"]) assert.is(outcome(hex, readBoolean), "refused", hex)
  const integer = (hex: string): string => outcome(hex, (bytes, element) => hexOf(readUnsigned(bytes, element, "it")))
  assert.equal(["020100", "02017f", "02020080"].map(integer), ["00", "7f", "0080"])
  for (const hex of ["0200", "020180", "0202007f", "0202ff7f"]) assert.is(integer(hex), "refused", hex)
  const bits = (hex: string): string =>
    outcome(hex, (bytes, element) => `${hexOf(readBits(bytes, element).bits)}/${readBits(bytes, element).unused}`)
  assert.equal(["030100", "03020780"].map(bits), ["/0", "80/7"])
  for (const hex of ["0300", "03020880", "030101"]) assert.is(bits(hex), "refused", hex)
})

test.run()
