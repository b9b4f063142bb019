import { LockgateError } from "../../policy/base/errors.ts"
import { fromBase64, toBase64 } from "../../policy/audit/tlog/base64.ts"
import { encodeNoteKey, parseNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import type { KnownTree } from "../../policy/audit/witness/cosigner.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import { nodeSha256 } from "./note-functions.ts"

/** What a key store takes under one slot; a longer note is not kept, and then encloses nothing in a refusal. */
const MAX_NOTE_CHARACTERS = 2_048

/** What a witness knows of one log. */
export interface Remembered {
  /** The newest tree that was cosigned, or was about to be. */
  readonly tree: KnownTree
  /** The note over it, signed by the log; empty if it was too long to keep. */
  readonly note: string
  /** The key of the log that is believed now: the one of the board file, or one that it handed over to. */
  readonly key: NoteKey
  /** What the board file said when this began: another key or number there, and it begins anew. */
  readonly board: { readonly key: string; readonly begin: number }
  /** The last thing said of it at the broker was a refusal. */
  readonly refused: boolean
}

/** Keeps what a witness knows of one log where it does not go back with the state folder. */
export interface WitnessMemory {
  /** Null if nothing is kept, or nothing that can be read. @throws HardwareError `ERR_IO` */
  read(): Promise<Remembered | null>
  /** On disk before this resolves: the old or the new after a power cut. @throws HardwareError `ERR_IO` */
  keep(remembered: Remembered): Promise<void>
}

/** The memory of the log of `gateway` in this key store. @see IEC 62443-4-2 CR 3.9 */
export function openWitnessMemory(keyStore: Pick<KeyStore, "remember" | "recall">, gateway: string): WitnessMemory {
  const slot = slotOf(gateway)
  return {
    async read() {
      const bytes = await keyStore.recall(slot)
      return bytes === null ? null : parse(bytes)
    },
    async keep({ tree, note, key, board, refused }) {
      const kept = {
        ...{ format: 1, origin: tree.origin, size: tree.size, root: toBase64(tree.root) },
        ...{ key: encodeNoteKey(nodeSha256, key), board, refused },
        note: note.length > MAX_NOTE_CHARACTERS ? "" : note,
      }
      await keyStore.remember(slot, new TextEncoder().encode(JSON.stringify(kept)))
    },
  }
}

/** A slot has 32 characters, the name of a gateway has 64. */
function slotOf(gateway: string): string {
  return `witness-${Buffer.from(nodeSha256(new TextEncoder().encode(gateway)).subarray(0, 8)).toString("hex")}`
}

function parse(bytes: Uint8Array): Remembered | null {
  try {
    const read = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    const { format, origin, size, root, key, board, refused, note } = read
    const hash = typeof root === "string" ? fromBase64(root) : null
    const { key: named, begin } = (board ?? {}) as Record<string, unknown>
    const isWhole = format === 1 && typeof origin === "string" && typeof key === "string" && typeof note === "string"
    if (!isWhole || hash?.length !== 32 || !Number.isSafeInteger(size) || typeof refused !== "boolean") return null
    if (typeof named !== "string" || typeof begin !== "number") return null
    return {
      ...{ tree: { origin, size: size as number, root: hash }, note, refused },
      ...{ key: parseNoteKey(nodeSha256, key), board: { key: named, begin } },
    }
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof LockgateError && error.kind === "input")) return null
    throw error
  }
}
