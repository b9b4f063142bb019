/**
 * What a collector remembers of the logs that it cosigns, apart from the copies, and what convicts one of them:
 *
 *     known/<gateway>                          the newest checkpoint that it signed, or was about to
 *     evidence/<gateway>/<reason>-<known>-<shown>-<hash>    two notes that do not go together, with the time
 *
 * A copy that is removed, or put back to an older one, takes nothing of this with it.
 */
import { InputError, LockgateError } from "../../policy/base/errors.ts"
import { encodeKnownLogs, parseKnownLogs } from "../../policy/audit/known-log.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import type { Refusal } from "../../policy/audit/witness/cosigner.ts"
import type { Storage } from "../../hal/storage.ts"
import type { NotedCheckpoint } from "./collect-copy.ts"
import { nodeSha256 } from "./note-functions.ts"

/** Pieces of evidence that are kept of one gateway; a broken one makes more and more of them. */
const MAX_EVIDENCE = 64

/** Two checkpoints that one log has signed and that do not go together. */
export interface Evidence {
  readonly reason: Refusal
  readonly known: NotedCheckpoint
  readonly shown: NotedCheckpoint
}

/** Of one gateway. All methods throw HardwareError `ERR_IO`. */
export interface CollectMemory {
  readonly known: NotedCheckpoint | null
  /** The key that signed it. */
  readonly key: NoteKey | null
  /** On disk before this resolves; then it may be signed. */
  remember(checkpoint: NotedCheckpoint, key: NoteKey): Promise<void>
  /** Keeps both notes, once; resolves to the file. */
  convict(evidence: Evidence, at: number): Promise<string>
}

/** @throws IntegrityError, InputError if what was remembered cannot be read: to go on would be to forget it */
export async function openMemory(
  storage: Pick<Storage, "read" | "list" | "write">,
  gateway: string,
): Promise<CollectMemory> {
  const file = `known/${gateway}`
  const bytes = await storage.read(file)
  let [known, key] = bytes === null ? [null, null] : knownIn(file, bytes)
  return {
    get known() {
      return known
    },
    get key() {
      return key
    },
    async remember(checkpoint, by) {
      const text = encodeKnownLogs(nodeSha256, [{ key: by, note: checkpoint.note }])
      await storage.write(file, new TextEncoder().encode(text))
      ;[known, key] = [checkpoint, by]
    },
    async convict({ reason, known: first, shown }, at) {
      const folder = `evidence/${gateway}`
      const hash = Buffer.from(shown.root).toString("hex").slice(0, 16)
      const path = `${folder}/${reason}-${first.size}-${shown.size}-${hash}`
      if ((await storage.read(path)) !== null || (await storage.list(folder)).length >= MAX_EVIDENCE) return path
      const text = { format: 1, gateway, reason, at: new Date(at).toISOString(), known: first.note, shown: shown.note }
      await storage.write(path, new TextEncoder().encode(`${JSON.stringify(text, null, 2)}\n`))
      return path
    },
  }
}

function knownIn(file: string, bytes: Uint8Array): [NotedCheckpoint, NoteKey] {
  try {
    const [one, another] = parseKnownLogs(nodeSha256, new TextDecoder().decode(bytes))
    if (one === undefined || another !== undefined) {
      throw new InputError("ERR_KNOWN_LOG", "one log was expected to be remembered here")
    }
    const { checkpoint, note, key } = one
    return [{ ...checkpoint, note }, key]
  } catch (error) {
    if (!(error instanceof LockgateError)) throw error
    throw new LockgateError("integrity", error.code, `${file}: ${error.message}`)
  }
}
