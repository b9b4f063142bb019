import type { Socket } from "node:net"

/**
 * What is to be written to one socket, in order. Mostly that is one piece a turn, and a list would cost more than all else
 * that is done for it: so the first has a place of its own.
 */
export class Outgoing {
  #first: Uint8Array | null = null
  #rest: Uint8Array[] = []

  get isEmpty(): boolean {
    return this.#first === null
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#rest.reduce((sum, part) => sum + part.length, this.#first?.length ?? 0)
  }

  add(bytes: Uint8Array): void {
    if (this.#first === null) this.#first = bytes
    else this.#rest.push(bytes)
  }

  /**
   * Write everything in one go; to a socket that takes nothing any more it is dropped. False if so much waits in it now that its
   * `drain` should be waited for.
   */
  writeTo(socket: Socket): boolean {
    const first = this.#first
    if (first === null) return true
    this.#first = null
    const isWritable = socket.writable
    if (this.#rest.length === 0) return isWritable && socket.write(first)
    const rest = this.#rest
    this.#rest = []
    if (!isWritable) return false
    socket.cork()
    socket.write(first)
    for (const part of rest) socket.write(part)
    socket.uncork()
    return !socket.writableNeedDrain
  }
}
