import { chmod } from "node:fs/promises"
import { createServer } from "node:net"
import type { Server, Socket } from "node:net"
import { InputError, LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { MAX_REQUEST_BYTES } from "../../policy/command/check.ts"
import type { CommandAnswer, CommandPort, Principal } from "../../policy/command/port.ts"
import { ALL_PERMISSIONS } from "../../policy/command/permission.ts"
import type { Clock } from "../../hal/clock.ts"
import type { DoorPeople } from "../people/at-the-door.ts"
import type { SignedDoor } from "../people/signed-door.ts"
import { LineBuffer } from "./line-buffer.ts"
import { parseLocalLine, type LocalLine } from "./local-line.ts"
import { createRefusalLog } from "./refusal-log.ts"
import { clearSocketPath } from "./socket-file.ts"

/** What the transport stands on. */
export interface LocalSocketDeps {
  readonly path: string
  readonly commands: CommandPort
  readonly clock: Clock
  readonly audit: (event: AuditEvent) => Promise<number>
  /** Who may be somebody; without it there is nobody but who holds the machine. */
  readonly people?: DoorPeople
  /** Commands that a person signed; without it none is taken. */
  readonly signed?: Pick<SignedDoor, "gateway" | "take" | "nonce">
}

/** The transport, to be started and stopped once. */
export interface LocalSocket {
  /** Listen. @throws StateError `ERR_GATEWAY_RUNNING`, `ERR_SOCKET_PATH`, `ERR_SOCKET_FOLDER` */
  start(): Promise<void>
  /** Let commands under way be answered, end all connections and remove the socket. */
  stop(): Promise<void>
}

/** Connections at a time; more are dropped at once. */
export const MAX_CONNECTIONS = 8
/** For a whole request to arrive, for its answer to leave, and for a connection that says nothing. */
export const REQUEST_MS = 30_000

/**
 * Whoever can open the socket is the gateway's own user or root: the folder is 0700 and the socket 0600, so the
 * operating system has authenticated them. They own the gateway until the first account is made; from then on they are
 * nobody before they sign in, as everybody.
 *
 * @see IEC 62443-4-2 CR 1.1
 */
export const LOCAL_OWNER: Principal = {
  name: "local:owner",
  permissions: ALL_PERMISSIONS,
  via: "local",
}

/**
 * Commands over a Unix socket: one JSON request a line, at most 6 MiB, one JSON answer a line, in order.
 *
 *     {"command":"policy.confirm","arguments":{"version":7}}
 *     {"ok":true,"result":{"version":7,"before":6}}
 *
 * From the first account on a connection is nobody's until a line shows the token of a session; or each command is signed.
 * Who it is, and what they may do, is asked anew for each line.
 *
 *     {"session":"<token>"}    the connection is that person's from now on, until its session is locked or over
 *     {"signed":"<JWS>"}       one command, as whoever signed it
 *     {"nonce":"<account>"}    a number for the next of those
 *
 * A line that is no request is answered with its code, and the connection goes on; a line that is too long ends it.
 *
 * @see IEC 62443-4-2 CR 3.5, CR 3.7, CR 7.1
 */
export function createLocalSocket(deps: LocalSocketDeps): LocalSocket {
  const { path, commands, clock } = deps
  const refusals = createRefusalLog(clock, deps.audit, "management/local")
  const connections = new Map<Socket, Connection>()
  let stopping = false
  let server: Server | null = null

  const refuse = async (code: "ERR_COMMAND_MALFORMED" | "ERR_NOT_AUTHENTICATED", reason: string = code) =>
    ({ ok: false, code, entry: await refusals.note(reason) }) as const
  const answerTo = async (line: Uint8Array, mine: Connection): Promise<CommandAnswer> => {
    let read: LocalLine
    try {
      read = parseLocalLine(line)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      return refuse("ERR_COMMAND_MALFORMED")
    }
    const { people, signed } = deps
    switch (read.kind) {
      case "request": {
        const isOwners = people?.unclaimed ?? true
        const who = isOwners || people === undefined ? LOCAL_OWNER : people.who(mine.session, "local")
        return commands.execute(who, read.request, line)
      }
      case "session": {
        // Whatever it was before: a token that is none leaves the connection nobody's.
        const found = people?.find(read.token, "local") ?? null
        mine.session = found?.id ?? null
        return found === null ? refuse("ERR_NOT_AUTHENTICATED", "ERR_SESSION_UNKNOWN") : { ok: true, result: found }
      }
      case "signed":
        return signed === undefined ? refuse("ERR_COMMAND_MALFORMED") : signed.take(read.jws, "local")
      case "nonce":
        if (signed === undefined) return refuse("ERR_COMMAND_MALFORMED")
        return { ok: true, result: { gateway: signed.gateway, nonce: signed.nonce(read.account) } }
    }
  }

  const serve = async (socket: Socket): Promise<void> => {
    const mine: Connection = { busy: false, session: null }
    connections.set(socket, mine)
    const lines = new LineBuffer(MAX_REQUEST_BYTES)
    const limit = (): (() => void) => clock.after(REQUEST_MS, () => socket.destroy())
    let cancel = limit()
    try {
      // Reading waits while a command runs: one at a time, and nothing piles up here.
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        for (const line of lines.push(chunk)) {
          cancel()
          mine.busy = true
          const answer = await answerTo(line, mine)
          cancel = limit()
          await send(socket, answer)
          mine.busy = false
          cancel()
          if (stopping || socket.destroyed) return
          cancel = limit()
        }
      }
      await end(socket)
    } catch (error) {
      if (error instanceof LockgateError) {
        if (error.kind === "invariant") throw error
        // Too long: where the next request would begin is not known.
        await send(socket, { ok: false, code: "ERR_COMMAND_MALFORMED", entry: await refusals.note(String(error.code)) })
      } else if (!socket.destroyed) throw error
    } finally {
      cancel()
      socket.destroy()
      connections.delete(socket)
    }
  }

  return {
    async start() {
      await clearSocketPath(path)
      // Half open: a client may end its side after the request and still read the answer.
      const made = createServer({ allowHalfOpen: true })
      made.maxConnections = MAX_CONNECTIONS
      made.on("connection", (socket) => {
        // Errors of the socket come out of reading and writing as well; what comes out of `serve` is ours to die of.
        socket.on("error", () => undefined)
        void serve(socket)
      })
      made.on("drop", () => void refusals.note("ERR_TOO_MANY_CONNECTIONS"))
      await listen(made, path)
      server = made
      await chmod(path, 0o600)
    },
    async stop() {
      stopping = true
      for (const [socket, { busy }] of connections) if (!busy) socket.destroy()
      const closing = server
      server = null
      if (closing !== null) await new Promise<void>((resolve) => closing.close(() => resolve()))
      await refusals.stop()
    },
  }
}

interface Connection {
  busy: boolean
  /** Id of the session whose token was shown. */
  session: string | null
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(path, () => {
      server.off("error", reject)
      resolve()
    })
  })
}

/** Write an answer; resolves when it has left us or can no longer leave. */
function send(socket: Socket, answer: CommandAnswer): Promise<void> {
  if (socket.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    socket.once("close", resolve)
    socket.write(JSON.stringify(answer) + "\n", () => {
      socket.off("close", resolve)
      resolve()
    })
  })
}

function end(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    socket.once("close", resolve)
    socket.end(() => resolve())
  })
}
