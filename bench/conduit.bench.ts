/**
 * A conduit end to end against dumb pipes and HAProxy: CPU per message, latency, memory, cold start.
 *
 *     node bench/conduit.bench.ts [--quick] [--rounds N] [--only tcp|tls] [--modes bulk,eager,batch8,single,paced]
 *
 * Needs two cores to say anything: the proxies run on one, the clients and the broker's end on the other. What it
 * measures and how: `bench/conduit/README.md`.
 * A lost, changed or reordered message fails it; a missed target is printed. `--quick` writes nothing, and neither do
 * `--only` and `--modes`, which measure a part and leave out memory and cold start.
 */
import { loadavg } from "node:os"
import { parseArgs } from "node:util"
import { haproxy, haproxyVersion } from "./conduit/haproxy.ts"
import { lockgate } from "./conduit/lockgate.ts"
import { makeMaterial } from "./conduit/material.ts"
import type { Material } from "./conduit/material.ts"
import { measureColdStart, measureIdle, measureRounds } from "./conduit/measure.ts"
import type { Contender, Extent, IdleMemory } from "./conduit/measure.ts"
import { CLIENTS } from "./conduit/message.ts"
import type { Mode } from "./conduit/message.ts"
import { nodePipe, pooledPipe } from "./conduit/proxy.ts"
import type { Proxy } from "./conduit/proxy.ts"
import { startRig } from "./conduit/rig.ts"
import { scratchFolder, twoCores } from "./conduit/stage.ts"
import type { Cores } from "./conduit/stage.ts"
import { cpuTable, judgementTable, latencyTable, memoryTable } from "./conduit/tables.ts"
import { report } from "./harness.ts"
import { judge, judgeMemory, judgeStart, NO_PROXY } from "./conduit/targets.ts"

const RULES = 1_000
const FULL: Extent = {
  rounds: 25,
  // A gateway runs for months: what V8 spends to compile the way of a chunk, of which few are as many messages, is not its rate.
  warmUp: 4,
  maxSeconds: 1_200,
  counts: { bulk: 800_000, eager: 48_000, batch8: 64_000, single: 24_000, paced: 3_200 },
  perSecond: 2_000,
  idleConnections: 200,
  settleMs: 8_000,
}
const QUICK: Extent = {
  rounds: 3,
  maxSeconds: 60,
  counts: { bulk: 100_000, eager: 8_000, batch8: 16_000, single: 4_000, paced: 400 },
  perSecond: 2_000,
  idleConnections: 50,
  settleMs: 1_000,
}

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string" },
    modes: { type: "string" },
  },
})
const extent = { ...(options.quick ? QUICK : FULL) }
const rounds = Number(options.rounds ?? process.env["LOCKGATE_BENCH_ROUNDS"] ?? extent.rounds)

const MODES: readonly Mode[] = ["bulk", "eager", "batch8", "single", "paced"]
const wanted = options.modes?.split(",") ?? MODES
const modes = MODES.filter((mode) => wanted.includes(mode))
const isPart = options.only !== undefined || options.modes !== undefined
const CPU_MODES: readonly Mode[] = modes.filter((mode) => mode !== "paced")

/** How it was measured; `kept` rounds count, and `load` processes wanted a core when the bench began. */
function circumstances(kept: number, load: number): string {
  return (
    `HAProxy ${haproxyVersion() ?? "not installed: LEFT OUT"}. ${kept} interleaved rounds, ${CLIENTS} clients, messages ` +
    `of 142 bytes at QoS 0, policy of ${RULES} rules, nothing denied, content and order compared in every run; ` +
    `${load.toFixed(1)} processes wanted a core before it began.`
  )
}

async function measure(folder: string): Promise<string> {
  const load = loadavg()[0] ?? NaN
  const core = twoCores()
  const material = await makeMaterial(folder)
  const hasHaproxy = haproxyVersion() !== null
  if (!hasHaproxy) console.error("LEFT OUT: haproxy is not installed (apt-get install haproxy)")
  const own = lockgate(RULES)
  const ownTcp = lockgate(RULES, "lockgate", [], "tcp")
  if (own === null) console.error("LEFT OUT: firmware/cli.ts is not there")
  const tlsProxies: Proxy[] = [nodePipe("tls"), ...(hasHaproxy ? [haproxy("tls")] : []), ...(own === null ? [] : [own])]
  const proxies: Proxy[] = [
    nodePipe("tcp"),
    pooledPipe(),
    ...(hasHaproxy ? [haproxy("tcp"), haproxy("tcp", true)] : []),
    ...(ownTcp === null ? [] : [ownTcp]),
    ...tlsProxies,
  ]
  const rig = await startRig(material, core.ends)
  const started: Contender[] = []
  const begin = async (proxy: Proxy, modes: readonly Mode[]): Promise<void> => {
    const { name, transport } = proxy
    const running = await proxy.start({ upstreamPort: rig.upstreamPort(transport), material, core: core.proxy })
    started.push({ name, transport, modes, running })
  }
  try {
    for (const proxy of proxies) {
      if (options.only === undefined || proxy.transport === options.only) await begin(proxy, modes)
    }
    for (const rules of isPart ? [] : [10, 10_000]) {
      const other = lockgate(rules, `lockgate, ${rules} rules`)
      if (other !== null) await begin(other, ["bulk"])
    }
    const direct: Contender = {
      name: NO_PROXY,
      transport: "tls",
      modes: modes.filter((mode) => mode === "paced"),
      running: null,
    }
    const outcomes = await measureRounds(rig, [direct, ...started], { ...extent, rounds }, (text) =>
      process.stderr.write(`\r${text}   `),
    )
    process.stderr.write("\n")
    for (const { running } of started.splice(0)) await running?.stop()
    const idle = isPart ? [] : await weigh(tlsProxies, material, core)
    const starts: number[] = []
    for (let n = 0; n < 3 && !isPart && own !== null; n++)
      starts.push(await measureColdStart(own, rig, material, core.proxy))
    const kept = Math.max(...outcomes.flatMap(({ runs }) => MODES.map((mode) => runs[mode].length)))
    if (kept < rounds) console.error(`STOPPED after ${kept} of ${rounds} rounds: the time was over`)
    const parts = [circumstances(kept, load)]
    if (own !== null) {
      const judgements = [
        ...judge(outcomes, own.name),
        ...judgeMemory(idle, own.name),
        ...(isPart ? [] : judgeStart(starts)),
      ]
      parts.push(judgementTable(judgements))
    }
    for (const transport of ["tls", "tcp"] as const)
      for (const mode of CPU_MODES) parts.push(cpuTable(outcomes, transport, mode))
    if (modes.includes("paced"))
      parts.push(`Latency at ${extent.perSecond} messages/s:`, latencyTable(outcomes, outcomes[0]!))
    if (!isPart) parts.push(`Memory (PSS) of ${extent.idleConnections} idle connections:`, memoryTable(idle))
    return parts.join("\n\n")
  } finally {
    for (const { running } of started) await running?.stop()
    await rig.stop()
  }
}

async function weigh(proxies: readonly Proxy[], material: Material, core: Cores): Promise<IdleMemory[]> {
  const rigs = await Promise.all(proxies.map(() => startRig(material, core.ends)))
  try {
    return await measureIdle(proxies, rigs, material, extent, core.proxy)
  } finally {
    await Promise.all(rigs.map((rig) => rig.stop()))
  }
}

const body = await measure(scratchFolder())
if (options.quick || isPart) console.log(body)
else report("Conduit", body)
