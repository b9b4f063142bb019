/**
 * One file that proves one entry, offline: the entry, its place, the way through the tree, and the checkpoint that was signed.
 *
 *     { "format": 1, "entry": "<line of the log>", "index": 17, "size": 1234, "proof": ["<base64>", ...],
 *       "checkpoint": "<signed note>", "key": "<name+id+base64>" }
 *
 * The key in the file says whose signature it is, not whether to believe it: anybody can make a key. Whoever verifies has the
 * key of the gateway's log from elsewhere (the provisioning receipt, the owner's inventory), or is told that nobody vouches.
 *
 * @see RFC 9162 section 2.1.3, C2SP tlog-checkpoint
 */
import { InputError, LockgateError } from "../base/errors.ts"
import { parseEntry, type Entry } from "./entry.ts"
import { fromBase64, toBase64 } from "./tlog/base64.ts"
import { parseCheckpoint, type Checkpoint } from "./tlog/checkpoint.ts"
import { HASH_BYTES, leafHash, sameHash, type Sha256 } from "./tlog/hash.ts"
import { encodeNoteKey, parseNote, parseNoteKey, verifyNote, type NoteKey, type VerifySignature } from "./tlog/note.ts"
import { verifyInclusion } from "./tlog/verify.ts"

/** A proof file is no longer than this; a true one has about 4 KiB. */
export const MAX_PROOF_BYTES = 64 * 1024
/** A tree of 2^64 entries needs no more. */
const MAX_STEPS = 64

/** What a proof file holds; nothing of it is verified. */
export interface EntryProof {
  /** The line, as it lies in the log. */
  readonly line: Uint8Array
  readonly index: number
  readonly size: number
  readonly proof: readonly Uint8Array[]
  /** A signed note. */
  readonly checkpoint: string
  /** Whose signature the file says it is. */
  readonly key: NoteKey
}

/** What is wrong with a proof: a stable code, and a sentence. */
export interface ProofFault {
  readonly code: "entry" | "checkpoint" | "signature" | "origin" | "size" | "inclusion" | "key"
  readonly text: string
}

/** What verification came to. */
export interface ProofVerdict {
  /**
   * `proved`: the entry is in the log of a key that the verifier knows. `unvouched`: it is in a log that the key in the file
   * signs, and nobody said whose key that is. `wrong`: see `faults`.
   */
  readonly state: "proved" | "unvouched" | "wrong"
  readonly entry: Entry | null
  readonly checkpoint: Checkpoint | null
  /** The key that signed; null if none did. */
  readonly key: NoteKey | null
  readonly faults: readonly ProofFault[]
}

/** The file's text, with a line end. @throws InputError `ERR_PROOF` if the line is not UTF-8 and so was never an entry */
export function encodeProofFile(sha256: Sha256, proof: EntryProof): string {
  const file = {
    format: 1,
    entry: textOf(proof.line),
    index: proof.index,
    size: proof.size,
    proof: proof.proof.map(toBase64),
    checkpoint: proof.checkpoint,
    key: encodeNoteKey(sha256, proof.key),
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

/** Whether `text` may be meant as a proof file: to choose between this and another kind of file, not to trust it. */
export function looksLikeProof(text: string): boolean {
  return text.length <= MAX_PROOF_BYTES && /^\s*\{/.test(text) && text.includes(`"checkpoint"`)
}

/**
 * What a proof file holds. Keys that this release does not know are passed over.
 *
 * @throws InputError `ERR_PROOF`; `detail.at` says which key is wrong
 */
export function parseProofFile(sha256: Sha256, text: string): EntryProof {
  if (text.length > MAX_PROOF_BYTES) throw wrong("length", `longer than ${MAX_PROOF_BYTES} bytes`)
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch (cause) {
    throw new InputError("ERR_PROOF", "a proof file is not JSON", { cause, detail: { at: "file" } })
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw wrong("file", "not an object")
  const read = new Map(Object.entries(found))
  if (read.get("format") !== 1) throw wrong("format", "is not 1: made by a newer release?")
  const steps: unknown = read.get("proof")
  if (!Array.isArray(steps) || steps.length > MAX_STEPS) throw wrong("proof", "is no list of hashes")
  return {
    line: new TextEncoder().encode(stringAt(read, "entry")),
    index: countAt(read, "index"),
    size: countAt(read, "size"),
    proof: steps.map((step) => {
      const hash = typeof step === "string" ? fromBase64(step) : null
      if (hash?.length !== HASH_BYTES) throw wrong("proof", "holds what is no hash")
      return hash
    }),
    checkpoint: stringAt(read, "checkpoint"),
    key: keyAt(sha256, read),
  }
}

/**
 * Verifies a proof. `trusted` are the keys that the verifier has from elsewhere; without any the best that can be said is
 * `unvouched`. All faults are found, and no input makes this throw.
 *
 * @see IEC 62443-4-2 CR 2.12, CR 3.9, CR 6.1
 */
export async function verifyProof(
  deps: { readonly sha256: Sha256; readonly verify: VerifySignature },
  proof: EntryProof,
  trusted: readonly NoteKey[],
): Promise<ProofVerdict> {
  const faults: ProofFault[] = []
  const fault = (code: ProofFault["code"], text: string): void => void faults.push({ code, text })
  const entry = attempt(() => parseEntry(proof.line))
  if (entry === null) fault("entry", "the entry is not one of a Lockgate log")
  else if (entry.seq !== proof.index)
    fault("entry", `the entry says that it is number ${entry.seq}, the proof that it is number ${proof.index}`)

  const keys = trusted.length > 0 ? trusted : [proof.key]
  const note = attempt(() => parseNote(proof.checkpoint))
  const checkpoint = note === null ? null : attempt(() => parseCheckpoint(note.text))
  let key: NoteKey | null = null
  if (note === null || checkpoint === null) fault("checkpoint", "the checkpoint is not a signed note of a log")
  else {
    const good = await verifyNote(deps.sha256, note, keys, deps.verify).catch((error: unknown) => told(error))
    key = good?.[0]?.key ?? null
    const isKnown = keys.some((one) => note.signatures.some(({ name }) => name === one.name))
    if (good === null)
      fault("signature", "the signature of the checkpoint is wrong: it was changed, or it is not by this key")
    else if (key === null && isKnown)
      fault("key", `the checkpoint is signed by another key of the name ${keys[0]?.name ?? ""}`)
    else if (key === null) fault("key", `the checkpoint is not signed by ${keys.map(({ name }) => name).join(" or ")}`)
    if (key !== null && checkpoint.origin !== key.name)
      fault("origin", `the checkpoint is of ${checkpoint.origin}, and the key is of ${key.name}`)
    if (checkpoint.size !== proof.size)
      fault("size", `the checkpoint is of ${checkpoint.size} entries, and the proof of ${proof.size}`)
    const claim = {
      ...{ index: proof.index, size: checkpoint.size, proof: proof.proof },
      ...{ leaf: leafHash(deps.sha256, proof.line), root: checkpoint.root },
    }
    if (!verifyInclusion(deps.sha256, claim))
      fault(
        "inclusion",
        `entry ${proof.index} is not in the log as the checkpoint has it: it, or the way to it, was changed`,
      )
  }
  const state = faults.length > 0 ? "wrong" : trusted.some((one) => isSameKey(one, key)) ? "proved" : "unvouched"
  return { state, entry, checkpoint, key, faults }
}

/** Whether two keys are the same, name and all. */
export function isSameKey(one: NoteKey, other: NoteKey | null): boolean {
  return (
    other !== null && one.name === other.name && one.type === other.type && sameHash(one.publicKey, other.publicKey)
  )
}

function stringAt(read: ReadonlyMap<string, unknown>, key: string): string {
  const value = read.get(key)
  if (typeof value !== "string" || !value.isWellFormed()) throw wrong(key, "is no text")
  return value
}

function countAt(read: ReadonlyMap<string, unknown>, key: string): number {
  const value = read.get(key)
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw wrong(key, "is no number of entries")
  return value
}

function keyAt(sha256: Sha256, read: ReadonlyMap<string, unknown>): NoteKey {
  const key = attempt(() => parseNoteKey(sha256, stringAt(read, "key")))
  if (key === null) throw wrong("key", "is no key of a log")
  return key
}

function textOf(line: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line)
  } catch (cause) {
    throw new InputError("ERR_PROOF", "an entry that is not UTF-8", { cause, detail: { at: "entry" } })
  }
}

/** What `read` gives, or null if the input is at fault. */
function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    return told(error)
  }
}

function told(error: unknown): null {
  if (error instanceof LockgateError && error.kind === "input") return null
  throw error
}

function wrong(at: string, text: string): InputError<"ERR_PROOF"> {
  return new InputError("ERR_PROOF", `a proof file is wrong at ${at}: ${text}`, { detail: { at } })
}
