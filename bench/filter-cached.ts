/** The flow caches of the filter under load: warm, overflowing, flooded. Sections of the filter's bench. */
import { getHeapStatistics } from "node:v8"
import { compilePolicy } from "../policy/compile/compile.ts"
import { FULL_CREDIT, type FlowCache, type Flows } from "../policy/filter/cache/flow.ts"
import { ScriptFlowCache } from "../policy/filter/cache/script-cache.ts"
import type { CompiledPolicy } from "../policy/filter/table.ts"
import {
  chunkCase,
  decideCase,
  flowsOf,
  floorCase,
  inputCase,
  kernelCase,
  kernelWith,
  mapCase,
  nullCase,
  scriptCase,
  SEED,
  wordCase,
} from "./filter-cases.ts"
import { plantLoad, plantPolicy, strangeLoad, type hostileLoad, type Load } from "./filter-load.ts"
import { against, measure, ratio, table, type Case, type Measured } from "./harness.ts"

const PACKETS = 8192
const SIZES = [10, 1000, 10_000, 100_000] as const
const ROUNDS = 15
/** Clients by which the load is spoken: chunks of about 8 packets, and of about 64. */
const MANY = 1000
const FEW = 128

const ns = (x: number): string => x.toFixed(x < 10 ? 2 : 1)
const times = (x: number): string => `${x.toFixed(2)}x`
const count = (x: number): string => x.toLocaleString("en")
const best = (one: Measured, other: Measured): number => one.min / other.min

/** Run until what is to be remembered is: a topic must be seen twice, and where tags meet, a few times more. */
function warmUp(cases: readonly Case[], runs = 40): void {
  for (let k = 0; k < runs; k++) for (const { run } of cases) run()
}

/** All cases in turn, once what is to be remembered is. */
function warm(cases: readonly Case[]): readonly Measured[] {
  warmUp(cases)
  return measure(cases, { rounds: ROUNDS, iterations: 15 })
}

const say = (what: string, found: number, bestFound: number, must: number, aim: number): string =>
  `- ${what}: ${times(found)}, best rounds ${times(bestFound)} (must ${must}x, aim ${aim}x: ${against(found, must, aim)}; best rounds: ${against(bestFound, must, aim)})`
const fold = (what: string, found: number, bestFound: number, must: number, aim: number): string =>
  `- ${what}: ${times(1 / found)} faster, best rounds ${times(1 / bestFound)} (must ${must}x, aim ${aim}x: ${against(found, 1 / must, 1 / aim)})`

/** Warm flows at every number of rules, all engines side by side. */
export function warmFlows(): string {
  const rows: string[][] = []
  const verdicts: string[] = []
  const hits: { size: number; chunk: Measured; short: Measured; single: Measured; live: Measured }[] = []
  for (const size of SIZES) {
    const policy = plantPolicy(size)
    const compiled = compilePolicy(policy)
    const load = plantLoad(policy, compiled, PACKETS, MANY)
    const long = plantLoad(policy, compiled, PACKETS, FEW)
    // A gateway has one cache. Seven that take turns drive each other out of the processor's: so each chunk is timed apart.
    const [fnv, shortFloor, short] = warm([nullCase(load), floorCase(load), chunkCase(kernelWith(load), load)])
    const [longFnv, floor, chunk] = warm([nullCase(long), floorCase(long), chunkCase(kernelWith(long), long)])
    const calls = [
      wordCase(load),
      decideCase(compiled.table, load),
      mapCase(compiled.table, load),
      scriptCase(new ScriptFlowCache({ seed: SEED }), load),
      kernelCase(kernelWith(load), load),
      inputCase(kernelWith(load), load),
      copiedCase(load),
    ]
    const [word, uncached, map, live, kernel, single, copied] = warm(calls)
    const found = [fnv, word, shortFloor, floor, uncached, map, live, kernel, single, copied, short, chunk]
    rows.push([count(size), ...found.map((one) => `${ns(one!.median)} (${ns(one!.min)})`)])
    hits.push({ size, chunk: chunk!, short: short!, single: single!, live: live! })
    const to = (one: Measured, base: Measured): [number, number] => [ratio(one, base).median, best(one, base)]
    for (const [what, one, nothing, own] of [
      ["chunk of 64", chunk!, longFnv!, floor!],
      ["chunk of 8", short!, fnv!, shortFloor!],
    ] as const) {
      verdicts.push(
        say(`warm hit, ${what}, ${count(size)} rules, against FNV null`, ...to(one, nothing), 0.85, 0.6),
        say(`warm hit, ${what}, ${count(size)} rules, against the 8-byte floor`, ...to(one, own), 5, 3),
      )
    }
    if (size === 1000) verdicts.push(fold("warm hit, 1,000 rules, against the Map cache", ...to(chunk!, map!), 7, 10))
    verdicts.push(
      `- one call a packet, as the gateway judges today, ${count(size)} rules, against uncached: ${times(ratio(live!, uncached!).median)}, best rounds ${times(best(live!, uncached!))}`,
    )
  }
  const [first, last] = [hits[0]!, hits.at(-1)!]
  for (const [what, one, other] of [
    ["a chunk of 64", last.chunk, first.chunk],
    ["a chunk of 8", last.short, first.short],
    ["one call a packet", last.single, first.single],
  ] as const)
    verdicts.push(
      say(`warm hit, from 10 to 100,000 rules, ${what}`, one.median / other.median, best(one, other), 1.15, 1.1),
    )
  const header = [
    "rules",
    "FNV null",
    "4-byte floor",
    "8-byte floor, 8",
    "8-byte floor, 64",
    "uncached",
    "Map",
    "script",
    "kernel",
  ]
  return `${table([...header, "in place", "chunk 8, copied", "chunk 8", "chunk 64"], rows)}

${verdicts.join("\n")}`
}

/** Chunks that are brought into the module's memory before they are judged. */
function copiedCase(load: Load): Case {
  const cache = kernelWith(load)
  return chunkCase(cache, load, flowsOf(cache, load), true)
}

/** The uncached filter and each cache over a load, a part of it in each run in turn; and all the caches' peers. */
function engines(compiled: CompiledPolicy, load: Load, parts = 1): { cases: Case[]; peers: readonly Flows[] } {
  const size = Math.floor(load.starts.length / parts)
  const cut = Array.from({ length: parts }, (_, n) => [n * size, (n + 1) * size] as const)
  const loads = cut.map(([from, to]) => ({
    ...load,
    starts: load.starts.subarray(from, to),
    ends: load.ends.subarray(from, to),
    states: load.states.slice(from, to),
  }))
  const peers: Flows[] = []
  const inTurn = (each: readonly Case[]): Case => {
    let turn = 0
    return { name: each[0]!.name, operations: size, run: () => each[turn++ % parts]!.run() }
  }
  const cached = <C extends FlowCache>(cache: C, make: (cache: C, load: Load, flows: Flows[]) => Case): Case => {
    const flows = flowsOf(cache, load)
    peers.push(...new Set(flows))
    return inTurn(loads.map((one, n) => make(cache, one, flows.slice(...cut[n]!))))
  }
  const cases = [
    inTurn(loads.map((one) => decideCase(compiled.table, one))),
    cached(new ScriptFlowCache({ seed: SEED }), scriptCase),
    cached(kernelWith(load), kernelCase),
    cached(kernelWith(load), inputCase),
    cached(kernelWith(load), chunkCase),
  ]
  return { cases, peers }
}

const ENGINES = ["uncached", "script", "kernel", "in place", "chunk 8"]

function besideUncached(found: readonly Measured[]): string[] {
  const [base, ...caches] = found
  return [
    `${ns(base!.median)} (${ns(base!.min)})`,
    ...caches.map((one) => `${ns(one.median)} (${ns(one.min)}), ${times(ratio(one, base!).median)}`),
  ]
}

/** Topics that nobody has sent, and more flows than there are entries. */
export function strangers(): string {
  const rows: string[][] = []
  const verdicts: string[] = []
  for (const size of SIZES) {
    const policy = plantPolicy(size)
    const compiled = compilePolicy(policy)
    const { cases, peers } = engines(compiled, strangeLoad(compiled, 64 * PACKETS), 16)
    const measured = measure(cases, { rounds: ROUNDS, iterations: 3 })
    if (size === 1000) {
      const anew = cases.map(({ name, operations, run }) => ({
        name,
        operations,
        run: () => {
          for (const peer of peers) Object.assign(peer, { credit: FULL_CREDIT, rest: 0 })
          run()
        },
      }))
      rows.push([`${count(size)}, each peer's first`, ...besideUncached(measure(anew, { rounds: 9, iterations: 3 }))])
    }
    rows.push([`${count(size)}, never sent before`, ...besideUncached(measured)])
    const [base, ...caches] = measured
    caches.forEach((one, k) => {
      verdicts.push(
        say(`flood, ${count(size)} rules, ${ENGINES[k + 1]}`, ratio(one, base!).median, best(one, base!), 1.3, 1.1),
      )
    })
  }
  const policy = plantPolicy(10_000)
  const compiled = compilePolicy(policy)
  for (const flows of [65_536, 131_072]) {
    const { cases } = engines(compiled, plantLoad(policy, compiled, flows))
    warmUp(cases, 12)
    const found = measure(cases, { rounds: 9, iterations: 1 })
    rows.push([`10,000, ${count(flows)} flows in 32,768 entries`, ...besideUncached(found)])
  }
  return `${table(["rules", ...ENGINES], rows)}

${verdicts.join("\n")}`
}

/** Topics of 64 KiB through the cache, against the null filter. */
export function hostileCached(loads: ReturnType<typeof hostileLoad>): string {
  const rows = loads.map(([name, load]) => {
    const [base, one, chunk] = measure(
      [nullCase(load), kernelCase(kernelWith(load), load), chunkCase(kernelWith(load), load)],
      { rounds: 9, iterations: 4 },
    )
    const found = ratio(one!, base!).median
    return [name, times(found), times(ratio(chunk!, base!).median), against(found, 5, 3)]
  })
  return table(["topic of 64 KiB", "one call", "in a chunk", "must 5x / aim 3x"], rows)
}

/** How long the slowest batches take: one decision is too short for a clock. */
export function slowest(): string {
  const policy = plantPolicy(1000)
  const compiled = compilePolicy(policy)
  const load = plantLoad(policy, compiled, PACKETS, FEW)
  const { cases } = engines(compiled, load, FEW)
  warmUp(cases, 40 * FEW)
  const rows = cases.map(({ operations, run }, k) => {
    const samples = new Float64Array(20_000)
    for (let n = 0; n < samples.length; n++) {
      const from = performance.now()
      run()
      samples[n] = ((performance.now() - from) * 1e6) / operations
    }
    samples.sort()
    const at = (share: number): string => ns(samples[Math.floor(samples.length * share)]!)
    return [ENGINES[k]!.replace("8", "64"), at(0.5), at(0.99), at(0.999)]
  })
  return table(["ns a decision, in batches of 64", "p50", "p99", "p99.9"], rows)
}

/** Ten million decisions by the caches; the heap is read without a collection between, and after one. */
export function cachedGrowth(): string {
  const collect = (globalThis as { gc?: () => void }).gc
  if (collect === undefined) return "Heap growth: not measured, for node runs without --expose-gc."
  const policy = plantPolicy(1000)
  const compiled = compilePolicy(policy)
  const { cases } = engines(compiled, plantLoad(policy, compiled, PACKETS))
  const lines = cases.map(({ operations, run }, k) => {
    for (let n = 0; n < 100; n++) run()
    for (let n = 0; n < 4; n++) collect()
    const before = getHeapStatistics().used_heap_size
    let done = 0
    for (; done < 10_000_000; done += operations) run()
    const during = (getHeapStatistics().used_heap_size - before) / 1024
    collect()
    const after = (getHeapStatistics().used_heap_size - before) / 1024
    return `- ${ENGINES[k]}: ${during.toFixed(1)} KiB without a collection, ${after.toFixed(1)} KiB after one (must 64 KiB, aim 0: ${against(after, 64, 1)})`
  })
  return `Heap growth over ten million decisions:\n${lines.join("\n")}`
}
