import { chmod } from "node:fs/promises"
import { createServer, type Server, type Socket } from "node:net"
import type { Clock } from "../../hal/clock.ts"
import type { Serial } from "../../hal/serial.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { createLineUpstream, type LineNote } from "../conduits/modbus/line-upstream.ts"
import type { ModbusRequest, ModbusUpstream } from "../conduits/modbus/upstream.ts"
import type { LineSettings } from "../config/gateway-config.ts"
import { clearSocketPath } from "../management/socket-file.ts"
import { decodeToLine, encodeFromLine, WireReader } from "./wire.ts"

/** What the lines are hosted on. */
export interface LineHostDeps {
  readonly socket: string
  readonly lines: Readonly<Record<string, LineSettings>>
  readonly serial: Serial
  readonly clock: Clock
  /** What happened to a line; `refused` is a connection that said what it must not. */
  readonly note: (line: string, note: LineNote | { readonly kind: "refused"; readonly code: string }) => void
}

/** Lines that are open and can be asked. */
export interface LineHost {
  /** Close the lines and the socket; whoever waits is answered `lost` by its own end. */
  stop(): Promise<void>
}

/** Connections at a time: one for each conduit and worker. More are dropped at once. */
const MAX_CONNECTIONS = 256
/** Answers that a connection does not take. A line's queue bounds what it can owe. */
const MAX_UNSENT_BYTES = 1024 * 1024
/** For the first message to come. */
const HELLO_MS = 5_000

/**
 * Open all lines and answer for them at a Unix socket, by the messages of `wire.ts`. Whoever can open the socket is the
 * gateway's own user: its folder is 0700. Masters of different connections are different masters.
 *
 * @throws StateError `ERR_GATEWAY_RUNNING`, `ERR_SOCKET_PATH`, `ERR_SOCKET_FOLDER`
 * @see IEC 62443-4-2 CR 3.5, CR 7.1
 */
export async function hostLines(deps: LineHostDeps): Promise<LineHost> {
  const { socket: path, lines, serial, clock, note } = deps
  await clearSocketPath(path)
  const upstreams = new Map<string, ModbusUpstream>()
  for (const [name, settings] of Object.entries(lines)) {
    upstreams.set(name, createLineUpstream({ serial, clock, settings, note: (said) => note(name, said) }))
  }
  const sockets = new Set<Socket>()
  let masters = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    const refuse = (line: string, code: string): void => note(line, { kind: "refused", code })
    serve({ socket, upstreams, clock, newMaster: () => ++masters, refuse })
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, path)
  await chmod(path, 0o600)
  return {
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      for (const upstream of upstreams.values()) upstream.close()
      await closed
    },
  }
}

interface Serving {
  readonly socket: Socket
  readonly upstreams: ReadonlyMap<string, ModbusUpstream>
  readonly clock: Clock
  readonly newMaster: () => number
  readonly refuse: (line: string, code: string) => void
}

function serve({ socket, upstreams, clock, newMaster, refuse }: Serving): void {
  const reader = new WireReader()
  /** The other end's numbers to ours. */
  const masters = new Map<number, number>()
  /** What is asked of the line, by the other end's number. */
  const asked = new Map<number, ModbusRequest>()
  let line: ModbusUpstream | null = null
  let name = "*"
  const cancelHello = clock.after(HELLO_MS, () => socket.destroy())

  const take = (message: Uint8Array): void => {
    const said = decodeToLine(message)
    if (line === null) {
      line = said.kind === "use" ? (upstreams.get(said.line) ?? null) : null
      if (said.kind !== "use" || line === null) return end(said.kind === "use" ? "ERR_LINE_UNKNOWN" : "ERR_LINE_WIRE")
      name = said.line
      return cancelHello()
    }
    switch (said.kind) {
      case "use":
        return end("ERR_LINE_WIRE")
      case "recall": {
        const request = asked.get(said.id)
        if (request !== undefined) line.recall(request)
        return
      }
      case "forget": {
        const master = masters.get(said.master)
        masters.delete(said.master)
        if (master !== undefined) line.forget(master)
        return
      }
      case "ask": {
        const { id, unit, priority, pdu } = said
        let master = masters.get(said.master)
        if (master === undefined) masters.set(said.master, (master = newMaster()))
        const request = { unit, pdu, priority, master }
        asked.set(id, request)
        void line.ask(request).then((outcome) => {
          if (asked.get(id) === request) asked.delete(id)
          if (socket.destroyed) return
          socket.write(encodeFromLine({ id, outcome }))
          if (socket.writableLength > MAX_UNSENT_BYTES) socket.destroy()
        })
      }
    }
  }
  const end = (code: string): void => {
    refuse(name, code)
    socket.destroy()
  }

  socket.on("data", (chunk) => {
    try {
      for (const message of reader.push(chunk)) {
        take(message)
        if (socket.destroyed) return
      }
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      end(String(error.code))
    }
  })
  // What follows is `close`.
  socket.on("error", () => undefined)
  socket.once("close", () => {
    cancelHello()
    for (const master of masters.values()) line?.forget(master)
  })
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(path, () => resolve())
  })
}
