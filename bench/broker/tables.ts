/** The tables of the section "Broker" of `bench/RESULTS.md`, and the targets that it is held against. */
import { median, table } from "../harness.ts"
import type { Outcome } from "../conduit/measure.ts"
import type { Mode } from "../conduit/message.ts"
import type { Transport } from "../conduit/proxy.ts"
import type { Run } from "../conduit/rig.ts"
import { quantile, ratio } from "../conduit/statistics.ts"
import type { Estimate } from "../conduit/statistics.ts"
import { bottleneck, ms, percent, thousands, times, WHAT } from "../conduit/tables.ts"
import type { Judgement } from "../conduit/targets.ts"

/** The whole chain of a run: proxy and broker. */
function chainMs({ proxyMs, brokerMs }: Run): number {
  return proxyMs + brokerMs
}

/** CPU of the whole chain of `own` against that of `other`, round by round. */
function chainRatio(own: Outcome, other: Outcome, mode: Mode): Estimate {
  return ratio(own.runs[mode].map(chainMs), other.runs[mode].map(chainMs))
}

/** The targets: the contender called `own` against the one called `peer`, over each transport: as fast as it goes, on one core. */
export function judgeBroker(outcomes: readonly Outcome[], own: string, peer: string): Judgement[] {
  const find = (name: string, transport: Transport): Outcome | undefined =>
    outcomes.find(({ contender }) => contender.name === name && contender.transport === transport)
  return (["tcp", "tls"] as const).flatMap((transport): Judgement[] => {
    const [ours, other] = [find(own, transport), find(peer, transport)]
    if (ours === undefined || other === undefined) return []
    const what = `${transport.toUpperCase()}, CPU: ${own}, against ${peer}`
    return [{ what, must: 0.65, aim: 0.55, unit: "x", measured: chainRatio(ours, other, "eager") }]
  })
}

/** CPU of each chain over `transport` in `mode`, with its ratio to that of `peer` in the same round. */
export function brokerTable(outcomes: readonly Outcome[], transport: Transport, mode: Mode, peer: string): string {
  const here = outcomes.filter(({ contender, runs }) => contender.transport === transport && runs[mode].length > 0)
  const base = here.find(({ contender }) => contender.name === peer)
  if (base === undefined) return ""
  const rows = here.map((outcome) => {
    const runs = outcome.runs[mode]
    const of = (pick: (run: Run) => number): number => median(runs.map(pick))
    const cpu = runs.map(chainMs)
    const [chain, ends] = [of((run) => run.proxyBusy), of((run) => run.endsBusy)]
    return [
      outcome.contender.name,
      ms(median(cpu)),
      `${ms(quantile(cpu, 0.25))} - ${ms(quantile(cpu, 0.75))}`,
      outcome.contender.running?.brokerPid === undefined ? "" : ms(of((run) => run.proxyMs)),
      outcome === base ? "1" : times(chainRatio(outcome, base, mode)),
      thousands(of((run) => run.perSecond)),
      `${percent(chain)} / ${percent(ends)}`,
      bottleneck(chain, ends).replace("proxy", "proxy and broker"),
    ]
  })
  const title = `**${transport === "tls" ? "TLS 1.3 mutual, on every way" : "TCP"}, ${WHAT[mode]}**`
  const head = ["", "CPU ms / 100k", "quartiles", "of it proxy", `x ${peer} (95 %)`]
  return `${title}\n\n${table([...head, "messages/s", "busy: chain / ends", "bottleneck"], rows)}`
}
