import { leafHash, nodeHash, type Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { verifyInclusion } from "../../../policy/audit/tlog/verify.ts"
import type { Seen } from "./log-tree.ts"
import type { EntryProof } from "./messages.ts"

/** What a proof shows step by step, from the hash of `line` up to the root. */
export function proofPath(
  { sha256, hex }: { readonly sha256: Sha256; readonly hex: (bytes: Uint8Array) => string },
  seq: number,
  line: Uint8Array,
  { size, root }: Seen,
  proof: readonly Uint8Array[],
): NonNullable<EntryProof["tree"]> {
  const leaf = leafHash(sha256, line)
  let [fn, sn, hash] = [seq, size - 1, leaf]
  const steps = proof.map((beside) => {
    const isLeft = fn % 2 === 1 || fn === sn
    hash = isLeft ? nodeHash(sha256, beside, hash) : nodeHash(sha256, hash, beside)
    if (isLeft) while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
    ;[fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
    return { side: isLeft ? ("left" as const) : ("right" as const), hash: hex(beside), result: hex(hash) }
  })
  return { size, root: hex(root), steps, holds: verifyInclusion(sha256, { index: seq, size, leaf, root, proof }) }
}
