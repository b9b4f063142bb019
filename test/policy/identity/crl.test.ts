import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import {
  CRL_REASONS,
  MAX_CRL_ENTRIES,
  crlStale,
  judgeCrl,
  revokedSerials,
  type CrlFacts,
  type CrlInput,
  type KeptCrl,
} from "../../../policy/identity/crl.ts"
import { fakeAuthority, fakeLeaf, fakeVerifier } from "../../support/fake-certificates.ts"

const test = suite("policy/identity/crl")

/** A list that exists only as facts: who signed it is a name. */
type FakeCrl = CrlFacts & { readonly signedBy: string }

let made = 0
function fakeCrl(issuer: string, changes: Partial<FakeCrl> = {}): FakeCrl {
  made += 1
  return {
    der: new Uint8Array(),
    fingerprint: `crl-${made}`,
    issuer: `CN=${issuer}`,
    issuerDer: issuer,
    number: "5",
    thisUpdateAt: 1000,
    nextUpdateAt: 2000,
    entries: new Map([["a", "revoked"]]),
    scope: "complete",
    unknownCritical: [],
    signatureAlgorithm: "ecdsa-sha256",
    signedBy: issuer,
    ...changes,
  }
}

const root = fakeAuthority("root", "root")
const verify: CrlInput["verify"] = (crl, issuer) => (crl as FakeCrl).signedBy === (issuer as { key?: string }).key

function judge(crl: CrlFacts, more: Partial<CrlInput> = {}): ReturnType<typeof judgeCrl> {
  const verifyCertificate = fakeVerifier().verify
  return judgeCrl({ crl, anchors: [root], intermediates: [], before: null, verify, verifyCertificate, revoked: () => false, ...more }) // prettier-ignore
}
const reason = (...of: Parameters<typeof judge>): string => {
  const verdict = judge(...of)
  return verdict.ok ? (verdict.changed ? "taken" : "unchanged") : verdict.reason
}
function kept(crl: CrlFacts, more: Partial<CrlInput> = {}): KeptCrl {
  const verdict = judge(crl, more)
  if (!verdict.ok) throw new Error(verdict.reason)
  return verdict.kept
}

test("[CR 1.9] a list signed by the authority whose name it bears is taken; every fault has its word", () => {
  assert.is(reason(fakeCrl("root")), "taken")
  const seen: Record<string, string> = {
    "unknown-issuer": reason(fakeCrl("other")),
    "not-for-crls": reason(fakeCrl("root"), {
      anchors: [fakeAuthority("root", "root", { keyUsage: ["keyCertSign"] })],
    }),
    "weak-key": reason(fakeCrl("root"), { anchors: [fakeAuthority("root", "root", { keyAlgorithm: "RSA:1024" })] }),
    "weak-signature": reason(fakeCrl("root", { signatureAlgorithm: "ecdsa-sha1" })),
    "bad-signature": reason(fakeCrl("root", { signedBy: "mallory" })),
    delta: reason(fakeCrl("root", { scope: "delta" })),
    indirect: reason(fakeCrl("root", { scope: "indirect" })),
    partial: reason(fakeCrl("root", { scope: "partial" })),
    "unknown-critical": reason(fakeCrl("root", { unknownCritical: ["1.2.3"] })),
    "no-number": reason(fakeCrl("root", { number: null })),
    "no-next-update": reason(fakeCrl("root", { nextUpdateAt: null })),
    older: reason(fakeCrl("root", { number: "4" }), { before: kept(fakeCrl("root")) }),
    fork: reason(fakeCrl("root"), { before: kept(fakeCrl("root")) }),
    "too-many": reason(fakeCrl("root", { number: "6", entries: manyEntries(MAX_CRL_ENTRIES) }), {
      before: kept(fakeCrl("root")),
    }),
  }
  for (const [expected, found] of Object.entries(seen)) assert.is(found, expected)
  assert.equal(Object.keys(seen), [...CRL_REASONS])
  assert.is(reason(fakeCrl("root"), { anchors: [fakeAuthority("root", "root", { basicConstraints: null })] }), "not-for-crls") // prettier-ignore
})

function manyEntries(count: number): Map<string, "revoked"> {
  return new Map(Array.from({ length: count }, (_, n) => [`f${n.toString(16)}`, "revoked"]))
}

test("[CR 1.9] lists move only forward by their number, as numbers and not as text", () => {
  const at = (number: string): KeptCrl => kept(fakeCrl("root", { number }))
  assert.is(reason(fakeCrl("root", { number: "10" }), { before: at("f") }), "taken")
  assert.is(reason(fakeCrl("root", { number: "f" }), { before: at("10") }), "older")
  assert.is(reason(fakeCrl("root", { number: "1ff" }), { before: at("2000000000000000000000000000000000000000") }), "older") // prettier-ignore
  const same = fakeCrl("root")
  assert.is(reason(same, { before: kept(same) }), "unchanged")
})

test("[CR 1.9] what was revoked once stays so when a newer list leaves it out; a hold is lifted", () => {
  const entries = new Map([["a", "revoked"], ["b", "on-hold"], ["c", "revoked"]] as const) // prettier-ignore
  const first = kept(fakeCrl("root", { number: "1", entries }))
  const second = kept(fakeCrl("root", { number: "2", entries: new Map([["c", "revoked"]]) }), { before: first })
  assert.equal([...revokedSerials(second)].sort(), ["a", "c"])
  const third = kept(fakeCrl("root", { number: "3", entries: new Map() }), { before: second })
  assert.equal(third.remembered, ["a", "c"])
  // What is named again is not counted twice.
  const fourth = kept(fakeCrl("root", { number: "4", entries: new Map([["a", "on-hold"]]) }), { before: third })
  assert.equal([...revokedSerials(fourth)].sort(), ["a", "c"])
})

test("[CR 1.9] no sequence of lists ever lets a certificate back in that was revoked for ever", () => {
  const serials = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("revoked" as const, "on-hold" as const)) // prettier-ignore
  fc.assert(
    fc.property(fc.array(serials, { maxLength: 8 }), (lists) => {
      let before: KeptCrl | null = null
      const gone = new Set<string>()
      lists.forEach((one, n) => {
        before = kept(fakeCrl("root", { number: (n + 1).toString(16), entries: new Map(Object.entries(one)) }), { before }) // prettier-ignore
        for (const [serial, kind] of Object.entries(one)) if (kind === "revoked") gone.add(serial)
        for (const serial of gone) assert.ok(revokedSerials(before).includes(serial), `${n} ${serial}`)
      })
    }),
    { numRuns: 100, seed: 2 },
  )
})

test("[CR 1.9] an authority below the anchor speaks for itself if its certificate comes along and is good", () => {
  const sub = fakeAuthority("sub", "root")
  const low = fakeAuthority("low", "sub")
  assert.is(reason(fakeCrl("sub")), "unknown-issuer")
  assert.is(reason(fakeCrl("sub"), { intermediates: [sub] }), "taken")
  assert.is(reason(fakeCrl("low"), { intermediates: [low, sub] }), "taken")
  assert.is(reason(fakeCrl("low"), { intermediates: [low] }), "unknown-issuer")
  assert.is(reason(fakeCrl("sub"), { intermediates: [{ ...sub, signedBy: "mallory" } as never] }), "unknown-issuer")
  assert.is(reason(fakeCrl("sub"), { intermediates: [sub], revoked: (_, serial) => serial === sub.serial }), "unknown-issuer") // prettier-ignore
  const leaf = fakeLeaf("leaf", "root")
  assert.is(reason(fakeCrl("leaf"), { intermediates: [leaf] }), "not-for-crls")
  const below = fakeAuthority("below", "leaf")
  assert.is(reason(fakeCrl("below"), { intermediates: [leaf, below] }), "unknown-issuer")
})

test("[CR 1.9] an authority below that took the anchor's name does not speak in the anchor's place", () => {
  const impostor = fakeAuthority("root", "root", { key: "impostor", signedBy: "root" })
  assert.is(reason(fakeCrl("root", { signedBy: "impostor" }), { intermediates: [impostor] }), "bad-signature")
})

test("[CR 1.9] while an authority changes its key, either of its certificates may sign", () => {
  const anchors = [root, fakeAuthority("root", "root", { key: "new" })]
  assert.is(reason(fakeCrl("root", { signedBy: "new" }), { anchors }), "taken")
  assert.is(reason(fakeCrl("root"), { anchors }), "taken")
})

test("[CR 1.9] a list is stale surely, surely not, or perhaps", () => {
  const list = kept(fakeCrl("root", { nextUpdateAt: 2000 }))
  const at = (earliestAt: number, latestAt: number): string => crlStale(list, { earliestAt, latestAt })
  assert.equal([at(1500, 2000), at(1500, 2001), at(1500, Infinity), at(2000, Infinity), at(2001, 2001)], ["no", "uncertain", "uncertain", "uncertain", "yes"]) // prettier-ignore
})

test.run()
