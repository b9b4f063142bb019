/** What the gateway owes itself: the ratios to reach, and how they are judged. */
import { median } from "../harness.ts"
import type { IdleMemory, Outcome } from "./measure.ts"
import type { Mode } from "./message.ts"
import type { Transport } from "./proxy.ts"
import { bootstrap, ratio } from "./statistics.ts"
import type { Estimate } from "./statistics.ts"

/** One target and what was measured against it; less is better. */
export interface Judgement {
  readonly what: string
  readonly must: number
  readonly aim: number
  readonly unit: "x" | " MiB" | " ms"
  readonly measured: Estimate
}

/** A number that was measured once, or stands for few. */
export function single(value: number): Estimate {
  return { value, low: value, high: value }
}

const CPU_TARGETS: readonly {
  mode: Mode
  transport: Transport
  peer: string
  what: string
  must: number
  aim: number
}[] = [
  { mode: "eager", transport: "tcp", peer: "node pipe", what: "TCP, one message a write, CPU", must: 1.05, aim: 1.02 },
  { mode: "eager", transport: "tcp", peer: "haproxy", what: "TCP, one message a write, CPU", must: 1.05, aim: 1 },
  {
    mode: "single",
    transport: "tcp",
    peer: "node pipe",
    what: "TCP, one message a write, in step, CPU",
    must: 1.05,
    aim: 1.02,
  },
  {
    mode: "single",
    transport: "tcp",
    peer: "haproxy",
    what: "TCP, one message a write, in step, CPU",
    must: 1.05,
    aim: 1,
  },
  { mode: "bulk", transport: "tcp", peer: "node pipe, pooled", what: "TCP, bulk, CPU", must: 1.45, aim: 1.2 },
  { mode: "bulk", transport: "tcp", peer: "haproxy", what: "TCP, bulk, CPU", must: 1.4, aim: 1.1 },
  { mode: "eager", transport: "tls", peer: "node pipe", what: "TLS, one message a write, CPU", must: 1.05, aim: 1.02 },
  { mode: "eager", transport: "tls", peer: "haproxy", what: "TLS, one message a write, CPU", must: 1.05, aim: 1 },
  {
    mode: "single",
    transport: "tls",
    peer: "node pipe",
    what: "TLS, one message a write, in step, CPU",
    must: 1.05,
    aim: 1.02,
  },
  {
    mode: "single",
    transport: "tls",
    peer: "haproxy",
    what: "TLS, one message a write, in step, CPU",
    must: 1.05,
    aim: 1,
  },
  { mode: "bulk", transport: "tls", peer: "node pipe", what: "TLS, bulk, CPU", must: 1.9, aim: 1.15 },
  { mode: "bulk", transport: "tls", peer: "haproxy", what: "TLS, bulk, CPU", must: 2.2, aim: 1.5 },
]

/** The targets on CPU and on added latency, for the contender called `name`, as far as its peers were measured. */
export function judge(outcomes: readonly Outcome[], name: string): Judgement[] {
  const find = (wanted: string, over: Transport = "tls"): Outcome | undefined =>
    outcomes.find(({ contender }) => contender.name === wanted && contender.transport === over)
  const judgements: Judgement[] = []
  for (const { mode, transport, peer, what, must, aim } of CPU_TARGETS) {
    const [ours, other] = [find(name, transport), find(peer, transport)]
    if (ours === undefined || other === undefined || ours.runs[mode].length === 0) continue
    const measured = cpuRatio(ours, other, mode)
    judgements.push({ what: `${what}, against ${peer}`, must, aim, unit: "x", measured })
  }
  const [own, pipe, direct] = [find(name), find("node pipe"), find(NO_PROXY)]
  if (own !== undefined && pipe !== undefined && direct !== undefined && own.runs.paced.length > 0) {
    const measured = addedLatency(own, pipe, direct, 0.99)
    const what = "added p99 at a steady rate, against node pipe's"
    judgements.push({ what, must: 1.3, aim: 1.1, unit: "x", measured })
  }
  // Growth with the policy: the largest against the smallest.
  const sized = outcomes.filter(({ contender }) => contender.name.startsWith(`${name}, `))
  const [few, many] = [sized.at(0), sized.at(-1)]
  if (few !== undefined && many !== undefined && few !== many) {
    const what = `bulk, CPU: ${many.contender.name} against ${few.contender.name}`
    judgements.push({ what, must: 1.15, aim: 1.05, unit: "x", measured: cpuRatio(many, few, "bulk") })
  }
  return judgements
}

/** The targets on memory, from what `measureIdle` returned. */
export function judgeMemory(rows: readonly IdleMemory[], name: string): Judgement[] {
  const [own, pipe] = [name, "node pipe"].map((wanted) => rows.find((row) => row.name === wanted))
  if (own === undefined || pipe === undefined) return []
  const each = single(own.perConnectionKiB / pipe.perConnectionKiB)
  return [
    { what: "memory of an idle connection, against node pipe's", must: 1.2, aim: 1, unit: "x", measured: each },
    {
      what: "gateway at rest, PSS, one process",
      must: 90,
      aim: 70,
      unit: " MiB",
      measured: single(own.restKiB / 1024),
    },
  ]
}

/** The target on the start, from the milliseconds of a few. */
export function judgeStart(starts: readonly number[]): Judgement[] {
  const measured = single(median(starts))
  return [{ what: "cold start to the first forwarded message", must: 2_000, aim: 1_000, unit: " ms", measured }]
}

/** The name of the contender that is no proxy at all. */
export const NO_PROXY = "(no proxy)"

/** CPU per message of `own` against `other`, round by round. */
export function cpuRatio(own: Outcome, other: Outcome, mode: Mode): Estimate {
  return ratio(
    own.runs[mode].map((run) => run.proxyMs),
    other.runs[mode].map((run) => run.proxyMs),
  )
}

/** Latency of `outcome` in each round, microseconds, at quantile `q`. */
export function latencies(outcome: Outcome, q: number): number[] {
  return outcome.runs.paced.map(({ latenciesUs }) => latenciesUs[Math.ceil(q * latenciesUs.length) - 1] ?? NaN)
}

/** What `own` adds to the direct way, divided by what `pipe` adds: medians over the rounds. */
function addedLatency(own: Outcome, pipe: Outcome, direct: Outcome, q: number): Estimate {
  const [a, b, none] = [latencies(own, q), latencies(pipe, q), latencies(direct, q)]
  const rounds = none.map((n, i) => ({ own: a[i]! - n, pipe: b[i]! - n }))
  return bootstrap(rounds, (some) => median(some.map((r) => r.own)) / median(some.map((r) => r.pipe)))
}
