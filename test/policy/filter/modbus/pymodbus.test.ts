import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ModbusRule, Range } from "../../../../policy/language/modbus-rule.ts"
import { pymodbusRequests, type PymodbusAsked } from "../../../peers/python3-pymodbus.ts"
import { seeded } from "../../../support/hostile.ts"
import { judgeModbusBy } from "../../../support/modbus-peers.ts"
import { makeModbusPolicy, makeModbusRule } from "../../../support/modbus-policies.ts"

const test = suite("policy/filter/modbus, requests that pymodbus builds")

const random = seeded(21)
const below = (n: number): number => Math.floor(random() * n)
const list = (n: number, limit = 65_536): number[] => Array.from({ length: n }, () => below(limit))

/** What is asked, and the rule that allows just that. */
type Case = readonly [asked: PymodbusAsked, names: Partial<ModbusRule>]

function span(limit: number, quantity = 1 + below(limit)): { at: number; count: number; ranges: Range[] } {
  const at = below(65_537 - quantity)
  return { at, count: quantity, ranges: [{ from: at, to: at + quantity - 1 }] }
}

function cases(): Case[] {
  const [coils, inputs, registers, input] = [span(2000), span(2000), span(125), span(125)]
  const [coil, register, writtenCoils, written, mask] = [span(1), span(1), span(1968), span(123), span(1)]
  const [read, queue] = [span(125), span(1)]
  const beside = span(121)
  const both = [...read.ranges, ...beside.ranges].sort((a, b) => a.from - b.from)
  const together = both[0]!.to >= both[1]!.from - 1
  const merged = [{ from: both[0]!.from, to: Math.max(both[0]!.to, both[1]!.to) }]
  const [file, record] = [1 + below(65_535), below(9990)]
  return [
    [{ code: 1, ...coils }, { coils: coils.ranges }],
    [{ code: 2, ...inputs }, { discreteInputs: inputs.ranges }],
    [{ code: 3, ...registers }, { registers: registers.ranges }],
    [{ code: 4, ...input }, { inputRegisters: input.ranges }],
    [{ code: 5, at: coil.at, values: list(1, 2) }, { coils: coil.ranges }],
    [{ code: 6, at: register.at, values: list(1) }, { registers: register.ranges }],
    [{ code: 7 }, {}],
    [{ code: 8, sub: 0, values: list(1) }, {}],
    [{ code: 8, sub: 11 }, {}],
    [{ code: 11 }, {}],
    [{ code: 12 }, {}],
    [{ code: 15, at: writtenCoils.at, values: list(writtenCoils.count, 2) }, { coils: writtenCoils.ranges }],
    [{ code: 16, at: written.at, values: list(written.count) }, { registers: written.ranges }],
    [{ code: 17 }, {}],
    [{ code: 20, files: [[file, record, 7]] }, { files: [{ file, records: { from: record, to: record + 6 } }] }],
    [{ code: 21, files: [[file, record, list(5)]] }, { files: [{ file, records: { from: record, to: record + 4 } }] }],
    [{ code: 22, at: mask.at, and: 0xf2, or: 0x25 }, { registers: mask.ranges }],
    [
      { code: 23, at: read.at, count: read.count, writeAt: beside.at, values: list(beside.count) },
      { registers: together ? merged : both },
    ],
    [{ code: 24, at: queue.at }, { fifos: queue.ranges }],
    [{ code: 43, at: 1 + below(4), count: below(7) }, {}],
  ]
}

/** Every way to take one address away from a rule's last range. */
function less(names: Partial<ModbusRule>): Partial<ModbusRule>[] {
  return (["coils", "discreteInputs", "registers", "inputRegisters", "fifos"] as const).flatMap((space) => {
    const ranges = names[space] ?? []
    return ranges.flatMap(({ from, to }, k) =>
      [
        { from: from + 1, to },
        { from, to: to - 1 },
      ].map((range) => ({ [space]: ranges.map((one, n) => (n === k ? range : one)).filter((r) => r.from <= r.to) })),
    )
  })
}

test("[CR 3.5] every request names what pymodbus was asked for: the rule for just that allows it, one address less does not", () => {
  const all = Array.from({ length: 12 }, cases).flat()
  const built = pymodbusRequests(all.map(([asked]) => asked))
  assert.is(built.length, all.length)
  all.forEach(([asked, names], k) => {
    const request = Uint8Array.from([3, ...built[k]!])
    const judge = (of: Partial<ModbusRule>): string =>
      judgeModbusBy(
        makeModbusPolicy([
          makeModbusRule({ units: [{ from: 3, to: 3 }], functions: [{ code: asked.code, sub: null }], ...of }),
        ]),
      )(request)
    assert.is(judge(names), "allowed rule", JSON.stringify(asked))
    for (const one of less(names)) assert.is(judge(one), "address rule", JSON.stringify([asked, one]))
  })
})

test.run()
