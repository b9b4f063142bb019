import type { CertificateFacts, VerifySignature } from "../../policy/identity/certificate.ts"

/** Facts of a certificate that exists only as facts: its key and its signer are names. */
export interface FakeCertificate extends CertificateFacts {
  readonly key: string
  readonly signedBy: string
}

let made = 0

/** A sound leaf named `name`, issued by `issuer`, with `changes`. Its key and its signer are called like it and its issuer. */
export function fakeLeaf(name: string, issuer: string, changes: Partial<FakeCertificate> = {}): FakeCertificate {
  made += 1
  return {
    der: new Uint8Array(),
    fingerprint: `fingerprint-${made}`,
    serial: made.toString(16),
    subject: `CN=${name}`,
    issuer: `CN=${issuer}`,
    subjectDer: name,
    issuerDer: issuer,
    notBeforeAt: 1000,
    notAfterAt: 9000,
    version: 3,
    basicConstraints: { ca: false, pathLength: null },
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: ["1.3.6.1.5.5.7.3.2"],
    commonName: name,
    sanDns: [],
    sanUri: [],
    sanIp: [],
    modbusRole: null,
    unknownCritical: [],
    keyAlgorithm: "EC:P-256",
    signatureAlgorithm: "ecdsa-sha256",
    key: name,
    signedBy: issuer,
    ...changes,
  }
}

/** A sound authority. */
export function fakeAuthority(name: string, issuer: string, changes: Partial<FakeCertificate> = {}): FakeCertificate {
  return fakeLeaf(name, issuer, {
    basicConstraints: { ca: true, pathLength: null },
    keyUsage: ["keyCertSign", "cRLSign"],
    extendedKeyUsage: null,
    ...changes,
  })
}

/** Checks fake signatures; `count()` tells how many it was asked to. */
export function fakeVerifier(): { verify: VerifySignature; count: () => number } {
  let asked = 0
  const verify: VerifySignature = (certificate, issuer) => {
    asked += 1
    return (certificate as FakeCertificate).signedBy === (issuer as FakeCertificate).key
  }
  return { verify, count: () => asked }
}
