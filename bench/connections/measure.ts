/** Proxies with many connections open: weighed while these idle, then run in interleaved rounds. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Material } from "../conduit/material.ts"
import { pssKiB } from "../conduit/process-cost.ts"
import type { Proxy, RunningProxy, Transport } from "../conduit/proxy.ts"
import { startRig } from "../conduit/rig.ts"
import type { Rig, Run } from "../conduit/rig.ts"
import type { Cores } from "../conduit/stage.ts"

/** How much is measured. */
export interface Plan {
  readonly connections: readonly number[]
  /** Kept rounds; one more goes before them and is thrown away. */
  readonly rounds: number
  /** No further round of a transport begins after this long. */
  readonly maxSeconds: number
  /** Messages/s of all connections together. */
  readonly perSecond: number
  /** Messages of a run. */
  readonly count: number
  /** How long a proxy lies still before it is weighed, so that collectors have run. */
  readonly settleMs: number
}

/** One proxy with one number of connections. */
export interface Row {
  readonly name: string
  readonly transport: Transport
  readonly connections: number
  /** With none open, after a few were. */
  readonly restKiB: number
  /** With all open and idle. */
  readonly openKiB: number
  /** By round; all rows of a transport have the same rounds. */
  readonly runs: readonly Run[]
}

interface Station {
  readonly name: string
  readonly transport: Transport
  readonly connections: number
  readonly rig: Rig
  readonly running: RunningProxy
  restKiB: number
  openKiB: number
  readonly runs: Run[]
  /** Close the connections, the proxy and its ends. */
  end(): Promise<void>
}

/**
 * A row for each of `proxies` and each number of connections: each proxy and its ends started anew for it.
 *
 * @throws Error if a proxy loses, changes or reorders a message.
 */
export async function measureConnections(
  proxies: readonly Proxy[],
  material: Material,
  core: Cores,
  plan: Plan,
  progress: (text: string) => void,
): Promise<Row[]> {
  const stations: Station[] = []
  try {
    for (const connections of plan.connections)
      for (const proxy of proxies) stations.push(await startStation(proxy, connections, material, core))
    progress("at rest")
    await sleep(plan.settleMs)
    for (const station of stations) station.restKiB = pssKiB(station.running.pid)
    for (const station of stations) {
      progress(`opening ${station.connections} through ${station.name}`)
      await open(station)
    }
    progress("with all open")
    await sleep(plan.settleMs)
    for (const station of stations) station.openKiB = pssKiB(station.running.pid)
    await runRounds(stations, plan, progress)
    return stations
  } finally {
    for (const station of stations) await station.end()
  }
}

async function startStation(proxy: Proxy, connections: number, material: Material, core: Cores): Promise<Station> {
  const { name, transport } = proxy
  const rig = await startRig(material, core.ends)
  const running = await proxy.start({ upstreamPort: rig.upstreamPort(transport), material, core: core.proxy })
  // What only the first connections bring (code, pools) is not theirs.
  await rig.connected(running.port, transport, () => sleep(100), { clients: 20 })
  const end = async (): Promise<void> => {
    await running.stop()
    await rig.stop()
  }
  return { name, transport, connections, rig, running, restKiB: NaN, openKiB: NaN, runs: [], end }
}

/** The connections stay open until the ends stop. */
async function open({ rig, running, transport, connections }: Station): Promise<void> {
  await rig.open(running.port, transport, { clients: connections })
}

/** So many times as much, as many times as fast, in the round that is thrown away: until V8's code is settled. */
const WARM_UP = 10

async function runRounds(stations: readonly Station[], plan: Plan, progress: (text: string) => void): Promise<void> {
  const until = performance.now() + plan.maxSeconds * 1_000
  for (let round = 0; round <= plan.rounds && performance.now() < until; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${plan.rounds}`)
    for (let turn = 0; turn < stations.length; turn++) {
      const { name, transport, connections, rig, running, runs } = stations[(turn + round) % stations.length]!
      try {
        const faster = round === 0 ? WARM_UP : 1
        const { count, perSecond } = plan
        const run = await rig.run(running.pid, { mode: "paced", count: count * faster, perSecond: perSecond * faster })
        if (round > 0) runs.push(run)
      } catch (error) {
        const fault = error instanceof Error ? error.message : String(error)
        throw new Error(`${name}, ${transport}, ${connections} connections: ${fault}`, { cause: error })
      }
    }
  }
}
