import { generateKeyPairSync, sign } from "node:crypto"
import { encodeBundle } from "../../policy/audit/entry-bundle.ts"
import { encodeCheckpoint, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { TreeEdge } from "../../policy/audit/tlog/edge.ts"
import { leafHash } from "../../policy/audit/tlog/hash.ts"
import { encodeNote, keyIdOf, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { piecePath } from "../../policy/audit/tlog/tile.ts"
import {
  verifyLog,
  type LogSource,
  type LogVerdict,
  type VerifyLogOptions,
} from "../../policy/audit/tlog/verify-log.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import type { Storage } from "../../hal/storage.ts"

/** The files of a log, by their paths below its folder. */
export type LogFolder = Map<string, Uint8Array>

/** A key that signs for a log in a test. */
export interface TestLogKey {
  readonly key: NoteKey
  sign(checkpoint: Checkpoint): string
}

/** A new key with this name. */
export function testLogKey(name: string): TestLogKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  const bare = new Uint8Array(publicKey.export({ type: "spki", format: "der" }).subarray(-32))
  const key: NoteKey = { name, type: "ed25519", publicKey: bare }
  return {
    key,
    sign(checkpoint) {
      const text = encodeCheckpoint(checkpoint)
      const signature = new Uint8Array(sign(null, Buffer.from(text), privateKey))
      return encodeNote(text, [{ name, keyId: keyIdOf(nodeSha256, key), signature }])
    },
  }
}

/** A whole log over these lines: bundles, tiles and checkpoint, as its gateway would have left them. */
export function logFolder(lines: readonly Uint8Array[], by: TestLogKey): LogFolder {
  const files: LogFolder = new Map()
  const edge = new TreeEdge(nodeSha256)
  for (const line of lines)
    for (const tile of edge.add(leafHash(nodeSha256, line))) files.set(piecePath(tile), tile.bytes)
  for (const tile of edge.partials()) files.set(piecePath(tile), tile.bytes)
  for (let first = 0; first < lines.length; first += 256) {
    const entries = lines.slice(first, first + 256)
    files.set(piecePath({ level: "entries", index: first / 256, width: entries.length }), encodeBundle(entries))
  }
  const note = by.sign({ origin: by.key.name, size: edge.size, root: edge.root() })
  return files.set("checkpoint", new TextEncoder().encode(note))
}

/** The log's part of a gateway's state, as it lies there. */
export async function folderOfStorage(storage: Pick<Storage, "read" | "list">): Promise<LogFolder> {
  const files: LogFolder = new Map()
  const walk = async (folder: string): Promise<void> => {
    for (const name of await storage.list(folder)) {
      const path = `${folder}/${name}`
      if (name.endsWith("/")) await walk(path.slice(0, -1))
      else files.set(path.slice("audit/".length), (await storage.read(path)) ?? new Uint8Array())
    }
  }
  await walk("audit")
  return files
}

/** A folder as a source for `verifyLog`. */
export function folderSource(files: LogFolder): LogSource {
  const text = (bytes: Uint8Array | undefined): string | null =>
    bytes === undefined ? null : new TextDecoder().decode(bytes)
  return {
    checkpoint: async () => text(files.get("checkpoint")),
    piece: async (path) => files.get(path) ?? null,
    handovers: async () =>
      [...files].flatMap(([where, bytes]) =>
        where.startsWith("handover-") ? [{ where, text: text(bytes) ?? "" }] : [],
      ),
  }
}

/** What `verifyLog` says of a folder. */
export function judgeFolder(
  files: LogFolder,
  keys: readonly NoteKey[],
  options?: VerifyLogOptions,
): Promise<LogVerdict> {
  return verifyLog({ sha256: nodeSha256, verify: verifyNoteSignature, keys }, folderSource(files), options)
}
