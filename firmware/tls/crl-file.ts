import { certificateFacts } from "./certificate-facts.ts"
import { crlFacts } from "./crl-facts.ts"
import { parsePemBlocks } from "./pem.ts"
import { InputError } from "../../policy/base/errors.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { MAX_INTERMEDIATES, type CrlFacts } from "../../policy/identity/crl.ts"

/** What a file of lists holds. */
export interface CrlFile {
  /** At least one. */
  readonly lists: readonly CrlFacts[]
  /** Authorities below the anchor that came along, so that their own lists can be checked. */
  readonly certificates: readonly CertificateFacts[]
}

/** Lists in one file: the authority's own and those of authorities below it. */
const MAX_LISTS = 1 + MAX_INTERMEDIATES

/**
 * The lists in a file: one in DER, or PEM blocks `X509 CRL` and, for the authorities below the anchor, `CERTIFICATE`.
 *
 * @throws InputError `ERR_PEM`, `ERR_CRL`, `ERR_CERTIFICATE`
 */
export function readCrlFile(bytes: Uint8Array): CrlFile {
  // A list in DER begins with a sequence; no text does with this byte followed by a long length.
  if (bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80) return { lists: [crlFacts(bytes)], certificates: [] }
  const lists: CrlFacts[] = []
  const certificates: CertificateFacts[] = []
  for (const { label, der } of parsePemBlocks(Buffer.from(bytes).toString("latin1"))) {
    if (label === "X509 CRL") lists.push(crlFacts(der))
    else if (label === "CERTIFICATE") certificates.push(certificateFacts(der))
    else throw new InputError("ERR_PEM", `a block named ${label} stands among the lists`)
  }
  if (lists.length === 0) throw new InputError("ERR_PEM", "no list of revoked certificates (X509 CRL) in the file")
  if (lists.length > MAX_LISTS) throw new InputError("ERR_PEM", `more than ${MAX_LISTS} lists in the file`)
  if (certificates.length > MAX_INTERMEDIATES) {
    throw new InputError("ERR_PEM", `more than ${MAX_INTERMEDIATES} certificates beside the lists`)
  }
  return { lists, certificates }
}
