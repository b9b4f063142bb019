import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto"
import { gzipSync } from "node:zlib"
import { connectAsync, type MqttClient } from "mqtt"
import { encodeEntry } from "../../policy/audit/entry.ts"
import { encodeBundle } from "../../policy/audit/entry-bundle.ts"
import { encodeEdge, levelsAbove } from "../../policy/audit/edge-message.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { toBase64 } from "../../policy/audit/tlog/base64.ts"
import { encodeCheckpoint, originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { TreeEdge } from "../../policy/audit/tlog/edge.ts"
import { leafHash, type Sha256 } from "../../policy/audit/tlog/hash.ts"
import { encodeNote, encodeNoteKey, keyIdOf, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { encodeProofFile } from "../../policy/audit/proof-file.ts"
import { piecePath, tileHashes, TILE_WIDTH } from "../../policy/audit/tlog/tile.ts"
import { nodesOfTiles, proveInclusion } from "../../policy/audit/tlog/tree.ts"
import { gatewayTopic, partsOf, pieceTopic } from "../../policy/audit/topics.ts"

/** SHA-256 as the gateway has it. */
export const sha256: Sha256 = (bytes) => createHash("sha256").update(bytes).digest()

/** A gateway's log that is made up here and signed for real, and what it says of it at a broker. */
export interface MadeLog {
  readonly gateway: string
  /** The key as operators are given it. */
  readonly keyLine: string
  readonly key: NoteKey
  readonly size: number
  /** Adds entries; returns their lines. */
  add(events: readonly Partial<AuditEvent>[]): readonly Uint8Array[]
  /** What is retained for the log as it stands, the edge last. */
  retained(first?: number): readonly Retained[]
  /** The checkpoint of the log as it stands, signed. */
  checkpoint(): string
  /** The heartbeat, signed. */
  heartbeat(more?: Readonly<Record<string, unknown>>): Buffer
  /** Changes the key: an entry names the next one, and both sign for it. `by`: the private key that signs instead of the old one. */
  handOver(by?: KeyObject): Promise<Retained>
  /** A log with the same first key and the same first entries, which goes on from there in another way. */
  resumed(size: number): MadeLog
}

/** A message as it is retained. */
export interface Retained {
  readonly topic: string
  readonly payload: Buffer
}

/** A log of `gateway` without entries, with a fresh key. */
export function makeLog(gateway: string, startAt: number = Date.now() - 3_600_000): MadeLog {
  return logBy(gateway, startAt, freshKey(gateway), [])
}

interface LogSigner {
  readonly privateKey: KeyObject
  readonly key: NoteKey
}

function freshKey(gateway: string): LogSigner {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const raw = publicKey.export({ type: "spki", format: "der" }).subarray(-32)
  return { privateKey, key: { name: originOf(gateway), type: "ed25519", publicKey: new Uint8Array(raw) } }
}

function logBy(gateway: string, startAt: number, first: LogSigner, begun: readonly Uint8Array[]): MadeLog {
  const { key } = first
  let signer = first
  const lines: Uint8Array[] = [...begun]
  const tree = new TreeEdge(sha256)
  const tiles: { path: string; bytes: Uint8Array }[] = []
  for (const line of begun)
    for (const tile of tree.add(leafHash(sha256, line))) tiles.push({ path: piecePath(tile), bytes: tile.bytes })
  const signed = (text: string, signers = [signer]): string =>
    encodeNote(
      text,
      signers.map(({ privateKey, key }) => {
        return { name: key.name, keyId: keyIdOf(sha256, key), signature: sign(null, Buffer.from(text), privateKey) }
      }),
    )
  const checkpointText = (): string => encodeCheckpoint({ origin: key.name, size: tree.size, root: tree.root() })
  const made: MadeLog = {
    gateway,
    key,
    keyLine: encodeNoteKey(sha256, key),
    get size() {
      return lines.length
    },
    add(events) {
      return events.map((more) => {
        const seq = lines.length
        const event = {
          id: "conduit.connected",
          outcome: "success",
          source: "conduit/test",
          subject: "pump-1",
          ...more,
        }
        const wallAt = Math.min(Date.now(), startAt + seq * 977)
        const time = { earliestAt: wallAt - 400, latestAt: wallAt + 400 }
        const fields = { seq, wallAt, time, boot: "b1", monotonicMs: seq * 977, gateway, event: event as AuditEvent }
        const line = encodeEntry(fields)
        lines.push(line)
        for (const tile of tree.add(leafHash(sha256, line))) tiles.push({ path: piecePath(tile), bytes: tile.bytes })
        return line
      })
    },
    retained(first = 0) {
      const bundles = Array.from({ length: Math.floor(lines.length / TILE_WIDTH) }, (_, index) => {
        const bytes = encodeBundle(lines.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH))
        return { path: piecePath({ level: "entries", index, width: TILE_WIDTH }), bytes: gzipSync(bytes) }
      }).slice(Math.floor(first / TILE_WIDTH))
      const checkpoint = signed(checkpointText())
      const partials = tree.partials()
      const levels = Array.from({ length: levelsAbove(tree.size) }, (_, k) => {
        return partials.find(({ level }) => level === k + 1)?.bytes ?? new Uint8Array(0)
      })
      const entries = lines.slice(lines.length - (lines.length % TILE_WIDTH))
      const edge = gzipSync(encodeEdge({ checkpoint, first, levels, entries }))
      return [
        ...[...tiles, ...bundles].flatMap(({ path, bytes }) => partsOf(pieceTopic(gateway, path), bytes)),
        { topic: gatewayTopic(gateway, "log/edge"), payload: edge },
      ].map(({ topic, payload }) => ({ topic, payload: Buffer.from(payload) }))
    },
    checkpoint: () => signed(checkpointText()),
    heartbeat(more = {}) {
      const now = Date.now()
      const said = { gateway, at: now, earliest: now - 250, latest: now + 250, size: tree.size }
      const rest = {
        root: toBase64(tree.root()),
        policy: 12,
        firmware: "0.4.0",
        alarms: 0,
        intervalSeconds: 30,
      }
      return Buffer.from(signed(`${JSON.stringify({ ...said, ...rest, ...more })}\n`))
    },
    async handOver(by) {
      const [old, next] = [{ ...signer, ...(by === undefined ? {} : { privateKey: by }) }, freshKey(gateway)]
      const detail = { key: encodeNoteKey(sha256, next.key) }
      const [line] = made.add([{ id: "audit.key-changed", source: "audit", subject: null, detail }])
      const pieces = new Map([...tiles, ...tree.partials().map((tile) => ({ path: piecePath(tile), ...tile }))].map(({ path, bytes }) => [path, bytes])) // prettier-ignore
      const node = nodesOfTiles(sha256, tree.size, async (tile) => tileHashes(pieces.get(piecePath(tile))!, tile.width))
      const index = tree.size - 1
      const proof = await proveInclusion(sha256, index, tree.size, node)
      const checkpoint = signed(checkpointText(), [old, next])
      signer = next
      const file = { line: line!, index, size: tree.size, proof, checkpoint, key: old.key }
      const topic = `lockgate/${gateway}/log/handover/${tree.size}`
      return { topic, payload: Buffer.from(encodeProofFile(sha256, file)) }
    },
    resumed: (size) => logBy(gateway, startAt, first, lines.slice(0, size)),
  }
  return made
}

/** A connection to a broker that publishes what it is told to. */
export interface Feeder {
  retain(messages: readonly { readonly topic: string; readonly payload: Buffer }[]): Promise<void>
  send(topic: string, payload: Uint8Array): Promise<void>
  /** Whatever comes to this topic from now on. */
  listen(topic: string, take: (payload: Uint8Array) => void): Promise<void>
  end(): Promise<void>
}

/** Connects to the plain listener of a broker on this machine. */
export async function startFeeder(port: number): Promise<Feeder> {
  const client: MqttClient = await connectAsync(`mqtt://127.0.0.1:${port}`)
  return {
    async retain(messages) {
      await Promise.all(messages.map((m) => client.publishAsync(m.topic, m.payload, { retain: true, qos: 1 })))
    },
    async send(topic, payload) {
      await client.publishAsync(topic, Buffer.from(payload), { qos: 1 })
    },
    async listen(topic, take) {
      client.on("message", (at, payload) => at === topic && take(payload))
      await client.subscribeAsync(topic, { qos: 1 })
    },
    end: () => client.endAsync(),
  }
}

/** Events as a plant has them: mostly connections, some denials. */
export function plantEvents(count: number): readonly Partial<AuditEvent>[] {
  return Array.from({ length: count }, (_, k): Partial<AuditEvent> => {
    const subject = `pump-${k % 7}`
    if (k % 9 === 4)
      return { id: "conduit.denied", outcome: "denied", subject: "rogue", conduit: "sensors", object: `plant/boiler/${k}/setpoint`, reason: "no-rule", rule: "r1" } // prettier-ignore
    if (k % 31 === 7) return { id: "conduit.closed", outcome: "failure", subject: null, conduit: "drives" }
    return { subject, conduit: "sensors", object: `plant/${subject}/state` }
  })
}
