import { compilePolicy } from "../../policy/compile/compile.ts"
import { decideModbus } from "../../policy/filter/modbus/decide.ts"
import { GATE_HOLDS, GATE_ON, GATE_OUTSIDE, GATE_WITHIN } from "../../policy/filter/modbus/layout.ts"
import {
  decideModbusReference,
  type ModbusAsked,
  type ModbusReferenceBuckets,
} from "../../policy/filter/modbus/reference.ts"
import type { CompiledPolicy } from "../../policy/filter/table.ts"
import { reasonName, ruleOf } from "../../policy/filter/verdict.ts"
import {
  POINT_WIDTH,
  type ModbusRule,
  type Point,
  type PointType,
  type Range,
} from "../../policy/language/modbus-rule.ts"
import type { Hours, Policy } from "../../policy/language/policy.ts"
import { chooser, type Chooser, type Comparison } from "./filter-cases.ts"
import { amid, ask, files, modbusStateFor, readWrite, write, writeCoils } from "./modbus-peers.ts"
import { ALL_FUNCTIONS, makeModbusConduit, makeModbusPolicy, makeModbusRule } from "./modbus-policies.ts"

const CONDUITS = ["field", "line", "inward", "outward"]
const ROLE_SETS = [["operator"], ["engineer"], ["engineer", "operator"], []]
const TYPES = Object.keys(POINT_WIDTH) as PointType[]
/** Few, so that things meet. */
const UNITS = [0, 1, 2, 7, 247, 255]
const CODES = [...ALL_FUNCTIONS.map(({ code }) => code), 65, 100, 127]
const HOURS: readonly Hours[] = [1, 2].map((day) => ({
  days: [day],
  fromMinute: 0,
  toMinute: 60,
  utcOffsetMinutes: 0,
}))
const BOUNDS = [
  null,
  -Infinity,
  -(2 ** 63),
  -(2 ** 31),
  -40.5,
  -1,
  -0,
  0,
  0.1,
  1,
  100,
  65_535,
  2 ** 31,
  1e10,
  2 ** 53,
  2 ** 64,
]

function ranges(choose: Chooser, limit: number): Range[] {
  const result: Range[] = []
  let at = choose.pick([0, 0, choose.below(6), limit - 12])
  while (at <= limit && choose.chance(0.75)) {
    const to = Math.min(limit, at + choose.pick([0, 0, 1, 3, 8, 200]))
    result.push({ from: at, to })
    at = to + 2 + choose.below(4)
  }
  return result
}

function pointsIn(choose: Chooser, registers: readonly Range[]): Point[] {
  const points: Point[] = []
  for (const { from, to } of registers) {
    let at = from + choose.below(2)
    while (choose.chance(0.6)) {
      const type = choose.pick(TYPES)
      if (at + POINT_WIDTH[type] - 1 > to) break
      const [a, b] = [choose.pick(BOUNDS), choose.pick(BOUNDS)]
      const swap = a !== null && b !== null && a > b
      const [min, max] = swap ? [b, a] : [a, b]
      points.push({ name: `p${at}`, at, type, words: choose.pick(["high-first", "low-first"]), min, max })
      at += POINT_WIDTH[type] + choose.below(2)
    }
  }
  return points
}

function subset<T>(choose: Chooser, of: readonly T[]): T[] {
  const some = of.filter(() => choose.chance(0.6))
  return some.length > 0 ? some : [choose.pick(of)]
}

function randomRule(choose: Chooser, number: number): ModbusRule {
  const deny = choose.chance(0.2)
  const registers = ranges(choose, 65_535)
  const codes = choose.chance(0.4) ? CODES : subset(choose, CODES)
  const gated = choose.chance(0.2)
  return makeModbusRule({
    id: `r${number}`,
    effect: deny ? "deny" : "allow",
    conduits: subset(choose, CONDUITS),
    roles: subset(choose, ["operator", "engineer"]),
    units: choose.pick([
      [{ from: 0, to: 255 }],
      [{ from: 1, to: 7 }],
      [{ from: 2, to: 2 }, { from: 200, to: 255 }], // prettier-ignore
      [{ from: 1, to: 1 }],
      [{ from: 0, to: 0 }],
    ]),
    functions: codes.map((code) => ({
      code,
      sub: code === 8 && choose.chance(0.5) ? [0, 2, 11, 12] : code === 43 && choose.chance(0.5) ? [14] : null,
    })),
    coils: ranges(choose, 65_535),
    discreteInputs: ranges(choose, 65_535),
    registers,
    inputRegisters: ranges(choose, 65_535),
    fifos: ranges(choose, 65_535),
    files: [1, 4, 65_535].flatMap((file) => ranges(choose, 9999).map((records) => ({ file, records }))),
    points: deny ? [] : pointsIn(choose, registers),
    rate: choose.chance(0.2) ? { perSecond: choose.pick([1, 3]), burst: choose.pick([1, 2, 5]) } : null,
    essential: choose.chance(0.3),
    hours: gated && choose.chance(0.6) ? choose.pick(HOURS) : null,
    emergency: gated && !deny && choose.chance(0.6) ? choose.pick(["fire", "flood"]) : null,
    when: gated && choose.chance(0.5) ? [{ input: "key", is: true, state: choose.pick(["run", "service"]) }] : null,
  })
}

/** A random policy over four conduits: TCP, a serial line, and one of each direction. */
export function randomModbusPolicy(choose: Chooser): Policy {
  const rules = Array.from({ length: 1 + choose.below(choose.chance(0.1) ? 40 : 8) }, (_, k) => randomRule(choose, k))
  return makeModbusPolicy(rules, ROLE_SETS, [
    makeModbusConduit(),
    makeModbusConduit({ name: "line", transport: { from: "tls", to: "rtu" } }),
    makeModbusConduit({ name: "inward", direction: "in" }),
    makeModbusConduit({ name: "outward", direction: "out", transport: { from: "tls", to: "rtu" } }),
  ])
}

/** Registers that stand at the edges of values: zero, the greatest, signs, infinities and what is no number. */
const EDGES = [0, 1, 100, 0x7fff, 0x8000, 0xffff, 0x7f80, 0xff80, 0x7ff0, 0xfff0, 0x7fc0, 0x42c8, 0x4024, 0xc222]

/** A request, most often near what the rules say, at times bent so that it is none. */
export function randomRequest(choose: Chooser, rules: readonly ModbusRule[]): Uint8Array {
  const rule = choose.pick(rules)
  const code = choose.chance(0.8) ? choose.pick(rule.functions).code : choose.pick(CODES)
  const unit = choose.chance(0.7) ? choose.pick(rule.units).from : choose.pick(UNITS)
  const request = requestNear(choose, rule, unit, code)
  if (choose.chance(0.06)) request[choose.below(request.length)] = choose.below(256)
  if (choose.chance(0.03)) return request.subarray(0, choose.below(request.length))
  return request
}

function near(choose: Chooser, of: readonly Range[], limit: number): number {
  const range = of.length === 0 ? { from: 0, to: 0 } : choose.pick(of)
  const at = choose.pick([range.from, range.from, range.to, range.from + choose.below(range.to - range.from + 1)])
  return Math.min(limit, Math.max(0, at + (choose.chance(0.2) ? choose.pick([-1, 1]) : 0)))
}

function requestNear(choose: Chooser, rule: ModbusRule, unit: number, code: number): Uint8Array {
  const few = choose.pick([1, 1, 2, 3, 4, 9])
  const edges = (count: number): number[] => Array.from({ length: count }, () => choose.pick(EDGES))
  const register = near(choose, rule.registers, 65_535)
  switch (code) {
    case 1:
      return ask(unit, 1, near(choose, rule.coils, 65_535), choose.pick([few, 2000, 2001]))
    case 2:
      return ask(unit, 2, near(choose, rule.discreteInputs, 65_535), choose.pick([few, 200]))
    case 3:
      return ask(unit, 3, register, choose.pick([few, 125, 126]))
    case 4:
      return ask(unit, 4, near(choose, rule.inputRegisters, 65_535), few)
    case 5:
      return ask(unit, 5, near(choose, rule.coils, 65_535), choose.pick([0, 0xff00]))
    case 6:
      return ask(unit, 6, register, choose.pick(EDGES))
    case 8:
      return ask(unit, 8, choose.pick([0, 2, 11, 12, 4, 7, 300]), 0)
    case 15:
      return writeCoils(unit, near(choose, rule.coils, 65_535), choose.pick([few, 200, 1968]))
    case 16: {
      const point = choose.chance(0.7) && rule.points.length > 0 ? choose.pick(rule.points) : null
      if (point === null) return write(unit, register, ...edges(few))
      return write(unit, point.at, ...edges(POINT_WIDTH[point.type] + choose.pick([0, 0, 0, 1, -1])).concat([7]))
    }
    case 20:
    case 21: {
      const rows = Array.from({ length: 1 + choose.below(3) }, () => {
        const one = rule.files.length === 0 ? { file: 1, records: { from: 0, to: 9 } } : choose.pick(rule.files)
        const count = choose.pick([1, 1, 2, 9])
        return [one.file, near(choose, [one.records], 9999), code === 20 ? count : edges(count)] as const
      })
      return files(unit, ...rows)
    }
    case 22:
      return ask(unit, 22, register, 0xf2, 0x25)
    case 23:
      return readWrite(unit, near(choose, rule.registers, 65_535), choose.pick([1, 2, 5]), register, ...edges(few))
    case 24:
      return ask(unit, 24, near(choose, rule.fifos, 65_535))
    case 43:
      return Uint8Array.from([unit, 43, choose.pick([14, 14, 13]), choose.pick([1, 4, 5]), 0])
    default:
      return Uint8Array.from([unit, code, ...new Array<number>(code < 18 ? 0 : choose.below(5)).fill(1)])
  }
}

/** What the gates of a table say in each of three worlds. */
const WORLDS = [
  { within: "yes", isOn: true, holds: "yes" },
  { within: "uncertain", isOn: false, holds: "uncertain" },
  { within: "no", isOn: true, holds: "yes" },
  { within: "yes", isOn: true, holds: "no" },
  { within: "yes", isOn: true, holds: "uncertain" },
] as const

/** A peer of the policy, for the filter and for the reference alike. */
export function modbusPeer(
  policy: Policy,
  compiled: CompiledPolicy,
  of: { conduit: string; roles: readonly string[]; essentialOnly: boolean; world: number },
) {
  const { within, isOn, holds } = WORLDS[of.world % WORLDS.length]!
  compiled.modbus.gates.forEach((gate, k) => {
    const hours = gate.hours === null || within === "yes" ? GATE_WITHIN : within === "no" ? GATE_OUTSIDE : 0
    const inputs = gate.when === null || holds === "yes" ? GATE_HOLDS : holds === "no" ? GATE_OUTSIDE : 0
    compiled.modbus.gateStates[k] = (gate.emergency === null || isOn ? GATE_ON : 0) | hours | inputs
  })
  const asked: ModbusAsked = { policy, ...of, within: () => within, isOn: () => isOn, holds: () => holds }
  const state = modbusStateFor(compiled, of)
  const buckets: ModbusReferenceBuckets = new Map()
  return {
    asked,
    filter: (request: Uint8Array, nowMs = 0): number => {
      const { bytes, start, end } = amid(request)
      return decideModbus(compiled.modbus, state, bytes, start, end, nowMs)
    },
    reference: (request: Uint8Array, nowMs = 0): number => decideModbusReference(asked, request, nowMs, buckets),
  }
}

/**
 * Judge at least `cases` random requests by random policies, by the filter and by its reference, buckets and gates
 * included. The same seed gives the same cases.
 */
export function compareModbus(cases: number, seed: number): Comparison {
  const choose = chooser(seed)
  const comparison: Comparison = { cases: 0, reasons: new Map(), differences: [] }
  while (comparison.cases < cases) {
    const policy = randomModbusPolicy(choose)
    const rules = policy.rules.filter((rule) => rule.protocol === "modbus")
    const compiled = compilePolicy(policy)
    for (let k = 0; k < 4; k++) {
      const of = {
        conduit: choose.pick([...CONDUITS, "field", "field", "none"]),
        roles: choose.pick([...ROLE_SETS, ["operator"], ["engineer", "operator"]]),
        essentialOnly: choose.chance(0.15),
        world: choose.below(WORLDS.length),
      }
      const peer = modbusPeer(policy, compiled, of)
      let nowMs = choose.below(1000)
      for (let n = 0; n < 15; n++) {
        nowMs += choose.below(400) - 40
        const request = randomRequest(choose, rules)
        const [mine, other] = [peer.filter(request, nowMs), peer.reference(request, nowMs)]
        noteModbus(comparison, mine, other, () =>
          JSON.stringify({ ...of, rules, request: Buffer.from(request).toString("hex"), nowMs }),
        )
      }
    }
  }
  return comparison
}

/** Count one case, and keep the first few differences. */
export function noteModbus(comparison: Comparison, mine: number, reference: number, what: () => string): void {
  comparison.cases++
  const reason = reasonName(reference)
  comparison.reasons.set(reason, (comparison.reasons.get(reason) ?? 0) + 1)
  if (mine === reference || comparison.differences.length >= 3) return
  const name = (v: number): string => `${reasonName(v)} by ${ruleOf(v)}`
  comparison.differences.push(`filter: ${name(mine)}; reference: ${name(reference)}; ${what()}`)
}
