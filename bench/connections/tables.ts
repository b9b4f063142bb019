/** The tables of the section "Connections" of `bench/RESULTS.md`, and the targets that it is held against. */
import { median, table } from "../harness.ts"
import type { Transport } from "../conduit/proxy.ts"
import { quantile, ratio } from "../conduit/statistics.ts"
import type { Estimate } from "../conduit/statistics.ts"
import { ms, percent, times } from "../conduit/tables.ts"
import { single } from "../conduit/targets.ts"
import type { Judgement } from "../conduit/targets.ts"
import type { Row } from "./measure.ts"

/** Fewer connections weigh less than the proxy's own breath. */
const WEIGHABLE = 100
/** From here on a collector that runs between two weighings, or does not, is small beside what is weighed. */
const JUDGEABLE = 1_000

function each({ restKiB, openKiB, connections }: Row): number {
  return (openKiB - restKiB) / connections
}

function cpuRatio(own: Row, other: Row): Estimate {
  return ratio(
    own.runs.map((run) => run.proxyMs),
    other.runs.map((run) => run.proxyMs),
  )
}

/** The targets for the proxy called `name`: CPU at a steady rate, one message a write, and the memory of a connection. */
export function judgeConnections(rows: readonly Row[], name: string, connections: readonly number[]): Judgement[] {
  const find = (wanted: string, transport: Transport, count: number): Row | undefined =>
    rows.find((row) => row.name === wanted && row.transport === transport && row.connections === count)
  return (["tls", "tcp"] as const).flatMap((transport) =>
    connections.flatMap((count): Judgement[] => {
      const own = find(name, transport, count)
      if (own === undefined) return []
      const where = `${transport.toUpperCase()}, ${count.toLocaleString("en")} connection${count === 1 ? "" : "s"}`
      const cpu = (["node pipe", "haproxy"] as const).flatMap((peer): Judgement[] => {
        const other = find(peer, transport, count)
        const aim = peer === "haproxy" ? 1 : 1.02
        return other === undefined
          ? []
          : [{ what: `${where}, CPU, against ${peer}`, must: 1.05, aim, unit: "x", measured: cpuRatio(own, other) }]
      })
      const pipe = find("node pipe", transport, count)
      if (pipe === undefined || count < JUDGEABLE) return cpu
      const measured = single(each(own) / each(pipe))
      return [...cpu, { what: `${where}, memory of one, against node pipe's`, must: 1.2, aim: 1, unit: "x", measured }]
    }),
  )
}

/** CPU and memory of each proxy over `transport`, by number of connections. */
export function connectionsTable(rows: readonly Row[], transport: Transport): string {
  const here = rows.filter((row) => row.transport === transport)
  if (here.length === 0) return ""
  const lines = here.map((row) => {
    const pipe = here.find(({ name, connections }) => name === "node pipe" && connections === row.connections)
    const cpu = row.runs.map((run) => run.proxyMs)
    const of = (pick: (run: Row["runs"][number]) => number): number => median(row.runs.map(pick))
    return [
      row.connections.toLocaleString("en"),
      row.name,
      ms(median(cpu)),
      `${ms(quantile(cpu, 0.25))} - ${ms(quantile(cpu, 0.75))}`,
      pipe === undefined ? "" : pipe === row ? "1" : times(cpuRatio(row, pipe)),
      of((run) => quantile(run.latenciesUs, 0.5)).toFixed(0),
      of((run) => quantile(run.latenciesUs, 0.99)).toFixed(0),
      `${percent(of((run) => run.proxyBusy))} / ${percent(of((run) => run.endsBusy))}`,
      (row.restKiB / 1024).toFixed(0),
      (row.openKiB / 1024).toFixed(0),
      row.connections < WEIGHABLE ? "" : each(row).toFixed(0),
      row.connections < WEIGHABLE || pipe === undefined ? "" : (each(row) / each(pipe)).toFixed(2),
    ]
  })
  const cpuHead = ["CPU ms / 100k", "quartiles", "x node pipe (95 %)", "p50 us", "p99 us", "busy: proxy / ends"]
  const memoryHead = ["MiB at rest", "MiB, all open", "KiB a connection", "x node pipe"]
  const title = transport === "tls" ? "TLS 1.3 mutual, both sides" : "TCP"
  return `**${title}**\n\n${table(["connections", "", ...cpuHead, ...memoryHead], lines)}`
}
