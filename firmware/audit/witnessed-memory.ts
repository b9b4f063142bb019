import { fromBase64, toBase64 } from "../../policy/audit/tlog/base64.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import { nodeSha256 } from "./note-functions.ts"

const SLOT = "audit-witnessed"
/** As many fit into what a key store takes under one slot. */
export const MOST_COSIGNERS = 16

/** The highest size of our log that a cosigner has signed. */
export interface HighestCosigned {
  readonly size: number
  readonly root: Uint8Array
  /** When it last signed, in milliseconds since 1970. */
  readonly at: number
}

/** Remembers that where it does not go back with the log. */
export interface WitnessedMemory {
  of(key: NoteKey): HighestCosigned | null
  set(key: NoteKey, highest: HighestCosigned): void
  /** Writes what has changed. @throws HardwareError `ERR_IO` */
  save(): Promise<void>
}

/** What is remembered of these cosigners; of others it is forgotten with the next writing. @throws HardwareError `ERR_IO` */
export async function openWitnessedMemory(
  keyStore: Pick<KeyStore, "remember" | "recall">,
  keys: readonly NoteKey[],
): Promise<WitnessedMemory> {
  const bytes = await keyStore.recall(SLOT)
  const kept = bytes === null ? new Map<string, HighestCosigned>() : parse(bytes)
  const known = new Map<string, HighestCosigned>()
  for (const key of keys.map(idOf)) {
    const highest = kept.get(key)
    if (highest !== undefined) known.set(key, highest)
  }
  let isDirty = false
  return {
    of: (key) => known.get(idOf(key)) ?? null,
    set(key, highest) {
      known.set(idOf(key), highest)
      isDirty = true
    },
    async save() {
      if (!isDirty) return
      isDirty = false
      const seen = [...known].map(([key, { size, root, at }]) => ({ key, size, root: toBase64(root), at }))
      try {
        await keyStore.remember(SLOT, new TextEncoder().encode(JSON.stringify({ format: 1, seen })))
      } catch (error) {
        isDirty = true
        throw error
      }
    },
  }
}

/** A key in few characters. */
function idOf(key: NoteKey): string {
  const line = new TextEncoder().encode(encodeNoteKey(nodeSha256, key))
  return Buffer.from(nodeSha256(line).subarray(0, 12)).toString("base64")
}

/** What cannot be read is not remembered: the cosigners say it again. */
function parse(bytes: Uint8Array): Map<string, HighestCosigned> {
  const found = new Map<string, HighestCosigned>()
  let read: unknown
  try {
    read = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return found
  }
  const { format, seen } = (read ?? {}) as Record<string, unknown>
  if (format !== 1 || !Array.isArray(seen)) return found
  for (const { key, size, root, at } of seen as Record<string, unknown>[]) {
    const hash = typeof root === "string" ? fromBase64(root) : null
    const isWhole = typeof key === "string" && Number.isSafeInteger(size) && typeof at === "number"
    if (isWhole && hash?.length === 32) found.set(key, { size: size as number, root: hash, at })
  }
  return found
}
