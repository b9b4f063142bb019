import { webcrypto } from "node:crypto"

/**
 * A key and a certificate that nobody vouches for, made on the spot: what a probe shows to see it refused. PEM.
 *
 * The package that writes it is loaded only now: a gateway that is not being assessed does without its 20 MiB.
 */
export async function selfSignedStranger(): Promise<{ readonly key: string; readonly cert: string }> {
  await import("reflect-metadata")
  const { cryptoProvider, PemConverter, X509CertificateGenerator } = await import("@peculiar/x509")
  cryptoProvider.set(webcrypto)
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=lockgate-probe",
    keys,
    signingAlgorithm: algorithm,
  })
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)
  return { key: PemConverter.encode(pkcs8, "PRIVATE KEY"), cert: certificate.toString("pem") }
}
