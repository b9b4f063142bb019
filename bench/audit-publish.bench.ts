/**
 * Publication of the audit log: from the log to a real mosquitto, live lines and what is retained, against a plain mqtt.js client that
 * publishes the same lines with QoS 1.
 *
 *     node bench/audit-publish.bench.ts [--quick]
 *
 * Clear text on loopback for both, so that the log's own work is seen. Interleaved rounds; the ratio is taken round by round.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { connectAsync } from "mqtt"
import { openAuditLog } from "../firmware/audit/log.ts"
import { dialMqtt } from "../firmware/audit/mqtt-link.ts"
import { createAuditPublisher } from "../firmware/audit/publisher.ts"
import { createLinuxClock } from "../hal/linux/clock.ts"
import { createFileKeyStore } from "../hal/linux/key-store.ts"
import { openLinuxStorage } from "../hal/linux/storage.ts"
import { startMosquitto } from "../test/peers/mosquitto.ts"
import { median, report, table } from "./harness.ts"

const quick = process.argv.includes("--quick")
const wanting = loadavg()[0] ?? NaN
const ROUNDS = quick ? 3 : 15
const ENTRIES = quick ? 2_000 : 20_000
/** As many unacknowledged messages as the gateway allows itself. */
const IN_FLIGHT = 16

const folder = mkdtempSync(join(process.env["LOCKGATE_BENCH_FOLDER"] ?? tmpdir(), "lockgate-publish-bench-"))
const clock = createLinuxClock()
const storage = await openLinuxStorage(join(folder, "log"))
const interval = (): { earliestAt: number; latestAt: number } => ({ earliestAt: 1e12, latestAt: 2e12 })
const keyStore = createFileKeyStore(storage)
const log = await openAuditLog({ storage, clock, keyStore, gateway: "gw", bootId: "b".repeat(36), interval })
for (let done = 0; done < ENTRIES; done += 500)
  await Promise.all(
    Array.from({ length: 500 }, (_, k) =>
      log.append({
        ...{ id: "conduit.denied", outcome: "failure", source: "conduit/field", subject: "pump-17", conduit: "field" },
        ...{ object: `plant/line-a/pump-${(done + k) % 97}/set/speed`, rule: "operators may set speeds" },
        ...{ reason: "no-rule", detail: { action: "publish", bytes: 48, peer: "10.20.30.40" } },
      }),
    ),
  )
const lines: Uint8Array[] = []
for (let seq = 0; seq < log.size; seq += 256) lines.push(...(await log.read(seq, 256)).map(({ line }) => line))
const bytes = lines.reduce((sum, { length }) => sum + length, 0)

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const begin = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - begin) / 1e9
}

/** Everything by the gateway's publisher, from the first entry on; the part that lies at the broker only where `retained`. */
async function published(port: number, retained: boolean): Promise<void> {
  await storage.remove("audit/published").catch(() => undefined)
  await storage.remove("audit/retained").catch(() => undefined)
  let finished: () => void = () => undefined
  const done = new Promise<void>((resolve) => (finished = resolve))
  const isDone = { live: false, edge: !retained }
  const publisher = createAuditPublisher({
    ...{ log, storage, clock, gateway: "gw", report: (event) => console.error(event.id, event.reason) },
    ...(retained ? { retained: { log } } : {}),
    connect: async () => {
      const link = await dialMqtt({
        gateway: "gw",
        openStream: async () => {
          const socket = connect(port, "127.0.0.1")
          await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject))
          return socket
        },
      })
      return {
        ...link,
        publish: async (topic, payload, retain) => {
          await link.publish(topic, payload, retain)
          if (topic.endsWith("/log/edge")) isDone.edge = true
          if (topic.endsWith("/audit/live") && publisher.status.next >= log.size - IN_FLIGHT) isDone.live = true
          if (isDone.edge && isDone.live) finished()
        },
      }
    },
  })
  const ending = new AbortController()
  const running = publisher.start(ending.signal)
  await done
  ending.abort()
  await running
}

/** The same lines by mqtt.js alone. */
async function plain(port: number): Promise<void> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 })
  let next = 0
  const lane = async (): Promise<void> => {
    for (let line = lines[next++]; line !== undefined; line = lines[next++])
      await client.publishAsync("plain/live", Buffer.from(line), { qos: 1 })
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  await client.endAsync()
}

const contenders = [
  ["lockgate, live lines and retained log", (port: number) => published(port, true)],
  ["lockgate, live lines alone", (port: number) => published(port, false)],
  ["mqtt.js, the same lines, QoS 1", plain],
] as const
const rates = contenders.map((): number[] => [])
for (let round = -1; round < ROUNDS; round++)
  for (let k = 0; k < contenders.length; k++) {
    const at = (k + Math.max(0, round)) % contenders.length
    const broker = await startMosquitto({ quiet: true })
    const seconds = await secondsOf(() => contenders[at]![1](broker.port))
    await broker.stop()
    if (round >= 0) rates[at]!.push(lines.length / seconds)
  }
await log.close()
await storage.close()
rmSync(folder, { recursive: true })

const against = (k: number): string => `${median(rates[k]!.map((rate, round) => rate / rates[2]![round]!)).toFixed(2)}x`
const mean = bytes / lines.length
report(
  "Publication of the audit log",
  [
    `${wanting.toFixed(1)} processes wanted one of the cores before it began. ${lines.length} entries of ${mean.toFixed(0)} bytes, ${IN_FLIGHT} unacknowledged at most, ${ROUNDS} rounds, a new mosquitto for each. ` +
      "Retained: bundles, tiles and edge, each acknowledged before the checkpoint that covers it.",
    table(
      ["publisher", "entries/s (median)", "MB/s", "against mqtt.js"],
      contenders.map(([name], k) => {
        const rate = median(rates[k]!)
        return [name, Math.round(rate).toLocaleString("en"), ((rate * mean) / 1e6).toFixed(1), against(k)]
      }),
    ),
  ].join("\n\n"),
)
