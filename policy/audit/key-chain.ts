/**
 * Changes of a log's key, followed: whoever has one key believes the next because the one before signed for it.
 *
 * A handover is the proof file of the entry that names the next key (`audit.key-changed`), over a checkpoint that both keys signed. It
 * stands by itself, so that it can be followed when the entry has long been dropped from the log.
 *
 *     key 0 --- handover 301 --- key 1 --- handover 907 --- key 2 --- checkpoint
 *
 * @see IEC 62443-4-2 CR 3.9; C2SP signed-note
 */
import { LockgateError } from "../base/errors.ts"
import { isSameKey, parseProofFile, verifyProof, type EntryProof } from "./proof-file.ts"
import { parseEntry, type Entry } from "./entry.ts"
import { parseCheckpoint, type Checkpoint } from "./tlog/checkpoint.ts"
import type { Sha256 } from "./tlog/hash.ts"
import type { FaultList } from "./tlog/log-verdict.ts"
import { parseNote, parseNoteKey, verifyNote, type NoteKey, type VerifySignature } from "./tlog/note.ts"

/** A handover as it lies there; nothing of it is verified. */
export interface Handover {
  /** Where it lies, for people: `handover-301`. */
  readonly where: string
  /** A proof file. */
  readonly text: string
}

/** The keys that are to be believed, and what they signed when they changed. */
export interface KeyChain {
  /** In force at the end: one of these must have signed what comes after the last handover. */
  readonly keys: readonly NoteKey[]
  /** Keys that handed over, and the last size that they may have signed. */
  readonly retired: readonly { readonly key: NoteKey; readonly until: number }[]
  /** Checkpoints that were followed: the log must be their continuation. */
  readonly checkpoints: readonly Checkpoint[]
}

interface ReadHandover extends Handover {
  readonly proof: EntryProof
  readonly next: NoteKey
  readonly checkpoint: Checkpoint
}

/** The key that an entry hands over to; null for any other entry. */
export function nextKeyOf(sha256: Sha256, { event, source, detail }: Entry): NoteKey | null {
  const key = detail?.["key"]
  if (event !== "audit.key-changed" || source !== "audit" || typeof key !== "string") return null
  return attempt(() => parseNoteKey(sha256, key))
}

/**
 * Follow the handovers from the keys that are trusted; what is wrong with one goes into `faults`, and it is not followed.
 *
 * Handovers from before a trusted key came into force are not needed, and nobody here could judge them. No input makes this throw.
 */
export async function followHandovers(
  deps: { readonly sha256: Sha256; readonly verify: VerifySignature; readonly keys: readonly NoteKey[] },
  handovers: readonly Handover[],
  faults: FaultList,
): Promise<KeyChain> {
  const wrong = (where: string, why: string): void => faults.add(where, "ERR_LOG_HANDOVER", why)
  const read: ReadHandover[] = []
  for (const one of handovers) {
    const found = readHandover(deps.sha256, one)
    if (found === null) wrong(one.where, "this is no handover from one key of a log to the next")
    else read.push(found)
  }
  read.sort((a, b) => a.checkpoint.size - b.checkpoint.size)
  const isBy = async ({ proof }: ReadHandover, key: NoteKey): Promise<boolean> =>
    (await verifyProof(deps, proof, [key])).state === "proved"
  let begin = 0
  for (const one of read)
    for (const key of deps.keys)
      if (isSameKey(one.next, key) && (await isBy(one, key))) begin = Math.max(begin, one.checkpoint.size)

  let keys = deps.keys
  const retired: KeyChain["retired"][number][] = []
  const checkpoints: Checkpoint[] = []
  for (const one of read) {
    if (one.checkpoint.size <= begin) continue
    const { state, key, faults: why } = await verifyProof(deps, one.proof, keys)
    if (state !== "proved" || key === null) wrong(one.where, `not signed by the key before: ${why[0]?.text ?? ""}`)
    else if (!(await isSigned(deps, one, one.next))) wrong(one.where, "not signed by the key that it names")
    else {
      retired.push({ key, until: one.checkpoint.size })
      checkpoints.push(one.checkpoint)
      keys = [...keys.filter((other) => other.name !== one.next.name), one.next]
    }
  }
  return { keys, retired, checkpoints }
}

async function isSigned(
  { sha256, verify }: { readonly sha256: Sha256; readonly verify: VerifySignature },
  { proof }: ReadHandover,
  key: NoteKey,
): Promise<boolean> {
  try {
    return (await verifyNote(sha256, parseNote(proof.checkpoint), [key], verify)).length > 0
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    return false
  }
}

function readHandover(sha256: Sha256, handover: Handover): ReadHandover | null {
  return attempt(() => {
    const proof = parseProofFile(sha256, handover.text)
    const checkpoint = parseCheckpoint(parseNote(proof.checkpoint).text)
    const next = nextKeyOf(sha256, parseEntry(proof.line))
    return next === null || next.name !== checkpoint.origin ? null : { ...handover, proof, next, checkpoint }
  })
}

/** What `read` gives, or null if the input is at fault. */
function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return null
    throw error
  }
}
