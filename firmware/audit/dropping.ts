/**
 * The oldest bundles are given up: the log goes on from another first entry.
 *
 *     audit/first        {"format":1,"seq":512}    the first entry there is; absent: 0
 *     audit/collected    {"format":1,"seq":900}    the first entry that no collector has acknowledged; absent: 0
 *
 * The new first entry is on disk before anything is removed, so that a bundle which is missing is either below it or missed; what a power
 * cut left of bundles below it goes at the next start. Of the tree only tiles of level 0 go, and only those whose hashes are all in full
 * tiles of level 1: at most 255 of dropped entries stay, 2 MiB. Every proof about an entry that is left, and of consistency between trees
 * that end in what is left, is made of what stays.
 *
 * @see C2SP tlog-tiles, "Pruning"; IEC 62443-4-2 CR 2.9
 */
import type { Storage } from "../../hal/storage.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import { bundleFile, listBundles } from "./bundle-reader.ts"
import { firstLeafTile, listPieces, pieceFile } from "./tile-files.ts"

const FIRST = "audit/first"
const COLLECTED = "audit/collected"

/** The first entry that is still there: a multiple of 256. @throws HardwareError `ERR_IO` */
export async function readFirst(storage: Pick<Storage, "read">): Promise<number> {
  const first = await readSeq(storage, FIRST)
  return first - (first % BUNDLE_ENTRIES)
}

/** The first entry that no collector has acknowledged. @throws HardwareError `ERR_IO` */
export function readCollected(storage: Pick<Storage, "read">): Promise<number> {
  return readSeq(storage, COLLECTED)
}

/** On disk before this resolves. @throws HardwareError `ERR_IO` */
export function writeCollected(storage: Pick<Storage, "write">, seq: number): Promise<void> {
  return writeSeq(storage, COLLECTED, seq)
}

/** From now on the log begins at `first`, a multiple of 256; on disk before this resolves. @throws HardwareError `ERR_IO` */
export function writeFirst(storage: Pick<Storage, "write">, first: number): Promise<void> {
  return writeSeq(storage, FIRST, first)
}

/**
 * Remove every bundle below `first`, and the tiles of level 0 that nothing needs any more. May be repeated. What a power cut brings back
 * goes at the next start. @throws HardwareError `ERR_IO`
 */
export async function removeBelow(storage: Pick<Storage, "list" | "removeCached">, first: number): Promise<void> {
  if (first === 0) return
  for (const index of await listBundles(storage)) {
    if (index < first / BUNDLE_ENTRIES) await storage.removeCached(bundleFile(index))
  }
  for (const index of (await listPieces(storage, 0)).full) {
    if (index < firstLeafTile(first)) await storage.removeCached(leafTileFile(index))
  }
}

/** What a bundle takes on the disk; its tile stays for a while. @throws HardwareError `ERR_IO` */
export async function bundleSpace(storage: Pick<Storage, "space">, index: number): Promise<number> {
  return (await storage.space(bundleFile(index))).usedBytes
}

function leafTileFile(index: number): string {
  return pieceFile({ level: 0, index, width: BUNDLE_ENTRIES })
}

/** 0 for anything that was not written here: then nothing counts as dropped or collected, and what is missing is told. */
async function readSeq(storage: Pick<Storage, "read">, path: string): Promise<number> {
  const bytes = await storage.read(path)
  const text = bytes === null ? "" : new TextDecoder().decode(bytes)
  return Number(/^\{"format":1,"seq":(\d{1,15})\}$/.exec(text)?.[1] ?? 0)
}

function writeSeq(storage: Pick<Storage, "write">, path: string, seq: number): Promise<void> {
  return storage.write(path, new TextEncoder().encode(JSON.stringify({ format: 1, seq })))
}
