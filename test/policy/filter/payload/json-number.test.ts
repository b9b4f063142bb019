import { suite } from "uvu"
import * as assert from "uvu/assert"
import { endOfNumber, isIntegral, nearestDouble } from "../../../../policy/filter/payload/json-number.ts"
import { seeded } from "../../../support/hostile.ts"

const test = suite("policy/filter/payload, numbers")
const text = new TextEncoder()

/** Whether the number has no fraction, by big integers: digits over a power of ten. */
function isIntegralSlowly(number: string): boolean {
  const [, whole = "", fraction = "", exponent = "0"] = /^-?(\d+)(?:\.(\d+))?(?:[eE](.+))?$/.exec(number) ?? []
  const shift = Number(exponent) - fraction.length
  const digits = BigInt(whole + fraction)
  return digits === 0n || shift >= 0 || (-shift < 2000 && digits % 10n ** BigInt(-shift) === 0n)
}

test("a number is the double that the engine makes of it, and integral if its digits say so", () => {
  const random = seeded(Date.now())
  const digits = (most: number, zeros: number): string =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () =>
      random() < zeros ? 0 : Math.floor(random() * 10),
    ).join("")
  for (let k = 0; k < 40_000; k++) {
    const whole = random() < 0.3 ? "0" : digits(k % 50 === 0 ? 340 : 20, 0.4).replace(/^0+(?=.)/, "")
    const fraction = random() < 0.4 ? `.${digits(20, 0.6)}` : ""
    const most = random() < 0.1 ? 700 : 60
    const exponent = random() < 0.6 ? `e${Math.round((random() - 0.5) * most)}` : random() < 0.2 ? `E+${k % 40}` : ""
    const number = `${random() < 0.3 ? "-" : ""}${whole}${fraction}${exponent}`
    const bytes = text.encode(`[${number},`)
    assert.is(endOfNumber(bytes, 1, bytes.length), bytes.length - 1, number)
    if (!Object.is(nearestDouble(bytes, 1, bytes.length - 1), Number(number))) assert.unreachable(number)
    if (isIntegral(bytes, 1, bytes.length - 1) !== isIntegralSlowly(number)) assert.unreachable(`${number} integral?`)
  }
})

test("an exponent of very many digits is as large as it looks", () => {
  for (const [number, value, integral] of [
    [`1e${"9".repeat(500)}`, Infinity, true],
    [`-1e${"9".repeat(500)}`, -Infinity, true],
    [`1e-${"9".repeat(500)}`, 0, false],
    [`0e${"9".repeat(500)}`, 0, true],
    [`1e${"0".repeat(500)}2`, 100, true],
    [`1${"0".repeat(500)}e-500`, 1, true],
    [`0.${"0".repeat(499)}1e500`, 1, true],
  ] as const) {
    const bytes = text.encode(number)
    assert.is(nearestDouble(bytes, 0, bytes.length), value)
    assert.is(isIntegral(bytes, 0, bytes.length), integral)
  }
})

test.run()
