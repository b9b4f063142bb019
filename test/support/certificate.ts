import "reflect-metadata"
import * as x509 from "@peculiar/x509"
import { webcrypto } from "node:crypto"

/** A self-signed certificate (DER) for the P-256 key of a PKCS#8 PEM text, made now. */
export async function selfSigned(pkcs8Pem: string, name = "CN=test"): Promise<Uint8Array> {
  const pkcs8 = Buffer.from(pkcs8Pem.replace(/-----[^-]+-----|\s/g, ""), "base64")
  const algorithm = { name: "ECDSA", namedCurve: "P-256" }
  const privateKey = await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"])
  const jwk = await webcrypto.subtle.exportKey("jwk", privateKey)
  const open = { kty: "EC", crv: "P-256", x: jwk.x ?? "", y: jwk.y ?? "" }
  const publicKey = await webcrypto.subtle.importKey("jwk", open, algorithm, true, ["verify"])
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    serialNumber: "01",
    keys: { privateKey, publicKey },
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
  })
  return new Uint8Array(made.rawData)
}
