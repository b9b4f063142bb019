import { isIP } from "node:net"
import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseAddress, parseAddressRange, rangeHolds } from "../../../policy/identity/address.ts"

const test = suite("policy/identity/address")

test("an address is what the system's own reader takes for one, however it is written", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/)), (text) => {
      assert.is(parseAddress(text) !== null, isIP(text) !== 0, text)
    }),
    { numRuns: 1000 },
  )
})

test("both spellings of one address are the same bytes", () => {
  assert.equal(parseAddress("2001:db8::1"), parseAddress("2001:0DB8:0:0:0:0:0:1"))
  assert.equal(parseAddress("::ffff:192.0.2.7"), [192, 0, 2, 7])
  assert.equal(parseAddress("fe80::1%eth0"), parseAddress("fe80::1"))
  assert.is(parseAddress("::1")?.length, 16)
})

test("a range holds exactly the addresses with its first bits", () => {
  const holds = (range: string, address: string) => rangeHolds(parseAddressRange(range)!, parseAddress(address)!)
  assert.ok(holds("192.0.2.0/25", "192.0.2.127"))
  assert.not(holds("192.0.2.0/25", "192.0.2.128"))
  assert.ok(holds("0.0.0.0/0", "255.255.255.255"))
  assert.not(holds("0.0.0.0/0", "::1"))
  assert.ok(holds("::/0", "::1"))
  assert.ok(holds("192.0.2.7", "192.0.2.7"))
  assert.not(holds("192.0.2.7", "192.0.2.6"))
  for (const none of [
    "192.0.2.1/24",
    "192.0.2.0/33",
    "192.0.2.0/024",
    "192.0.2.0/",
    "::1/64",
    "::ffff:192.0.2.0/120",
    "h",
  ]) {
    assert.is(parseAddressRange(none), null, none)
  }
})

test.run()
