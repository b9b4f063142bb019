/**
 * What it costs to have publishers judged: by mosquitto's own ACL, by a hook of Aedes, by the gateway before a mosquitto without
 * ACL. CPU of the whole chain, 20 publishers and one subscriber.
 *
 *     node bench/broker.bench.ts [--quick] [--rounds N] [--only tcp|tls]
 *
 * What it measures and how: `bench/broker/README.md`. A lost, changed or reordered message fails it, and so does a contender
 * that judges nothing; a missed target is printed. `--quick` and `--only` write nothing.
 */
import { loadavg } from "node:os"
import { parseArgs } from "node:util"
import { aedes, andMosquitto, lockgateAndMosquitto, mosquitto, mosquittoVersion } from "./broker/contenders.ts"
import { checkRefusal } from "./broker/refusal.ts"
import { brokerTable, judgeBroker } from "./broker/tables.ts"
import { haproxy, haproxyVersion } from "./conduit/haproxy.ts"
import { makeMaterial } from "./conduit/material.ts"
import { measureRounds } from "./conduit/measure.ts"
import type { Contender, Extent } from "./conduit/measure.ts"
import { CLIENTS } from "./conduit/message.ts"
import type { Mode } from "./conduit/message.ts"
import { nodePipe } from "./conduit/proxy.ts"
import type { Proxy } from "./conduit/proxy.ts"
import { startRig } from "./conduit/rig.ts"
import { scratchFolder, twoCores } from "./conduit/stage.ts"
import { judgementTable } from "./conduit/tables.ts"
import { report } from "./harness.ts"

const MANY = 10_000
const FEW = 1_000
const MODES: readonly Mode[] = ["eager", "single"]
const NOTHING = { settleMs: 0, idleConnections: 0, perSecond: 0 }
const FULL: Extent = { ...NOTHING, rounds: 15, warmUp: 5, maxSeconds: 240, counts: { eager: 16_000, single: 6_000 } }
const QUICK: Extent = { ...NOTHING, rounds: 3, warmUp: 8, maxSeconds: 60, counts: { eager: 8_000, single: 2_000 } }

const { values: options } = parseArgs({
  options: { quick: { type: "boolean", default: false }, rounds: { type: "string" }, only: { type: "string" } },
})
const extent = options.quick ? QUICK : FULL
const rounds = Number(options.rounds ?? process.env["LOCKGATE_BENCH_ROUNDS"] ?? extent.rounds)

interface Entry {
  readonly proxy: Proxy | null
  /** Whether it has rules. */
  readonly judges: boolean
  readonly divisor?: number
}

const own = lockgateAndMosquitto("tcp", MANY)
const peer = mosquitto("tcp", MANY)
const ENTRIES: readonly Entry[] = [
  { proxy: mosquitto("tcp", 0), judges: false },
  { proxy: andMosquitto(nodePipe("tcp")), judges: false },
  { proxy: haproxyVersion() === null ? null : andMosquitto(haproxy("tcp")), judges: false },
  { proxy: mosquitto("tcp", FEW), judges: true },
  { proxy: peer, judges: true },
  { proxy: lockgateAndMosquitto("tcp", FEW), judges: true },
  { proxy: own, judges: true },
  { proxy: aedes(0), judges: false },
  { proxy: aedes(FEW), judges: true, divisor: 2 },
  { proxy: aedes(FEW, "regexes"), judges: true, divisor: 2 },
  { proxy: aedes(MANY), judges: true, divisor: 8 },
  { proxy: aedes(MANY, "regexes"), judges: true, divisor: 8 },
  { proxy: mosquitto("tls", 0), judges: false },
  { proxy: andMosquitto(nodePipe("tls")), judges: false },
  { proxy: haproxyVersion() === null ? null : andMosquitto(haproxy("tls")), judges: false },
  { proxy: mosquitto("tls", FEW), judges: true },
  { proxy: mosquitto("tls", MANY), judges: true },
  { proxy: lockgateAndMosquitto("tls", FEW), judges: true },
  { proxy: lockgateAndMosquitto("tls", MANY), judges: true },
]

const REMARKS = `Targets are held against the chain on a full core (as fast as it goes). In step every message costs the proxy a read and a
write of its own, and no proxy wins that back: the pipe and HAProxy before the same broker show what it costs to decide nothing.
With ${FEW.toLocaleString("en")} lines over ${CLIENTS} users mosquitto's ACL costs next to nothing: there the proxy buys security (containment, a filter
on receive, rules on payload and rate, proof), not speed.`

// Each contender leaves a listener that ends it with this process.
process.setMaxListeners(100)

async function measure(version: string): Promise<string> {
  const load = loadavg()[0] ?? NaN
  const core = twoCores()
  const material = await makeMaterial(scratchFolder())
  const rig = await startRig(material, core.ends)
  const started: Contender[] = []
  try {
    for (const { proxy, judges, divisor = 1 } of ENTRIES) {
      if (proxy === null || (options.only !== undefined && proxy.transport !== options.only)) continue
      const { name, transport } = proxy
      const running = await proxy.start({ upstreamPort: 0, material, core: core.proxy })
      started.push({ name, transport, modes: MODES, running, divisor })
      await checkRefusal(name, running, transport, material, judges)
    }
    const outcomes = await measureRounds(rig, started, { ...extent, rounds }, (text) =>
      process.stderr.write(`\r${text}   `),
    )
    process.stderr.write("\n")
    const kept = outcomes[0]!.runs.single.length
    if (kept < rounds) console.error(`STOPPED after ${kept} of ${rounds} rounds: the time was over`)
    return [
      `mosquitto ${version}, Aedes in a Node of its own. ${kept} interleaved rounds, ${CLIENTS} publishers, one subscriber at the ` +
        `broker, messages of 142 bytes at QoS 0, all delivered, content and order compared in every run; each was seen to refuse what ` +
        `it has no rule for. CPU of the whole chain (proxy and broker). ${load.toFixed(1)} processes wanted a core before it began.`,
      judgementTable(own === null ? [] : judgeBroker(outcomes, own.name, peer.name)),
      REMARKS,
      ...(["tcp", "tls"] as const).flatMap((transport) =>
        MODES.map((mode) => brokerTable(outcomes, transport, mode, peer.name)),
      ),
    ]
      .filter((part) => part !== "")
      .join("\n\n")
  } finally {
    for (const { running } of started) await running?.stop()
    await rig.stop()
  }
}

const version = mosquittoVersion()
if (version === null) console.error("LEFT OUT: mosquitto is not installed (apt-get install mosquitto)")
else {
  const body = await measure(version)
  if (options.quick || options.only !== undefined) console.log(body)
  else report("Broker", body)
}
