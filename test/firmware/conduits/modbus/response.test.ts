import { suite } from "uvu"
import * as assert from "uvu/assert"
import { fitsRequest } from "../../../../firmware/conduits/modbus/response.ts"

const test = suite("firmware/conduits/modbus/response")

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

/** Request, a good answer, and answers that do not fit; the first of each are the standard's own examples. */
const CASES: readonly (readonly [name: string, request: string, good: string, bad: readonly string[]])[] = [
  ["1", "01 0013 0013", "01 03 CD6B05", ["01 02 CD6B", "01 03 CD6B", "01 04 CD6B0500", "02 03 CD6B05"]],
  ["2", "02 00C4 0016", "02 03 ACDB35", ["02 03 ACDB3500", "02 02 ACDB"]],
  ["3", "03 006B 0003", "03 06 022B00000064", ["03 04 022B0000", "03 06 022B0000006400", "03 08 0000000000000000"]],
  ["4", "04 0008 0001", "04 02 000A", ["04 02 00", "04 01 00", "03 02 000A"]],
  ["5", "05 00AC FF00", "05 00AC FF00", ["05 00AD FF00", "05 00AC 0000", "05 00AC FF", "05 00AC FF0000"]],
  ["6", "06 0001 0003", "06 0001 0003", ["06 0001 0004", "06 0002 0003"]],
  ["7", "07", "07 6D", ["07", "07 6D00"]],
  ["8, an echo", "08 0000 A537", "08 0000 A537", ["08 0000 A538", "08 0001 A537", "08 0000"]],
  ["8, a counter", "08 000B 0000", "08 000B 1234", ["08 000C 1234", "08 000B 12", "08 000B 123456"]],
  ["11", "0B", "0B FFFF 0108", ["0B FFFF 01", "0B FFFF 010800"]],
  ["12", "0C", "0C 08 0000 0108 0121 2000", ["0C 07 0000 0108 0121 2000", "0C 05 0000 0108 01"]],
  ["15", "0F 0013 000A 02 CD01", "0F 0013 000A", ["0F 0013 000B", "0F 0013 000A 02"]],
  ["16", "10 0001 0002 04 000A0102", "10 0001 0002", ["10 0001 0001", "10 0002 0002"]],
  ["17", "11", "11 03 01FF 00", ["11 04 01FF 00", "11 00"]],
  [
    "20",
    "14 0E 06 0004 0001 0002 06 0003 0009 0002",
    "14 0C 05 06 0DFE 0020 05 06 33CD 0040",
    ["14 06 05 06 0DFE 0020", "14 0C 05 07 0DFE 0020 05 06 33CD 0040", "14 0C 03 06 0DFE 07 06 33CD 0040 0020"],
  ],
  [
    "21",
    "15 0D 06 0004 0007 0003 06AF 04BE 100D",
    "15 0D 06 0004 0007 0003 06AF 04BE 100D",
    ["15 0D 06 0004 0007 0003 06AF 04BE 100E"],
  ],
  ["22", "16 0004 00F2 0025", "16 0004 00F2 0025", ["16 0004 00F2 0026"]],
  ["23", "17 0003 0002 000E 0001 02 00FF", "17 04 00FE 0ACD", ["17 02 00FE", "17 06 00FE 0ACD 0001"]],
  [
    "24",
    "18 04DE",
    "18 0006 0002 01B8 1284",
    ["18 0006 0003 01B8 1284", "18 0004 0002 01B8 1284", `18 0042 0020 ${"0000".repeat(32)}`],
  ],
  [
    "43",
    "2B 0E 01 00",
    "2B 0E 01 01 00 00 01 00 02 4142",
    ["2B 0E 02 01 00 00 01 00 02 4142", "2B 0E 01 01 00 00 02 00 02 4142", "2B 0E 01 01 00 00 01 00 03 4142", "2B 0D"],
  ],
  ["a function of the maker's", "41 01", "41", ["42", "40 01"]],
]

for (const [name, request, good, bad] of CASES) {
  test(`[CR 3.5] function ${name}: its answer fits, and no other`, () => {
    const asked = hex(request)
    assert.ok(fitsRequest(asked, hex(good)))
    for (const answer of bad) assert.not(fitsRequest(asked, hex(answer)), answer)
    const code = asked[0]!
    for (let exception = 0; exception < 256; exception++) {
      assert.is(fitsRequest(asked, Uint8Array.of(code | 0x80, exception)), exception >= 1 && exception <= 11)
    }
    assert.not(fitsRequest(asked, Uint8Array.of(code | 0x80)))
    assert.not(fitsRequest(asked, Uint8Array.of(code | 0x80, 1, 0)))
    assert.not(fitsRequest(asked, Uint8Array.of(0x81 ^ (code & 1), 1)))
    assert.not(fitsRequest(asked, new Uint8Array(0)))
  })
}

test("[CR 3.5] every truncation of an answer is refused, but for functions that the standard does not define", () => {
  for (const [name, request, good] of CASES) {
    if (name.startsWith("a function")) continue
    const answer = hex(good)
    for (let end = 0; end < answer.length; end++) assert.not(fitsRequest(hex(request), answer.subarray(0, end)), name)
  }
})

test.run()
