import { suite } from "uvu"
import * as assert from "uvu/assert"
import { verifyConsistency, verifyInclusion } from "../../../../policy/audit/tlog/verify.ts"
import { merkleCases, type MerkleCase } from "../../../support/merkle-cases.ts"
import { sha256 } from "../../../support/signed-notes.ts"

const test = suite("policy/audit/tlog: Merkle proofs, good and spoiled")

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))

function isAccepted(one: MerkleCase): boolean {
  const [proof, root] = [one.proof.map(bytes), bytes(one.root)]
  if (one.kind === "inclusion")
    return verifyInclusion(sha256, { index: one.index, size: one.size, leaf: bytes(one.leaf), root, proof })
  const claim = { first: one.from, second: one.size, firstRoot: bytes(one.fromRoot), secondRoot: root, proof }
  return verifyConsistency(sha256, claim)
}

test("[CR 3.9] every good proof is accepted and every spoiled one refused, those that others publish and all others of the tree", () => {
  const cases = merkleCases()
  const wrong = cases.filter((one) => isAccepted(one) !== one.good)
  assert.equal(wrong, [])
  const count = (good: boolean, published: boolean): number =>
    cases.filter((one) => one.good === good && (!published || one.published)).length
  assert.equal([count(true, true), count(false, true)], [12, 184])
  assert.equal([count(true, false), count(false, false)], [74, 1161])
})

test("the cases are the same after JSON, for whoever runs them elsewhere", () => {
  const cases = merkleCases()
  assert.equal(JSON.parse(JSON.stringify(cases)), cases)
})

test.run()
