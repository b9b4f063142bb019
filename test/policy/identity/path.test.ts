import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import { MAX_SENT, judgePath } from "../../../policy/identity/path.ts"
import type { PathInput, PathVerdict } from "../../../policy/identity/path.ts"
import { PATH_REASONS } from "../../../policy/identity/path-faults.ts"
import type { PathReason } from "../../../policy/identity/path-faults.ts"
import { fakeAuthority, fakeLeaf, fakeVerifier } from "../../support/fake-certificates.ts"
import type { FakeCertificate } from "../../support/fake-certificates.ts"
import { seeded } from "../../support/hostile.ts"

const test = suite("policy/identity/path")

/** leaf <- low <- mid <- root, all of it sound; a test changes what it likes before `judge`. */
interface World {
  leaf: FakeCertificate
  low: FakeCertificate
  mid: FakeCertificate
  root: FakeCertificate
  anchors: FakeCertificate[]
  extra: Partial<PathInput>
}

type Place = "leaf" | "low" | "mid" | "root"

function world(): World {
  const root = fakeAuthority("root", "root")
  return {
    leaf: fakeLeaf("leaf", "low"),
    low: fakeAuthority("low", "mid"),
    mid: fakeAuthority("mid", "root"),
    root,
    anchors: [],
    extra: {},
  }
}

function judge(w: World): PathVerdict {
  return judgePath({
    chain: [w.leaf, w.low, w.mid],
    anchors: w.anchors.length > 0 ? w.anchors : [w.root],
    purpose: "client",
    now: { earliestAt: 5000, latestAt: 5001 },
    verify: fakeVerifier().verify,
    ...w.extra,
  })
}

function change(w: World, place: Place, changes: Partial<FakeCertificate>): void {
  w[place] = { ...w[place], ...changes }
}

function faultsOf(verdict: PathVerdict): readonly PathReason[] {
  return verdict.ok ? [] : verdict.faults
}

/** One way to bring about each fault; those of the leaf do not need the certificates above it. */
const FAULTS: Record<Exclude<PathReason, "no-certificate">, { onLeaf: boolean; apply: (w: World) => void }> = {
  "self-signed-leaf": { onLeaf: true, apply: (w) => change(w, "leaf", { issuerDer: "leaf", signedBy: "leaf" }) },
  "unknown-issuer": { onLeaf: false, apply: (w) => (w.anchors = [fakeAuthority("other", "other")]) },
  "bad-signature": { onLeaf: false, apply: (w) => change(w, "leaf", { signedBy: "somebody" }) },
  revoked: { onLeaf: true, apply: (w) => (w.extra = { ...w.extra, revoked: (_, serial) => serial === w.leaf.serial }) },
  "too-deep": { onLeaf: false, apply: (w) => (w.extra = { ...w.extra, maxDepth: 2 }) },
  "not-a-ca": { onLeaf: false, apply: (w) => change(w, "low", { basicConstraints: null }) },
  "path-length": { onLeaf: false, apply: (w) => change(w, "mid", { basicConstraints: { ca: true, pathLength: 0 } }) },
  "ca-leaf": { onLeaf: true, apply: (w) => change(w, "leaf", { basicConstraints: { ca: true, pathLength: null } }) },
  "key-usage": { onLeaf: true, apply: (w) => change(w, "leaf", { keyUsage: ["keyEncipherment"] }) },
  "extended-key-usage": { onLeaf: true, apply: (w) => change(w, "leaf", { extendedKeyUsage: ["1.2.3"] }) },
  "unknown-critical": { onLeaf: true, apply: (w) => change(w, "leaf", { unknownCritical: ["1.2.3"] }) },
  version: { onLeaf: true, apply: (w) => change(w, "leaf", { version: 1 }) },
  "weak-key": { onLeaf: true, apply: (w) => change(w, "leaf", { keyAlgorithm: "RSA:2048" }) },
  "weak-signature": { onLeaf: true, apply: (w) => change(w, "leaf", { signatureAlgorithm: "rsa-sha1" }) },
  "not-yet-valid": { onLeaf: false, apply: (w) => change(w, "mid", { notBeforeAt: 6000 }) },
  expired: { onLeaf: true, apply: (w) => change(w, "leaf", { notAfterAt: 4000 }) },
}

const NAMES = Object.keys(FAULTS) as (keyof typeof FAULTS)[]

/** A leaf that vouches for itself has nothing above it in which something could be wrong. */
function compatible(names: readonly (keyof typeof FAULTS)[]): boolean {
  return !names.includes("self-signed-leaf") || names.every((name) => FAULTS[name].onLeaf)
}

function inOrder(names: readonly PathReason[]): PathReason[] {
  return PATH_REASONS.filter((reason) => names.includes(reason))
}

test("[CR 1.2] a sound chain is trusted, and the path names every certificate in it", () => {
  const w = world()
  const verdict = judge(w)
  assert.ok(verdict.ok)
  assert.is(verdict.time, "yes")
  assert.equal(
    verdict.path.map((certificate) => certificate.subjectDer),
    ["leaf", "low", "mid", "root"],
  )
})

test("[CR 1.2] each fault alone is refused under its own name", () => {
  for (const name of NAMES) {
    const w = world()
    FAULTS[name].apply(w)
    const verdict = judge(w)
    assert.not.ok(verdict.ok, name)
    assert.is(verdict.ok || verdict.reason, name)
    assert.equal(faultsOf(verdict), [name], name)
  }
})

test("[CR 1.2] every pair of faults at once is refused, and both are named", () => {
  let pairs = 0
  for (const a of NAMES) {
    for (const b of NAMES) {
      if (a >= b || !compatible([a, b])) continue
      const w = world()
      FAULTS[a].apply(w)
      FAULTS[b].apply(w)
      assert.equal(faultsOf(judge(w)), inOrder([a, b]), `${a} and ${b}`)
      pairs += 1
    }
  }
  assert.is(pairs, (16 * 15) / 2 - 6)
})

test("[CR 1.2] any set of faults is named whole, heaviest first", () => {
  fc.assert(
    fc.property(fc.subarray(NAMES, { minLength: 1 }), (names) => {
      fc.pre(compatible(names))
      const w = world()
      for (const name of names) FAULTS[name].apply(w)
      const verdict = judge(w)
      assert.equal(faultsOf(verdict), inOrder(names))
      assert.is(verdict.ok || verdict.reason, inOrder(names)[0])
    }),
    { numRuns: 300 },
  )
})

test("[CR 1.2] a peer without certificate is refused", () => {
  const verdict = judgePath({ ...inputOf(world()), chain: [] })
  assert.equal(faultsOf(verdict), ["no-certificate"])
})

test("without any anchor nobody is trusted", () => {
  assert.equal(faultsOf(judgePath({ ...inputOf(world()), anchors: [] })), ["unknown-issuer"])
})

function inputOf(w: World): PathInput {
  return {
    chain: [w.leaf, w.low, w.mid],
    anchors: [w.root],
    purpose: "client",
    now: { earliestAt: 5000, latestAt: 5001 },
    verify: fakeVerifier().verify,
  }
}

test("[CR 1.8] what holds for a leaf holds for each certificate above it, the anchor included", () => {
  const rows: [Partial<FakeCertificate>, PathReason, Place[]][] = [
    [{ version: 1 }, "version", ["low", "mid", "root"]],
    [{ keyAlgorithm: "RSA:1024" }, "weak-key", ["low", "mid", "root"]],
    [{ signatureAlgorithm: "ecdsa-sha1" }, "weak-signature", ["low", "mid"]],
    [{ unknownCritical: ["2.5.29.30"] }, "unknown-critical", ["low", "mid", "root"]],
    [{ basicConstraints: null }, "not-a-ca", ["low", "mid", "root"]],
    [{ basicConstraints: { ca: false, pathLength: null } }, "not-a-ca", ["low", "mid", "root"]],
    [{ keyUsage: ["digitalSignature"] }, "key-usage", ["low", "mid", "root"]],
    [{ extendedKeyUsage: ["1.3.6.1.5.5.7.3.1"] }, "extended-key-usage", ["low", "mid", "root"]],
    [{ notAfterAt: 4999 }, "expired", ["low", "mid", "root"]],
    [{ notBeforeAt: 5002 }, "not-yet-valid", ["low", "mid", "root"]],
    [{ basicConstraints: { ca: true, pathLength: 0 } }, "path-length", ["mid", "root"]],
    [{ basicConstraints: { ca: true, pathLength: 1 } }, "path-length", ["root"]],
    [{ signedBy: "somebody" }, "bad-signature", ["low", "mid"]],
  ]
  for (const [changes, reason, places] of rows) {
    for (const place of ["low", "mid", "root"] as const) {
      const w = world()
      change(w, place, changes)
      assert.equal(faultsOf(judge(w)), places.includes(place) ? [reason] : [], `${reason} at ${place}`)
    }
  }
})

test("a revoked intermediate is refused, and the serial counts only with its issuer", () => {
  const w = world()
  w.extra = { revoked: (issuer, serial) => issuer === "mid" && serial === w.low.serial }
  assert.equal(faultsOf(judge(w)), ["revoked"])
  w.extra = { revoked: (issuer, serial) => issuer === "root" && serial === w.low.serial }
  assert.ok(judge(w).ok)
})

test("an authority's certificate for its own new key does not use up a path length", () => {
  const root = fakeAuthority("root", "root", {
    key: "old",
    signedBy: "old",
    basicConstraints: { ca: true, pathLength: 0 },
  })
  const renewed = fakeAuthority("root", "root", { key: "new", signedBy: "old" })
  const leaf = fakeLeaf("leaf", "root", { signedBy: "new" })
  assert.ok(judgePath({ ...inputOf(world()), chain: [leaf, renewed], anchors: [root] }).ok)
})

test("[CR 1.2] the purpose decides: a client certificate does not make a server", () => {
  const w = world()
  w.extra = { purpose: "server" }
  assert.equal(faultsOf(judge(w)), ["extended-key-usage"])
  change(w, "leaf", { extendedKeyUsage: null })
  assert.ok(judge(w).ok)
  change(w, "leaf", { extendedKeyUsage: ["2.5.29.37.0"] })
  assert.equal(faultsOf(judge(w)), ["extended-key-usage"], "any purpose is no purpose")
})

test("[CR 1.2] a self-signed leaf is refused even as an anchor", () => {
  const leaf = fakeLeaf("pinned", "pinned")
  const authority = fakeAuthority("pinned", "pinned")
  const input = inputOf(world())
  assert.equal(faultsOf(judgePath({ ...input, chain: [leaf], anchors: [leaf] })), ["self-signed-leaf"])
  assert.equal(faultsOf(judgePath({ ...input, chain: [authority], anchors: [authority] })).slice(0, 1), [
    "self-signed-leaf",
  ])
})

test("[CR 2.11] with an uncertain clock dates are uncertain, not false; and only what is sure is refused", () => {
  const cases: [number, number, string][] = [
    [1000, 9000, "yes"],
    [0, Infinity, "uncertain"],
    [0, 999, "not-yet-valid"],
    [9001, Infinity, "expired"],
    [5000, Infinity, "uncertain"],
    [999, 9000, "uncertain"],
    [9000, 9001, "uncertain"],
  ]
  for (const [earliestAt, latestAt, expected] of cases) {
    const verdict = judgePath({ ...inputOf(world()), now: { earliestAt, latestAt } })
    assert.is(verdict.ok ? verdict.time : verdict.reason, expected, `${earliestAt}..${latestAt}`)
  }
})

test("[CR 2.11] an uncertain clock does not help dates that no moment can satisfy", () => {
  const now = { earliestAt: 0, latestAt: Infinity }
  const inverted = world()
  inverted.extra = { now }
  change(inverted, "leaf", { notBeforeAt: 5000, notAfterAt: 4999 })
  assert.equal(faultsOf(judge(inverted)), ["expired"])
  const apart = world()
  apart.extra = { now }
  change(apart, "leaf", { notBeforeAt: 6000 })
  change(apart, "mid", { notAfterAt: 5999 })
  assert.equal(faultsOf(judge(apart)), ["expired"])
})

test("[CR 3.5] the order and repetition of what the peer sends do not matter", () => {
  const w = world()
  const stranger = fakeAuthority("stranger", "stranger")
  const rootAgain = w.root
  const all = [w.low, w.mid, rootAgain, stranger, w.low, w.leaf, w.mid]
  const random = seeded(7)
  for (let i = 0; i < 50; i++) {
    const shuffled = all.map((c) => [random(), c] as const).sort((a, b) => a[0] - b[0])
    const verdict = judgePath({ ...inputOf(w), chain: [w.leaf, ...shuffled.map(([, c]) => c)] })
    assert.ok(verdict.ok)
    assert.is(verdict.path.length, 4)
  }
})

test("[CR 3.5] of several authorities with one name the one that signed is found, among anchors and among what was sent", () => {
  const w = world()
  const imposters = [1, 2, 3].map((n) => fakeAuthority("low", "mid", { key: `imposter ${n}` }))
  const oldRoots = [1, 2].map((n) => fakeAuthority("root", "root", { key: `old ${n}`, signedBy: `old ${n}` }))
  const chain = [w.leaf, ...imposters, w.low, w.mid]
  assert.ok(judgePath({ ...inputOf(w), chain, anchors: [...oldRoots, w.root] }).ok)
  // Cross-signed: the same authority, once below a root that we do not know and once below ours.
  const cross = fakeAuthority("low", "foreign", { key: "low" })
  assert.ok(judgePath({ ...inputOf(w), chain: [w.leaf, cross, w.low, w.mid] }).ok)
  // A path through an expired twin does not spoil the sound one.
  const expired = fakeAuthority("low", "mid", { key: "low", notAfterAt: 4000 })
  assert.ok(judgePath({ ...inputOf(w), chain: [w.leaf, expired, w.low, w.mid] }).ok)
  // Imposters cost one check each, and nothing further is built on them.
  const { verify, count } = fakeVerifier()
  assert.ok(judgePath({ ...inputOf(w), verify, chain }).ok)
  assert.is(count(), imposters.length + 3)
})

test("[CR 3.5] loops end, and whatever is sent costs at most 32 signature checks", () => {
  const leaf = fakeLeaf("leaf", "a")
  const ring = [fakeAuthority("a", "b"), fakeAuthority("b", "c"), fakeAuthority("c", "a")]
  const same = Array.from({ length: 9 }, (_, n) => fakeAuthority("x", "x", { key: "k", signedBy: "k", serial: `${n}` }))
  const cases: [FakeCertificate, FakeCertificate[], PathReason][] = [
    [leaf, ring, "unknown-issuer"],
    [fakeLeaf("leaf", "x", { signedBy: "k" }), same, "too-deep"],
    [fakeLeaf("leaf", "x", { signedBy: "nobody" }), same, "bad-signature"],
  ]
  for (const [first, sent, expected] of cases) {
    const { verify, count } = fakeVerifier()
    const verdict = judgePath({
      ...inputOf(world()),
      verify,
      chain: [first, ...sent],
      anchors: [fakeAuthority("r", "r")],
    })
    assert.ok(faultsOf(verdict).includes(expected), `${expected}: ${faultsOf(verdict).join(" ")}`)
    assert.ok(count() <= 32, `${count()} checks`)
  }
})

test("[CR 3.5] a peer that sends a hundred certificates is refused, with its other faults named", () => {
  const w = world()
  change(w, "leaf", { notAfterAt: 4000 })
  const heap = Array.from({ length: 100 }, (_, n) => fakeAuthority(`heap ${n}`, `heap ${n + 1}`))
  const verdict = judgePath({ ...inputOf(w), chain: [w.leaf, w.low, w.mid, ...heap] })
  assert.equal(faultsOf(verdict), ["too-deep", "expired"])
  const buried = judgePath({ ...inputOf(w), chain: [w.leaf, ...heap, w.low, w.mid] })
  assert.equal(faultsOf(buried), ["unknown-issuer", "too-deep", "expired"])
  const justEnough = judgePath({ ...inputOf(world()), chain: [world().leaf, ...heap.slice(0, MAX_SENT - 1)] })
  assert.not.ok(faultsOf(justEnough).includes("too-deep"))
})

test("[CR 3.5] nothing is calculated with a key too large to be permitted", () => {
  const w = world()
  change(w, "low", { keyAlgorithm: "RSA:16384" })
  const asked: string[] = []
  const verify: PathInput["verify"] = (_, issuer) => asked.push(issuer.subjectDer) > 0
  const verdict = judgePath({ ...inputOf(w), verify })
  assert.ok(faultsOf(verdict).includes("weak-key"))
  assert.not.ok(asked.includes("low"))
})

test("a refusal says which certificate has which fault, without growing with what was sent", () => {
  const w = world()
  change(w, "leaf", { subject: `CN=${"x".repeat(5000)}`, notAfterAt: 4000 })
  change(w, "mid", { version: 1 })
  const verdict = judge(w)
  assert.match(verdict.ok ? "" : verdict.detail, /^version \(CN=mid\), expired \(CN=x+\)$/)
  assert.ok(!verdict.ok && verdict.detail.length < 200)
})

test.run()
