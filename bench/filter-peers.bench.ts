/**
 * What others need to decide the same packets: qlobber, regular expressions, mqtt-match, casbin and Cedar beside our own
 * filter, in one run, from the same raw bytes, at 10 to 100,000 rules. Before anything is timed each must give our verdict
 * on the packets that it is timed with.
 */
import { compilePolicy } from "../policy/compile/compile.ts"
import { decide } from "../policy/filter/decide.ts"
import type { CompiledPolicy } from "../policy/filter/table.ts"
import { isAllowed } from "../policy/filter/verdict.ts"
import { ScriptFlowCache } from "../policy/filter/cache/script-cache.ts"
import { chunkCase, flowsOf, kernelWith, SEED } from "./filter-cases.ts"
import { plantLoad, plantPolicy, type Load } from "./filter-load.ts"
import { clientOf, PEERS, type PeerFilter } from "./filter-peers.ts"
import { measure, ratio, report, table, type Case, type Measured } from "./harness.ts"

const PACKETS = 8192
const SIZES = [10, 1000, 10_000, 100_000] as const
const ROUNDS = 11
/** A case runs this long in a round, in so many packets as that allows. */
const RUN_MS = 20
/** Whoever takes longer for one decision is not measured with more rules than that. */
const TOO_SLOW_MS = 200
/** Where the targets of the design's `peers.md` apply. */
const TARGET_RULES = 1000

type Targets = Readonly<Record<string, readonly [must: number, aim: number]>>

/** One way of ours to decide; `targets`: how many times faster than a peer it must be and aims to be, at 1,000 rules. */
interface Ours {
  readonly name: string
  readonly targets: Targets
  /** `run(k)` judges packet `k`: true if it passes. */
  readonly prepare: (compiled: CompiledPolicy, load: Load) => (k: number) => boolean
  /** What is timed, where that is not one call a packet. */
  readonly whole?: (load: Load) => Case
}

/** The time as the engine has it: read once for a chunk, a number on the heap. */
const nowMs = performance.now() + 0.5

const CACHED: Targets = {
  qlobber: [30, 40],
  "array of regexes": [150, 250],
  casbin: [50_000, 100_000],
  Cedar: [50_000, 100_000],
}

/** Through the flow cache, warm, one call a packet. */
function throughCache(_: CompiledPolicy, load: Load): (k: number) => boolean {
  const cache = new ScriptFlowCache({ seed: SEED })
  const flows = flowsOf(cache, load)
  const { bytes, starts, ends } = load
  return (k) => isAllowed(cache.decide(flows[k]!, bytes, starts[k]!, ends[k]!, nowMs))
}

const OURS: readonly Ours[] = [
  {
    name: "ours, uncached",
    targets: { qlobber: [4, 6] },
    prepare: (compiled, { bytes, starts, ends, states }) => {
      const { table } = compiled
      return (k) => isAllowed(decide(table, states[k]!, bytes, starts[k]!, ends[k]!, nowMs))
    },
  },
  { name: "ours, cached, a call a packet", targets: {}, prepare: throughCache },
  {
    name: "ours, cached, a call a chunk",
    targets: CACHED,
    prepare: throughCache,
    whole: (load) => chunkCase(kernelWith(load), load),
  },
]

let sink = 0

/** A case over as many packets, spread over the load, as `RUN_MS` allows. */
function caseOf(name: string, judge: (k: number) => boolean, decisionMs: number): Case {
  const operations = Math.max(1, Math.min(PACKETS, Math.floor(RUN_MS / decisionMs)))
  const step = Math.floor(PACKETS / operations)
  const run = (): void => {
    for (let k = 0, n = 0; n < operations; n++, k += step) sink += Number(judge(k))
  }
  return { name, operations, run }
}

/** Hold the peer against ours on its packets, as many as a second allows. Returns what a decision takes it, in milliseconds. */
function agree(name: string, peer: (k: number) => boolean, own: (k: number) => boolean): number {
  const startedAt = performance.now()
  let done = 0
  for (; done < PACKETS && performance.now() - startedAt < 1000; done++) {
    // An odd step visits every packet once, in an order that is spread over the load.
    const k = (done * 2741) % PACKETS
    if (peer(k) !== own(k)) throw new Error(`${name} does not decide packet ${k} as we do`)
  }
  return (performance.now() - startedAt) / done
}

const count = (x: number): string => x.toLocaleString("en")
const ns = (x: number): string => (x < 1e5 ? count(Math.round(x)) : count(Number(x.toPrecision(2))))
const times = (x: number): string => `${x < 100 ? x.toFixed(1) : count(Number(x.toPrecision(3)))}x`

/** Where more is better. */
function reaches(found: number, [must, aim]: readonly [number, number]): string {
  if (found >= aim) return "aim met"
  const missed = (target: number): string => `missed by ${((target / found - 1) * 100).toFixed(0)} %`
  return found >= must ? `must met; aim ${missed(aim)}` : `MUST ${missed(must).toUpperCase()}`
}

const rows: string[][] = []
const targets: string[] = []
const tooSlow = new Map<string, string>()

for (const size of SIZES) {
  const policy = plantPolicy(size)
  const compiled = compilePolicy(policy)
  const load = plantLoad(policy, compiled, PACKETS)
  const clients = load.states.map(clientOf)
  const own = OURS.map(({ name, prepare }) => ({ name, judge: prepare(compiled, load) }))
  const cases = own.map(({ name, judge }, k) => {
    const whole = OURS[k]!.whole?.(load)
    return whole === undefined ? caseOf(name, judge, 1e-3) : { ...whole, name }
  })
  own.slice(1).forEach(({ name, judge }) => agree(name, judge, own[0]!.judge))
  // A flow is remembered at its second sight, and where tags meet a few times later.
  for (let k = 0; k < 40; k++) for (const { run } of cases) run()
  // Each by itself and before the peers: what others leave behind would drive its tables out of the processor's cache.
  const owned = cases.splice(0).flatMap((one) => measure([one], { rounds: ROUNDS, iterations: 15 }))
  const timed: string[] = []
  const leftOut: [name: string, why: string][] = []
  for (const { name, prepare } of PEERS) {
    const why = tooSlow.get(name)
    if (why !== undefined) {
      leftOut.push([name, why])
      continue
    }
    // It takes minutes: whoever waits sees how far it is.
    console.error(`filter-peers: ${name}, ${count(size)} rules`)
    const filter: PeerFilter = await prepare(policy)
    const judge = (k: number): boolean => filter(clients[k]!, load.bytes, load.starts[k]!, load.ends[k]!)
    const decisionMs = agree(name, judge, own[0]!.judge)
    // It grows with the rules: at the next size it would be past the limit, or is already.
    const next = SIZES[SIZES.indexOf(size) + 1] ?? size
    if (size >= 1000 && (decisionMs * next) / size > TOO_SLOW_MS)
      tooSlow.set(name, `left out: ${decisionMs.toFixed(0)} ms a decision at ${count(size)} rules`)
    cases.push(caseOf(name, judge, decisionMs))
    timed.push(name)
  }
  const measured = [...owned, ...measure(cases, { rounds: ROUNDS, iterations: 3 })]
  const found = (name: string): Measured => measured.find((m) => m.name === name)!
  for (const one of owned) rows.push([count(size), one.name, ns(one.median), times(ratio(one, owned[0]!).median), ""])
  for (const name of timed) {
    const peer = found(name)
    const against = OURS.map((ours) => ({ ...ours, ratio: ratio(peer, found(ours.name)) }))
    const first = against[0]!.ratio
    rows.push([count(size), name, ns(peer.median), times(first.median), `${times(first.low)}..${times(first.high)}`])
    if (size !== TARGET_RULES) continue
    for (const ours of against) {
      const target = ours.targets[name]
      if (target === undefined) continue
      const [must, aim] = target
      targets.push(
        `- ${ours.name} against ${name}: ${times(ours.ratio.median)} faster (must ${count(must)}x, aim ${count(aim)}x): ${reaches(ours.ratio.median, target)}`,
      )
    }
  }
  for (const [name, why] of leftOut) rows.push([count(size), name, "-", "-", why])
}

report(
  "Filter: peers deciding the same packets",
  `
The load of the filter bench: raw packets in, 90 % allowed; the string of the topic that each peer needs is made from the bytes
and timed with it. Every peer gave our verdict on every packet that a second let it judge. Medians of ${ROUNDS}
rounds, ours first and then the peers, interleaved; the ratio, to ours without cache, round by round.

${table(["rules", "filter", "ns", "to ours", "95 %"], rows)}

At ${count(TARGET_RULES)} rules:

${targets.join("\n")}
`,
)
process.exitCode = sink === 0.5 ? 1 : 0
