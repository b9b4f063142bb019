/**
 * What it costs to judge one Modbus request from its bytes, against null filters that touch each byte, against jsmodbus
 * merely parsing, and against jsmodbus with a list of rules: at 10 to 100,000 rules. And what a policy costs: time to
 * compile, bytes a rule, heap that decisions leave behind.
 */
import { createRequire } from "node:module"
import { compilePolicy } from "../policy/compile/compile.ts"
import type { ModbusTable } from "../policy/filter/modbus/table.ts"
import { isAllowed } from "../policy/filter/verdict.ts"
import type { ModbusRule, Range } from "../policy/language/modbus-rule.ts"
import type { Policy } from "../policy/language/policy.ts"
import { against, measure, ratio, report, table, type Case } from "./harness.ts"
import { heapGrowth } from "./heap-growth.ts"
import { decideFrame, hashModbus, modbusLoad, modbusPlant, nullModbus, type ModbusLoad } from "./modbus-load.ts"

/** What of jsmodbus is used; it is CommonJS. */
interface ParsedRequest {
  readonly unitId: number
  readonly body: {
    readonly fc: number
    readonly start?: number
    readonly address?: number
    readonly count?: number
    readonly quantity?: number
  }
}
const jsmodbus = createRequire(import.meta.url)("jsmodbus/dist/tcp-request.js") as {
  default: { fromBuffer: (frame: Buffer) => ParsedRequest | null }
}
const parse = (frame: Buffer): ParsedRequest | null => jsmodbus.default.fromBuffer(frame)

const REQUESTS = 8192
const SIZES = [10, 1000, 10_000, 100_000] as const
const ROUNDS = 15
/** What `peers.md` of the design asks: ratios to the null filter. */
const MUST: Readonly<Record<number, readonly [number, number]>> = { 1000: [2.6, 1.3], 100_000: [6, 2.5] }

let sink = 0

/** The time as the engine has it: read once for a chunk, a number on the heap. */
const nowMs = performance.now() + 0.5

function nullCase({ bytes, starts, ends }: ModbusLoad): Case {
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) sink = (sink + nullModbus(bytes, starts[k]!, ends[k]!)) | 0
  }
  return { name: "null", operations: starts.length, run }
}

function hashCase({ bytes, starts, ends }: ModbusLoad): Case {
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) sink = (sink + hashModbus(bytes, starts[k]!, ends[k]!)) | 0
  }
  return { name: "hash", operations: starts.length, run }
}

function decideCase(modbus: ModbusTable, { bytes, starts, ends, states }: ModbusLoad): Case {
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) {
      sink = (sink + decideFrame(modbus, states[k]!, bytes, starts[k]!, ends[k]!, nowMs)) | 0
    }
  }
  return { name: "decide", operations: starts.length, run }
}

function parseCase({ frames }: ModbusLoad): Case {
  const run = (): void => {
    for (const frame of frames) sink = (sink + (parse(frame)?.body.fc ?? 0)) | 0
  }
  return { name: "jsmodbus", operations: frames.length, run }
}

/** jsmodbus, then a list of rules from the first to the last, as a gateway without a compiler would do it. */
function linearCase(policy: Policy, load: ModbusLoad): Case {
  const rules = policy.rules.filter((rule): rule is ModbusRule => rule.protocol === "modbus")
  const { frames, roles } = load
  // Enough for the clock, and not for ever.
  const operations = Math.max(16, Math.min(frames.length, Math.floor(4_000_000 / rules.length)))
  const run = (): void => {
    for (let k = 0; k < operations; k++) {
      const request = parse(frames[k]!)
      if (request !== null && linear(rules, roles[k]!, request)) sink = (sink + 1) | 0
    }
  }
  return { name: "jsmodbus and linear rules", operations, run }
}

function linear(rules: readonly ModbusRule[], role: string, { unitId, body }: ParsedRequest): boolean {
  const from = body.start ?? body.address ?? 0
  const to = from + (body.count ?? body.quantity ?? 1) - 1
  let allowed = false
  for (const rule of rules) {
    if (!rule.roles.includes(role)) continue
    if (!rule.units.some((range) => range.from <= unitId && unitId <= range.to)) continue
    if (!rule.functions.some(({ code }) => code === body.fc)) continue
    const ranges = rangesOf(rule, body.fc)
    if (rule.effect === "deny") {
      if (ranges.some((range) => range.from <= to && from <= range.to)) return false
    } else if (ranges.some((range) => range.from <= from && to <= range.to)) allowed = true
  }
  return allowed
}

function rangesOf(rule: ModbusRule, code: number): readonly Range[] {
  if (code === 2) return rule.discreteInputs
  if (code === 4) return rule.inputRegisters
  return code === 3 || code === 6 || code === 16 ? rule.registers : rule.coils
}

const ns = (x: number): string => x.toFixed(x < 10 ? 2 : 1)
const times = (x: number): string => `${x.toFixed(2)}x`
const faster = (x: number): string => `${x.toFixed(x < 10 ? 1 : 0)}x`
const count = (x: number): string => x.toLocaleString("en")

/** Faster is better here: the targets turned round. */
function atLeast(found: number, must: number, aim: number): string {
  return against(1 / found, 1 / must, 1 / aim)
}

function decisions(): { rows: string; peers: string; memory: string; growth: string } {
  const rows: string[][] = []
  const peers: string[][] = []
  const bytesPerRule: string[] = []
  let growth = ""
  for (const size of SIZES) {
    const policy = modbusPlant(size)
    const compiled = compilePolicy(policy)
    const load = modbusLoad(policy, compiled, REQUESTS)
    const cases = [nullCase(load), hashCase(load), decideCase(compiled.modbus, load), parseCase(load)]
    const [base, hashed, own, parsed] = measure(cases, { rounds: ROUNDS, iterations: 8 })
    const [linearly] = measure([linearCase(policy, load)], { rounds: 5, iterations: 2 })
    const found = ratio(own!, hashed!)
    const targets = MUST[size]
    const [must, aim] = targets ?? [Infinity, Infinity]
    rows.push([
      count(size),
      ns(hashed!.median),
      ns(own!.median),
      ns(own!.mad),
      times(found.median),
      `${found.low.toFixed(2)}..${found.high.toFixed(2)}`,
      times(own!.min / hashed!.min),
      ns(base!.median),
      times(ratio(own!, base!).median),
      targets === undefined ? "" : `${must}x / ${aim}x: ${against(found.median, must, aim)}`,
    ])
    const toParse = ratio(parsed!, own!).median
    const toLinear = linearly!.median / own!.median
    peers.push([
      count(size),
      ns(parsed!.median),
      faster(toParse),
      size === 1000 ? `8x / 20x: ${atLeast(toParse, 8, 20)}` : "",
      ns(linearly!.median),
      faster(toLinear),
      size === 1000 ? `75x: ${atLeast(toLinear, 75, 75)}` : "",
    ])
    bytesPerRule.push(`${count(size)}: ${(tableBytes(compiled.modbus) / size).toFixed(0)}`)
    if (size === 1000) growth = heapGrowth(decideCase(compiled.modbus, load))
  }
  return {
    rows: table(
      [
        "rules",
        "null, ns",
        "decide, ns",
        "MAD",
        "ratio",
        "95 %",
        "best to best",
        "sum, ns",
        "to the sum",
        "must / aim",
      ],
      rows,
    ),
    peers: table(
      ["rules", "jsmodbus, ns", "we are faster", "must / aim", "with linear rules, ns", "we are faster", "aim"],
      peers,
    ),
    memory: `Bytes a rule, by number of rules: ${bytesPerRule.join(", ")}.`,
    growth,
  }
}

/** Thousands of rules about the registers of one unit: the search is deep. */
function dense(): string {
  const rows = ([1000, 10_000, 100_000] as const).map((size) => {
    const policy = modbusPlant(size, { dense: true })
    const compiled = compilePolicy(policy)
    const load = modbusLoad(policy, compiled, REQUESTS)
    const [base, own] = measure([nullCase(load), decideCase(compiled.modbus, load)], { rounds: 9, iterations: 8 })
    const bytes = tableBytes(compiled.modbus) / size
    return [count(size), ns(base!.median), ns(own!.median), times(ratio(own!, base!).median), bytes.toFixed(0)]
  })
  return table(["rules", "sum, ns", "decide, ns", "to the sum", "bytes a rule"], rows)
}

function tableBytes({ words, records, refusals, numbers }: ModbusTable): number {
  return words.byteLength + records.byteLength + refusals.byteLength + numbers.byteLength
}

function compileTime(): string {
  const policy = modbusPlant(100_000)
  const startedAt = performance.now()
  compilePolicy(policy)
  const coldMs = performance.now() - startedAt
  const [warm] = measure([{ name: "compile", operations: 1, run: () => compilePolicy(policy) }], {
    rounds: 9,
    iterations: 1,
  })
  const ms = warm!.median / 1e6
  return `Compile 100,000 rules: ${ms.toFixed(0)} ms (spread ${(warm!.mad / 1e6).toFixed(0)} ms, best ${(warm!.min / 1e6).toFixed(0)} ms; must 450, aim 300: ${against(ms, 450, 300)}); the very first, V8 cold: ${coldMs.toFixed(0)} ms.`
}

/** A load that allows less than it says would flatter nobody. */
function checkLoad(): void {
  const policy = modbusPlant(1000)
  const compiled = compilePolicy(policy)
  const load = modbusLoad(policy, compiled, REQUESTS)
  const passed = load.states.filter((state, k) =>
    isAllowed(decideFrame(compiled.modbus, state, load.bytes, load.starts[k]!, load.ends[k]!, 0)),
  )
  if (passed.length !== Math.round(REQUESTS * 0.9)) throw new Error(`${passed.length} of ${REQUESTS} allowed`)
}

checkLoad()
const compile = compileTime()
const { rows, peers, memory, growth } = decisions()
report(
  "Filter: one Modbus request from its bytes",
  `
TCP frames with functions 1 to 6, 15 and 16, over 20 roles, 1,000 clients and 32 units; ${count(REQUESTS)} requests, 90 % allowed; half of
the rules that write have a point with a value range, 5 % deny. Null is the one of the MQTT bench, FNV-1a over the bytes of the frame; ours checks
its header and judges the request; "to the sum" is against a loop that only adds up the bytes, the stricter floor. Medians of ${ROUNDS}
interleaved rounds; the ratio is taken round by round, with the 95 % interval of its median.

${rows}

jsmodbus has its buffers cut to size beforehand; its rules look at role, unit, function and addresses, not at values:

${peers}

One role and four units share all rules; with 100,000 eight speak of every address, so that nearly every request is judged the long
way:

${dense()}

${compile}
${memory}
${growth}
`,
)
process.exitCode = sink === 0.5 ? 1 : 0
