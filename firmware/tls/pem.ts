import { certificateFacts } from "./certificate-facts.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { InputError } from "../../policy/base/errors.ts"

const MAX_PEM_CHARACTERS = 2 * 1024 * 1024
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g

/**
 * The certificates in a PEM text, DER, in their order; at least one. Text between the blocks is passed over.
 *
 * @throws InputError `ERR_PEM`: no certificate, a block that is not one (a private key above all), or a damaged block
 */
export function parsePemChain(pem: string): Uint8Array[] {
  const blocks = parsePemBlocks(pem)
  const other = blocks.find(({ label }) => label !== "CERTIFICATE")
  if (other !== undefined) throw new InputError("ERR_PEM", `a block named ${other.label} stands among the certificates`)
  if (blocks.length === 0) throw new InputError("ERR_PEM", "no certificate in the file")
  return blocks.map(({ der }) => der)
}

/**
 * Every block of a PEM text with its label, in their order. Text between them is passed over.
 *
 * @throws InputError `ERR_PEM`: a private key, a damaged block
 */
export function parsePemBlocks(pem: string): { readonly label: string; readonly der: Uint8Array }[] {
  if (pem.length > MAX_PEM_CHARACTERS) throw new InputError("ERR_PEM", "the file is larger than 2 MiB")
  const found: { label: string; der: Uint8Array }[] = []
  for (const [, label = "", body = ""] of pem.matchAll(BLOCK)) {
    if (label.endsWith("PRIVATE KEY")) throw new InputError("ERR_PEM", "a private key stands among the certificates")
    const base64 = body.replace(/\s/g, "")
    const der = Buffer.from(base64, "base64")
    // Buffer passes over what is not base64; written out again, it shows.
    if (der.length === 0 || der.toString("base64") !== base64) throw new InputError("ERR_PEM", "a damaged PEM block")
    found.push({ label, der: Uint8Array.from(der) })
  }
  const begun = pem.split("-----BEGIN ").length - 1
  if (begun !== found.length) throw new InputError("ERR_PEM", "a PEM block without its end, or damaged")
  return found
}

/** The facts of every certificate in a PEM text. @throws InputError `ERR_PEM`, `ERR_CERTIFICATE` */
export function factsFromPem(pem: string): CertificateFacts[] {
  return parsePemChain(pem).map((der) => certificateFacts(der))
}
