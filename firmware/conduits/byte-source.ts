import type { Socket } from "node:net"

/**
 * One end's bytes as they are read. Connections read through this and never from a socket itself, so that pooled reads
 * (Node's `onread`) can stand here where Node honours them: on TCP and on sockets that we dialled, not on those that a
 * TLS server has accepted.
 */
export interface ByteSource {
  /** Begin to read; `take` is given each chunk, which belongs to it from then on. Once. */
  start(take: (chunk: Uint8Array) => void): void
  pause(): void
  resume(): void
}

/** The bytes of a socket in buffers that Node makes for each read. */
export function socketSource(socket: Socket): ByteSource {
  return {
    start: (take) => void socket.on("data", take),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  }
}
