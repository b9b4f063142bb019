import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import { giveReadBuffers } from "./read-buffers.ts"
import { LARGE_BYTES, type BufferPool, type ReadPools } from "./read-pools.ts"

/**
 * One end's bytes as they are read. Connections read through this and never from a socket itself, so that pooled reads
 * can stand here where Node honours them.
 */
export interface ByteSource {
  /**
   * Begin to read; `take` is given each chunk. The chunk is its until `isWritten` says that all it has handed on was
   * written, which is asked before the buffer is used again; without `isWritten` it is its for good. Once.
   */
  start(take: (chunk: Uint8Array) => void, isWritten?: () => boolean): void
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

/**
 * The bytes of a socket: in buffers of `pools` where the socket takes them, else in such as Node makes for each read. The first
 * chunk comes no earlier than in the next turn, and not while it is paused: not of what the socket has read by itself either.
 */
export function pooledSource(socket: Socket, pools: ReadPools): ByteSource {
  const pool = socket instanceof TLSSocket ? pools.tls : pools.clear
  let paused = false
  /** What begins to read, once it was started and is not paused; null before and after. */
  let begin: (() => void) | null = null
  const go = (): void => {
    if (!paused) begin?.()
  }
  return {
    start: (take, isWritten = () => false) => {
      socket.pause()
      begin = () => {
        for (let early = readEarly(socket); early !== null; early = readEarly(socket)) {
          take(early)
          if (paused) return
        }
        begin = null
        const reads = pooledReads(pool, take, isWritten)
        if (giveReadBuffers(socket, reads)) socket.once("close", () => reads.end())
        else socket.on("data", take)
        socket.resume()
      }
      process.nextTick(go)
    },
    pause: () => {
      paused = true
      socket.pause()
    },
    resume: () => {
      paused = false
      if (begin === null) socket.resume()
      else process.nextTick(go)
    },
  }
}

/** A piece of what the socket has read by itself; null if there is none. */
function readEarly(socket: Socket): Uint8Array | null {
  if (socket.readableLength === 0) return null
  return socket.read(Math.min(socket.readableLength, LARGE_BYTES)) as Uint8Array | null
}

/** What a connection reads into while little comes. */
const SMALL_BYTES = 4 * 1024

/** What a socket reads into, and what hears of it. */
export interface PooledReads {
  /** What the next read goes to. Called once before the first, then after each `take`. */
  buffer(): Uint8Array<ArrayBuffer>
  take(bytes: number, buffer: Uint8Array): void
  /** The socket is closed: what it held is the pool's again. */
  end(): void
}

/**
 * Buffers for one socket's reads. A buffer whose bytes have not all been written is left alone, and another one armed; a socket
 * on which little comes holds one of 4 KiB, and nothing of the pool.
 */
export function pooledReads(
  pool: BufferPool,
  take: (chunk: Uint8Array) => void,
  isWritten: () => boolean,
): PooledReads {
  let small: Uint8Array<ArrayBuffer> | null = null
  let armed: Uint8Array<ArrayBuffer> | null = null
  /** Handed on, and perhaps not written yet. */
  const lent: Uint8Array<ArrayBuffer>[] = []
  let read = 0
  const reclaim = (): void => {
    if (lent.length === 0 || !isWritten()) return
    for (const buffer of lent) {
      if (buffer.length === SMALL_BYTES) small = buffer
      else pool.give(buffer)
    }
    lent.length = 0
  }
  return {
    buffer: () => {
      // Mostly all has been written, and what was read shows that the same size will do.
      if (armed !== null && lent.length === 0 && fits(armed, read) && isWritten()) return armed
      if (armed !== null) lent.push(armed)
      reclaim()
      armed = read >= SMALL_BYTES / 2 ? pool.take() : (small ?? Buffer.allocUnsafeSlow(SMALL_BYTES))
      if (armed === small) small = null
      return armed
    },
    take: (bytes, buffer) => {
      // What went before may be written by now; what this chunk causes will mostly not be when it returns.
      reclaim()
      read = bytes
      take(buffer.subarray(0, bytes))
    },
    end: () => {
      if (armed !== null && armed.length !== SMALL_BYTES) pool.give(armed)
      pool.giveOnce(isWritten, lent)
      armed = null
    },
  }
}

/** Whether `buffer` is what a socket reads into of which `read` bytes came last. */
function fits(buffer: Uint8Array, read: number): boolean {
  return buffer.length === SMALL_BYTES ? read < SMALL_BYTES / 2 : read >= SMALL_BYTES / 2
}
