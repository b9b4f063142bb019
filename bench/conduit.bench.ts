/**
 * A conduit end to end against dumb pipes and HAProxy: CPU per message, latency, memory, cold start.
 *
 *     node bench/conduit.bench.ts [--quick] [--rounds N] [--no-write]
 *
 * Needs two cores to say anything: the proxies run on one, the clients and the broker's end on the other. What it
 * measures and how: `bench/conduit/README.md`. Ends with 1 if content was lost or a target is missed by a "must".
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, cpus, release, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { haproxy, haproxyVersion } from "./conduit/haproxy.ts"
import { canPin } from "./conduit/lines.ts"
import { lockgate } from "./conduit/lockgate.ts"
import { makeMaterial } from "./conduit/material.ts"
import type { Material } from "./conduit/material.ts"
import { measureColdStart, measureIdle, measureRounds } from "./conduit/measure.ts"
import type { Contender, Extent } from "./conduit/measure.ts"
import { CLIENTS } from "./conduit/message.ts"
import type { Mode } from "./conduit/message.ts"
import { nodePipe, pooledPipe } from "./conduit/proxy.ts"
import type { Proxy } from "./conduit/proxy.ts"
import { startRig } from "./conduit/rig.ts"
import { writeSection } from "./conduit/section.ts"
import { median } from "./conduit/statistics.ts"
import { cpuTable, judgementTable, latencyTable, table, times } from "./conduit/tables.ts"
import { cpuRatio, judge, NO_PROXY } from "./conduit/targets.ts"

const RULES = 1_000
const FULL: Extent = {
  rounds: 15,
  counts: { bulk: 500_000, batch8: 80_000, single: 16_000, paced: 2_000 },
  perSecond: 2_000,
  idleConnections: 200,
  settleMs: 8_000,
}
const QUICK: Extent = {
  rounds: 3,
  counts: { bulk: 100_000, batch8: 16_000, single: 4_000, paced: 400 },
  perSecond: 2_000,
  idleConnections: 50,
  settleMs: 1_000,
}

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    "no-write": { type: "boolean", default: false },
  },
})
const extent = { ...(options.quick ? QUICK : FULL) }
const rounds = Number(options.rounds ?? process.env["LOCKGATE_BENCH_ROUNDS"] ?? extent.rounds)

const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url))
const CPU_MODES: readonly Mode[] = ["bulk", "batch8", "single"]

/** The cores this process may use: one for the proxies, one for the ends; none of its own if there are fewer than two. */
function twoCores(): { proxy: number | null; ends: number | null } {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? ""
  const cores = list.split(",").flatMap((range) => {
    const [first = NaN, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  const [ends, proxy] = cores
  if (ends === undefined || proxy === undefined || !canPin()) {
    console.error("NOT PINNED: needs two cores and taskset; the figures below say little")
    return { proxy: null, ends: null }
  }
  return { proxy, ends }
}

function machine(): string[] {
  return [
    `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${availableParallelism()} cores; Linux ${release()}; ` +
      `Node ${process.version}; HAProxy ${haproxyVersion() ?? "not installed: LEFT OUT"}; ` +
      `${new Date().toISOString().slice(0, 10)}; ${rounds} interleaved rounds, ${CLIENTS} clients, ` +
      `messages of 142 bytes at QoS 0, policy of ${RULES} rules, nothing denied, content and order compared in every run.`,
    "",
  ]
}

async function measure(folder: string): Promise<{ lines: string[]; missed: boolean }> {
  const core = twoCores()
  const material = await makeMaterial(folder)
  const hasHaproxy = haproxyVersion() !== null
  if (!hasHaproxy) console.error("LEFT OUT: haproxy is not installed (apt-get install haproxy)")
  const own = lockgate(RULES)
  if (own === null) console.error("LEFT OUT: firmware/cli.ts is not there")
  const tlsProxies: Proxy[] = [nodePipe("tls"), ...(hasHaproxy ? [haproxy("tls")] : []), ...(own === null ? [] : [own])]
  const proxies: Proxy[] = [
    nodePipe("tcp"),
    pooledPipe(),
    ...(hasHaproxy ? [haproxy("tcp"), haproxy("tcp", true)] : []),
    ...tlsProxies,
  ]
  const rig = await startRig(material, core.ends)
  const started: Contender[] = []
  const begin = async (proxy: Proxy, modes: readonly Mode[]): Promise<void> => {
    const { name, transport } = proxy
    const running = await proxy.start({ upstreamPort: rig.upstreamPort(transport), material, core: core.proxy })
    started.push({ name, transport, modes, running })
  }
  const lines = machine()
  try {
    for (const proxy of proxies) await begin(proxy, proxy.transport === "tls" ? [...CPU_MODES, "paced"] : CPU_MODES)
    for (const rules of [10, 10_000]) {
      const other = lockgate(rules)
      if (other !== null) await begin(other, ["bulk"])
    }
    const direct: Contender = { name: NO_PROXY, transport: "tls", modes: ["paced"], running: null }
    const outcomes = await measureRounds(rig, [direct, ...started], { ...extent, rounds }, (text) =>
      process.stderr.write(`\r${text}   `),
    )
    process.stderr.write("\n")
    const judgements = judge(outcomes, own?.name ?? "")
    if (judgements.length > 0) lines.push(...judgementTable(judgements), "")
    for (const transport of ["tls", "tcp"] as const)
      for (const mode of CPU_MODES) lines.push(...cpuTable(outcomes, transport, mode))
    lines.push(`Latency at ${extent.perSecond} messages/s:`, "", ...latencyTable(outcomes, outcomes[0]!), "")
    const base = outcomes.find(({ contender }) => contender.name === own?.name)
    const others = outcomes.filter(({ contender }) => /^lockgate, .* rules/.test(contender.name) && base !== undefined)
    for (const other of others)
      lines.push(`${other.contender.name}, bulk CPU against ${RULES}: ${times(cpuRatio(other, base!, "bulk"))}`, "")
    for (const { running } of started.splice(0)) await running?.stop()
    lines.push(...(await weigh(tlsProxies, material, core)))
    if (own !== null) {
      const starts: number[] = []
      for (let n = 0; n < 3; n++) starts.push(await measureColdStart(own, rig, material, core.proxy))
      lines.push(
        `Cold start of the gateway to its first forwarded message: ${median(starts).toFixed(0)} ms (of 3).`,
        "",
      )
    }
    return { lines, missed: judgements.some(({ measured, must }) => measured.high > must) }
  } finally {
    for (const { running } of started) await running?.stop()
    await rig.stop()
  }
}

async function weigh(
  proxies: readonly Proxy[],
  material: Material,
  core: { proxy: number | null; ends: number | null },
): Promise<string[]> {
  const rigs = await Promise.all(proxies.map(() => startRig(material, core.ends)))
  try {
    const rows = await measureIdle(proxies, rigs, material, extent, core.proxy)
    const pipe = rows.find(({ name }) => name === "node pipe")?.perConnectionKiB ?? NaN
    return [
      `Memory (PSS) of ${extent.idleConnections} idle connections, TLS on both sides:`,
      "",
      ...table(
        ["proxy", "at rest MiB", "KiB a connection", "x node pipe"],
        rows.map(({ name, restKiB, perConnectionKiB }) => [
          name,
          (restKiB / 1024).toFixed(0),
          perConnectionKiB.toFixed(0),
          (perConnectionKiB / pipe).toFixed(2),
        ]),
      ),
      "",
    ]
  } finally {
    await Promise.all(rigs.map((rig) => rig.stop()))
  }
}

// Keys lie in the folder: it goes, however this ends.
const folder = mkdtempSync(join(tmpdir(), "lockgate-bench-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))

const { lines, missed } = await measure(folder)
console.log(lines.join("\n"))
if (!options["no-write"]) writeSection(RESULTS, "Conduit", lines)
process.exitCode = missed ? 1 : 0
