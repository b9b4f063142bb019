/** What is retained of a log, at a real mosquitto: written by a session, read by somebody who has the broker alone. */
import { connect, type Socket } from "node:net"
import { dialMqtt, dialReader, type MqttLink } from "../../firmware/audit/mqtt-link.ts"
import { createMqttSource, type MqttSource } from "../../firmware/audit/mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { runRetainedSession, type RetainedOptions } from "../../firmware/audit/retained-session.ts"
import { openRetainedWindow, type RetainedWindow } from "../../firmware/audit/retained-window.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { parseBundle } from "../../policy/audit/entry-bundle.ts"
import { leafHash } from "../../policy/audit/tlog/hash.ts"
import { parseNote, verifyNote } from "../../policy/audit/tlog/note.ts"
import { parseCheckpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { proveInclusion, nodesOfTiles, rootOf } from "../../policy/audit/tlog/tree.ts"
import { verifyInclusion } from "../../policy/audit/tlog/verify.ts"
import { piecePath, tileHashes } from "../../policy/audit/tlog/tile.ts"
import type { Clock } from "../../hal/clock.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import type { RetainedLog } from "../../firmware/audit/retained-log.ts"
import type { TreeLog } from "./tree-log.ts"

const real = createLinuxClock()
/** Ten times as fast: what waits for seconds in the field is not waited for here. */
export const clock: Clock = {
  wall: () => real.wall(),
  monotonicMs: () => real.monotonicMs() * 10,
  after: (delayMs, action) => real.after(delayMs / 10, action),
}

/** Waits until it is so. */
export async function until(what: string, fits: () => boolean | Promise<boolean>, timeoutMs = 8_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await fits())) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A session that runs. */
export interface Publishing {
  readonly window: RetainedWindow
  readonly reports: AuditEvent[]
  readonly link: MqttLink
  readBack(): Promise<boolean>
  /** Everything up to now is at the broker; then it is gone. */
  stop(): Promise<string>
}

/** How it is to run. */
export interface PublishOptions extends RetainedOptions {
  readonly storage?: MemoryStorage
  readonly version?: "3.1.1" | "5"
}

/** A gateway and its readers at a broker. */
export interface RetainedScene {
  readonly openStream: () => Promise<Socket>
  publish(log: RetainedLog, gateway: string, options?: PublishOptions): Promise<Publishing>
  reader(gateway: string, more?: ReaderOptions): Promise<MqttSource & { end(): Promise<void> }>
  /** Whatever a test that failed has left open. */
  end(): void
}

/** How a reader reads. */
export interface ReaderOptions {
  readonly version?: "3.1.1" | "5"
  readonly nonce?: () => string
  readonly waitMs?: number
}

/** What tests do at the broker on `port()`. */
export function retainedScene(port: () => number): RetainedScene {
  let readers = 0
  const links: MqttLink[] = []

  async function openStream(): Promise<Socket> {
    const socket = connect(port(), "127.0.0.1")
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject))
    return socket
  }

  async function publish(log: RetainedLog, gateway: string, options: PublishOptions = {}): Promise<Publishing> {
    const { storage = new MemoryStorage(), version = "3.1.1", ...rest } = options
    const window = await openRetainedWindow(storage)
    const link = await dialMqtt({ gateway, openStream, version })
    links.push(link)
    const reports: AuditEvent[] = []
    const stopping = new AbortController()
    const session = runRetainedSession({
      ...{ link, log, window, clock, gateway, edgeEveryMs: 300, ...rest },
      signal: stopping.signal,
      report: (event) => void reports.push(event),
    })
    return {
      ...{ window, reports, link },
      readBack: () => session.readBack(),
      async stop() {
        stopping.abort()
        const why = await session.ended
        await window.save()
        await link.close()
        return why
      },
    }
  }

  async function reader(gateway: string, more: ReaderOptions = {}): Promise<MqttSource & { end(): Promise<void> }> {
    const { version = "3.1.1", ...rest } = more
    const link = await dialReader({ clientId: `reader-${++readers}`, openStream, version })
    links.push(link)
    const source = createMqttSource({ link, gateway, clock, waitMs: 6_000, ...rest })
    return Object.assign(Object.create(source) as MqttSource, { end: () => link.close() })
  }

  return { openStream, publish, reader, end: () => links.forEach((link) => link.destroy()) }
}

/** The entries that the source gives from `from` on, if everything there fits the signed root; else what does not. */
export async function verified(source: MqttSource, log: TreeLog, from = 0): Promise<string[] | string> {
  const note = await source.checkpoint()
  if (note === null || note === "") return "no checkpoint"
  const parsed = parseNote(note)
  if ((await verifyNote(nodeSha256, parsed, [log.key], verifyNoteSignature)).length === 0) return "signature"
  const { size, root } = parseCheckpoint(parsed.text)
  const tile = async (one: { level: number; index: number; width: number }) => {
    const bytes = await source.piece(piecePath(one))
    if (bytes === null) throw new Error(`${piecePath(one)} is missing`)
    return tileHashes(bytes, one.width)
  }
  const node = nodesOfTiles(nodeSha256, size, tile)
  if (from === 0 && Buffer.compare(await rootOf(nodeSha256, size, node), root) !== 0) return "root"
  const lines: string[] = []
  for (let index = from; index < size; index += 256) {
    const bundle = { level: "entries", index: index / 256, width: Math.min(256, size - index) } as const
    const bytes = await source.piece(piecePath(bundle))
    if (bytes === null) return `${piecePath(bundle)} is missing`
    const entries = parseBundle(bytes)
    for (const k of [0, entries.length - 1]) {
      const leaf = leafHash(nodeSha256, entries[k]!)
      const proof = await proveInclusion(nodeSha256, index + k, size, node)
      if (!verifyInclusion(nodeSha256, { index: index + k, size, leaf, root, proof })) return `entry ${index + k}`
    }
    const own = await tile({ level: 0, index: index / 256, width: bundle.width })
    if (entries.some((entry, k) => Buffer.compare(leafHash(nodeSha256, entry), own[k]!) !== 0)) return piecePath(bundle)
    lines.push(...entries.map((entry) => Buffer.from(entry).toString()))
  }
  return lines
}

/** The lines of a log from `from` on. */
export const linesOf = (log: TreeLog, from = 0): string[] =>
  log.lines.slice(from).map((line) => Buffer.from(line).toString())
