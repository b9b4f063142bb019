/**
 * What a log that was left by anything (an orderly stop, a kill, a power cut, a failing disk, a hand) goes on from.
 *
 * | tail on disk | what is done |
 * |---|---|
 * | entries of the next bundle | gone on with; a torn end is cut off |
 * | entries of a bundle that is there, alike | dropped: power went between the two steps of a rotation |
 * | entries of a bundle that is there, not alike | put aside, reported |
 * | entries of a later bundle | gone on with; the bundles between are reported missing |
 * | entries of a bundle that was dropped | put aside, reported: the log goes on from its first entry |
 * | nothing good | begun anew after the last bundle; what was there is put aside |
 *
 * The tail is always written anew before it is appended to. What a process sees after a failed fsync may not be on disk, and
 * entries appended behind such bytes would be lost with them; and after a torn rotation the tail may share its bytes with a bundle.
 */
import { IntegrityError, LockgateError } from "../../policy/base/errors.ts"
import { BUNDLE_ENTRIES, encodeBundle, scanBundle } from "../../policy/audit/entry-bundle.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Storage } from "../../hal/storage.ts"
import { isSaid, removeBelow, type LogBeginning } from "./dropping.ts"
import { leafHash } from "../../policy/audit/tlog/hash.ts"
import type { AnchorKeeper } from "./anchor.ts"
import { bundleFile, damageOf, listBundles, readBundle, TAIL } from "./bundle-reader.ts"
import type { LogSigner } from "./log-key.ts"
import { nodeSha256 } from "./note-functions.ts"
import { pieceFile } from "./tile-files.ts"
import { recoverTree, type RecoveredTree } from "./tree-recovery.ts"

const ASIDE = "audit/aside"
const MAX_ASIDE = 8
const MAX_DAMAGE = 16

/** The open bundle: its entries, all on disk, and the number of the first. */
export interface Tail {
  readonly firstSeq: number
  readonly lines: readonly Uint8Array[]
}

/** Where the log goes on, and what was found out about it. */
export interface RecoveredLog extends Omit<RecoveredTree, "events"> {
  readonly tail: Tail
  readonly damage: readonly IntegrityError[]
}

interface Examined extends Pick<RecoveredLog, "tail" | "damage"> {
  /** Bytes that are in no entry of the log; empty if nothing was torn. */
  readonly cut: Uint8Array
}

/**
 * Examine the log, repair its tail and its tree, and write what was found into it: on disk before this resolves.
 *
 * Only the newest full bundle is read; the others are only looked for. `encode` makes the line of an event. Entries below
 * the beginning were given up, and what is left of their bundles goes; if no entry says so, that is told as damage.
 *
 * @throws HardwareError `ERR_IO`: nothing changed that a further call would not find.
 */
export async function recoverLog(deps: {
  readonly storage: Storage
  readonly signer: LogSigner
  readonly anchor: AnchorKeeper
  readonly beginning: LogBeginning
  readonly encode: (seq: number, event: AuditEvent) => Uint8Array
}): Promise<RecoveredLog> {
  const { storage, encode, beginning } = deps
  const dropped = beginning.first
  await removeBelow(storage, dropped)
  const { tail, damage: found, cut } = await examine(storage, dropped / BUNDLE_ENTRIES)
  const damage = (await isSaid(storage, beginning, tail)) ? found : [...found, unsaid(dropped)]
  const events: AuditEvent[] = damage.map((fault) => ({
    id: "audit.damaged",
    outcome: "failure",
    source: "audit",
    reason: fault.code,
    ...(typeof fault.detail["bundle"] === "number" ? { object: bundleFile(fault.detail["bundle"]) } : {}),
    ...(fault.code === "ERR_AUDIT_UNSAID" ? { object: "audit/first", detail: { first: dropped } } : {}),
  }))
  const { events: ofTree, ...tree } = await recoverTree(storage, deps.signer, await deps.anchor.read(), tail, dropped)
  events.push(...ofTree)
  const nextSeq = tail.firstSeq + tail.lines.length
  if (cut.length > 0) {
    const kept = await putAside(storage, `tail-${nextSeq}`, cut)
    events.push({
      id: "audit.repaired",
      outcome: "success",
      source: "audit",
      detail: { bytes: cut.length, ...(kept === null ? {} : { kept }) },
    })
  }
  const told = events.map((event, index) => encode(nextSeq + index, event))
  for (const line of told)
    for (const tile of tree.edge.add(leafHash(nodeSha256, line))) await storage.write(pieceFile(tile), tile.bytes)
  const lines = [...tail.lines, ...told]
  return { ...tree, tail: await settleTail(storage, { firstSeq: tail.firstSeq, lines }), damage }
}

/**
 * Write a tail anew, with as many full bundles before it as it has entries for. May be repeated with the same entries.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function settleTail(storage: Storage, tail: Tail): Promise<Tail> {
  let { firstSeq, lines } = tail
  while (lines.length >= BUNDLE_ENTRIES) {
    await storage.write(bundleFile(firstSeq / BUNDLE_ENTRIES), encodeBundle(lines.slice(0, BUNDLE_ENTRIES)))
    lines = lines.slice(BUNDLE_ENTRIES)
    firstSeq += BUNDLE_ENTRIES
  }
  await storage.write(TAIL, encodeBundle(lines))
  return { firstSeq, lines }
}

async function examine(storage: Storage, firstBundle: number): Promise<Examined> {
  const bundles = await listBundles(storage)
  const last = bundles.at(-1) ?? firstBundle - 1
  const nextFirst = (last + 1) * BUNDLE_ENTRIES
  const bytes = (await storage.read(TAIL)) ?? new Uint8Array()
  const scan = scanBundle(bytes, null)
  const cut = bytes.slice(scan.goodBytes)
  const first = scan.firstSeq ?? nextFirst

  const damage: IntegrityError[] = []
  if (last >= firstBundle) {
    const { fault } = await readBundle(storage, last)
    if (fault !== null) damage.push(fault)
  }
  const aligned = first % BUNDLE_ENTRIES === 0
  for (const index of gaps(bundles, firstBundle, aligned ? first / BUNDLE_ENTRIES : last + 1)) {
    if (damage.length < MAX_DAMAGE) damage.push(damageOf("ERR_AUDIT_MISSING", index))
  }
  if (aligned && first >= nextFirst) return { tail: { firstSeq: first, lines: scan.entries }, damage, cut }

  const empty = { firstSeq: nextFirst, lines: [] }
  const index = Math.floor(first / BUNDLE_ENTRIES)
  const bundle = await readBundle(storage, index)
  const alike = aligned && scan.entries.every((line, at) => sameLine(line, bundle.lines[at]))
  if (alike) return { tail: empty, damage, cut: new Uint8Array() }
  damage.push(damageOf("ERR_AUDIT_CONFLICT", index))
  return { tail: empty, damage, cut: bytes }
}

/** The beginning that no entry speaks of: bundles were taken away by a hand, or `audit/first` was written by one. */
function unsaid(first: number): IntegrityError {
  return new IntegrityError("ERR_AUDIT_UNSAID", `audit log: no entry says that those below ${first} were given up`)
}

/** Indexes from `start` to below `end` that are not in `bundles`. */
function* gaps(bundles: readonly number[], start: number, end: number): Generator<number> {
  let next = start
  for (const index of [...bundles, end]) {
    for (; next < index; next++) yield next
    next = index + 1
  }
}

function sameLine(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, index) => byte === b[index])
}

/** Keep bytes for whoever investigates; null if they are zeros or there is enough of them already. */
async function putAside(storage: Storage, name: string, bytes: Uint8Array): Promise<string | null> {
  if (bytes.every((byte) => byte === 0)) return null
  const path = `${ASIDE}/${name}`
  const there = await storage.list(ASIDE)
  if (there.length >= MAX_ASIDE || there.includes(name)) return null
  try {
    await storage.write(path, bytes)
    return path
  } catch (error) {
    // A full disk must not keep the log from going on.
    if (error instanceof LockgateError && error.kind === "hardware") return null
    throw error
  }
}
