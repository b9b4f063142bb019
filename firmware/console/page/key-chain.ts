/**
 * From the key that a reader was given to the one that signs now: each change of keys is an entry of the log, under a checkpoint that
 * both keys have signed. It comes as a proof file of that entry, retained at `lockgate/<gateway>/log/handover/<size>`.
 */
import { InputError, LockgateError } from "../../../policy/base/errors.ts"
import { parseProofFile, verifyProof } from "../../../policy/audit/proof-file.ts"
import type { Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { keyIdOf, parseNote, parseNoteKey, verifyNote } from "../../../policy/audit/tlog/note.ts"
import type { NoteKey, VerifySignature } from "../../../policy/audit/tlog/note.ts"
import type { Seen } from "./log-tree.ts"

const MAX_HANDOVERS = 256

/** A change of keys that was verified: the tree of `size` ends in the entry that names `next`. */
export interface Handover extends Seen {
  readonly from: NoteKey
  readonly next: NoteKey
}

/** What a chain of keys stands on. */
export interface KeyChainDeps {
  readonly sha256: Sha256
  readonly verify: VerifySignature
}

/** The keys of one log: those given, and those that they vouch for. */
export class KeyChain {
  readonly #deps: KeyChainDeps
  readonly #waiting = new Map<string, string>()
  readonly #handovers: Handover[] = []
  #keys: readonly NoteKey[]

  constructor(deps: KeyChainDeps, given: readonly NoteKey[]) {
    this.#deps = deps
    this.#keys = given
  }

  get keys(): readonly NoteKey[] {
    return this.#keys
  }

  get handovers(): readonly Handover[] {
    return this.#handovers
  }

  /** The size at which `key` handed over to another; null if it is in force, as far as is known. */
  endOf(key: NoteKey): number | null {
    return this.#handovers.find(({ from }) => this.#same(from, key))?.size ?? null
  }

  /**
   * Take what lies at `place`. Returns true if a key came to those that are trusted. One that no trusted key has signed waits: it may
   * be of a key that comes yet, or of one long gone.
   *
   * @throws InputError `ERR_PROOF`, `ERR_LOG_HANDOVER` if it is forged, or damaged
   */
  async take(place: string, payload: Uint8Array): Promise<boolean> {
    this.#waiting.delete(place)
    if (payload.length === 0) return false
    if (this.#waiting.size >= MAX_HANDOVERS) throw new InputError("ERR_LOG_HANDOVER", "there are too many of them")
    this.#waiting.set(place, new TextDecoder().decode(payload))
    const before = this.#keys.length
    // Each key that is new may vouch for one that waits.
    for (let had = -1; had !== this.#keys.length;) {
      had = this.#keys.length
      for (const [at, text] of [...this.#waiting]) {
        this.#waiting.delete(at)
        if (!(await this.#follow(text))) this.#waiting.set(at, text)
      }
    }
    return this.#keys.length > before
  }

  /** True if it was followed; false if it has to wait. */
  async #follow(text: string): Promise<boolean> {
    const { sha256 } = this.#deps
    const proof = parseProofFile(sha256, text)
    const note = attempt(() => parseNote(proof.checkpoint))
    if (note === null) throw forged("its checkpoint is none")
    const from = this.#keys.find((key) => note.signatures.some((one) => this.#isBy(key, one)))
    if (from === undefined) return false
    const { state, entry, checkpoint, faults } = await verifyProof(this.#deps, proof, [from])
    if (state !== "proved" || checkpoint === null) throw forged(faults[0]?.text ?? "its proof does not hold")
    if (entry?.event !== "audit.key-changed" || proof.index !== proof.size - 1)
      throw forged("the entry that it proves is not a change of keys at the end of its tree")
    const line = entry.detail?.["key"]
    const next = attempt(() => parseNoteKey(sha256, typeof line === "string" ? line : ""))
    if (next === null || next.name !== checkpoint.origin) throw forged("its entry names no key of this log")
    const both = await verifyNote(sha256, note, [next], this.#deps.verify).catch(() => [])
    if (both.length === 0) throw forged("the new key has not signed it")
    if (this.#same(from, next)) return true
    this.#handovers.push({ from, next, size: checkpoint.size, root: checkpoint.root })
    if (!this.#keys.some((key) => this.#same(key, next))) this.#keys = [...this.#keys, next]
    return true
  }

  #isBy(key: NoteKey, { name, keyId }: { readonly name: string; readonly keyId: number }): boolean {
    return name === key.name && keyId === keyIdOf(this.#deps.sha256, key)
  }

  #same(one: NoteKey, other: NoteKey): boolean {
    return one.name === other.name && keyIdOf(this.#deps.sha256, one) === keyIdOf(this.#deps.sha256, other)
  }
}

function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return null
    throw error
  }
}

function forged(why: string): InputError<"ERR_LOG_HANDOVER"> {
  return new InputError("ERR_LOG_HANDOVER", `a change of keys that cannot be believed: ${why}`)
}
