import { IntegrityError } from "../../policy/base/errors.ts"
import { BUNDLE_ENTRIES, bundlePath, scanBundle } from "../../policy/audit/entry-bundle.ts"
import type { Storage } from "../../hal/storage.ts"

/** The open bundle: append-only, entries that no full bundle holds yet. */
export const TAIL = "audit/tail"

/** Where full bundle `index` lies in the storage. */
export function bundleFile(index: number): string {
  return `audit/${bundlePath(index)}`
}

/** An entry as it lies in the log. */
export interface LoggedEntry {
  readonly seq: number
  /** The line, without its line end. Not to be changed. */
  readonly line: Uint8Array
}

/** What a place for a full bundle holds: the good lines at its start, and the fault if those are not all 256. */
export interface ReadBundle {
  readonly lines: readonly Uint8Array[]
  readonly fault: IntegrityError | null
}

/**
 * Read and judge one full bundle.
 *
 * The fault, if there is one, is an IntegrityError `ERR_AUDIT_MISSING` or `ERR_AUDIT_DAMAGED`, with the bundle's index in `detail`.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function readBundle(storage: Pick<Storage, "read">, index: number): Promise<ReadBundle> {
  const bytes = await storage.read(bundleFile(index))
  if (bytes === null) return { lines: [], fault: damageOf("ERR_AUDIT_MISSING", index) }
  const { entries, goodBytes } = scanBundle(bytes, index * BUNDLE_ENTRIES)
  const whole = entries.length === BUNDLE_ENTRIES && goodBytes === bytes.length
  return { lines: entries, fault: whole ? null : damageOf("ERR_AUDIT_DAMAGED", index) }
}

/** An error that says which bundle is wrong, and how. */
export function damageOf(
  code: "ERR_AUDIT_MISSING" | "ERR_AUDIT_DAMAGED" | "ERR_AUDIT_CONFLICT",
  bundle: number,
): IntegrityError {
  return new IntegrityError(code, `audit log: bundle ${bundle} (${bundleFile(bundle)})`, { detail: { bundle } })
}

/** Indexes of the full bundles there are, ascending. Only names are read. @throws HardwareError `ERR_IO` */
export async function listBundles(storage: Pick<Storage, "list">): Promise<readonly number[]> {
  const found: number[] = []
  const walk = async (folder: string, base: number): Promise<void> => {
    for (const name of await storage.list(folder)) {
      if (/^\d{3}$/.test(name)) found.push(base * 1000 + Number(name))
      else if (/^x\d{3}\/$/.test(name)) {
        await walk(`${folder}/${name.slice(0, -1)}`, base * 1000 + Number(name.slice(1, 4)))
      }
    }
  }
  await walk("audit/tile/entries", 0)
  return found.sort((a, b) => a - b)
}
