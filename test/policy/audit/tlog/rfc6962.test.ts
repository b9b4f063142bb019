import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { TreeEdge } from "../../../../policy/audit/tlog/edge.ts"
import { leafHash, type Sha256 } from "../../../../policy/audit/tlog/hash.ts"
import { nodesOfTiles, proveConsistency, proveInclusion } from "../../../../policy/audit/tlog/tree.ts"
import {
  verifyConsistency,
  verifyInclusion,
  type ConsistencyClaim,
  type InclusionClaim,
} from "../../../../policy/audit/tlog/verify.ts"

const test = suite("policy/audit/tlog: RFC 6962")

interface Vectors {
  readonly vectors: readonly { readonly name: string; readonly leaf: string; readonly expect: string }[]
}

const sha256: Sha256 = (bytes) => createHash("sha256").update(bytes).digest()
const path = new URL("../../../vectors/tlog/rfc6962.json", import.meta.url)
const { vectors } = JSON.parse(readFileSync(path, "utf8")) as Vectors
const leaves = vectors.map(({ leaf }) => leafHash(sha256, Buffer.from(leaf, "hex")))
const roots = vectors.map(({ expect }) => Uint8Array.from(Buffer.from(expect, "hex")))

test("[CR 3.9] the root after each leaf is that of the reference tree", () => {
  const edge = new TreeEdge(sha256)
  assert.is(
    Buffer.from(edge.root()).toString("hex"),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  )
  for (const [at, { name, expect }] of vectors.entries()) {
    edge.add(leaves[at]!)
    assert.is(Buffer.from(edge.root()).toString("hex"), expect, name)
  }
})

const nodes = (size: number): ReturnType<typeof nodesOfTiles> =>
  nodesOfTiles(sha256, size, async ({ width }) => leaves.slice(0, width))

/** What an attacker makes of a proof: each must be refused. */
function* spoiled(proof: readonly Uint8Array[], roots: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  for (const [at, hash] of proof.entries())
    for (const bit of [4, 131, 255]) {
      const wrong = Uint8Array.from(hash)
      wrong[bit >> 3]! ^= 1 << (bit & 7)
      yield proof.with(at, wrong)
    }
  for (const extra of [new Uint8Array(0), new Uint8Array(32), ...roots, ...proof.slice(0, 1)]) {
    yield [...proof, extra]
    yield [extra, ...proof]
  }
  if (proof.length > 0) yield* [[], proof.slice(1), proof.slice(0, -1)]
}

test("[CR 3.9] every inclusion proof against the reference roots is good, and every spoiled one is refused", async () => {
  let [good, refused] = [0, 0]
  for (let size = 1; size <= leaves.length; size++) {
    for (let index = 0; index < size; index++) {
      const [leaf, root] = [leaves[index]!, roots[size - 1]!]
      const proof = await proveInclusion(sha256, index, size, nodes(size))
      const claim = { index, size, leaf, root, proof }
      assert.ok(verifyInclusion(sha256, claim), `${index} of ${size}`)
      good++
      const wrong: InclusionClaim[] = [...spoiled(proof, [root, leaf])].map((spoilt) => ({ ...claim, proof: spoilt }))
      for (const other of [-1, index + 1, index - 1, index ^ 2, index + size]) wrong.push({ ...claim, index: other })
      for (const other of [size * 2, 0, -size, 2 ** 53]) wrong.push({ ...claim, size: other })
      wrong.push(
        { ...claim, root: leaf.slice(0, 31) },
        { ...claim, leaf: sha256(leaf) },
        { ...claim, root: sha256(root) },
      )
      for (const claimed of wrong) {
        assert.not(verifyInclusion(sha256, claimed), `${index} of ${size}: ${claimed.index} of ${claimed.size}`)
        refused++
      }
    }
  }
  assert.ok(good === 36 && refused > 500, `${good} ${refused}`)
})

test("[CR 3.9] every consistency proof against the reference roots is good, and every spoiled one is refused", async () => {
  let [good, refused] = [0, 0]
  for (let second = 1; second <= leaves.length; second++) {
    for (let first = 1; first <= second; first++) {
      const [firstRoot, secondRoot] = [roots[first - 1]!, roots[second - 1]!]
      const proof = await proveConsistency(sha256, first, second, nodes(second))
      const claim = { first, second, firstRoot, secondRoot, proof }
      assert.ok(verifyConsistency(sha256, claim), `${first} in ${second}`)
      good++
      const wrong: ConsistencyClaim[] = [...spoiled(proof, [firstRoot, secondRoot])].map((spoilt) => ({
        ...claim,
        proof: spoilt,
      }))
      wrong.push({ ...claim, firstRoot: sha256(firstRoot) }, { ...claim, secondRoot: sha256(secondRoot) })
      wrong.push({ ...claim, first: second + 1 }, { ...claim, first: -1 })
      if (first !== second) wrong.push({ ...claim, firstRoot: secondRoot, secondRoot: firstRoot })
      for (const claimed of wrong) {
        assert.not(verifyConsistency(sha256, claimed), `${first} in ${second}`)
        refused++
      }
    }
  }
  assert.ok(good === 36 && refused > 400, `${good} ${refused}`)
})

test.run()
