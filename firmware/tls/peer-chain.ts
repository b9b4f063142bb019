import type { TLSSocket } from "node:tls"
import { MAX_SENT } from "../../policy/identity/path.ts"

/**
 * The certificates that the peer sent, DER, in its order, leaf first; empty if it showed none. At most one more than
 * `judgePath` looks at.
 *
 * **Once a connection**, in `secureConnection` or `secureConnect`: Node 24 hands the chain out by taking it off
 * OpenSSL's own list, so a second call finds less (nodejs/node#65579). For the same reason a server whose certificate
 * store holds an authority loses the chain of every peer that Node itself would have trusted; the stores of
 * `serverOptions` and `clientOptions` are therefore empty, and `authorized` is never true on a socket of ours.
 *
 * Not `getPeerCertificate(true)`: that one follows issuers by name, leaves out what does not fit, adds from our own
 * store, and its result is cyclic at a self-signed root.
 */
export function peerChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = []
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length <= MAX_SENT) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}
