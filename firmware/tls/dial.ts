import { connect as connectPlain, type Socket } from "node:net"
import { connect, type TLSSocket } from "node:tls"
import { HardwareError } from "../../policy/base/errors.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { Revoked } from "../../policy/identity/path-faults.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { TlsCredential } from "../conduits/messages.ts"
import { judgeServer } from "./accept-peer.ts"
import type { FactsCache } from "./certificate-facts.ts"
import { clientOptions } from "./options.ts"

/** Whom to dial, as whom, and who may vouch for the other end. */
export interface DialTarget {
  readonly host: string
  readonly port: number
  readonly serverName: string
  readonly credential: TlsCredential
  readonly anchors: readonly CertificateFacts[]
  readonly now: () => TimeInterval
  readonly timeoutMs: number
  readonly cache?: FactsCache
  readonly revoked?: Revoked
  readonly after: (delayMs: number, action: () => void) => () => void
}

/** The socket, and whether its other end is who was meant. */
export interface Dialled<S extends Socket = Socket> {
  readonly socket: S
  /**
   * Resolves when the server's certificate was judged good; until then nothing may be written.
   * Rejects with HardwareError `ERR_UPSTREAM`, `detail.reason` a stable word or an errno code; the socket is destroyed.
   */
  readonly trusted: Promise<void>
  /** From the server's certificate to the anchor; empty until it was judged good. */
  path(): readonly CertificateFacts[]
}

/** Dial a TLS server and judge it before a byte is written to it. @see IEC 62443-4-2 CR 1.2 */
export function dialTrusted(target: DialTarget): Dialled<TLSSocket> {
  const { host, port, serverName } = target
  const socket = connect({ ...clientOptions({ credential: target.credential, serverName }), host, port })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  let path: readonly CertificateFacts[] = []
  const trusted = new Promise<void>((resolve, reject) => {
    const fail = (reason: string): void => {
      cancel()
      socket.destroy()
      const message = `${host}:${port} cannot be reached or trusted: ${reason}`
      reject(new HardwareError("ERR_UPSTREAM", message, { detail: { reason } }))
    }
    const cancel = target.after(target.timeoutMs, () => fail("timeout"))
    socket.once("secureConnect", () => {
      const verdict = judgeServer(socket, {
        anchors: target.anchors,
        serverName,
        now: target.now(),
        ...(target.cache === undefined ? {} : { cache: target.cache }),
        ...(target.revoked === undefined ? {} : { revoked: target.revoked }),
      })
      if (!verdict.ok) return fail(verdict.reason)
      path = verdict.path
      cancel()
      resolve()
    })
    socket.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "tls"))
    socket.once("close", () => fail("closed"))
  })
  return { socket, trusted, path: () => path }
}

/** Dial a TCP server in clear text: nothing shows who answers. Only where policy says so. */
export function dialPlain(target: Pick<DialTarget, "host" | "port" | "timeoutMs" | "after">): Dialled {
  const { host, port } = target
  const socket = connectPlain({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 })
  const trusted = new Promise<void>((resolve, reject) => {
    const fail = (reason: string): void => {
      cancel()
      socket.destroy()
      reject(new HardwareError("ERR_UPSTREAM", `${host}:${port} cannot be reached: ${reason}`, { detail: { reason } }))
    }
    const cancel = target.after(target.timeoutMs, () => fail("timeout"))
    socket.once("connect", () => {
      cancel()
      resolve()
    })
    socket.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "tcp"))
    socket.once("close", () => fail("closed"))
  })
  return { socket, trusted, path: () => [] }
}
