import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import { AnswerReader } from "../../../../../firmware/conduits/modbus/rtu/answer-reader.ts"
import { crc16 } from "../../../../../firmware/conduits/modbus/rtu/crc.ts"
import { encodeFrame } from "../../../../../firmware/conduits/modbus/rtu/frame.ts"
import { hex } from "../../../../support/modbus-peers.ts"
import { bitFlips, chunks, randomBytes, seeded, truncations } from "../../../../support/hostile.ts"

const test = suite("firmware/conduits/modbus/rtu/answer-reader")

const reader = (asked: string, unit = 0x11, echo = false): AnswerReader =>
  new AnswerReader({ unit, pdu: hex(asked), echo })
const text = (pdu: Uint8Array | string | null): string | null =>
  pdu instanceof Uint8Array ? Buffer.from(pdu).toString("hex") : pdu
const frame = (pdu: string, unit = 0x11): Uint8Array => encodeFrame(unit, hex(pdu))
const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]))

/** Every function with an answer that fits, and answers of the same unit and function that do not. */
const PAIRS: readonly (readonly [what: string, asked: string, fits: string, unfit: readonly string[]])[] = [
  ["1 coils", "01 0013 0025", "01 05 cd6bb20e1b", ["01 04 cd6bb20e", "01 06 cd6bb20e1b00"]],
  ["2 inputs", "02 00c4 0008", "02 01 ac", ["02 02 acdb", "02 00"]],
  ["3 registers", "03 006b 0003", "03 06 ae4156524340", ["03 04 ae415652", "03 08 ae41565243400000", "03 00"]],
  ["4 input registers", "04 0008 0001", "04 02 000a", ["04 04 000a000b"]],
  ["5 coil", "05 00ac ff00", "05 00ac ff00", ["05 00ad ff00", "05 00ac 0000"]],
  ["6 register", "06 0001 0003", "06 0001 0003", ["06 0002 0003", "06 0001 0004"]],
  ["7 status", "07", "07 6d", []],
  ["8 loop", "08 0000 a537", "08 0000 a537", ["08 0000 a538", "08 0001 a537"]],
  ["8 counter", "08 000b 0000", "08 000b 0007", ["08 000c 0007"]],
  ["11 counter", "0b", "0b ffff 0108", []],
  ["12 log", "0c", "0c 08 0000 0108 0121 2000", []],
  ["15 coils", "0f 0013 000a 02 cd01", "0f 0013 000a", ["0f 0013 000b", "0f 0014 000a"]],
  ["16 registers", "10 0001 0002 04 000a0102", "10 0001 0002", ["10 0001 0003", "10 0002 0002"]],
  ["17 id", "11", "11 03 01 ff 07", []],
  ["20 file", "14 07 06 0004 0001 0002", "14 06 05 06 0dfe 0020", []],
  ["21 file", "15 09 06 0004 0007 0001 06af", "15 09 06 0004 0007 0001 06af", ["15 09 06 0004 0007 0001 06ae"]],
  ["22 mask", "16 0004 00f2 0025", "16 0004 00f2 0025", ["16 0004 00f2 0026"]],
  ["23 both", "17 0003 0002 000e 0001 02 00ff", "17 04 00fe 0acd", ["17 02 00fe", "17 06 00fe0acd0001"]],
  ["24 fifo", "18 04de", "18 0006 0002 01b8 1284", ["18 0006 0003 01b8 1284"]],
  ["43 id", "2b 0e 01 00", "2b 0e 01 01 00 00 02 00 03 414243 01 01 44", ["2b 0e 02 01 00 00 00"]],
]

for (const [what, asked, fits, unfit] of PAIRS) {
  test(`[CR 3.5] function ${what}: its answer is taken as soon as it is whole, in any chunks`, () => {
    const whole = frame(fits)
    assert.is(text(reader(asked).push(whole)), text(hex(fits)))
    for (let round = 1; round <= 20; round++) {
      const one = reader(asked)
      const parts = [...chunks(whole, round, seeded(round))]
      const got = parts.map((part) => text(one.push(part)))
      assert.equal(got, [...parts.slice(1).map(() => null), text(hex(fits))])
    }
  })
  test(`[CR 3.5] function ${what}: what is cut, flipped, of another unit or does not fit is never taken`, () => {
    const whole = frame(fits)
    const refused = [
      ...truncations(whole),
      ...bitFlips(whole),
      ...unfit.map((pdu) => frame(pdu)),
      frame(fits, 0x12),
      encodeFrame(0x11, Uint8Array.from([(hex(asked)[0]! + 1) & 0x7f, ...hex(fits).subarray(1)])),
    ]
    for (const bytes of refused) {
      const one = reader(asked)
      assert.is(one.push(bytes), null, Buffer.from(bytes).toString("hex"))
      assert.not.instance(one.silence(), Uint8Array, Buffer.from(bytes).toString("hex"))
    }
  })
  test(`function ${what}: an exception is an answer`, () => {
    const code = hex(asked)[0]! | 0x80
    const exception = encodeFrame(0x11, Uint8Array.from([code, 2]))
    assert.equal(reader(asked).push(exception), Uint8Array.from([code, 2]))
  })
}

const READ = "03 006b 0003"
const ANSWER = "03 06 ae4156524340"
const FOUND = text(hex(ANSWER))

test("a function whose answer tells no length ends with the silence", () => {
  const one = reader("65 01 02")
  assert.is(one.push(frame("65 aa bb cc")), null)
  assert.is(text(one.silence()), "65aabbcc")
  const cut = reader("65 01 02")
  cut.push(frame("65 aa bb cc").subarray(0, -1))
  assert.is(cut.silence(), "damaged")
})

test("zeros and ones of a line that turns round do not delay an answer", () => {
  for (const glitch of ["00", "ff", "00 ff 00"])
    assert.is(text(reader(READ).push(join(hex(glitch), frame(ANSWER)))), FOUND)
})

test("after noise an answer is found when the line falls silent", () => {
  for (const noise of ["55", "11", "11 03", "11 03 06 01 02", "12 03 06 00 00 00 00 00 00 aa bb", "00 00 00 00"]) {
    const one = reader(READ)
    assert.is(one.push(join(hex(noise), frame(ANSWER))), null, noise)
    assert.is(text(one.silence()), FOUND, noise)
  }
})

test("an answer of another unit is passed over, and the own one still taken", () => {
  const one = reader(READ)
  assert.is(one.push(frame(ANSWER, 0x12)), null)
  assert.is(one.silence(), null)
  assert.is(one.heard, true)
  assert.is(text(one.push(frame(ANSWER))), FOUND)
})

test("what was meant to be the answer and is damaged is told as that", () => {
  const flipped = frame(ANSWER)
  flipped[5]! ^= 4
  for (const bytes of [flipped, frame(ANSWER).subarray(0, 7)]) {
    const one = reader(READ)
    assert.is(one.push(bytes), null)
    assert.is(one.silence(), "damaged")
  }
  assert.is(reader(READ).silence(), null)
})

test("of two answers glued together the first counts, and nothing behind it", () => {
  assert.is(text(reader(READ).push(join(frame(ANSWER), frame("03 06 000000000000")))), FOUND)
})

test("[CR 3.5] an exception that somebody wrote into the registers is no answer, however the frame is hurt", () => {
  // Registers whose values are a whole exception frame, checksum included.
  const fake = encodeFrame(0x11, hex("83 04"))
  const inside = encodeFrame(0x11, join(hex("03 0a aa"), fake, hex("bb cc dd ee")))
  const asked = "03 0000 0005"
  const hurt = [...truncations(inside), ...bitFlips(inside)]
  for (let from = 1; from < 4; from++) hurt.push(inside.slice(from))
  for (const bytes of hurt) {
    for (const size of [1, 3, 300]) {
      const one = reader(asked)
      for (const part of chunks(bytes, size, seeded(bytes.length))) assert.is(one.push(part), null)
      // Cut exactly behind the fake: nobody could tell it apart then.
      const endsWithFake = Buffer.from(bytes).subarray(-fake.length).equals(Buffer.from(fake))
      if (!endsWithFake) assert.not.instance(one.silence(), Uint8Array, Buffer.from(bytes).toString("hex"))
    }
  }
})

test("with an echo only what comes after our own bytes counts: an echo is no answer to a write", () => {
  const write = "06 0001 0003"
  const own = frame(write)
  const dead = reader(write, 0x11, true)
  assert.is(dead.push(own), null)
  assert.is(dead.silence(), null)
  assert.is(text(reader(write, 0x11, true).push(join(own, own))), text(hex(write)))
  const parts = reader(READ, 0x11, true)
  const got = [...chunks(join(hex("00"), frame(READ), frame(ANSWER)), 3, seeded(5))].map((p) => text(parts.push(p)))
  assert.is(got.at(-1), FOUND)
  // An answer without the echo before it is an old one, or the echo was spoilt: somebody spoke at the same time.
  const without = reader(READ, 0x11, true)
  assert.is(without.push(frame(ANSWER)), null)
  assert.is(without.silence(), "damaged")
})

test("an echo that the board file does not know of is noticed", () => {
  const one = reader(READ)
  assert.is(one.push(join(frame(READ), frame(ANSWER))), null)
  assert.is(text(one.silence()), FOUND)
  assert.ok(one.echoed)
})

test("endless noise is taken in bounded room and does not hide that nothing fits", () => {
  const random = seeded(7)
  const one = reader(READ)
  for (let n = 0; n < 200; n++) assert.is(one.push(randomBytes(97, random)), null)
  assert.is(one.push(randomBytes(5_000, random)), null)
  assert.is(one.push(frame(ANSWER)), null)
  assert.is(text(one.silence()), FOUND)
})

test("[CR 3.5] whatever comes, what is taken is a frame of the unit with its function and a right checksum", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }),
      fc.constantFrom(...PAIRS),
      fc.boolean(),
      (parts, [, asked, fits], echo) => {
        const one = reader(asked, 0x11, echo)
        for (const part of [...parts, frame(fits)]) {
          const found = one.push(part) ?? one.silence()
          if (!(found instanceof Uint8Array)) continue
          assert.is(found[0]! & 0x7f, hex(asked)[0])
          assert.is(crc16(encodeFrame(0x11, found)), 0)
        }
      },
    ),
    { numRuns: 300 },
  )
})

test.run()
