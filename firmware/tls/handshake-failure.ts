import type { Server } from "node:tls"

/** A peer that did not get through the handshake. It has no subject, and nothing it says of itself is worth noting. */
export interface HandshakeFailure {
  /** Node's or OpenSSL's code, e.g. `ERR_SSL_UNSUPPORTED_PROTOCOL`, `ERR_TLS_HANDSHAKE_TIMEOUT`, `ECONNRESET`. */
  readonly code: string
  readonly address: string | null
}

/**
 * Close every connection to `server` whose handshake fails, and tell `report` of it. Every server made with
 * `serverOptions` needs this: when the handshake times out, Node says so and leaves the connection open, so that a peer
 * that is silent for ever would hold its place for ever.
 *
 * @see IEC 62443-4-2 CR 7.1
 */
export function closeFailedHandshakes(server: Server, report: (failure: HandshakeFailure) => void): void {
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    const failure: HandshakeFailure = { code: error.code ?? "ERR_TLS", address: socket.remoteAddress ?? null }
    socket.destroy()
    report(failure)
  })
}
