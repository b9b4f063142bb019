/**
 * How long a change of policy holds up traffic: the longest pause of the conduit engine's loop while 20 clients publish
 * through it over TLS, in stretches with a swap and, between them, without one.
 *
 *     node bench/swap.bench.ts [--quick]
 *
 * A pause is wall time: what else runs on the machine is in it, and the stretches without a swap say how much. What of it the
 * engine computed itself (CPU between two turns of its loop) is held against the target. A message that is lost, changed or reordered fails the bench.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startChild } from "./conduit/lines.ts"
import { makeMaterial } from "./conduit/material.ts"
import { CLIENTS } from "./conduit/message.ts"
import { startRig } from "./conduit/rig.ts"
import { against, median, report, table } from "./harness.ts"
import type { PreparedFigures, WindowFigures } from "./swap/engine.ts"

const RULES = [10, 1_000, 10_000, 100_000]
const PER_SECOND = 2_000
const STRETCH_MS = 150
const MUST_MS = 5
const AIM_MS = 2

const quick = process.argv.includes("--quick")
const PAIRS = quick ? 5 : 25
const wanting = loadavg()[0] ?? NaN

interface Row {
  readonly rules: number
  readonly prepared: PreparedFigures
  readonly swaps: readonly WindowFigures[]
  readonly calm: readonly WindowFigures[]
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "lockgate-swap-"))
const material = await makeMaterial(folder)
const rig = await startRig(material, null)
const child = startChild(here("swap/engine.ts"), null, ["--import", here("swap/monitor.ts")])

async function measure(rules: number): Promise<Row> {
  const prepared = (await child.call("prepare", { rules })) as PreparedFigures
  const swaps: WindowFigures[] = []
  const calm: WindowFigures[] = []
  const stretches = async (): Promise<void> => {
    // The first two warm up.
    for (let n = -2; n < PAIRS * 2; n++) {
      const swap = n % 2 === 0
      const seen = (await child.call("window", { swap, ms: STRETCH_MS })) as WindowFigures
      if (n >= 0) (swap ? swaps : calm).push(seen)
    }
  }
  // A swap of 100,000 rules takes longer than a stretch: the load goes on until the last one is done.
  const seconds = ((PAIRS * 2 + 2) * (STRETCH_MS + 30) * (rules > 10_000 ? 2 : 1)) / 1_000
  const load = rig.run(null, { mode: "paced", count: Math.ceil(seconds * PER_SECOND), perSecond: PER_SECOND })
  await Promise.all([stretches(), load])
  return { rules, prepared, swaps, calm }
}

const longest = (of: readonly WindowFigures[], pick: (w: WindowFigures) => number): number => Math.max(...of.map(pick))
const middle = (of: readonly WindowFigures[], pick: (w: WindowFigures) => number): number => median(of.map(pick))

try {
  const { port } = (await child.call("start", {
    upstreamPort: rig.upstreamPort("tls"),
    server: material.proxyServer,
    client: material.proxyClient,
  })) as { port: number }
  const rows: Row[] = []
  await rig.connected(port, "tls", async () => {
    for (const rules of RULES) rows.push(await measure(rules))
  })
  const cells = rows.map(({ rules, prepared, swaps, calm }) => {
    const [worst, worstCalm] = [longest(swaps, (w) => w.longestMs), longest(calm, (w) => w.longestMs)]
    const own = longest(swaps, (w) => w.longestCpuMs)
    const ownCalm = longest(calm, (w) => w.longestCpuMs)
    const cpu = middle(swaps, (w) => w.cpuMs) - middle(calm, (w) => w.cpuMs)
    return [
      rules.toLocaleString("en"),
      `${(prepared.sharedBytes / 2 ** 20).toFixed(1)} MiB`,
      `${(prepared.readBytes / 1024).toFixed(1)} KiB`,
      `${middle(swaps, (w) => w.longestMs).toFixed(1)} / ${worst.toFixed(1)} ms`,
      `${middle(calm, (w) => w.longestMs).toFixed(1)} / ${worstCalm.toFixed(1)} ms`,
      `${own.toFixed(1)} / ${ownCalm.toFixed(1)} ms`,
      `${cpu.toFixed(1)} ms`,
      `${middle(swaps, (w) => w.mainLongestMs).toFixed(1)} ms`,
      `${middle(swaps, (w) => w.appliedMs).toFixed(1)} ms`,
      against(own, MUST_MS, AIM_MS),
    ]
  })
  const header = ["rules", "shared", "read", "pause, median / longest", "without a swap", "of it computed, longest, with / without", "CPU of a swap", "own loop", "in force after", `<= ${MUST_MS} ms`] // prettier-ignore
  const body =
    `Longest pause of the engine's event loop in a stretch of ${STRETCH_MS} ms (a timer of 1 ms turns it, so 1 ms is none), ` +
    `${PAIRS} stretches with a swap and ${PAIRS} without in turn, ${CLIENTS} clients publishing ${PER_SECOND} messages/s ` +
    `over TLS. CPU of a swap: what a stretch with one costs the engine more, medians. Own loop: the longest pause of the gateway's. ` +
    `${wanting.toFixed(1)} processes wanted one of the cores before it began.\n\n` +
    table(header, cells)
  if (quick) console.log(`\n${body}\n`)
  else report("Swap of a policy", body)
} finally {
  await child.stop()
  await rig.stop()
  rmSync(folder, { recursive: true, force: true })
}
