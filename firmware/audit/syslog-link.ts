import { once } from "node:events"
import { HardwareError, LockgateError } from "../../policy/base/errors.ts"
import { dialTrusted, type DialTarget } from "../tls/dial.ts"

/** One connection to a syslog receiver, from the handshake until it ends. It never reconnects: a new one is dialled. */
export interface SyslogLink {
  /** Resolves when there is room for more. @throws HardwareError `ERR_SYSLOG` if the link ended */
  send(frame: Uint8Array): Promise<void>
  /** False once the receiver, or the way to it, has gone. */
  readonly isOpen: boolean
  /**
   * End in order. Resolves when the receiver has read all that was sent and closed its side: what it read it has, in its memory
   * at least. @throws HardwareError `ERR_SYSLOG` if it went away before, or did not close in time: some of it may be lost
   */
  finish(): Promise<void>
  /** End at once; what was sent is in doubt. */
  destroy(): void
}

/**
 * Dials a syslog receiver over TLS, each end with its certificate; resolves when the receiver is trusted.
 *
 * Syslog has no acknowledgements. All that a sender can learn is that the receiver read to the end and closed: had it gone away
 * with bytes unread, the connection would have been reset. So a link carries a bounded run of messages, and `finish` is
 * what counts.
 *
 * @throws HardwareError `ERR_SYSLOG`; `detail.reason` says why in one word
 * @see RFC 5425 sections 4.2, 4.4
 */
export async function dialSyslog(target: DialTarget): Promise<SyslogLink> {
  const { socket, trusted } = dialTrusted(target)
  await trusted.catch((error: unknown) => {
    const reason =
      error instanceof LockgateError ? String((error as LockgateError).detail["reason"] ?? "failed") : "failed"
    throw linkError(target, reason)
  })
  let [lost, ended]: [string | null, boolean] = [null, false]
  const gone = new Promise<void>((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => (lost ??= error.code ?? "tls"))
    socket.once("end", () => (ended = true))
    socket.once("close", resolve)
  })
  // A receiver has nothing to say; its end is seen only by reading.
  socket.resume()
  const isOpen = (): boolean => lost === null && !ended && !socket.destroyed

  return {
    get isOpen() {
      return isOpen()
    },
    async send(frame) {
      if (!isOpen()) throw linkError(target, lost ?? "closed")
      if (socket.write(frame)) return
      await Promise.race([once(socket, "drain"), gone])
      if (!isOpen()) throw linkError(target, lost ?? "closed")
    },
    async finish() {
      if (!isOpen()) throw linkError(target, lost ?? "closed")
      const cancel = target.after(target.timeoutMs, () => {
        lost ??= "timeout"
        socket.destroy()
      })
      socket.end()
      await gone
      cancel()
      if (lost !== null || !ended) throw linkError(target, lost ?? "reset")
    },
    destroy() {
      socket.destroy()
    },
  }
}

function linkError({ host, port }: DialTarget, reason: string): HardwareError<"ERR_SYSLOG"> {
  return new HardwareError("ERR_SYSLOG", `the receiver ${host}:${port} cannot be reached or trusted: ${reason}`, { detail: { reason } }) // prettier-ignore
}
