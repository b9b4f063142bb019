/**
 * Merkle proofs, good ones and spoiled ones, over the tree of eight leaves that every log of RFC 6962 is tried on.
 *
 * Made by the definitions of the RFC and by nothing of policy/audit, and plain enough for JSON, so that a page in a browser is asked the
 * same questions as Node. The ways to spoil a proof are those of the test data of transparency-dev/merkle; `published` marks the cases
 * that are in it, value for value: 12 good and 184 bad. The rest is the same done to every other proof that this tree has.
 *
 * What differs from there: where it takes any bytes as a root that is "consistent with itself" this takes a hash, for a root is one; and
 * its proofs of subtrees are left out: logs of tlog-tiles have none.
 */
import { createHash } from "node:crypto"

interface Asked {
  readonly name: string
  readonly size: number
  /** Hashes in hexadecimal, as are leaf and roots. */
  readonly proof: readonly string[]
  /** Whether it must be accepted. */
  readonly good: boolean
  /** Whether it is one of the published cases. */
  readonly published: boolean
}

/** That the entry with the hash `leaf` stands at `index` in the tree of `size`. */
export interface InclusionCase extends Asked {
  readonly kind: "inclusion"
  readonly index: number
  readonly leaf: string
  readonly root: string
}

/** That the tree of `size` begins with that of `from`. */
export interface ConsistencyCase extends Asked {
  readonly kind: "consistency"
  readonly from: number
  readonly fromRoot: string
  readonly root: string
}

export type MerkleCase = InclusionCase | ConsistencyCase

const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
/** Pairs [index, size] and [from, size] of the published proofs. */
const PUBLISHED_INCLUSION = ["0/1", "0/8", "5/8", "2/3", "1/5"]
const PUBLISHED_CONSISTENCY = ["1/1", "1/8", "6/8", "2/5", "6/7"]

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest()
const leafHash = (data: string | Uint8Array): Buffer => sha256(Buffer.of(0), Buffer.from(data as string, "hex"))
const EMPTY_ROOT = sha256().toString("hex")
/** A hash of nothing in particular; the published one. */
const SOME_HASH = "abacaba000000000000000000000000000000000000000000060061e00123456"
const NO_LEAF = Buffer.from("WrongLeaf").toString("hex")
const NO_ROOT = Buffer.from("WrongRoot").toString("hex")
const hashes = LEAVES.map((leaf) => leafHash(leaf))

/** MTH(D[start:end]), RFC 6962 section 2.1. */
function treeHash(start: number, end: number): Buffer {
  if (end - start === 1) return hashes[start]!
  const middle = start + split(end - start)
  return sha256(Buffer.of(1), treeHash(start, middle), treeHash(middle, end))
}

/** PATH(m, D[start:end]), section 2.1.1. */
function path(m: number, start: number, end: number): Buffer[] {
  if (end - start === 1) return []
  const k = split(end - start)
  return m < k
    ? [...path(m, start, start + k), treeHash(start + k, end)]
    : [...path(m - k, start + k, end), treeHash(start, start + k)]
}

/** SUBPROOF(m, D[start:end], isWhole), section 2.1.2. */
function subproof(m: number, start: number, end: number, isWhole: boolean): Buffer[] {
  if (m === end - start) return isWhole ? [] : [treeHash(start, end)]
  const k = split(end - start)
  return m <= k
    ? [...subproof(m, start, start + k, isWhole), treeHash(start + k, end)]
    : [...subproof(m - k, start + k, end, false), treeHash(start, start + k)]
}

function split(count: number): number {
  let k = 1
  while (k * 2 < count) k *= 2
  return k
}

/** As unsigned arithmetic of 64 bits has it: one below 0 is a number that no tree has. */
const oneBelow = (value: number): number => (value === 0 ? 2 ** 64 : value - 1)
const flipped = (hash: string, mask: number): string => {
  const bytes = Buffer.from(hash, "hex")
  bytes[0]! ^= mask
  return bytes.toString("hex")
}

/** What is added to a proof, at either end. */
function* lengthened(proof: readonly string[], extra: Readonly<Record<string, string>>): Generator<[string, string[]]> {
  for (const [name, hash] of Object.entries(extra)) yield [`${name} behind`, [...proof, hash]]
  for (const [name, hash] of Object.entries(extra)) yield [`${name} in front`, [hash, ...proof]]
}

function* inclusionCases(index: number, size: number): Generator<InclusionCase> {
  const proof = path(index, 0, size).map((hash) => hash.toString("hex"))
  const [leaf, root] = [hashes[index]!.toString("hex"), treeHash(0, size).toString("hex")]
  const published = PUBLISHED_INCLUSION.includes(`${index}/${size}`)
  const good: InclusionCase = { kind: "inclusion", name: "good", index, size, leaf, root, proof, good: true, published }
  const bad = (name: string, change: Partial<InclusionCase>): InclusionCase => ({ ...good, ...change, name, good: false }) // prettier-ignore
  yield good
  yield bad("index less one", { index: oneBelow(index) })
  yield bad("index and one", { index: index + 1 })
  yield bad("another index", { index: index ^ 2 })
  yield bad("twice the size", { size: size * 2 })
  yield bad("half the size", { size: Math.floor(size / 2) })
  yield bad("a leaf that is no hash", { leaf: NO_LEAF })
  yield bad("the root of nothing", { root: EMPTY_ROOT })
  yield bad("another root", { root: SOME_HASH })
  for (const [name, longer] of lengthened(proof, { nothing: "", root })) yield bad(name, { proof: longer })
  for (const [at, hash] of proof.entries())
    yield bad(`a bit of step ${at}`, { proof: proof.with(at, flipped(hash, 8)) })
  if (proof.length > 0) yield bad("without its last step", { proof: proof.slice(0, -1) })
  if (proof.length > 1) yield bad("steps put in front", { proof: [proof[0]!, SOME_HASH, ...proof.slice(1)] })
}

function* consistencyCases(from: number, size: number): Generator<ConsistencyCase> {
  const proof = subproof(from, 0, size, true).map((hash) => hash.toString("hex"))
  const [fromRoot, root] = [treeHash(0, from).toString("hex"), treeHash(0, size).toString("hex")]
  const published = PUBLISHED_CONSISTENCY.includes(`${from}/${size}`)
  const good: ConsistencyCase = { kind: "consistency", name: "good", from, size, fromRoot, root, proof, good: true, published } // prettier-ignore
  const bad = (name: string, change: Partial<ConsistencyCase>): ConsistencyCase => ({ ...good, ...change, name, good: false }) // prettier-ignore
  yield good
  if (proof.length === 0) return
  yield bad("first size less one", { from: oneBelow(from) })
  yield bad("first size and one", { from: from + 1 })
  yield bad("another first size", { from: from ^ 2 })
  yield bad("twice the size", { size: size * 2 })
  yield bad("half the size", { size: Math.floor(size / 2) })
  yield bad("a first root that is no hash", { fromRoot: NO_ROOT })
  yield bad("a root that is no hash", { root: NO_ROOT })
  yield bad("roots exchanged", { fromRoot: root, root: fromRoot })
  yield bad("no proof", { proof: [] })
  for (const [name, longer] of lengthened(proof, { nothing: "", "first root": fromRoot, root }))
    yield bad(name, { proof: longer })
  yield bad("first step twice", { proof: [proof[0]!, ...proof] })
  yield bad("without its last step", { proof: proof.slice(0, -1) })
  for (const [at, hash] of proof.entries())
    yield bad(`a bit of step ${at}`, { proof: proof.with(at, flipped(hash, 16)) })
}

/** A tree of one entry, and proofs of trees that have no such entry. */
function* oddInclusions(): Generator<InclusionCase> {
  const one = leafHash(Buffer.from("data").toString("hex")).toString("hex")
  const odd = (name: string, index: number, size: number, leaf: string, root: string, good = false): InclusionCase => ({
    ...{ kind: "inclusion", name, index, size, leaf, root, proof: [], good, published: true },
  })
  yield odd("the only entry", 0, 1, one, one, true)
  yield odd("the only entry, no leaf", 0, 1, "", one)
  yield odd("the only entry, no root", 0, 1, one, "")
  yield odd("the only entry, neither", 0, 1, "", "")
  for (const [index, size] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [2, 1],
  ] as const) {
    // prettier-ignore
    yield odd("some leaf, no root", index, size, SOME_HASH, "")
    yield odd("no leaf, the root of nothing", index, size, "", EMPTY_ROOT)
    yield odd("some leaf, the root of nothing", index, size, SOME_HASH, EMPTY_ROOT)
  }
}

function* oddConsistencies(): Generator<ConsistencyCase> {
  const [a, b] = ["don't care 1", "don't care 2"].map((text) => Buffer.from(text).toString("hex")) as [string, string]
  const odd = (
    name: string,
    from: number,
    size: number,
    fromRoot: string,
    root: string,
    proof: string[] = [],
  ): ConsistencyCase => ({
    // prettier-ignore
    ...{ kind: "consistency", name, from, size, fromRoot, root, proof, good: false, published: true },
  })
  yield { ...odd("a tree of one with itself", 1, 1, SOME_HASH, SOME_HASH), good: true }
  yield odd("empty, other roots", 0, 0, a, b)
  yield odd("one, other roots", 1, 1, a, b)
  yield odd("empty, a root that no empty tree has", 0, 0, a, a)
  yield odd("from nothing, other roots", 0, 1, a, b)
  yield odd("backwards to nothing", 1, 0, a, b)
  yield odd("backwards", 2, 1, a, b)
  yield odd("without proof", 1, 2, a, b)
  yield odd("empty, one root right", 0, 0, EMPTY_ROOT, b)
  yield odd("one, the root of nothing", 1, 1, EMPTY_ROOT, b)
  yield odd("empty, with a proof", 0, 0, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT])
  yield odd("one, with a proof", 1, 1, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT])
  yield odd("from nothing to what is no root", 0, 1, EMPTY_ROOT, b)
  yield odd("from nothing, with a proof", 0, 1, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT])
}

/** Every case, plain JSON: hashes are hexadecimal. */
export function merkleCases(): readonly MerkleCase[] {
  const cases: MerkleCase[] = [...oddInclusions(), ...oddConsistencies()]
  for (let size = 1; size <= LEAVES.length; size++) {
    for (let index = 0; index < size; index++) cases.push(...inclusionCases(index, size))
    for (let from = 1; from <= size; from++) cases.push(...consistencyCases(from, size))
  }
  return cases
}
