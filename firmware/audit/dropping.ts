/**
 * The oldest bundles are given up: the log goes on from another first entry.
 *
 *     audit/first        {"format":1,"seq":512,"said":803}    the first entry there is, and the one that says so; absent: 0
 *     audit/collected    {"format":1,"seq":900}               the first entry that no collector has acknowledged; absent: 0
 *
 * The new first entry is on disk before anything is removed, so that a bundle which is missing is either below it or missed; what a power
 * cut left of bundles below it goes at the next start. Of the tree only tiles of level 0 go, and only those whose hashes are all in full
 * tiles of level 1: at most 255 of dropped entries stay, 2 MiB. Every proof about an entry that is left, and of consistency between trees
 * that end in what is left, is made of what stays.
 *
 * `audit/first` alone proves nothing: anybody who may write there could write another number and take bundles away. The entry that says so is
 * in the log, signed, and under the checkpoint on disk before the first bundle goes; it stays until a later one takes its place.
 *
 * @see C2SP tlog-tiles, "Pruning"; IEC 62443-4-2 CR 2.9
 */
import type { Storage } from "../../hal/storage.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import { parseEntry } from "../../policy/audit/entry.ts"
import { droppedBelow } from "../../policy/audit/retention-event.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { bundleFile, listBundles, readBundle } from "./bundle-reader.ts"
import { firstLeafTile, listPieces, pieceFile } from "./tile-files.ts"

const FIRST = "audit/first"
const COLLECTED = "audit/collected"

/** Where the log begins. */
export interface LogBeginning {
  /** The first entry that is still there: a multiple of 256. */
  readonly first: number
  /** The entry that says that those before were given up; null if none is named. */
  readonly said: number | null
}

/** Where the log says that it begins; `isSaid` tells whether to believe it. @throws HardwareError `ERR_IO` */
export async function readBeginning(storage: Pick<Storage, "read">): Promise<LogBeginning> {
  const { seq, said } = await readSeq(storage, FIRST)
  return { first: seq - (seq % BUNDLE_ENTRIES), said }
}

/** The first entry that is still there: a multiple of 256. @throws HardwareError `ERR_IO` */
export async function readFirst(storage: Pick<Storage, "read">): Promise<number> {
  return (await readBeginning(storage)).first
}

/** Whether the log says itself that it begins there; `tail` is its open bundle. @throws HardwareError `ERR_IO` */
export async function isSaid(
  storage: Pick<Storage, "read">,
  { first, said }: LogBeginning,
  tail: { readonly firstSeq: number; readonly lines: readonly Uint8Array[] },
): Promise<boolean> {
  if (first === 0) return true
  if (said === null) return false
  const [bundle, at] = [Math.floor(said / BUNDLE_ENTRIES), said % BUNDLE_ENTRIES]
  const isOpen = bundle * BUNDLE_ENTRIES === tail.firstSeq
  const line = (isOpen ? tail.lines : (await readBundle(storage, bundle)).lines)[at]
  if (line === undefined) return false
  try {
    return (droppedBelow(parseEntry(line))?.below ?? 0) >= first
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    return false
  }
}

/** The first entry that no collector has acknowledged. @throws HardwareError `ERR_IO` */
export async function readCollected(storage: Pick<Storage, "read">): Promise<number> {
  return (await readSeq(storage, COLLECTED)).seq
}

/** On disk before this resolves. @throws HardwareError `ERR_IO` */
export function writeCollected(storage: Pick<Storage, "write">, seq: number): Promise<void> {
  return writeSeq(storage, COLLECTED, { seq })
}

/** From now on the log begins at `first`, a multiple of 256; on disk before this resolves. @throws HardwareError `ERR_IO` */
export function writeBeginning(storage: Pick<Storage, "write">, { first, said }: LogBeginning): Promise<void> {
  return writeSeq(storage, FIRST, { seq: first, ...(said === null ? {} : { said }) })
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
async function readSeq(storage: Pick<Storage, "read">, path: string): Promise<{ seq: number; said: number | null }> {
  const bytes = await storage.read(path)
  const text = bytes === null ? "" : new TextDecoder().decode(bytes)
  const [, seq, said] = /^\{"format":1,"seq":(\d{1,15})(?:,"said":(\d{1,15}))?\}$/.exec(text) ?? []
  return { seq: Number(seq ?? 0), said: said === undefined ? null : Number(said) }
}

function writeSeq(
  storage: Pick<Storage, "write">,
  path: string,
  marks: { readonly seq: number; readonly said?: number },
): Promise<void> {
  return storage.write(path, new TextEncoder().encode(JSON.stringify({ format: 1, ...marks })))
}
