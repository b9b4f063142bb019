/**
 * The gateway's conduit engine between load and sink, in a process of its own; its policy is swapped on request.
 *
 * Requests: `start {upstreamPort, server, client}` -> `{port}`; `prepare {rules}` -> PreparedFigures;
 * `window {swap, ms}` -> WindowFigures; `stop`.
 */
import { readFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { serialize } from "node:v8"
import { setTimeout as sleep } from "node:timers/promises"
import { BroadcastChannel } from "node:worker_threads"
import { startEngine } from "../../firmware/conduits/engine-port.ts"
import type { EnginePort } from "../../firmware/conduits/engine-port.ts"
import { enginePolicyOf } from "../../firmware/conduits/engine-policy.ts"
import type { EngineEpoch } from "../../firmware/conduits/messages.ts"
import { DEFAULT_LIMITS } from "../../firmware/config/gateway-config.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import { parsePolicy } from "../../policy/language/parse-policy.ts"
import { freePort } from "../../test/peers/ports.ts"
import { serveLines } from "../conduit/lines.ts"
import { policyText } from "../conduit/lockgate.ts"
import type { TlsEnd } from "../conduit/tls-files.ts"
import { CHANNEL } from "./monitor.ts"
import type { EngineWindow } from "./monitor.ts"

/** What there is to swap. */
export interface PreparedFigures {
  /** Bytes that are shared, and bytes that the engine has to read. */
  readonly sharedBytes: number
  readonly readBytes: number
}

/** One stretch of time, with a swap in it or without. */
export interface WindowFigures extends EngineWindow {
  /** The same for the gateway's own loop, which sends. */
  readonly mainLongestMs: number
  /** From sending to "all flows are judged by it"; 0 without a swap. */
  readonly appliedMs: number
}

const text = (file: string): string => readFileSync(file, "utf8")
const channel = new BroadcastChannel(CHANNEL)
const mainDelay = monitorEventLoopDelay({ resolution: 1 })
mainDelay.enable()
let engine: EnginePort | null = null
let epochs: EngineEpoch[] = []
let authorities: Record<string, string> = {}
let last = 0

/** Two policies that judge alike and share nothing. */
function prepare(rules: number): PreparedFigures {
  epochs = [0, 1].map((turn) => {
    const parsed = parsePolicy(policyText(rules, 1).replace("bench,", `bench ${turn},`), "bench.json")
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults[0]))
    return { epoch: turn + 1, policy: enginePolicyOf(parsed.value, compilePolicy(parsed.value)), authorities }
  })
  let sharedBytes = 0
  const readBytes = serialize(
    JSON.parse(
      JSON.stringify(epochs[0], (_, value: unknown) => {
        if (!ArrayBuffer.isView(value)) return value
        if (!(value.buffer instanceof SharedArrayBuffer)) return "x".repeat(value.byteLength)
        sharedBytes += value.byteLength
        return null
      }),
    ),
  ).byteLength
  return { sharedBytes, readBytes }
}

async function window(swap: boolean, ms: number): Promise<WindowFigures> {
  const answer = new Promise<EngineWindow>((resolve) => {
    channel.onmessage = (event: { data: unknown }) => resolve(event.data as EngineWindow)
  })
  channel.postMessage("begin")
  await sleep(20)
  mainDelay.reset()
  const startedAt = performance.now()
  if (swap) await engine!.setEpoch(epochs[(last = 1 - last)]!)
  const appliedMs = swap ? performance.now() - startedAt : 0
  await sleep(ms)
  const mainLongestMs = mainDelay.max / 1e6
  channel.postMessage("end")
  return { ...(await answer), mainLongestMs, appliedMs }
}

serveLines({
  async start({ upstreamPort, server, client }: { upstreamPort: number; server: TlsEnd; client: TlsEnd }) {
    authorities = { "field-ca": text(server.authorityFile), "control-ca": text(client.authorityFile) }
    const port = await freePort()
    const credential = (end: TlsEnd) => ({ key: text(end.keyFile), certificate: text(end.certificateFile) })
    const conduit = {
      name: "telemetry",
      listen: { address: "127.0.0.1", port },
      serverCredential: credential(server),
      upstream: { host: "127.0.0.1", port: upstreamPort, serverName: "localhost" },
      clientCredential: credential(client),
      upstreamAuthority: authorities["control-ca"]!,
    }
    const time = { earliestAt: Date.now() - 1_000, latestAt: Date.now() + 3_600_000 }
    const nothing = (): void => undefined
    engine = await startEngine(
      { clock: createLinuxClock(), conduits: [conduit], limits: DEFAULT_LIMITS, time, allowStall: false },
      {
        events: nothing,
        counters: nothing,
        listening: nothing,
        certificateSeen: nothing,
        failed: () => undefined,
        alive: nothing,
        fault: (_, code, message) => process.stderr.write(`engine: ${code} ${message}\n`),
        died: (reason) => process.stderr.write(`engine died: ${reason}\n`),
      },
    )
    prepare(10)
    await engine.setEpoch(epochs[0]!)
    return { port }
  },
  prepare: ({ rules }: { rules: number }) => prepare(rules),
  window: ({ swap, ms }: { swap: boolean; ms: number }) => window(swap, ms),
})
