/** The two ends around a proxy: a sink per transport and one load process, and one measured run through any proxy. */
import { fileURLToPath } from "node:url"
import { setTimeout as sleep } from "node:timers/promises"
import { startChild } from "./lines.ts"
import type { Child } from "./lines.ts"
import type { LoadReport, OpenRequest } from "./load.ts"
import { clientId } from "./material.ts"
import type { Material } from "./material.ts"
import { CLIENTS, PER_WRITE } from "./message.ts"
import type { Mode } from "./message.ts"
import { cpuMs } from "./process-cost.ts"
import type { Transport } from "./proxy.ts"
import type { SinkReport } from "./sink.ts"

/** One run of one proxy in one mode. */
export interface Run {
  readonly messages: number
  /** CPU milliseconds per 100,000 messages. */
  readonly proxyMs: number
  readonly loadMs: number
  readonly sinkMs: number
  readonly perSecond: number
  /** Share of the run's time that each core was busy with us: the fuller one is the bottleneck. */
  readonly proxyBusy: number
  readonly endsBusy: number
  /** How many messages came in one read at the sink: what the proxy had glued together. */
  readonly perRead: number
  /** Sorted; empty unless paced. */
  readonly latenciesUs: readonly number[]
}

/** One run of the load. */
export interface RunRequest {
  readonly mode: Mode
  readonly count: number
  /** Paced mode only. */
  readonly perSecond?: number
}

/** Load and sinks, running. */
export interface Rig {
  /** Where the sink of `transport` listens for proxies. */
  upstreamPort(transport: Transport): number
  /** Where the sink listens for the clients themselves, with TLS: the way without a proxy. */
  readonly directPort: number
  /** Connect the clients through `port`, hand the connections to `action`, close them. */
  connected<T>(port: number, transport: Transport, action: () => Promise<T>, clients?: number): Promise<T>
  /**
   * One run over the open connections, through process `pid` (null: nobody between).
   * @throws Error if messages are missing or their content or order differs from what was sent.
   */
  run(pid: number | null, request: RunRequest): Promise<Run>
  stop(): Promise<void>
}

/** Start the ends on `core`. A run that has not arrived whole after `deadlineMs` has failed. */
export async function startRig(material: Material, core: number | null, deadlineMs = 60_000): Promise<Rig> {
  const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
  const load: Child = startChild(here("load.ts"), core)
  const sink: Child = startChild(here("sink.ts"), core)
  let open = 0
  const ports = {
    tcp: (await sink.call("listen", { tls: null })).port as number,
    tls: (await sink.call("listen", { tls: material.broker })).port as number,
  }
  await load.call("tally", await sink.call("tally"))
  return {
    upstreamPort: (transport) => ports[transport],
    // To the clients it shows what the proxies show them.
    directPort: (await sink.call("listen", { tls: material.proxyServer })).port as number,
    async connected(port, transport, action, clients = CLIENTS) {
      const names = Array.from({ length: clients }, (_, k) => clientId(k))
      const tls = transport === "tls" ? material.clients : null
      open = clients
      await load.call("open", { port, tls, names } satisfies OpenRequest)
      try {
        return await action()
      } finally {
        await load.call("close")
        for (let tries = 0; tries < 100 && (await sink.call("connections")) > 0; tries++) await sleep(10)
      }
    },
    async run(pid, { mode, count: atLeast, perSecond = 0 }) {
      const inStep = mode === "single" || mode === "batch8"
      const window = open * PER_WRITE[mode]
      const count = inStep ? Math.ceil(atLeast / window) * window : atLeast
      await sink.call("reset", { stamped: mode === "paced", window: inStep ? window : null })
      await load.call("prepare", { count })
      const spent = (): number[] => [pid === null ? 0 : cpuMs(pid), cpuMs(load.pid), cpuMs(sink.pid)]
      const before = spent()
      const arrived = sink.call("await", { count, timeoutMs: deadlineMs }) as Promise<SinkReport>
      const sending = load.call("send", { mode, count, perSecond }) as Promise<LoadReport>
      // The sink's word first: clients in step wait for ever for what is lost.
      const got = await Promise.race([arrived, sending.then(() => arrived)])
      const after = spent()
      if (!got.complete) throw new Error(`only ${got.messages} of ${count} messages arrived`)
      const sent = await sending
      if (got.messages !== count || got.digest !== sent.digest) throw new Error("what arrived is not what was sent")
      const [proxy, ends, sinkOnly] = after.map((ms, i) => ms - before[i]!) as [number, number, number]
      const per = 100_000 / count
      return {
        messages: count,
        proxyMs: proxy * per,
        loadMs: ends * per,
        sinkMs: sinkOnly * per,
        perSecond: count / (got.ms / 1e3),
        proxyBusy: proxy / got.ms,
        endsBusy: (ends + sinkOnly) / got.ms,
        perRead: count / got.chunks,
        latenciesUs: got.latenciesUs.toSorted((a, b) => a - b),
      }
    },
    async stop() {
      await Promise.all([load.stop(), sink.stop()])
    },
  }
}
