import { createServer, type Server, type Socket } from "node:net"
import type { GateKeeper } from "./gate-keeper.ts"
import { HalfOpen } from "./half-open.ts"

/** What a front door is made of. */
export interface FrontDoorDeps {
  readonly keeper: GateKeeper
  readonly maxHalfOpen: number
  /** Sockets that may be open at once, whatever they are doing. */
  readonly maxSockets: number
  /** Whether the conduit has no place left that a newcomer could get. */
  full(): boolean
  /** The connection may begin its handshake; nothing of it has been read. */
  accept(socket: Socket): void
  /** A connection was turned away, or displaced. */
  refused(reason: string, address: string): void
}

/** Where connections to a conduit arrive. */
export interface FrontDoor {
  /** Not listening yet. */
  readonly server: Server
  /** The handshake of this connection has ended well; told apart by its other end. */
  greeted(socket: Pick<Socket, "remoteAddress" | "remotePort">): void
  /** True once for each displaced connection: its handshake fails because of us, which has been told. */
  displaced(): boolean
}

/**
 * A TCP server that asks the gate keeper before a connection gets a handshake. Who is turned away costs an `accept` and a
 * reset, no cryptography and no memory that stays.
 *
 * @see IEC 62443-4-2 CR 7.1
 */
export function createFrontDoor(deps: FrontDoorDeps): FrontDoor {
  const halfOpen = new HalfOpen(deps.maxHalfOpen)
  const waiting = new Map<string, Socket>()
  let displaced = 0

  function arrive(socket: Socket): void {
    const address = socket.remoteAddress ?? ""
    if (deps.full()) return turnAway(socket, "too-many-connections", address)
    const source = deps.keeper.arrive(address)
    if (typeof source === "string") return turnAway(socket, source, address)
    const name = nameOf(socket)
    socket.on("error", () => socket.destroy())
    socket.once("close", () => {
      deps.keeper.leave(source)
      halfOpen.end(name)
      waiting.delete(name)
    })
    const goes = halfOpen.begin(name, source.prefix)
    if (goes !== null) displace(goes)
    waiting.set(name, socket)
    deps.accept(socket)
  }

  function turnAway(socket: Socket, reason: string, address: string): void {
    socket.on("error", () => undefined)
    // A reset: no state of a connection that never was stays in the kernel.
    socket.resetAndDestroy()
    deps.refused(reason, address)
  }

  function displace(name: string): void {
    const socket = waiting.get(name)
    if (socket === undefined) return
    displaced++
    deps.refused("too-many-half-open", socket.remoteAddress ?? "")
    socket.destroy()
  }

  const server = createServer(arrive)
  server.maxConnections = deps.maxSockets
  server.on("drop", (drop?: { remoteAddress?: string }) => {
    deps.refused("too-many-connections", drop?.remoteAddress ?? "")
  })
  return {
    server,
    greeted(socket) {
      const name = nameOf(socket)
      halfOpen.end(name)
      waiting.delete(name)
    },
    displaced() {
      if (displaced === 0) return false
      displaced--
      return true
    },
  }
}

function nameOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress ?? ""} ${remotePort ?? 0}`
}
