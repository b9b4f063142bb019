import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { CertificateFacts } from "../../../policy/identity/certificate.ts"
import { trustFaults, type TrustStore } from "../../../policy/identity/trust-store.ts"

const test = suite("policy/identity/trust-store")

function authority(fingerprint: string, change: Partial<CertificateFacts> = {}): CertificateFacts {
  return {
    der: new Uint8Array(),
    fingerprint,
    serial: "1",
    subject: "CN=x",
    issuer: "CN=x",
    subjectDer: "",
    issuerDer: "",
    notBeforeAt: 0,
    notAfterAt: 1,
    version: 3,
    basicConstraints: { ca: true, pathLength: null },
    keyUsage: null,
    extendedKeyUsage: null,
    commonName: "x",
    sanDns: [],
    sanUri: [],
    sanIp: [],
    modbusRole: null,
    unknownCritical: [],
    keyAlgorithm: "EC:P-256",
    signatureAlgorithm: "ecdsa-sha256",
    ...change,
  }
}

const key = (name: string, thumbprint = name): { name: string; thumbprint: string } => ({ name, thumbprint })

interface Parts {
  authorities?: [string, CertificateFacts[]][]
  policy?: [ReturnType<typeof key>[], number]
  firmware?: [ReturnType<typeof key>[], number]
}

function store({
  authorities = [["a", [authority("1")]]],
  policy = [[key("o")], 1],
  firmware = [[], 1],
}: Parts): TrustStore {
  return {
    owner: { authorities: new Map(authorities), policySigners: policy[0], policyThreshold: policy[1] },
    supplier: { firmwareSigners: firmware[0], firmwareThreshold: firmware[1] },
  }
}

const cases: [string, Parts, string[]][] = [
  ["a sound store has none", {}, []],
  ["both halves set up", { firmware: [[key("s"), key("t")], 2] }, []],
  ["an authority in two certificates, during a change", { authorities: [["a", [authority("1"), authority("2")]]] }, []],
  ["no certificate", { authorities: [["a", []]] }, ["owner a no-certificate"]],
  ["not a CA", { authorities: [["a", [authority("1", { basicConstraints: null })]]] }, ["owner a not-a-ca"]],
  ["weak key", { authorities: [["a", [authority("1", { keyAlgorithm: "RSA:1024" })]]] }, ["owner a weak-key"]],
  [
    "one certificate for two zones",
    {
      authorities: [
        ["a", [authority("1")]],
        ["b", [authority("1")]],
      ],
    },
    ["owner b same-certificate"],
  ],
  ["one key under two names", { policy: [[key("o", "k"), key("p", "k")], 1] }, ["owner p same-key"]],
  [
    "one key under two names does not make two signers",
    { policy: [[key("o", "k"), key("p", "k")], 2] },
    ["owner p same-key", "owner 2 threshold"],
  ],
  [
    "a supplier who would sign policy",
    { policy: [[key("o", "k")], 1], firmware: [[key("s", "k")], 1] },
    ["supplier s both-sides"],
  ],
  ["nobody needed", { policy: [[key("o")], 0] }, ["owner 0 threshold"]],
  ["more than there are", { policy: [[key("o")], 2] }, ["owner 2 threshold"]],
]

for (const [name, parts, expected] of cases) {
  test(`[CR 1.8] faults of a trust store: ${name}`, () => {
    assert.equal(
      trustFaults(store(parts)).map((f) => `${f.side} ${f.name} ${f.reason}`),
      expected,
    )
  })
}

test.run()
