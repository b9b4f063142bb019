import { createSecureContext } from "node:tls"
import { InputError } from "../../policy/base/errors.ts"
import { isPermittedKey, isPermittedSignature } from "../../policy/identity/algorithms.ts"
import { expiryStage } from "../../policy/identity/expiry.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { TlsCredential } from "../conduits/messages.ts"
import type { Material } from "../material.ts"
import { serverOptions } from "../tls/options.ts"

/**
 * Throws unless what was read anew can take the place of what is in use: OpenSSL takes each key with its chain, and a
 * certificate that is new is of a permitted kind and not surely over. One that was in use before is not held against
 * anything: it may have expired, and the authorities beside it must still be exchangeable.
 *
 * @throws InputError `ERR_CREDENTIAL_UNFIT` naming the use
 */
export function expectUsable(next: Material, before: Material, now: TimeInterval): void {
  for (const [use, leaf] of next.ownCertificates) {
    const unfit = (what: string): InputError<"ERR_CREDENTIAL_UNFIT"> =>
      new InputError("ERR_CREDENTIAL_UNFIT", `the certificate for ${use} ${what}`, { detail: { use } })
    if (before.ownCertificates.get(use)?.fingerprint === leaf.fingerprint) continue
    if (!isPermittedKey(leaf.keyAlgorithm))
      throw unfit(`has a key of a kind that is not permitted: ${leaf.keyAlgorithm}`)
    if (!isPermittedSignature(leaf.signatureAlgorithm)) {
      throw unfit(`is signed in a way that is not permitted: ${leaf.signatureAlgorithm}`)
    }
    if (expiryStage(leaf.notAfterAt, now) === "expired") {
      throw unfit(`is new and has expired already, on ${new Date(leaf.notAfterAt).toISOString()}`)
    }
  }
  for (const { name, serverCredential, clientCredential } of next.conduits) {
    for (const credential of [serverCredential, clientCredential]) {
      if (credential !== null) expectTaken(name, credential)
    }
  }
  if (next.management !== null) expectTaken("management/mqtt", next.management.credential)
}

function expectTaken(use: string, credential: TlsCredential): void {
  try {
    createSecureContext(serverOptions({ credential, tlsMin: "1.3", handshakeTimeoutMs: 1 }))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "ERR_TLS"
    throw new InputError("ERR_CREDENTIAL_UNFIT", `OpenSSL does not take key and chain of ${use}: ${code}`, {
      cause: error,
    })
  }
}
