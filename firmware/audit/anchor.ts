import type { KeyStore } from "../../hal/key-store.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { LOG_SLOT, type SignedCheckpoint } from "./log-key.ts"

/** What the key store remembers of the log. */
export interface Anchor {
  /** The note over the last size and root that were kept; null if none was. */
  readonly note: string | null
  /** True if the counter of the hardware says that what is remembered is not the last that was. */
  readonly isOld: boolean
}

/** Keeps the size and root of the log where they do not go back with its folder. */
export interface AnchorKeeper {
  read(): Promise<Anchor>
  /** On disk before this resolves. @throws HardwareError `ERR_IO` */
  keep(checkpoint: SignedCheckpoint): Promise<void>
}

/**
 * The anchor of the log in this key store.
 *
 * Where the board has a counter, each anchor bears the count that it will have: one that is older than the counter was put back by
 * somebody. Where the key store is files, whoever restores those too is found by witnesses only.
 *
 * @see IEC 62443-4-2 CR 3.9
 */
export function createAnchorKeeper(keyStore: KeyStore): AnchorKeeper {
  const { counter } = keyStore
  return {
    async read() {
      const bytes = await keyStore.recall(LOG_SLOT)
      const kept = bytes === null ? null : parse(bytes)
      const count = counter === undefined ? null : await counter.read()
      // One ahead is a power cut between the two steps of keeping.
      const isCounted =
        count === null || (kept === null ? count === 0 : kept.count === count || kept.count === count + 1)
      return { note: kept?.note ?? null, isOld: !isCounted }
    },
    async keep({ note }) {
      const count = counter === undefined ? 0 : (await counter.read()) + 1
      await keyStore.remember(LOG_SLOT, new TextEncoder().encode(JSON.stringify({ format: 1, count, note })))
      await counter?.advance()
    },
  }
}

/** Null for anything that was not written here: then nothing is remembered. */
function parse(bytes: Uint8Array): { readonly count: number; readonly note: string } | null {
  try {
    const { format, count, note } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    return format === 1 && typeof count === "number" && typeof note === "string" ? { count, note } : null
  } catch (error) {
    if (error instanceof LockgateError) throw error
    return null
  }
}
