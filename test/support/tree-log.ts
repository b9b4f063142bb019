/** A log in memory with its tree, of the gateway `gw`: what publisher and readers need of the real one. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto"
import { bareEd25519, nodeSha256 } from "../../firmware/audit/note-functions.ts"
import type { RetainedLog } from "../../firmware/audit/retained-log.ts"
import type { LoggedEntry } from "../../firmware/audit/bundle-reader.ts"
import { encodeEntry } from "../../policy/audit/entry.ts"
import { encodeBundle } from "../../policy/audit/entry-bundle.ts"
import { encodeCheckpoint, originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { TreeEdge } from "../../policy/audit/tlog/edge.ts"
import { leafHash } from "../../policy/audit/tlog/hash.ts"
import { encodeNote, keyIdOf, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { parsePiecePath, piecePath } from "../../policy/audit/tlog/tile.ts"
import { sampleEvent } from "./audit.ts"

/** A log in memory; every `grow` ends in a checkpoint. */
export interface TreeLog extends RetainedLog {
  readonly lines: readonly Uint8Array[]
  readonly reads: { pieces: number }
  /** Paths of which the disk has lost the bytes. */
  readonly lostPieces: Set<string>
  sign(text: string): string
  grow(count: number): void
}

/** What does not shrink much: real entries hold fingerprints. */
const random = (): string => randomBytes(40).toString("base64")

/** A log of `count` entries, each of an event with a name by `named`. */
export function treeLog(gateway = "gw", count = 0, named = random): TreeLog {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const spki = publicKey.export({ format: "der", type: "spki" })
  const key: NoteKey = { name: originOf(gateway), type: "ed25519", publicKey: bareEd25519(spki)! }
  const lines: Uint8Array[] = []
  const tiles = new Map<string, Uint8Array>()
  const edge = new TreeEdge(nodeSha256)
  const listeners = new Set<() => void>()
  const lostPieces = new Set<string>()
  const reads = { pieces: 0 }
  let checkpoint = signed()

  function signed(): RetainedLog["checkpoint"] {
    const said = { origin: key.name, size: edge.size, root: edge.root() }
    return { ...said, note: signNote(privateKey, key, encodeCheckpoint(said)) }
  }
  const log: TreeLog = {
    ...{ key, lines, lostPieces, reads },
    get checkpoint() {
      return checkpoint
    },
    sign: (text) => signNote(privateKey, key, text),
    onCheckpoint(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async piece(path) {
      reads.pieces++
      if (lostPieces.has(path)) return null
      const piece = parsePiecePath(path)
      const { level, index, width } = piece
      if (level === "entries") {
        const own = lines.slice(index * 256, index * 256 + width)
        return own.length === width ? encodeBundle(own) : null
      }
      const partial = edge.partials().find((tile) => piecePath(tile) === path)
      return tiles.get(path) ?? partial?.bytes ?? null
    },
    async read(from, max) {
      const found: LoggedEntry[] = lines.slice(from, from + max).map((line, k) => ({ seq: from + k, line }))
      return found
    },
    grow(more) {
      for (let k = 0; k < more; k++) {
        const event = sampleEvent(named())
        const line = encodeEntry({
          ...{ seq: lines.length, event, boot: "boot", gateway, wallAt: 0, monotonicMs: 0 },
          time: { earliestAt: 0, latestAt: Infinity },
        })
        lines.push(line)
        for (const tile of edge.add(leafHash(nodeSha256, line))) tiles.set(piecePath(tile), tile.bytes)
      }
      checkpoint = signed()
      for (const listener of listeners) listener()
    },
  }
  if (count > 0) log.grow(count)
  return log
}

function signNote(privateKey: KeyObject, key: NoteKey, text: string): string {
  const signature = sign(null, Buffer.from(text), privateKey)
  return encodeNote(text, [{ name: key.name, keyId: keyIdOf(nodeSha256, key), signature }])
}
