import { classOf } from "../policy/filter/decide.ts"
import {
  createModbusBuckets,
  createModbusState,
  decideModbus,
  type ModbusState,
} from "../policy/filter/modbus/decide.ts"
import type { CompiledPolicy } from "../policy/filter/table.ts"
import type { ModbusTable } from "../policy/filter/modbus/table.ts"
import { isAllowed, REASON, type Verdict } from "../policy/filter/verdict.ts"
import type { ModbusRule, Range } from "../policy/language/modbus-rule.ts"
import type { Policy } from "../policy/language/policy.ts"
import { seeded } from "../test/support/hostile.ts"
import { ask, write, writeCoils } from "../test/support/modbus-peers.ts"
import { functions, makeModbusPolicy, makeModbusRule, makePoint } from "../test/support/modbus-policies.ts"

/** Requests as they come over TCP, one frame behind the other in a buffer, and whose they are. */
export interface ModbusLoad {
  readonly bytes: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly states: readonly ModbusState[]
  /** The peer's view of the same frames, made beforehand. */
  readonly frames: readonly Buffer[]
  /** The role of each request's client. */
  readonly roles: readonly string[]
  readonly allowed: number
}

const ROLES = Array.from({ length: 20 }, (_, k) => `role-${k}`)
const CLIENTS = 1000
/** Bytes before the unit: transaction, protocol, length. */
const HEADER = 6
const UNITS = 32

/** `dense`: one role and four units share all rules, so that thousands speak of one unit's registers. */
export interface PlantShape {
  readonly dense: boolean
}

/** A plant: `count` rules over 20 roles and 32 units; with few rules each speaks of all roles, else of one. */
export function modbusPlant(count: number, { dense }: PlantShape = { dense: false }, seed = 7): Policy {
  const random = seeded(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const rules = Array.from({ length: count }, (_, k): ModbusRule => {
    const unit = 1 + below(dense ? 4 : UNITS)
    const from = below(65_000)
    const range: Range = { from, to: from + 3 + below(40) }
    const kind = random()
    const writes = kind >= 0.45 && kind < 0.65
    const points = writes && random() < 0.5 ? [makePoint({ at: from, type: "float32", min: 0, max: 100 })] : []
    const of: Partial<ModbusRule> =
      kind < 0.45
        ? { functions: functions(3), registers: [range] }
        : writes
          ? { functions: functions(3, 6, 16), registers: [range] }
          : kind < 0.8
            ? { functions: functions(4), inputRegisters: [range] }
            : kind < 0.9
              ? { functions: functions(1, 5, 15), coils: [range] }
              : { functions: functions(1, 2), coils: [range], discreteInputs: [range] }
    const deny = random() < 0.05
    return makeModbusRule({
      id: `rule-${k}`,
      effect: deny ? "deny" : "allow",
      roles: count < 200 ? ROLES : [dense ? ROLES[0]! : ROLES[k % ROLES.length]!],
      units: [{ from: unit, to: unit }],
      points: deny ? [] : points,
      ...of,
    })
  })
  return makeModbusPolicy(
    rules,
    ROLES.map((role) => [role]),
  )
}

/** `count` requests, nine in ten allowed, by clients at random; mostly reads. */
export function modbusLoad(policy: Policy, compiled: CompiledPolicy, count: number, seed = 11): ModbusLoad {
  const random = seeded(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const pick = <T>(of: readonly T[]): T => of[below(of.length)]!
  const states = Array.from({ length: CLIENTS }, (_, k) =>
    createModbusState(compiled.modbus, {
      classIndex: classOf(compiled, "field", [ROLES[k % ROLES.length]!]),
      buckets: createModbusBuckets(compiled.modbus),
      essentialOnly: false,
    }),
  )
  const rulesOf = (role: string): ModbusRule[] =>
    policy.rules.filter((r): r is ModbusRule => r.protocol === "modbus" && r.roles.includes(role))
  const byRole = new Map(ROLES.map((role) => [role, rulesOf(role)]))
  const wanted = Math.round(count * 0.9)
  const chosen: { request: Uint8Array; client: number }[] = []
  let allowed = 0
  while (chosen.length < count) {
    let client = below(CLIENTS)
    let own = byRole.get(ROLES[client % ROLES.length]!)!
    if (own.length === 0) own = byRole.get(ROLES[(client = 0)]!)!
    const request = requestOf(pick(own), below, random() < 0.1)
    const passes = isAllowed(decideModbus(compiled.modbus, states[client]!, request, 0, request.length, 0))
    if (passes ? allowed >= wanted : chosen.length - allowed >= count - wanted) continue
    if (passes) allowed++
    chosen.push({ request, client })
  }
  const bytes = new Uint8Array(chosen.reduce((sum, { request }) => sum + HEADER + request.length, 0))
  const starts = new Int32Array(count)
  const ends = new Int32Array(count)
  let at = 0
  chosen.forEach(({ request }, k) => {
    starts[k] = at
    bytes.set([k >> 8, k & 0xff, 0, 0, 0, request.length], at)
    bytes.set(request, at + HEADER)
    ends[k] = at += HEADER + request.length
  })
  return {
    bytes,
    starts,
    ends,
    states: chosen.map(({ client }) => states[client]!),
    frames: chosen.map((_, k) => Buffer.from(bytes.buffer, starts[k], ends[k]! - starts[k]!)),
    roles: chosen.map(({ client }) => ROLES[client % ROLES.length]!),
    allowed,
  }
}

/** A request near what the rule is about; `astray`: of someone else's unit or beyond its addresses. */
function requestOf(rule: ModbusRule, below: (n: number) => number, astray: boolean): Uint8Array {
  const unit = astray && below(2) === 0 ? 1 + below(247) : rule.units[0]!.from
  const code = rule.functions[below(rule.functions.length)]!.code
  const { from, to } = (rule.registers[0] ?? rule.inputRegisters[0] ?? rule.coils[0])!
  const first = from + below(to - from)
  const count = astray ? 60 : 1 + below(to - first + 1)
  switch (code) {
    case 5:
      return ask(unit, 5, first, 0xff00)
    case 6:
      return ask(unit, 6, rule.points.length > 0 ? Math.min(from + 2, to) : first, below(65_536))
    case 15:
      return writeCoils(unit, first, count)
    case 16:
      // A float of 42, and zeros.
      return write(unit, from, 0x4228, 0, ...new Array<number>(Math.min(count, 20)).fill(0).slice(2))
    default:
      return ask(unit, code, first, count)
  }
}

/** The verdict on a frame: its header as the conduit must check it, then the request. */
export function decideFrame(
  modbus: ModbusTable,
  state: ModbusState,
  bytes: Uint8Array,
  start: number,
  end: number,
  nowMs: number,
): Verdict {
  const length = (bytes[start + 4]! << 8) | bytes[start + 5]!
  if ((bytes[start + 2]! | bytes[start + 3]!) !== 0 || start + HEADER + length !== end) return BAD_REQUEST
  return decideModbus(modbus, state, bytes, start + HEADER, end, nowMs)
}

const BAD_REQUEST = REASON["bad-request"]

/** The filter that is measured against: touches each byte of the frame, judges nothing. */
export function nullModbus(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0
  for (let at = start; at < end; at++) sum = (sum + bytes[at]!) | 0
  return sum
}

/** The null filter of the other bench: a hash (FNV-1a) over the same bytes. */
export function hashModbus(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash
}
