/** The tables of the section "Conduit" of `bench/RESULTS.md`. */
import { against, median, table } from "../harness.ts"
import type { IdleMemory, Outcome } from "./measure.ts"
import type { Mode } from "./message.ts"
import type { Transport } from "./proxy.ts"
import { quantile } from "./statistics.ts"
import type { Estimate } from "./statistics.ts"
import { cpuRatio, latencies } from "./targets.ts"
import type { Judgement } from "./targets.ts"

/** The modes in words. */
export const WHAT: Readonly<Record<Mode, string>> = {
  bulk: "bulk: writes of 64 KiB, as fast as they go",
  eager: "1 message a write, as fast as they go",
  batch8: "8 messages a write, in step",
  single: "1 message a write, in step",
  paced: "at a steady rate",
}

/** CPU of each proxy in `mode`, with its ratio to the dumb pipe of the same round. */
export function cpuTable(outcomes: readonly Outcome[], transport: Transport, mode: Mode): string {
  const here = outcomes.filter(
    ({ contender, runs }) => contender.transport === transport && contender.running !== null && runs[mode].length > 0,
  )
  const pipe = here.find(({ contender }) => contender.name === "node pipe")
  if (here.length === 0 || pipe === undefined) return ""
  const title = `**${transport === "tls" ? "TLS 1.3 mutual, both sides" : "TCP"}, ${WHAT[mode]}**`
  const rows = table(
    ["proxy", "CPU ms / 100k", "quartiles", "x node pipe (95 %)", "messages/s", "busy: proxy / ends", "bottleneck"],
    here.map((outcome) => {
      const runs = outcome.runs[mode]
      const of = (pick: (run: (typeof runs)[number]) => number): number => median(runs.map(pick))
      const cpu = runs.map((run) => run.proxyMs)
      const [proxy, ends] = [of((run) => run.proxyBusy), of((run) => run.endsBusy)]
      return [
        outcome.contender.name,
        ms(median(cpu)),
        `${ms(quantile(cpu, 0.25))} - ${ms(quantile(cpu, 0.75))}`,
        outcome === pipe ? "1" : times(cpuRatio(outcome, pipe, mode)),
        thousands(of((run) => run.perSecond)),
        `${percent(proxy)} / ${percent(ends)}`,
        bottleneck(proxy, ends),
      ]
    }),
  )
  return `${title}\n\n${rows}`
}

/** A core that is busy for nine tenths of the time bounds the run; else the ends wait for each other. */
export function bottleneck(proxy: number, ends: number): string {
  if (Math.max(proxy, ends) < 0.9) return "the way there and back"
  return proxy > ends ? "proxy" : "load and sink"
}

/** Latency at a steady rate: from the write at the client to the arrival at the sink. */
export function latencyTable(outcomes: readonly Outcome[], direct: Outcome): string {
  const here = outcomes.filter(({ runs }) => runs.paced.length > 0)
  return table(
    ["TLS", "p50 us", "p99 us", "added p50 us", "added p99 us"],
    here.map((outcome) => {
      const [p50, p99] = [latencies(outcome, 0.5), latencies(outcome, 0.99)]
      const added = (q: number, own: number[]): string =>
        outcome === direct ? "" : median(own.map((us, i) => us - latencies(direct, q)[i]!)).toFixed(0)
      const name = outcome.contender.name
      return [name, median(p50).toFixed(0), median(p99).toFixed(0), added(0.5, p50), added(0.99, p99)]
    }),
  )
}

/** The targets, each with its verdict: it is the upper end of the interval that must not exceed the target. */
export function judgementTable(judgements: readonly Judgement[]): string {
  return table(
    ["target", "must", "aim", "measured (95 %)", "verdict"],
    judgements.map(({ what, must, aim, unit, measured }) => [
      what,
      `${must}${unit}`,
      `${aim}${unit}`,
      unit === "x" ? times(measured) : `${measured.value.toFixed(0)}${unit}`,
      against(measured.high, must, aim),
    ]),
  )
}

/** What idle connections weigh. */
export function memoryTable(rows: readonly IdleMemory[]): string {
  const pipe = rows.find(({ name }) => name === "node pipe")?.perConnectionKiB ?? NaN
  return table(
    ["TLS on both sides", "at rest MiB", "KiB a connection", "x node pipe"],
    rows.map(({ name, restKiB, perConnectionKiB }) => [
      name,
      (restKiB / 1024).toFixed(0),
      perConnectionKiB.toFixed(0),
      (perConnectionKiB / pipe).toFixed(2),
    ]),
  )
}

/** `1.23x (1.19 - 1.31)` */
export function times({ value, low, high }: Estimate): string {
  return `${value.toFixed(2)}x` + (low === high ? "" : ` (${low.toFixed(2)} - ${high.toFixed(2)})`)
}

/** Milliseconds, with a digit behind the point where there are few. */
export function ms(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0)
}

/** `12 %` of 0.12. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}

/** `12k` of 12,000. */
export function thousands(value: number): string {
  return `${(value / 1000).toFixed(0)}k`
}
