import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeMbap, MbapReader, type MbapFrame } from "../../../../firmware/conduits/modbus/mbap.ts"

const test = suite("firmware/conduits/modbus/mbap")

const READ = encodeMbap(7, 3, Uint8Array.of(3, 0, 40, 0, 2))

/** Everything that comes out of these chunks: frames as transaction and hex, and the fault. */
function readAll(chunks: readonly Uint8Array[]): string[] {
  const reader = new MbapReader()
  const seen: string[] = []
  for (const chunk of chunks) {
    const own = Uint8Array.from(chunk)
    reader.push(own)
    own.fill(0xaa)
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      seen.push(typeof frame === "string" ? frame : `${frame.transaction} ${Buffer.from(frame.adu).toString("hex")}`)
      if (typeof frame === "string") return seen
    }
  }
  return seen
}

test("[CR 3.5] a frame is read whole, and what is encoded is what the standard draws", () => {
  assert.is(Buffer.from(READ).toString("hex"), "000700000006030300280002")
  assert.equal(readAll([READ]), ["7 030300280002"])
})

test("[CR 3.5] every truncation is waited for, and gives no frame", () => {
  for (let end = 0; end < READ.length; end++) assert.equal(readAll([READ.subarray(0, end)]), [])
})

test("[CR 3.5] however the bytes are cut, the same frames come out", () => {
  const frames = fc.array(fc.tuple(fc.nat(65_535), fc.nat(255), fc.uint8Array({ minLength: 1, maxLength: 253 })), {
    maxLength: 6,
  })
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 })), (made, cuts) => {
      const bytes = Buffer.concat(made.map(([number, unit, pdu]) => encodeMbap(number, unit, pdu)))
      const chunks: Uint8Array[] = []
      let at = 0
      for (const cut of cuts) chunks.push(bytes.subarray(at, (at += cut)))
      chunks.push(bytes.subarray(at))
      const expected = made.map(([number, unit, pdu]) => `${number} ${Buffer.from([unit, ...pdu]).toString("hex")}`)
      assert.equal(readAll(chunks), expected)
    }),
    { numRuns: 200 },
  )
})

test("[CR 3.5] every flipped bit of the header is a fault, waits for more, or changes only the transaction", () => {
  for (let bit = 0; bit < 48; bit++) {
    const flipped = Uint8Array.from(READ)
    flipped[bit >> 3]! ^= 0x80 >> (bit & 7)
    const seen = readAll([flipped])
    if (bit < 16) assert.equal(seen[0]?.split(" ")[1], "030300280002")
    else if (bit < 32) assert.equal(seen, ["protocol-id"])
    else if (bit < 40) assert.equal(seen, ["frame-length"])
    else assert.ok(seen.length === 0 || seen[0] !== "7 030300280002", `bit ${bit}`)
  }
})

test("[CR 3.5] the length is 2..254: unit and function at least, a PDU of 253 bytes at most", () => {
  const frame = (length: number) => Uint8Array.of(0, 1, 0, 0, length >> 8, length & 0xff, ...new Array(300).fill(1))
  const fault = (length: number) =>
    typeof readAll([frame(length)])[0] === "string" && readAll([frame(length)])[0] === "frame-length"
  assert.equal([0, 1, 2, 254, 255, 256, 65_535].map(fault), [true, true, false, false, true, true, true])
})

test("[CR 7.1] garbage is refused at the first byte that cannot be, and is not collected", () => {
  assert.equal(readAll([Uint8Array.of(0x47, 0x45, 0x54)]), ["protocol-id"])
  assert.equal(readAll([Uint8Array.of(0, 0, 0, 0, 1)]), ["frame-length"])
  const reader = new MbapReader()
  for (let k = 0; k < 1000; k++) {
    reader.push(READ)
    assert.equal((reader.next() as MbapFrame).transaction, 7)
    assert.is(reader.heldBytes, 0)
  }
})

test.run()
