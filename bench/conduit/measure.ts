/** The measurements: CPU per message in interleaved rounds, added latency, memory of idle connections, cold start. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Material } from "./material.ts"
import type { Mode } from "./message.ts"
import { pssKiB } from "./process-cost.ts"
import type { Proxy, RunningProxy, Transport } from "./proxy.ts"
import type { Rig, Run } from "./rig.ts"

/** How much is measured. */
export interface Extent {
  /** Kept rounds; one more goes before them and is thrown away. */
  readonly rounds: number
  /** How many times as much is sent in the round that is thrown away; default 1. V8 needs some 100,000 messages to settle. */
  readonly warmUp?: number
  /** No further round begins after this long: on a busy machine fewer are kept, and the results say so. */
  readonly maxSeconds: number
  readonly counts: Readonly<Partial<Record<Mode, number>>>
  /** Rate of the paced mode, messages/s. */
  readonly perSecond: number
  readonly idleConnections: number
  /** How long the idle ones lie still before they are weighed, so that collectors have run. */
  readonly settleMs: number
}

/** A proxy under test while it runs; `running` null means that the clients speak to the sink directly. */
export interface Contender {
  readonly name: string
  readonly transport: Transport
  readonly running: RunningProxy | null
  readonly modes: readonly Mode[]
  /** By how much fewer messages it is sent than the others, for the slow ones; default 1. */
  readonly divisor?: number
}

/** One contender's runs, by mode, in the order of the rounds; all contenders have the same rounds. */
export interface Outcome {
  readonly contender: Contender
  readonly runs: Readonly<Record<Mode, readonly Run[]>>
}

/** What a proxy weighs, as proportional set size. */
export interface IdleMemory {
  readonly name: string
  /** With no connection open, after some were. */
  readonly restKiB: number
  /** What each idle connection adds to that. */
  readonly perConnectionKiB: number
}

/**
 * Every contender in every round in turn, each round beginning with another one; in a round, all modes of a contender
 * over the same connections.
 *
 * @throws Error if a contender loses, changes or reorders a message.
 */
export async function measureRounds(
  rig: Rig,
  contenders: readonly Contender[],
  extent: Extent,
  progress: (text: string) => void,
): Promise<Outcome[]> {
  const outcomes = contenders.map((contender) => ({ contender, runs: noRuns() }))
  const until = performance.now() + extent.maxSeconds * 1_000
  for (let round = 0; round <= extent.rounds && performance.now() < until; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${extent.rounds}`)
    for (let turn = 0; turn < outcomes.length; turn++) {
      const { contender, runs } = outcomes[(turn + round) % outcomes.length]!
      const { name, transport, running, modes, divisor = 1 } = contender
      const { pid = null, brokerPid = null, subscribeAt = null } = running ?? {}
      const port = running?.port ?? rig.directPort
      const inEachMode = async (): Promise<void> => {
        for (const mode of modes) {
          const times = round === 0 ? (extent.warmUp ?? 1) : 1
          const count = Math.ceil(((extent.counts[mode] ?? 0) * times) / divisor)
          const run = await rig.run(pid, { mode, count, perSecond: extent.perSecond, brokerPid })
          if (round > 0) runs[mode].push(run)
        }
      }
      try {
        await rig.connected(port, transport, inEachMode, { subscribeAt })
      } catch (error) {
        const fault = error instanceof Error ? error.message : String(error)
        throw new Error(`${name}, ${transport}: ${fault}`, { cause: error })
      }
    }
  }
  return outcomes
}

function noRuns(): Record<Mode, Run[]> {
  return { bulk: [], eager: [], batch8: [], single: [], paced: [] }
}

/** What each proxy weighs with and without idle connections: each started anew, all resting at the same time. */
export async function measureIdle(
  proxies: readonly Proxy[],
  rigs: readonly Rig[],
  material: Material,
  extent: Extent,
  core: number | null,
): Promise<IdleMemory[]> {
  return Promise.all(
    proxies.map(async (proxy, i) => {
      const rig = rigs[i]!
      const upstreamPort = rig.upstreamPort(proxy.transport)
      const running = await proxy.start({ upstreamPort, material, core })
      try {
        // What only the first connections bring (code, pools) is not theirs.
        const few = { clients: Math.ceil(extent.idleConnections / 10) }
        await rig.connected(running.port, proxy.transport, () => sleep(100), few)
        await sleep(extent.settleMs)
        const restKiB = pssKiB(running.pid)
        const full = await rig.connected(
          running.port,
          proxy.transport,
          async () => {
            await sleep(extent.settleMs)
            return pssKiB(running.pid)
          },
          { clients: extent.idleConnections },
        )
        return { name: proxy.name, restKiB, perConnectionKiB: (full - restKiB) / extent.idleConnections }
      } finally {
        await running.stop()
      }
    }),
  )
}

/** Milliseconds from the start of `proxy` to the first message that has come out of it. */
export async function measureColdStart(
  proxy: Proxy,
  rig: Rig,
  material: Material,
  core: number | null,
): Promise<number> {
  const startedAt = performance.now()
  const running = await proxy.start({ upstreamPort: rig.upstreamPort(proxy.transport), material, core })
  try {
    return await rig.connected(
      running.port,
      proxy.transport,
      async () => {
        await rig.run(running.pid, { mode: "single", count: 1 })
        return performance.now() - startedAt
      },
      { clients: 1 },
    )
  } finally {
    await running.stop()
  }
}
