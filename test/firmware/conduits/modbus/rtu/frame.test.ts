import { suite } from "uvu"
import * as assert from "uvu/assert"
import { crc16 } from "../../../../../firmware/conduits/modbus/rtu/crc.ts"
import { encodeFrame } from "../../../../../firmware/conduits/modbus/rtu/frame.ts"
import { lineTiming } from "../../../../../firmware/conduits/modbus/rtu/line-timing.ts"
import { hex } from "../../../../support/modbus-peers.ts"
import { bitFlips, truncations } from "../../../../support/hostile.ts"

const test = suite("firmware/conduits/modbus/rtu/frame")

/** Whole frames, checksum last; the first is the worked example of the standard's own text on the checksum. */
const FRAMES = ["02 07 41 12", "01 03 00 00 00 0A C5 CD", "11 03 00 6B 00 03 76 87", "11 03 06 AE 41 56 52 43 40 49 AD"]

for (const text of FRAMES)
  test(`the checksum of ${text} is right, and no other`, () => {
    const frame = hex(text)
    assert.is(crc16(frame), 0)
    assert.equal(encodeFrame(frame[0]!, frame.subarray(1, -2)), frame)
    for (const flipped of bitFlips(frame)) assert.not(crc16(flipped) === 0)
    for (const cut of truncations(frame)) if (cut.length > 2) assert.not(crc16(cut) === 0)
  })

test("a checksum is taken of a part, too, and of nothing is its own beginning", () => {
  const frame = hex(`ff ${FRAMES[1]} ff`)
  assert.is(crc16(frame, 1, frame.length - 1), 0)
  assert.is(crc16(new Uint8Array(0)), 0xffff)
})

test("what cannot be a request is a fault of ours", () => {
  for (const [unit, bytes] of [[1, 0], [1, 254], [-1, 1], [256, 1], [NaN, 1]] as const) // prettier-ignore
    assert.throws(() => encodeFrame(unit, new Uint8Array(bytes)), (e: any) => e.code === "ERR_RTU_FRAME") // prettier-ignore
  assert.is(encodeFrame(247, new Uint8Array(253)).length, 256)
})

test("silence is 3.5 characters, but 1.75 ms above 19,200 baud; a gap is longer than what a driver gathers", () => {
  assert.is(Math.round(lineTiming({ baud: 1_200, frame: "8E1" }).silentMs * 100), 3208)
  assert.is(Math.round(lineTiming({ baud: 19_200, frame: "8N1" }).silentMs * 1000), 1823)
  assert.is(lineTiming({ baud: 38_400, frame: "8E1" }).silentMs, 1.75)
  assert.is(lineTiming({ baud: 921_600, frame: "8N2" }).silentMs, 1.75)
  for (const baud of [1_200, 9_600, 921_600]) {
    const { gapMs, byteMs } = lineTiming({ baud, frame: "8E1" })
    assert.ok(gapMs > 16 * byteMs + 16)
  }
})

test.run()
