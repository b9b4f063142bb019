import { availableParallelism } from "node:os"
import type { Clock } from "../hal/clock.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import { startEngine, type EnginePort } from "./conduits/engine-port.ts"
import type { ConduitCounters, GatewayAnswer, Listening, RightsAsk, SpoolAsk } from "./conduits/messages.ts"
import { transportsOf, type ConduitEnds, type GatewayConfig } from "./config/gateway-config.ts"
import { endpoint } from "./interfaces.ts"
import { linesSocket } from "./lines/socket-path.ts"
import type { ConduitStatus } from "./management/status-report.ts"
import type { Material } from "./material.ts"
import type { TimeKeeper } from "./time-keeper.ts"

/** What the conduits stand on. */
export interface RunningConduitsDeps {
  readonly clock: Clock
  readonly config: GatewayConfig
  readonly material: Material
  readonly time: TimeKeeper
  readonly allowStall: boolean
  readonly note: (event: AuditEvent) => void
  /** A fault has closed this conduit. */
  readonly failed: (conduit: string, fault: string) => void
  /** A thread asks what only the gateway knows. */
  readonly asked: (ask: SpoolAsk | RightsAsk) => Promise<GatewayAnswer>
  /** The engine's loop gave a sign of life. */
  readonly alive: () => void
}

/** The engine, and what the gateway knows of it: what listens, what was counted. */
export interface RunningConduits {
  readonly engine: EnginePort
  readonly listening: readonly Listening[]
  /** What listens now, after a change that the engine was told; every difference is written to the log. */
  nowListening(next: readonly Listening[]): void
  /** One row a conduit of the board file. */
  status(failed: ReadonlyMap<string, string>): readonly ConduitStatus[]
}

/** Start the conduit engine, closed; whatever it reports goes to the log. */
export async function startConduits(deps: RunningConduitsDeps): Promise<RunningConduits> {
  const { clock, config, material, time, note } = deps
  let counters: readonly ConduitCounters[] = []
  let listening: readonly Listening[] = []

  function nowListening(next: readonly Listening[]): void {
    const opened = next.filter((l) => !listening.some((o) => o.conduit === l.conduit && o.port === l.port))
    const closed = listening.filter((l) => !next.some((n) => n.conduit === l.conduit))
    listening = next
    for (const { conduit, address, port } of opened) {
      const object = endpoint(address, port)
      note({ id: "conduit.listening", outcome: "success", source: "conduits", conduit, object })
    }
    for (const { conduit } of closed) note({ id: "conduit.closed", outcome: "success", source: "conduits", conduit })
  }

  /** A conduit, or all of them (null), closed by a fault. */
  function failed(conduit: string | null, reason: string, text: string): void {
    note({
      id: "conduit.closed",
      outcome: "failure",
      source: `conduit/${conduit ?? "*"}`,
      ...(conduit === null ? {} : { conduit }),
      reason,
      detail: { text: text.slice(0, 200) },
    })
  }

  const setup = {
    clock,
    conduits: material.conduits,
    limits: config.limits,
    allowStall: deps.allowStall,
    workers: workersOf(config.workers),
    ...(Object.keys(config.lines).length === 0 ? {} : { linesSocket: linesSocket(config.stateFolder) }),
  }
  const engine = await startEngine(
    { ...setup, time: time.interval() },
    {
      events: (events) => events.forEach(note),
      counters: (next) => (counters = next),
      listening: nowListening,
      certificateSeen: (notBeforeAt) => time.certificateSeen(notBeforeAt),
      failed: deps.failed,
      asked: deps.asked,
      alive: deps.alive,
      fault: failed,
      died: (reason, others) => {
        if (others.length === 0) failed(null, "engine-died", reason)
        else note({ id: "conduit.worker-died", outcome: "failure", source: "conduits", reason: reason.slice(0, 200) })
        nowListening(others)
      },
    },
  )
  return {
    engine,
    get listening() {
      return listening
    },
    nowListening,
    status: (failed) =>
      Object.entries(config.conduits).map(([name, ends]) => ({
        ...statusOf(name, listening, counters),
        ...clearTextOf(ends),
        failed: failed.get(name) ?? null,
      })),
  }
}

/** Beyond four the rest of the gateway and the brokers have more use for a core. */
const MOST_WORKERS = 4

function workersOf(workers: number | "auto"): number {
  return workers === "auto" ? Math.min(availableParallelism(), MOST_WORKERS) : workers
}

function clearTextOf(ends: ConduitEnds): Pick<ConduitStatus, "clearText"> {
  const transports = transportsOf(ends)
  const clear = (["from", "to"] as const).filter((end) => transports[end] !== "tls")
  return clear.length === 0 ? {} : { clearText: clear }
}

function statusOf(
  name: string,
  listening: readonly Listening[],
  counters: readonly ConduitCounters[],
): Omit<ConduitStatus, "failed"> {
  const at = listening.find((l) => l.conduit === name)
  const own = counters.find((c) => c.conduit === name) ?? null
  return {
    name,
    listening: at === undefined ? null : endpoint(at.address, at.port),
    connections: own?.connections ?? 0,
    allowed: (own?.allowedUp ?? 0) + (own?.allowedDown ?? 0),
    denied: (own?.deniedUp ?? 0) + (own?.deniedDown ?? 0),
    counters: own,
  }
}
