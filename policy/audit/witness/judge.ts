/**
 * What a gateway makes of a checkpoint of its own log that a cosigner whom it trusts has signed.
 *
 *     | cosigned                                       | verdict                                                     |
 *     |------------------------------------------------|-------------------------------------------------------------|
 *     | larger than our log                            | `ahead`: we, or our storage, were put back                  |
 *     | a size of ours, our root of then               | `ours`                                                      |
 *     | a size of ours, another root                   | `forked`: somebody else wrote on with our name              |
 *     | a size of ours, our tiles of then are gone     | `unknown`: nothing is said, nothing is counted              |
 *
 * Whether one of our keys has signed it too is told apart: without that, either the key of the log was lost and made anew, or the cosigner errs.
 *
 * @see IEC 62443-4-2 CR 3.9
 */
import type { Checkpoint } from "../tlog/checkpoint.ts"
import { sameHash } from "../tlog/hash.ts"

/** What it is. */
export type CosignedVerdict = "ours" | "ahead" | "forked" | "unknown"

/** @see CosignedVerdict. `rootThen`: our own root at that size; null if it cannot be made any more. */
export function judgeCosigned(
  ownSize: number,
  said: Pick<Checkpoint, "size" | "root">,
  rootThen: Uint8Array | null,
): CosignedVerdict {
  if (said.size > ownSize) return "ahead"
  if (rootThen === null) return "unknown"
  return sameHash(said.root, rootThen) ? "ours" : "forked"
}

/** Whether this says that our log is not what it was. */
export function isPutBack(verdict: CosignedVerdict): boolean {
  return verdict === "ahead" || verdict === "forked"
}
