/**
 * An outage of the broker and a process kill (not a power cut) on top: entries come while a real mosquitto is down, the gateway's process is
 * killed with `kill -9` while it catches up, and starts again. Run it by itself for the long form: `node test/storm/outage.storm.ts 20000`.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { dialReader } from "../../firmware/audit/mqtt-link.ts"
import { createMqttSource } from "../../firmware/audit/mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { parseEntry } from "../../policy/audit/entry.ts"
import { verifyLog } from "../../policy/audit/tlog/verify-log.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { mosquittoSub } from "../peers/mosquitto-clients.ts"
import { startMosquitto } from "../peers/mosquitto.ts"
import { openTestLog } from "../support/audit.ts"

/** What it counted. */
export interface OutageFigures {
  readonly entries: number
  /** Entries that the watcher was never shown. */
  readonly missing: number
  /** Entries that it was shown before one that comes before them. */
  readonly outOfOrder: number
  readonly repeated: number
  /** How many the broker had acknowledged when the gateway was killed. */
  readonly killedAt: number
  /** Entries that a reader verified with the broker alone, the gateway gone; and what was wrong with them. */
  readonly verified: number
  readonly faults: number
  readonly catchUpMs: number
}

/** `count` entries while the broker is down; a kill in the middle of the catching up. */
export async function outageStorm(count: number, version: "3.1.1" | "5"): Promise<OutageFigures> {
  const top = mkdtempSync(join(tmpdir(), "lockgate-outage-"))
  const [state, persistence] = [join(top, "state"), join(top, "broker")]
  mkdirSync(state)
  mkdirSync(persistence)
  const settings = { quiet: true, persistence, config: ["max_queued_messages 0"] }
  const before = await startMosquitto(settings)
  const { port } = before
  const watcher = await mosquittoSub({
    ...{ port, id: "watcher", topics: ["lockgate/gw/audit/live"], qos: 1, version: version === "5" ? "5" : "311" },
    args: version === "5" ? ["-c", "-x", "3600"] : ["-c"],
  })
  await before.stop()
  let gateway = startGateway(state, port, version, count, "one")
  let broker: Awaited<ReturnType<typeof startMosquitto>> | null = null
  try {
    await gateway.until(/^appended /m)
    broker = await startMosquitto({ ...settings, port })
    const upMs = performance.now()
    await gateway.reaches(Math.floor(count / 4))
    const killedAt = await gateway.end("SIGKILL")
    gateway = startGateway(state, port, version, 0, "two")
    await gateway.until(/^appended /m)
    await gateway.reaches(count)
    const catchUpMs = Math.round(performance.now() - upMs)
    await gateway.end("SIGTERM")
    const log = await openTestLog(await openLinuxStorage(state), { clock: createLinuxClock() })
    const { key, size } = log
    await log.close()
    const seen = (): number[] => watcher.messages.map(({ payload }) => parseEntry(payload).seq)
    for (let k = 0; k < 200 && new Set(seen()).size < size; k++) await new Promise((done) => setTimeout(done, 50))
    let [next, outOfOrder] = [0, 0]
    for (const seq of seen()) {
      if (seq > next) outOfOrder++
      next = Math.max(next, seq + 1)
    }
    const shown = new Set(seen()).size
    const link = await dialReader({ clientId: "verifier", openStream: () => streamTo(port), version })
    const source = createMqttSource({ link, gateway: "gw", clock: createLinuxClock() })
    const note = await source.checkpoint()
    const deps = { sha256: nodeSha256, verify: verifyNoteSignature, keys: [key] as const }
    const ours = {
      checkpoint: () => Promise.resolve(note),
      piece: (path: string) => source.piece(path),
      handovers: () => source.handovers(),
    }
    const verdict = await verifyLog(deps, ours, { from: source.first, window: true })
    await link.close()
    return {
      ...{ entries: size, missing: size - shown, outOfOrder, repeated: watcher.messages.length - shown },
      ...{ killedAt, verified: verdict.entries, faults: verdict.faults.length, catchUpMs },
    }
  } finally {
    await gateway.end("SIGKILL")
    await watcher.kill9()
    await broker?.stop()
    rmSync(top, { recursive: true, force: true })
  }
}

async function streamTo(port: number): Promise<ReturnType<typeof connect>> {
  const socket = connect(port, "127.0.0.1")
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject))
  return socket
}

interface Gateway {
  /** Until it has said so. */
  until(said: RegExp): Promise<void>
  /** Until the broker has acknowledged so many entries. */
  reaches(entries: number): Promise<void>
  /** Ends it; answers with the entries that the broker had acknowledged. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number>
}

function startGateway(state: string, port: number, version: string, count: number, boot: string): Gateway {
  const file = fileURLToPath(new URL("outage-gateway.ts", import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [file, state, `${port}`, version, `${count}`, boot], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  let [said, complained, next] = ["", "", 0]
  let wake: () => void = () => undefined
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()))
  void closed.then(() => wake())
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < 1000) said += text
    next = Math.max(next, ...[...text.matchAll(/^next (\d+)$/gm)].map((found) => Number(found[1])))
    wake()
  })
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (complained += text))
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  const when = async (fits: () => boolean): Promise<void> => {
    while (!fits()) {
      if (hasEnded()) throw new Error(`the gateway ended by itself: ${complained}`)
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  return {
    until: (pattern) => when(() => pattern.test(said)),
    reaches: (entries) => when(() => next >= entries),
    async end(signal) {
      if (!hasEnded()) child.kill(signal)
      await closed
      return next
    },
  }
}

if (import.meta.main)
  for (const version of ["3.1.1", "5"] as const)
    console.log(`outage and kill, MQTT ${version}:`, await outageStorm(Number(process.argv[2] ?? 20_000), version))
