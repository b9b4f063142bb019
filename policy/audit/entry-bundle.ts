/**
 * Entry bundles: runs of 256 entries, aligned to their sequence numbers.
 *
 *      0        2              2+n
 *      +--------+--------------+--------+-----
 *      | length | entry        | length | ...      length: big-endian, 1..1024
 *      +--------+--------------+--------+-----
 *
 * A full bundle n holds the entries 256n..256n+255 and never changes. The last, partial one grows at its end only, so that
 * a power cut leaves a good prefix of it and then anything: a torn record, zeros, or nothing.
 *
 * @see C2SP tlog-tiles, "Log Entries"
 */
import { InputError, InvariantError, LockgateError } from "../base/errors.ts"
import { MAX_ENTRY_BYTES, parseEntry } from "./entry.ts"

/** Entries in a full bundle. */
export const BUNDLE_ENTRIES = 256

/**
 * Path of bundle `index`, e.g. `tile/entries/x001/x234/067` for 1234067; with `width` of a partial one (`.p/width`).
 *
 * @throws InvariantError `ERR_AUDIT_BUNDLE_INDEX`
 */
export function bundlePath(index: number, width: number = BUNDLE_ENTRIES): string {
  if (!Number.isSafeInteger(index) || index < 0 || width < 1 || width > BUNDLE_ENTRIES) {
    throw new InvariantError("ERR_AUDIT_BUNDLE_INDEX", `no bundle ${index} of ${width}`)
  }
  const groups = [String(index % 1000).padStart(3, "0")]
  for (let left = Math.floor(index / 1000); left > 0; left = Math.floor(left / 1000)) {
    groups.unshift(`x${String(left % 1000).padStart(3, "0")}`)
  }
  return `tile/entries/${groups.join("/")}${width === BUNDLE_ENTRIES ? "" : `.p/${width}`}`
}

/** Entries as a bundle's bytes, in order. @throws InvariantError `ERR_AUDIT_BUNDLE_ENTRY` for an entry of no or too many bytes */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0))
  let at = 0
  for (const entry of entries) {
    if (entry.length === 0 || entry.length > MAX_ENTRY_BYTES) {
      throw new InvariantError("ERR_AUDIT_BUNDLE_ENTRY", `an entry of ${entry.length} bytes`)
    }
    bytes[at] = entry.length >> 8
    bytes[at + 1] = entry.length & 0xff
    bytes.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bytes
}

/**
 * The entries of a whole bundle, 0..256 of them: views of the input, not judged any further.
 *
 * @throws InputError `ERR_AUDIT_BUNDLE` if a record is short or of no or too many bytes, or there are more than 256.
 */
export function parseBundle(bytes: Uint8Array): readonly Uint8Array[] {
  const entries: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const entry = recordAt(bytes, at)
    if (entry === null || entries.length === BUNDLE_ENTRIES) {
      throw new InputError("ERR_AUDIT_BUNDLE", "not an entry bundle", { detail: { at, entry: entries.length } })
    }
    entries.push(entry)
    at += 2 + entry.length
  }
  return entries
}

/** What `scanBundle` found. */
export interface BundleScan {
  /** Sequence number of the first entry; null if there is no good entry. */
  readonly firstSeq: number | null
  /** The good entries at the start, views of the input. */
  readonly entries: readonly Uint8Array[]
  /** Bytes of those. What follows is not part of the log. */
  readonly goodBytes: number
}

/**
 * The good entries at the start of a bundle that may be torn: whole records that are entries, numbered without a gap from
 * `firstSeq`, or from what the first one says if that is null. Never throws; stops at the first that is not good, or after 256.
 */
export function scanBundle(bytes: Uint8Array, firstSeq: number | null): BundleScan {
  const entries: Uint8Array[] = []
  let first = firstSeq
  let at = 0
  while (at < bytes.length && entries.length < BUNDLE_ENTRIES) {
    const entry = recordAt(bytes, at)
    const seq = entry === null ? null : seqOf(entry)
    if (entry === null || seq === null) break
    first ??= seq
    if (seq !== first + entries.length) break
    entries.push(entry)
    at += 2 + entry.length
  }
  return { firstSeq: entries.length === 0 ? null : first, entries, goodBytes: at }
}

/** The record at `at`: a view without its length; null if it is short or its length is out of range. */
function recordAt(bytes: Uint8Array, at: number): Uint8Array | null {
  const [high, low] = [bytes[at], bytes[at + 1]]
  if (high === undefined || low === undefined) return null
  const end = at + 2 + ((high << 8) | low)
  const length = end - at - 2
  return length === 0 || length > MAX_ENTRY_BYTES || end > bytes.length ? null : bytes.subarray(at + 2, end)
}

function seqOf(entry: Uint8Array): number | null {
  try {
    return parseEntry(entry).seq
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return null
    throw error
  }
}
