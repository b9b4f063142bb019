/**
 * One client and its one upstream connection: the sockets around a `Session`.
 *
 * The client's certificate has been judged before this file sees the socket. The broker's is judged here, before the
 * first byte goes to it.
 */
import type { TLSSocket } from "node:tls"
import type { Action } from "../../../policy/language/policy.ts"
import type { Verdict } from "../../../policy/filter/verdict.ts"
import type { Dialled } from "../../tls/dial.ts"
import { couple } from "../byte-pump.ts"
import type { SessionDeps } from "./judge.ts"
import { createSession, type Session } from "./session.ts"
import type { CloseReason } from "./session-port.ts"

/** How long a side may take to read the last bytes and close before it is destroyed. */
const LINGER_MS = 2_000

export interface ConnectionDeps {
  readonly session: SessionDeps
  readonly client: TLSSocket
  readonly connectTimeoutMs: number
  readonly dial: () => Dialled
  readonly nowMs: () => number
  readonly after: (delayMs: number, action: () => void) => () => void
  /** Called before any chunk is judged: brings the session onto the policy in force (see `listener.ts`). */
  refresh(): void
  readonly denied: (action: Action, verdict: Verdict, object: string, will: boolean) => void
  readonly passed: (direction: "up" | "down", messages: number, bytes: number) => void
  connected(clientId: string, version: 4 | 5): void
  /** Once, when both sides are done for. `reason` is a `CloseReason`, `connect-timeout` or `upstream-lost`. */
  ended(reason: CloseReason | "connect-timeout" | "upstream-lost", detail: string): void
}

export interface Connection {
  readonly session: Session
  /**
   * End it from our side; the broker discards the will. In the middle of an allowed message its rest may still pass for
   * `graceMs`; with 0 both sides are cut off there, and the broker publishes the will.
   */
  withdraw(detail: string, graceMs: number): void
}

/** Start moving bytes; returns once the listeners are attached. */
export function openConnection(deps: ConnectionDeps): Connection {
  const { client } = deps
  let upstream: TLSSocket | null = null
  let ready = false
  let pending: Uint8Array[] = []
  let done = false
  let closing = false
  const update = couple(client, () => (upstream === null ? null : { socket: upstream, ready }))

  const isClosing = (): boolean => closing

  const finish = (reason: CloseReason | "connect-timeout" | "upstream-lost", detail: string): void => {
    if (done) return
    done = true
    cancelConnectTimer()
    deps.ended(reason, detail)
  }
  /** Let what was written go out, then close; a peer that does not read is cut off. */
  const closeBoth = (): void => {
    closing = true
    for (const socket of [client, upstream]) {
      if (socket === null || socket.destroyed) continue
      if (socket === upstream && !ready) {
        socket.destroy()
        continue
      }
      socket.resume()
      socket.end()
      const cancel = deps.after(LINGER_MS, () => socket.destroy())
      socket.once("close", cancel)
    }
  }

  const session = createSession(
    {
      dial: () => {
        const dialled = deps.dial()
        upstream = dialled.socket
        attachUpstream(dialled)
      },
      toUpstream: (bytes) => {
        if (ready && upstream !== null) upstream.write(bytes)
        else pending.push(bytes.slice())
      },
      toClient: (bytes) => {
        if (client.writable) client.write(bytes)
      },
      denied: deps.denied,
      passed: deps.passed,
      connected: (clientId, version) => {
        cancelConnectTimer()
        deps.connected(clientId, version)
      },
      close: (reason, detail) => {
        finish(reason, detail)
        closeBoth()
      },
    },
    deps.session,
  )

  function attachUpstream({ socket, trusted }: Dialled): void {
    trusted.then(
      () => {
        if (closing) return
        ready = true
        for (const bytes of pending) socket.write(bytes)
        pending = []
        socket.on("data", (chunk: Buffer) => {
          if (closing) return
          deps.refresh()
          session.fromUpstream(chunk, deps.nowMs())
          update()
        })
        update()
      },
      (error: unknown) => {
        // The reason was reported by whoever judged the broker; the client learns that the server is not there.
        socket.destroy()
        if (!closing) session.upstreamEnded()
        finish("upstream-lost", error instanceof Error ? error.message : "")
        closeBoth()
      },
    )
    socket.on("drain", update)
    socket.on("close", () => {
      if (closing || !ready) return
      session.upstreamEnded()
      finish("upstream-lost", "connection closed")
      closeBoth()
    })
  }

  const cancelConnectTimer = deps.after(deps.connectTimeoutMs, () => {
    finish("connect-timeout", "")
    closing = true
    client.destroy()
    upstream?.destroy()
  })

  client.setNoDelay(true)
  client.setKeepAlive(true, 60_000)
  client.on("drain", update)
  client.on("error", () => client.destroy())
  client.on("close", () => {
    if (closing) return
    session.clientEnded()
    closing = true
    finish("client", "connection closed")
    // No DISCONNECT was passed on: the broker publishes the will, as it would have without us.
    upstream?.destroy()
  })
  client.on("data", (chunk: Buffer) => {
    if (closing) return
    deps.refresh()
    session.fromClient(chunk, deps.nowMs())
    update()
  })

  return {
    session,
    withdraw: (detail, graceMs) => {
      if (closing) return
      session.withdraw(detail)
      // Still open: the rest of a message is on its way.
      if (isClosing()) return
      if (graceMs === 0) client.destroy()
      else deps.after(graceMs, () => client.destroy())
    },
  }
}
