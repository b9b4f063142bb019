import { LockgateError } from "../../base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "./checkpoint.ts"
import { HASH_BYTES, sameHash, type Sha256 } from "./hash.ts"
import { followHandovers, type Handover, type KeyChain } from "../key-chain.ts"
import { isSameKey } from "../proof-file.ts"
import { LogStart } from "./log-start.ts"
import { FaultList, type LogFault } from "./log-verdict.ts"
import { parseNote, verifyNote, type NoteKey, type VerifySignature } from "./note.ts"
import { piecePath, TILE_WIDTH, type Tile } from "./tile.ts"
import { nodesOfTiles, proveConsistency, rootOf, type NodeReader } from "./tree.ts"
import { verifyConsistency } from "./verify.ts"
import { hashesOf, verifyPieces } from "./verify-pieces.ts"

/** A log that somebody else keeps: a folder, a broker, a collector. */
export interface LogSource {
  /** The signed note; null if there is none. */
  checkpoint(): Promise<string | null>
  /** A tile or a bundle by its tlog-tiles path; null if it is not there. */
  piece(path: string): Promise<Uint8Array | null>
  /** The changes of its key that it keeps, in any order; a source that keeps none has no such method. */
  handovers?(): Promise<readonly Handover[]>
}

/** What verifying stands on. */
export interface VerifyLogDeps {
  readonly sha256: Sha256
  readonly verify: VerifySignature
  /** The keys of the log that are trusted: one of them must have signed, or have handed over to the one that did. */
  readonly keys: readonly NoteKey[]
}

/** What may be said about the log beforehand. */
export interface VerifyLogOptions {
  /** Entries before this one are not looked at, for the source says that they are gone; its bundle is. Default 0. */
  readonly from?: number
  /**
   * The source holds a window of the log, such as a broker: what is before `from` lies elsewhere, and nothing is said of it. Without it
   * an entry of the log must say that everything below the first that is there was given up.
   */
  readonly window?: boolean
  /** A checkpoint that was verified before: this log must be its continuation. */
  readonly known?: Checkpoint
  progress?(done: number, of: number): void
}

/** What was found. Without faults, every entry from `from` on is the one that the gateway signed, in its place. */
export interface LogVerdict {
  /** Verified; null if there is none that a trusted key signed. */
  readonly checkpoint: Checkpoint | null
  /** The key that signed it: another one than was trusted if that handed over. */
  readonly key: NoteKey | null
  /** The first entry that was looked at. */
  readonly from: number
  /** Entries below this one were given up, as an entry of the log says; 0 for none. */
  readonly dropped: number
  /** How many entries are right. */
  readonly entries: number
  readonly faults: readonly LogFault[]
}

/**
 * Verify a whole log: the signature of its checkpoint, its tiles and its entries, each by each.
 *
 * Never throws for what the source gives, however wrong; what the source itself throws goes through.
 *
 * A pass does not say that nothing was cut off since the checkpoint, nor that everybody is shown this same log: that takes a
 * checkpoint from elsewhere (`known`, or a witness).
 * @see IEC 62443-4-2 CR 3.9; RFC 6962 section 2.1; C2SP tlog-tiles
 */
export async function verifyLog(
  deps: VerifyLogDeps,
  source: LogSource,
  options: VerifyLogOptions = {},
): Promise<LogVerdict> {
  const faults = new FaultList()
  const from = Math.max(0, Math.floor((options.from ?? 0) / TILE_WIDTH) * TILE_WIDTH)
  // The checkpoint first: a handover that comes after it is not needed for it.
  const note = await source.checkpoint()
  const chain = await followHandovers(deps, (await source.handovers?.()) ?? [], faults)
  const signed = await signedCheckpoint(deps, chain, note, faults)
  if (signed === null) return { checkpoint: null, key: null, from, dropped: 0, entries: 0, faults: faults.found }
  const { checkpoint, key } = signed
  const start = new LogStart(from, options.window === true)
  const piece = (path: string): Promise<Uint8Array | null> => source.piece(path)
  const entries = await verifyPieces({
    ...checkpoint,
    sha256: deps.sha256,
    from,
    faults,
    start,
    piece,
    heard: (entry) => start.hear(entry),
    progress: (done) => options.progress?.(Math.max(0, done - from), Math.max(0, checkpoint.size - from)),
  })
  await start.judge(faults, (size) => rootAt(deps.sha256, size, checkpoint, piece))
  const known = options.known === undefined ? [] : [options.known]
  for (const before of [...chain.checkpoints, ...known]) await continues(deps.sha256, before, checkpoint, piece, faults)
  return { checkpoint, key, from, dropped: start.dropped, entries, faults: faults.found }
}

/** The checkpoint of a note if a key of the chain has signed it, and had not handed over before. */
export async function signedCheckpoint(
  deps: VerifyLogDeps,
  { keys, retired }: KeyChain,
  note: string | null,
  faults: FaultList,
): Promise<SignedBy | null> {
  const before = retired.map(({ key }) => key).filter((old) => !keys.some((key) => isSameKey(key, old)))
  const found = await trustedCheckpoint({ ...deps, keys: [...keys, ...before] }, note, faults)
  if (found === null || keys.some((key) => isSameKey(key, found.key))) return found
  const until = Math.max(...retired.filter(({ key }) => isSameKey(key, found.key)).map((one) => one.until))
  if (found.checkpoint.size <= until) return found
  const text = `the checkpoint is signed by a key that handed over at ${until} entries`
  faults.add("checkpoint", "ERR_LOG_OTHER_KEY", text)
  return null
}

/** A checkpoint, and the key that signed it. */
export interface SignedBy {
  readonly checkpoint: Checkpoint
  readonly key: NoteKey
}

/** The checkpoint of a note if one of the keys has signed it; what is wrong goes into `faults`. */
async function trustedCheckpoint(
  { sha256, verify, keys }: VerifyLogDeps,
  note: string | null,
  faults: FaultList,
): Promise<SignedBy | null> {
  if (note === null) {
    faults.add("checkpoint", "ERR_LOG_NO_CHECKPOINT", "there is no checkpoint")
    return null
  }
  try {
    const parsed = parseNote(note)
    const checkpoint = parseCheckpoint(parsed.text)
    const signed = (await verifyNote(sha256, parsed, keys, verify)).filter(({ key }) => key.type !== "cosignature")
    const by = signed.find(({ key }) => key.name === checkpoint.origin)
    if (by !== undefined) return { checkpoint, key: by.key }
    if (keys.some(({ name }) => name === checkpoint.origin))
      faults.add("checkpoint", "ERR_LOG_OTHER_KEY", "the checkpoint is not signed by the key of this log")
    else faults.add("checkpoint", "ERR_LOG_OTHER_LOG", `the checkpoint is of another log: ${checkpoint.origin}`)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    if (error.code === "ERR_NOTE_SIGNATURE")
      faults.add("checkpoint", "ERR_LOG_SIGNATURE", "the checkpoint was changed after it was signed")
    else faults.add("checkpoint", "ERR_LOG_NO_CHECKPOINT", "this is not a checkpoint")
  }
  return null
}

/** Whether the log begins with what was known of it. */
async function continues(
  sha256: Sha256,
  known: Checkpoint,
  now: Checkpoint,
  piece: LogSource["piece"],
  faults: FaultList,
): Promise<void> {
  if (known.origin !== now.origin) {
    faults.add("checkpoint", "ERR_LOG_OTHER_LOG", `known is the log ${known.origin}`)
    return
  }
  if (known.size > now.size) {
    const text = `the log has ${now.size} entries, and had ${known.size} before: it was cut short or put back`
    faults.add("checkpoint", "ERR_LOG_REWOUND", text)
    return
  }
  const fork = (): void =>
    faults.add("checkpoint", "ERR_LOG_FORKED", `the first ${known.size} entries are not those that were known`)
  if (known.size === now.size) {
    if (!sameHash(known.root, now.root)) fork()
    return
  }
  const damaged = faults.found.find(({ code }) => code === "ERR_LOG_TILE_MISSING" || code === "ERR_LOG_TILE_ALTERED")
  const missing: string[] = []
  const node = nodesOf(sha256, now, piece, missing)
  const proof = await proveConsistency(sha256, known.size, now.size, node)
  const claim = { first: known.size, second: now.size, firstRoot: known.root, secondRoot: now.root, proof }
  if (verifyConsistency(sha256, claim)) return
  const unknown = missing[0] ?? damaged?.where ?? null
  if (unknown === null) fork()
  else {
    const text = "without this tile nobody can tell whether the log goes on from what was known"
    faults.add(unknown, "ERR_LOG_TILE_MISSING", text)
  }
}

/** Root of the first `size` entries by the tiles of the tree `now`; null if some are missing. */
async function rootAt(
  sha256: Sha256,
  size: number,
  now: Checkpoint,
  piece: LogSource["piece"],
): Promise<Uint8Array | null> {
  const missing: string[] = []
  const root = size > now.size ? null : await rootOf(sha256, size, nodesOf(sha256, now, piece, missing))
  return missing.length > 0 ? null : root
}

/** Nodes of a tree by its tiles. One that is missing has hashes of zeros, and goes into `missing`. */
function nodesOf(sha256: Sha256, { size }: Checkpoint, piece: LogSource["piece"], missing: string[]): NodeReader {
  return nodesOfTiles(sha256, size, async (tile: Tile) => {
    const hashes = await hashesOf({ piece }, tile)
    if (typeof hashes !== "string") return hashes
    missing.push(piecePath(tile))
    return Array.from({ length: tile.width }, () => new Uint8Array(HASH_BYTES))
  })
}
