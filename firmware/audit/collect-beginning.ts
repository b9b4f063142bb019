/**
 * Where a copy begins, as its collector says:
 *
 *     first      {"format":1,"seq":2048}      for all readers of a log
 *     copy       {"format":1,"first":2048}    the same, for whoever verifies: this is a copy that began there; absent: 0
 *
 * A copy that began late has no entry that speaks of what is before: the gateway may have it still. Both numbers only ever become
 * smaller, so a hand that takes the oldest bundles away, or writes a larger number into one of the files, is noticed. Nobody signs
 * them: a hand that writes a larger number into both hides the oldest bundles, and nothing else (see the README).
 *
 * @see IEC 62443-4-2 CR 2.9, CR 3.9
 */
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { Storage } from "../../hal/storage.ts"
import { listBundles } from "./bundle-reader.ts"
import { readFirst, writeBeginning } from "./dropping.ts"

const COPY = "audit/copy"

/** Where the copy says that it begins; null if it does not say, as a gateway's own log does not. @throws HardwareError `ERR_IO` */
export async function readCopyBeginning(storage: Pick<Storage, "read">): Promise<number | null> {
  const bytes = await storage.read(COPY)
  const [, seq] = /^\{"format":1,"first":(\d{1,15})\}$/.exec(new TextDecoder().decode(bytes ?? new Uint8Array())) ?? []
  if (seq === undefined) return null
  return Math.min(Number(seq) - (Number(seq) % BUNDLE_ENTRIES), await readFirst(storage))
}

/** The copy begins at `first` now; on disk before this resolves. @throws HardwareError `ERR_IO` */
export async function writeCopyBeginning(storage: Pick<Storage, "write">, first: number): Promise<void> {
  await writeBeginning(storage, { first, said: null })
  await storage.write(COPY, new TextEncoder().encode(JSON.stringify({ format: 1, first })))
}

/** The first entry from `begin` on whose bundle lies here, in a copy of `size` entries. @throws HardwareError `ERR_IO` */
export async function firstHeld(storage: Pick<Storage, "list">, begin: number, size: number): Promise<number> {
  const held = new Set(await listBundles(storage))
  let first = begin
  while (first + BUNDLE_ENTRIES <= size && !held.has(first / BUNDLE_ENTRIES)) first += BUNDLE_ENTRIES
  return first
}
