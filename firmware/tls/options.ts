import { constants } from "node:crypto"
import { isIP } from "node:net"
import type { ConnectionOptions, SecureContextOptions, TlsOptions } from "node:tls"
import { tlsCiphers, tlsGroups, tlsSignatures } from "../../policy/identity/algorithms.ts"
import type { TlsVersion } from "../../policy/identity/algorithms.ts"
import type { TlsCredential } from "../conduits/messages.ts"

/** What a listener is made with. */
export interface TlsServerSettings {
  readonly credential: TlsCredential
  readonly tlsMin: TlsVersion
  readonly handshakeTimeoutMs: number
}

/** What a connection to a server is made with. */
export interface TlsClientSettings {
  readonly credential: TlsCredential
  /** Default 1.3. */
  readonly tlsMin?: TlsVersion
  /** The name that the server is asked for (SNI), where it is not an address; `judgeServer` checks it. */
  readonly serverName: string
}

/**
 * Options for a `tls.Server` of ours.
 *
 * A certificate is demanded, and every peer that completes the handshake gets as far as `secureConnection`: there
 * `judgePeer` decides, before any listener for data is attached. Not `rejectUnauthorized`: its verdict is one code that
 * hides all others, and it knows neither zones nor an uncertain clock. OpenSSL is given no authority at all: so
 * `authorized` is never true, code that asked it would refuse everybody, and the peers' chains come through whole (see
 * `peerChain`). Peers are thereby told no names of authorities, which TLS allows: they show the certificate they have.
 *
 * The server must also be given to `closeFailedHandshakes`: a handshake that times out is not closed by Node.
 *
 * No ticket, no session store, no renegotiation: each connection proves the key anew, under the trust of that moment. In TLS
 * 1.3 OpenSSL sends the names of two sessions all the same (Node has no way to forbid it); they are kept nowhere, so naming
 * one gives a full handshake.
 *
 * @see IEC 62443-4-2 CR 1.2, CR 3.1, CR 4.3
 */
export function serverOptions(settings: TlsServerSettings): TlsOptions {
  return {
    ...contextOptions(settings.credential, settings.tlsMin),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: settings.handshakeTimeoutMs,
  }
}

/**
 * Options for `tls.connect`, to be joined with host and port. Nothing may be written before `secureConnect`, and there
 * `judgeServer` decides. Sessions are not kept, and `authorized` is never true, as above.
 *
 * @see IEC 62443-4-2 CR 1.2, CR 3.1, CR 4.3
 */
export function clientOptions(settings: TlsClientSettings): ConnectionOptions {
  return {
    ...contextOptions(settings.credential, settings.tlsMin ?? "1.3"),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(isIP(settings.serverName) === 0 ? { servername: settings.serverName } : {}),
  }
}

function contextOptions(credential: TlsCredential, tlsMin: TlsVersion): SecureContextOptions {
  return {
    key: credential.key,
    cert: credential.certificate,
    // An empty list, which is not the same as none: without it Node would load the public web's authorities.
    ca: [],
    minVersion: `TLSv${tlsMin}`,
    maxVersion: "TLSv1.3",
    ciphers: tlsCiphers(tlsMin),
    ecdhCurve: tlsGroups(),
    sigalgs: tlsSignatures(),
    secureOptions:
      constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
  }
}
