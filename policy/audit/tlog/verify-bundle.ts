import { LockgateError } from "../../base/errors.ts"
import { parseBundle } from "../entry-bundle.ts"
import { parseEntry, type Entry } from "../entry.ts"
import { originOf } from "./checkpoint.ts"
import { leafHash, type Sha256 } from "./hash.ts"
import type { FaultList } from "./log-verdict.ts"
import { piecePath, TILE_WIDTH } from "./tile.ts"

/** Entries with their hashes, as a bundle holds them. */
export interface HashedEntries {
  readonly lines: readonly Uint8Array[]
  readonly leaves: readonly Uint8Array[]
}

/** The entries of a bundle's bytes; null if those are not a bundle. */
export function hashedEntries(sha256: Sha256, bytes: Uint8Array): HashedEntries | null {
  try {
    const lines = parseBundle(bytes)
    return { lines, leaves: lines.map((line) => leafHash(sha256, line)) }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    return null
  }
}

/**
 * Compare what a bundle holds with the hashes that were signed for it, and say of each entry that is not right what became of it.
 * `heard` is given every entry that is. Returns their number.
 */
export function compareBundle(
  index: number,
  found: HashedEntries,
  signed: readonly Uint8Array[],
  origin: string,
  faults: FaultList,
  heard: (entry: Entry) => void = () => undefined,
): number {
  const first = index * TILE_WIDTH
  const foundAt = new Map(found.leaves.map((leaf, at) => [hex(leaf), at]))
  const signedAt = new Map(signed.map((leaf, at) => [hex(leaf), at]))
  let [good, i, j] = [0, 0, 0]
  while (i < found.leaves.length || j < signed.length) {
    const [here, wanted] = [found.leaves[i], signed[j]]
    const belongs = here === undefined ? undefined : signedAt.get(hex(here))
    const liesAhead = wanted !== undefined && (foundAt.get(hex(wanted)) ?? -1) >= i
    const isFromAhead = belongs !== undefined && belongs > j
    const seq = first + j
    if (belongs === j) good += judgeEntry(seq, found.lines[i] as Uint8Array, origin, faults, heard)
    else if (wanted !== undefined && !liesAhead && (here === undefined || isFromAhead)) {
      faults.add(`entry ${seq}`, "ERR_LOG_ENTRY_MISSING", `entry ${seq} has been taken out`)
      j++
      continue
    } else if (here !== undefined && !isFromAhead && (wanted === undefined || liesAhead)) {
      faults.add(`entry ${seq}`, "ERR_LOG_ENTRY_INSERTED", `something was put in before entry ${seq}`)
      i++
      continue
    } else if (belongs === undefined)
      faults.add(`entry ${seq}`, "ERR_LOG_ENTRY_ALTERED", `entry ${seq} is not the one that was signed`)
    else faults.add(`entry ${seq}`, "ERR_LOG_ENTRY_MOVED", `entry ${first + belongs} lies at the place of ${seq}`)
    i++
    j++
  }
  return good
}

/** An entry that is signed must also be what its place says; 1 if it is. */
function judgeEntry(
  seq: number,
  line: Uint8Array,
  origin: string,
  faults: FaultList,
  heard: (entry: Entry) => void,
): 0 | 1 {
  let why = ""
  try {
    const entry = parseEntry(line)
    if (entry.seq !== seq) why = `says that it is number ${entry.seq}`
    else if (originOf(entry.gateway) !== origin) why = `is of another gateway: ${entry.gateway}`
    else heard(entry)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    why = "is no entry"
  }
  if (why === "") return 1
  faults.add(`entry ${seq}`, "ERR_LOG_ENTRY_WRONG", `entry ${seq} is signed, and ${why}`)
  return 0
}

/** Name of a bundle for people: its path. */
export function bundleName(index: number, width: number): string {
  return piecePath({ level: "entries", index, width })
}

function hex(hash: Uint8Array): string {
  let text = ""
  for (const byte of hash) text += String.fromCharCode(byte)
  return text
}
