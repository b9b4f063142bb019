/**
 * One client and its one upstream connection: the sockets around a `Session`.
 *
 * The client's certificate has been judged before this file sees the socket. The broker's is judged here, before the
 * first byte goes to it.
 */
import type { Socket } from "node:net"
import { LockgateError } from "../../../policy/base/errors.ts"
import type { Action } from "../../../policy/language/policy.ts"
import type { Verdict } from "../../../policy/filter/verdict.ts"
import type { Dialled } from "../../tls/dial.ts"
import { couple } from "../byte-pump.ts"
import { pooledSource, type ByteSource } from "../byte-source.ts"
import type { ReadPools } from "../read-pools.ts"
import type { Judge, SessionDeps } from "./judge.ts"
import type { RecordedMessage } from "./recording.ts"
import { Outgoing } from "./outgoing.ts"
import { createSession } from "./session.ts"
import type { CloseReason } from "./session-port.ts"

/** Why a connection ended: what the session says, or what only its shell can know. */
export type EndReason = CloseReason | "connect-timeout" | "upstream-lost" | "fault"

/** How long the rest of a message may take to pass when its sender is withdrawn by a policy. */
export const WITHDRAW_GRACE_MS = 2_000

/** How long a side may take to read the last bytes and close before it is destroyed. */
const LINGER_MS = 2_000
/** How much it may still say meanwhile, which nobody hears. */
const LINGER_BYTES = 64 * 1024

/** What a connection is made of. */
export interface ConnectionDeps {
  readonly session: SessionDeps
  readonly client: Socket
  readonly connectTimeoutMs: number
  /** What both ends read into. */
  readonly buffers: ReadPools
  /** Slows the client down to its pace (`load/flow-meter.ts`). */
  readonly paced: (source: ByteSource) => ByteSource
  readonly dial: () => Dialled
  /** What stands in for the broker before it is dialled, or once it could not be reached (`lost`); null: nothing does. */
  readonly standIn: (lost: boolean) => Dialled | null
  readonly nowMs: () => number
  readonly after: (delayMs: number, action: () => void) => () => void
  /** Called before any chunk is judged: brings the session onto the policy in force (see `listener.ts`). */
  refresh(): void
  /** An exception while bytes were handled; both sockets are gone. */
  failed(error: unknown): void
  readonly denied: (action: Action, verdict: Verdict, object: string, will: boolean) => void
  readonly recorded: (message: RecordedMessage) => void
  readonly passed: (direction: "up" | "down", messages: number, bytes: number) => void
  readonly requested: (count: number) => void
  connected(clientId: string, version: 4 | 5): void
  /** Once, when it is over. */
  ended(reason: EndReason, detail: string): void
}

/** One peer at work. */
export interface Connection {
  /** A new policy: from now on this judge. Ends the connection if its will is no longer allowed. */
  rejudge(judge: Judge): void
  /**
   * End it from our side; the broker discards the will. In the middle of an allowed message its rest may still pass for
   * `graceMs`; with 0 both sides are cut off there, and the broker publishes the will.
   */
  withdraw(detail: string, graceMs: number): void
  /** Say something of the gateway's own to the client. */
  tell(topic: string, text: string): void
  /** It has not said in time what it came for; so it ends when the time for its CONNECT is over. */
  timeOut(): void
  /** Bytes held for it, beside what waits in the client's socket. */
  heldBytes(): number
}

/** Start moving bytes; returns once the listeners are attached. */
export function openConnection(deps: ConnectionDeps): Connection {
  const { client } = deps
  const source = deps.paced(pooledSource(client, deps.buffers))
  let upstream: { readonly socket: Socket; readonly source: ByteSource; readonly sink: Socket; ready: boolean } | null =
    null
  /** What the session has said in this turn; upstream, also what waits until the broker is trusted. */
  const toUpstream = new Outgoing()
  const toClient = new Outgoing()
  let told = false
  let over = false
  let closed = false
  let ignored = 0
  const update = couple({ source, sink: client }, () => upstream)

  const session = createSession(
    {
      dial: () => attachUpstream(deps.standIn(false) ?? deps.dial()),
      toUpstream: (bytes) => toUpstream.add(bytes),
      toClient: (bytes) => toClient.add(bytes),
      denied: deps.denied,
      recorded: deps.recorded,
      passed: deps.passed,
      requested: deps.requested,
      connected: (clientId, version) => {
        cancelConnectTimer()
        deps.connected(clientId, version)
      },
      close: (reason, detail) => {
        tellEnd(reason, detail)
        over = true
      },
    },
    deps.session,
  )

  /** Let the session act, then write what it said, in one write a socket, and close if it said so. */
  function run(act: () => void): void {
    if (closed) return
    try {
      act()
    } catch (error) {
      return fail(error)
    }
    flush()
    if (!over) update()
  }

  /** Write what was said, and close if the session said so; else true if not all of it was taken at once. */
  function flush(): boolean {
    const isTaken = upstream?.ready === true && toUpstream.writeTo(upstream.socket)
    const isHeard = toClient.writeTo(client)
    if (over) closeBoth()
    return !over && !(isTaken && isHeard)
  }

  // As `run`, without a function made for each chunk, and without a look at both sides where nothing waits that did not before.
  function takeFromClient(chunk: Uint8Array): void {
    if (closed) return ignore(client, chunk)
    try {
      deps.refresh()
      session.fromClient(chunk, deps.nowMs())
    } catch (error) {
      return fail(error)
    }
    if (flush()) update()
  }

  function takeFromUpstream(chunk: Uint8Array): void {
    if (closed) return upstream === null ? undefined : ignore(upstream.socket, chunk)
    try {
      deps.refresh()
      session.fromUpstream(chunk, deps.nowMs())
    } catch (error) {
      return fail(error)
    }
    if (flush()) update()
  }

  /** Nothing more of what was being handled goes anywhere (NDR 5.2 RE(3)). */
  function fail(error: unknown): void {
    closed = true
    client.destroy()
    upstream?.socket.destroy()
    tellEnd("fault", "")
    deps.failed(error)
  }

  /** Bytes of one side are ours until the other has taken all of them, and none waits for it to be trusted: after the end none does. */
  function isWrittenToClient(): boolean {
    return (closed || toClient.isEmpty) && client.writableLength === 0
  }

  function isWrittenToUpstream(): boolean {
    return (closed || toUpstream.isEmpty) && (upstream === null || upstream.socket.writableLength === 0)
  }

  function tellEnd(reason: EndReason, detail: string): void {
    if (told) return
    told = true
    cancelConnectTimer()
    deps.ended(reason, detail)
  }

  /** Let what was written go out, then close; a peer that does not read is cut off. */
  function closeBoth(): void {
    if (closed) return
    closed = true
    for (const socket of [client, upstream?.socket]) {
      if (socket === undefined || socket.destroyed) continue
      if (socket !== client && upstream?.ready !== true) {
        socket.destroy()
        continue
      }
      socket.resume()
      socket.end()
      const cancel = deps.after(LINGER_MS, () => socket.destroy())
      socket.once("close", cancel)
    }
  }

  /** What comes after the end is read so that the end is seen; who goes on all the same is cut off. */
  function ignore(socket: Socket, chunk: Uint8Array): void {
    ignored += chunk.length
    if (ignored > LINGER_BYTES) socket.destroy()
  }

  function attachUpstream({ socket, trusted }: Dialled): void {
    const bytes = pooledSource(socket, deps.buffers)
    const own = { socket, source: bytes, sink: socket, ready: false }
    upstream = own
    const lost = (why: string): void => {
      run(() => {
        tellEnd("upstream-lost", why)
        // The client is told that the server is not there, if it still waits for its CONNACK.
        session.upstreamEnded()
      })
    }
    trusted.then(
      () => {
        own.ready = true
        bytes.start(takeFromUpstream, isWrittenToClient)
        run(() => undefined)
      },
      (error: unknown) => {
        const instead = closed ? null : deps.standIn(true)
        if (instead !== null) attachUpstream(instead)
        else lost(error instanceof LockgateError ? String(error.detail["reason"]) : "")
      },
    )
    socket.on("drain", update)
    socket.on("close", () => {
      if (own.ready && upstream === own) lost("closed")
    })
  }

  const cancelConnectTimer = deps.after(deps.connectTimeoutMs, timeOut)

  function timeOut(): void {
    tellEnd("connect-timeout", "")
    closed = true
    client.destroy()
    upstream?.socket.destroy()
  }

  client.setNoDelay(true)
  client.setKeepAlive(true, 60_000)
  client.on("drain", update)
  client.on("error", () => client.destroy())
  client.on("close", () => {
    if (closed) return
    try {
      session.clientEnded()
    } catch (error) {
      return fail(error)
    }
    tellEnd("client", "lost")
    closed = true
    // No DISCONNECT was passed on: the broker publishes the will, as it would have without us.
    upstream?.socket.destroy()
  })
  source.start(takeFromClient, isWrittenToUpstream)

  return {
    rejudge: (judge) => {
      run(() => session.rejudge(judge, deps.nowMs()))
      cutOff(WITHDRAW_GRACE_MS)
    },
    withdraw: (detail, graceMs) => {
      run(() => session.withdraw(detail))
      cutOff(graceMs)
    },
    tell: (topic, text) => run(() => session.tell(topic, new TextEncoder().encode(text))),
    timeOut,
    heldBytes: () => {
      return session.heldBytes + toUpstream.length + (upstream?.socket.writableLength ?? 0)
    },
  }

  /** A session that was withdrawn in the middle of a message waits for its rest, but not for ever. */
  function cutOff(graceMs: number): void {
    if (closed || !session.draining) return
    if (graceMs === 0) client.destroy()
    else deps.after(graceMs, () => client.destroy())
  }
}
