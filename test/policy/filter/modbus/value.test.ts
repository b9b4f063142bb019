import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { REASON } from "../../../../policy/filter/verdict.ts"
import { POINT_WIDTH, type Point, type PointType } from "../../../../policy/language/modbus-rule.ts"
import { modbusPeer } from "../../../support/modbus-cases.ts"
import { judgeModbusBy, write } from "../../../support/modbus-peers.ts"
import { functions, makeModbusPolicy, makeModbusRule, makePoint } from "../../../support/modbus-policies.ts"

const test = suite("policy/filter/modbus, values")

const TYPES = Object.keys(POINT_WIDTH) as PointType[]

/** A policy that lets one point be written, at addresses 10 and up. */
function policyOf(over: Partial<Point>) {
  const point = makePoint({ at: 10, ...over })
  return makeModbusPolicy([
    makeModbusRule({ functions: functions(6, 16), registers: [{ from: 0, to: 99 }], points: [point] }),
  ])
}

/** The bits of a value of a type, the most significant register first. */
function registersOf(type: PointType, value: number): bigint {
  const view = new DataView(new ArrayBuffer(8))
  if (type === "float32") view.setFloat32(4, value)
  else if (type === "float64") view.setFloat64(0, value)
  else view.setBigUint64(0, BigInt.asUintN(64, BigInt(Math.trunc(value))))
  return BigInt.asUintN(POINT_WIDTH[type] * 16, view.getBigUint64(0))
}

function words(type: PointType, bits: bigint, lowFirst: boolean): number[] {
  const width = POINT_WIDTH[type]
  const high = Array.from({ length: width }, (_, k) => Number((bits >> BigInt(16 * (width - 1 - k))) & 0xffffn))
  return lowFirst ? high.reverse() : high
}

/** Numbers about which types, formats and comparisons go wrong. */
const EDGES = [
  ...[0, 0.4, 0.5, 1, 1.5, 100, 2 ** 15, 2 ** 16, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 2 ** 64, 1e300],
  ...[1.401298464324817e-45, 5e-324, 3.4028234663852886e38, 3.4028235677973366e38, Number.MAX_VALUE, 0.1, 16_777_217],
].flatMap((x) => (x === 0 ? [0, -0] : [x, -x, x - 1, 1 - x]))

/** Bits of values of a type: the edges that it can hold, their neighbours, and for floats infinities and several NaN. */
function bitsOf(type: PointType): bigint[] {
  const size = BigInt(POINT_WIDTH[type] * 16)
  const special =
    type === "float32"
      ? [0x7f800000n, 0xff800000n, 0x7fc00000n, 0xffc00000n, 0x7f800001n, 0xff800001n, 0x7fffffffn]
      : type === "float64"
        ? [0x7ffn, 0xfffn].flatMap((exponent) => [
            exponent << 52n,
            (exponent << 52n) + 1n,
            (exponent << 52n) | (1n << 51n),
          ])
        : [0n, 1n << (size - 1n), (1n << size) - 1n]
  const near = EDGES.filter(
    (x) => type.startsWith("float") || Number.isSafeInteger(Math.trunc(x)) || Math.abs(x) <= 2 ** 64,
  )
  return [...special, ...near.map((x) => registersOf(type, x))].flatMap((bits) =>
    [bits, bits + 1n, bits - 1n].map((each) => BigInt.asUintN(Number(size), each)),
  )
}

const CASES: Record<string, number> = {}
for (const type of TYPES) {
  test(`[CR 3.5] ${type}: every bound at every edge of value and both word orders, as the reference compares them`, () => {
    const values = [...new Set(bitsOf(type))]
    const bounds = [...new Set([...EDGES, Infinity, -Infinity])]
    let cases = 0
    let allowed = 0
    for (const [k, bound] of bounds.entries()) {
      const other = bounds[(k * 7 + 3) % bounds.length]!
      const pairs = [
        { min: bound, max: null },
        { min: null, max: bound },
        { min: bound, max: bound },
        { min: Math.min(bound, other), max: Math.max(bound, other) },
      ]
      for (const [n, pair] of pairs.entries()) {
        const lowFirst = (k + n) % 2 === 1
        const policy = policyOf({ type, words: lowFirst ? "low-first" : "high-first", ...pair })
        const compiled = compilePolicy(policy)
        const of = { conduit: "field", roles: ["operator"], essentialOnly: false, world: 0 }
        const peer = modbusPeer(policy, compiled, of)
        for (const bits of values) {
          const request = write(1, 10, ...words(type, bits, lowFirst))
          const mine = peer.filter(request)
          if (mine !== peer.reference(request)) {
            assert.unreachable(
              `${type} ${bits.toString(16)} in ${JSON.stringify(pair)} ${String(pair.min)}: ${mine & 0xff}`,
            )
          }
          cases++
          if ((mine & 0xff) === REASON.allowed) allowed++
        }
      }
    }
    CASES[type] = cases
    assert.ok(allowed > cases / 5 && allowed < (cases * 4) / 5, `${allowed} of ${cases}`)
  })
}

test("NaN fits no bounds, not even the widest; without bounds there is no value rule", () => {
  for (const [type, nan] of [
    ["float32", [0x7fc0, 0]],
    ["float32", [0xffc0, 1]],
    ["float64", [0x7ff8, 0, 0, 0]],
    ["float64", [0xfff0, 0, 0, 1]],
  ] as const) {
    const by = (over: Partial<Point>) => judgeModbusBy(policyOf({ type, ...over }))(write(1, 10, ...nan))
    assert.is(by({ min: -Infinity }), "value rule")
    assert.is(by({ max: Infinity }), "value rule")
    assert.is(by({}), "allowed rule")
  }
})

test("bounds between which nothing lies let nothing be written", () => {
  for (const [min, max] of [
    [0.2, 0.8],
    [70_000, null],
    [null, -1],
    [NaN, null],
    [null, NaN],
    [5, 4],
  ] as const) {
    const judge = judgeModbusBy(policyOf({ type: "uint16", min, max }))
    for (const value of [0, 1, 5, 0x7fff, 0x8000, 0xffff]) assert.is(judge(write(1, 10, value)), "value rule")
  }
})

test("[CR 3.5] a write that covers a part of a ranged point is refused, whatever it writes; of one without bounds it is not", () => {
  for (const type of TYPES) {
    const width = POINT_WIDTH[type]
    const ranged = judgeModbusBy(policyOf({ type, min: -1e30, max: 1e30 }))
    const free = judgeModbusBy(policyOf({ type }))
    for (let at = 5; at < 16; at++) {
      for (let count = 1; count <= 6; count++) {
        const request = write(1, at, ...new Array<number>(count).fill(0))
        const apart = at + count <= 10 || at >= 10 + width
        const whole = at <= 10 && at + count >= 10 + width
        assert.is(ranged(request), apart || whole ? "allowed rule" : "part-of-point rule", `${type} ${at} ${count}`)
        assert.is(free(request), "allowed rule")
      }
    }
  }
})

test.run()
