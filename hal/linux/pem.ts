import { X509Certificate } from "node:crypto"
import { IntegrityError } from "../../policy/base/errors.ts"

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** Certificates of a PEM text, in its order, DER. @throws IntegrityError `ERR_CERTIFICATE_DAMAGED` */
export function certificatesOfPem(pem: string): readonly Uint8Array[] {
  try {
    return (pem.match(BLOCK) ?? []).map((block) => new Uint8Array(new X509Certificate(block).raw))
  } catch (cause) {
    throw new IntegrityError("ERR_CERTIFICATE_DAMAGED", "a certificate in PEM cannot be read", { cause })
  }
}

/** PEM text of a chain in DER, in its order. @throws IntegrityError `ERR_CERTIFICATE_DAMAGED` */
export function pemOfCertificates(chain: readonly Uint8Array[]): string {
  try {
    return chain.map((der) => new X509Certificate(der).toString()).join("")
  } catch (cause) {
    throw new IntegrityError("ERR_CERTIFICATE_DAMAGED", "a certificate in DER cannot be read", { cause })
  }
}
