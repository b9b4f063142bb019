import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createSecureContext } from "node:tls"
import { getCiphers } from "node:tls"
import * as permitted from "../../../policy/identity/algorithms.ts"

const test = suite("policy/identity/algorithms")

test("[CR 4.3] only keys of 128 bits of strength and bounded size are permitted", () => {
  for (const name of ["EC:P-256", "EC:P-384", "Ed25519", "RSA:3072", "RSA:4096", "RSA:8192"]) {
    assert.ok(permitted.isPermittedKey(name), name)
  }
  const bad = [
    "RSA:2048",
    "RSA:3071",
    "RSA:8193",
    "RSA:3072:e=3",
    "RSA:",
    "RSA:4096 ",
    "RSA:4e3",
    "RSA:03072",
    "EC:P-224",
  ]
  for (const name of [...bad, "EC:secp256k1", "DSA:3072", "ec:p-256", "", "unusable", "__proto__"]) {
    assert.not.ok(permitted.isPermittedKey(name), name)
  }
})

test("[CR 4.3] no SHA-1, MD5, unnamed or foreign signature is permitted", () => {
  for (const name of permitted.PERMITTED_SIGNATURES) assert.match(name, /sha(256|384|512)$|^ed25519$/)
  for (const name of ["rsa-sha1", "rsa-md5", "ecdsa-sha1", "rsa-pss-other", "1.2.3", ""]) {
    assert.not.ok(permitted.isPermittedSignature(name), name)
  }
  assert.ok(permitted.isPermittedJws("ES256"))
  for (const name of ["none", "HS256", "RS256", "es256", ""]) assert.not.ok(permitted.isPermittedJws(name), name)
})

test("[CR 4.3] every suite is forward secret and authenticated, and OpenSSL knows all of them", () => {
  for (const suite of permitted.TLS12_SUITES)
    assert.match(suite, /^ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA|CHACHA20-POLY1305)/)
  for (const suite of permitted.TLS13_SUITES) assert.match(suite, /^TLS_.*_(GCM|POLY1305)_SHA(256|384)$/)
  const known = new Set(getCiphers())
  for (const suite of [...permitted.TLS12_SUITES, ...permitted.TLS13_SUITES])
    assert.ok(known.has(suite.toLowerCase()), suite)
  assert.not.match(permitted.tlsCiphers("1.3"), /ECDHE/)
})

test("[CR 4.3] OpenSSL takes the lists as they are", () => {
  for (const tlsMin of ["1.2", "1.3"] as const) {
    createSecureContext({
      ciphers: permitted.tlsCiphers(tlsMin),
      ecdhCurve: permitted.tlsGroups(),
      sigalgs: permitted.tlsSignatures(),
    })
  }
  assert.throws(() => createSecureContext({ sigalgs: `${permitted.tlsSignatures()}:no_such_scheme` }))
  assert.throws(() => createSecureContext({ ecdhCurve: `${permitted.tlsGroups()}:no-such-group` }))
})

test("[CR 3.5] only oversized RSA is too much work", () => {
  assert.not.ok(permitted.isBoundedKey("RSA:16384"))
  for (const name of ["RSA:8192", "RSA:1024", "EC:P-521", "unusable"]) assert.ok(permitted.isBoundedKey(name), name)
})

test.run()
