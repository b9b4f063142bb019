/** Cosigners with keys made now, and a tree over numbered leaves by the definition of RFC 6962. */
import { generateKeyPairSync, sign } from "node:crypto"
import { cosignedMessage, parseNote, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { leafHash, nodeHash } from "../../policy/audit/tlog/hash.ts"
import { withCosignature } from "../../policy/audit/witness/cosignature.ts"
import { encodeRefusal, signedRefusal, type RefusalStatement } from "../../policy/audit/witness/refusal.ts"
import { sha256 } from "./signed-notes.ts"

/** A cosigner's key made now. */
export interface TestCosigner {
  readonly key: NoteKey
  /** `note` with its line, at this second. */
  cosign(note: string, atSeconds: number): string
  refuse(statement: RefusalStatement, atSeconds: number): string
}

/** @see TestCosigner */
export function testCosigner(name: string): TestCosigner {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  const bare = Uint8Array.from(publicKey.export({ format: "der", type: "spki" }).subarray(-32))
  const key: NoteKey = { name, type: "cosignature", publicKey: bare }
  const signed = (text: string, at: number): Uint8Array => sign(null, cosignedMessage(text, at), privateKey)
  return {
    key,
    cosign(text, at) {
      const note = parseNote(text)
      return withCosignature(sha256, note, key, at, signed(note.text, at))
    },
    refuse(statement, at) {
      const text = encodeRefusal(statement)
      return signedRefusal(sha256, text, key, at, signed(text, at))
    },
  }
}

/** Leaf `k` of a log; those from `forkedAt` on are of another one. */
export function leaves(count: number, forkedAt = Infinity): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, k) =>
    leafHash(sha256, Uint8Array.of(k & 255, k >> 8, k >= forkedAt ? 1 : 0)),
  )
}

/** The root, word for word as defined. */
export function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return sha256(new Uint8Array(0))
  if (hashes.length === 1) return hashes[0]!
  const middle = leftPart(hashes.length)
  return nodeHash(sha256, naiveRoot(hashes.slice(0, middle)), naiveRoot(hashes.slice(middle)))
}

/** The consistency proof from `first` entries, word for word as defined. @see RFC 6962 section 2.1.2 */
export function naiveConsistency(hashes: readonly Uint8Array[], first: number): readonly Uint8Array[] {
  const sub = (from: readonly Uint8Array[], count: number, isWhole: boolean): Uint8Array[] => {
    if (count === from.length) return isWhole ? [] : [naiveRoot(from)]
    const middle = leftPart(from.length)
    return count <= middle
      ? [...sub(from.slice(0, middle), count, isWhole), naiveRoot(from.slice(middle))]
      : [...sub(from.slice(middle), count - middle, false), naiveRoot(from.slice(0, middle))]
  }
  return first === 0 ? [] : sub(hashes, first, true)
}

function leftPart(count: number): number {
  let part = 1
  while (part * 2 < count) part *= 2
  return part
}
