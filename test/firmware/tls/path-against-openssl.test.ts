import { suite } from "uvu"
import * as assert from "uvu/assert"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { verifySignature } from "../../../firmware/tls/certificate-facts.ts"
import { factsFromPem } from "../../../firmware/tls/pem.ts"
import { judgePath } from "../../../policy/identity/path.ts"
import { createOpensslPki, leafExtensions } from "../../support/openssl-pki.ts"
import type { OpensslCertificate, OpensslRequest } from "../../support/openssl-pki.ts"

const test = suite("firmware/tls/path-against-openssl")

const DAY_MS = 86_400_000
const now = Date.now()
const pki = createOpensslPki()
test.after(() => pki.remove())

const past = { notBeforeAt: now - 90 * DAY_MS, notAfterAt: now - 60 * DAY_MS }
const future = { notBeforeAt: now + 60 * DAY_MS, notAfterAt: now + 90 * DAY_MS }
const CA = "basicConstraints=critical,CA:TRUE"
const KEYS = "keyUsage=critical,keyCertSign"

const root = pki.authority("root")
const twin = pki.authority("twin", { subject: "/CN=root" })
const other = pki.authority("other")
const oldRoot = pki.authority("old-root", past)

function ca(name: string, request: OpensslRequest = {}): OpensslCertificate {
  return pki.authority(name, request, root)
}

interface Case {
  readonly name: string
  /** Leaf first. */
  readonly chain: readonly OpensslCertificate[]
  readonly expect: string
  readonly anchor?: OpensslCertificate
  /** True where we refuse what `openssl verify -x509_strict` lets pass. */
  readonly stricter?: true
}

function below(issuer: OpensslCertificate, request: OpensslRequest = {}): OpensslCertificate[] {
  return [pki.leaf(`leaf-${n++}`, issuer, request), issuer]
}

let n = 0
const sub = ca("sub")
const noAuthority = pki.leaf("no-authority", root)
const limited = ca("limited", { extensions: [`${CA},pathlen:0`, KEYS] })
const belowLimited = pki.authority("below-limited", {}, limited)
const serverOnly = leafExtensions().map((line) => line.replace("clientAuth,", ""))
const named = ca("named", { extensions: [CA, KEYS, "nameConstraints=critical,permitted;DNS:plant.example"] })

const cases: readonly Case[] = [
  { name: "sound", chain: below(root), expect: "ok" },
  { name: "sound, below an intermediate", chain: below(sub), expect: "ok" },
  { name: "intermediate not sent", chain: below(sub).slice(0, 1), expect: "unknown-issuer" },
  { name: "foreign", chain: below(other), expect: "unknown-issuer" },
  { name: "a twin's signature", chain: below(twin).slice(0, 1), expect: "bad-signature" },
  { name: "expired", chain: below(root, past), expect: "expired" },
  { name: "expired and foreign", chain: below(other, past), expect: "unknown-issuer expired" },
  { name: "expired and a twin's", chain: below(twin, past).slice(0, 1), expect: "bad-signature expired" },
  { name: "not yet valid", chain: below(root, future), expect: "not-yet-valid" },
  { name: "expired intermediate", chain: below(ca("old-sub", past)), expect: "expired" },
  { name: "expired anchor", chain: below(oldRoot), anchor: oldRoot, expect: "expired" },
  { name: "self-signed", chain: [pki.selfSigned("self")], expect: "self-signed-leaf" },
  { name: "issued by a leaf", chain: below(noAuthority), expect: "not-a-ca key-usage" },
  { name: "path length", chain: [...below(belowLimited), limited], expect: "path-length" },
  {
    name: "authority that may not sign",
    chain: below(ca("mute", { extensions: [CA, "keyUsage=cRLSign"] })),
    expect: "key-usage",
  },
  { name: "server only", chain: below(root, { extensions: serverOnly }), expect: "extended-key-usage" },
  {
    name: "intermediate for servers only",
    chain: below(ca("for-servers", { extensions: [CA, KEYS, "extendedKeyUsage=serverAuth"] })),
    expect: "extended-key-usage",
  },
  {
    name: "unknown critical extension",
    chain: below(root, { extensions: [...leafExtensions(), "1.2.3.4=critical,DER:0500"] }),
    expect: "unknown-critical",
  },
  {
    name: "key for encipherment only",
    chain: below(root, { extensions: ["keyUsage=keyEncipherment"] }),
    expect: "key-usage",
  },
  { name: "weak key", chain: below(root, { newkey: ["rsa:1024"] }), expect: "weak-key" },
  { name: "SHA-1", chain: below(root, { digest: "sha1" }), expect: "weak-signature" },
  { name: "2048 bits", chain: below(root, { newkey: ["rsa:2048"] }), expect: "weak-key", stricter: true },
  {
    name: "a leaf that is an authority",
    chain: below(root, { extensions: [CA, "keyUsage=digitalSignature,keyCertSign"] }),
    expect: "ca-leaf",
    stricter: true,
  },
  { name: "version 1", chain: below(root, { extensions: [] }), expect: "version", stricter: true },
  { name: "name constraints that hold", chain: below(named), expect: "unknown-critical", stricter: true },
]

function opensslAccepts(one: Case): boolean {
  const file = (name: string, certificates: readonly OpensslCertificate[]): string => {
    writeFileSync(join(pki.folder, name), certificates.map((certificate) => certificate.certificate).join(""))
    return name
  }
  const args = ["-x509_strict", "-auth_level", "2", "-purpose", "sslclient", "-no-CApath", "-no-CAstore"]
  const untrusted = ["-untrusted", file("untrusted.pem", one.chain)]
  try {
    pki.run(
      "verify",
      ...args,
      "-CAfile",
      file("anchor.pem", [one.anchor ?? root]),
      ...untrusted,
      file("leaf.pem", one.chain.slice(0, 1)),
    )
    return true
  } catch {
    return false
  }
}

function ours(one: Case): string {
  const verdict = judgePath({
    chain: factsFromPem(one.chain.map((certificate) => certificate.certificate).join("")),
    anchors: factsFromPem((one.anchor ?? root).certificate),
    purpose: "client",
    now: { earliestAt: now, latestAt: now },
    verify: verifySignature,
  })
  return verdict.ok ? "ok" : verdict.faults.join(" ")
}

for (const one of cases) {
  test(`[CR 1.2] ${one.name}: ${one.expect}, and never more lenient than openssl`, () => {
    assert.is(ours(one), one.expect)
    assert.is(opensslAccepts(one), one.expect === "ok" || one.stricter === true)
  })
}

test.run()
