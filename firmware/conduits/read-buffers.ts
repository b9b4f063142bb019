import type { Socket } from "node:net"
import type { PooledReads } from "./byte-source.ts"

/** What Node's sockets keep for `onread`, under symbols of its own. */
const NAMES = ["kBuffer", "kBufferCb", "kBufferGen"] as const

type Slots = Record<symbol, unknown>
interface Handle {
  useUserBuffer?: (buffer: Uint8Array) => void
}

/**
 * Let `socket` read into buffers of ours, as its option `onread` would; false if this Node does not have what that takes,
 * and nothing has happened then.
 * It is paused, and holds no bytes that it has read before.
 *
 * Node offers `onread` only for sockets that `connect` makes, not for those that a server accepts, though both are of one
 * class: this sets the same three fields and calls what its constructor calls. It is worth that: without it each read makes
 * a buffer, and the collector's share of a busy TLS conduit is a quarter. The Node version is pinned, and a test holds that it
 * works there; where the fields are missing the caller reads as ever.
 */
export function giveReadBuffers(socket: Socket, reads: PooledReads): boolean {
  const handle = (socket as unknown as { _handle?: Handle | null })._handle
  const slots = slotsOf(socket)
  if (slots === null || typeof handle?.useUserBuffer !== "function") return false
  const [buffer, callback, next] = slots
  let armed = reads.buffer()
  const fields = socket as unknown as Slots
  fields[buffer] = armed
  fields[callback] = (bytes: number, into: Uint8Array): boolean => {
    reads.take(bytes, into)
    return true
  }
  fields[next] = (): Uint8Array | undefined => {
    const wanted = reads.buffer()
    // Nothing said, nothing changed: to hand over the same again costs as much as another.
    if (wanted === armed) return undefined
    armed = wanted
    return wanted
  }
  handle.useUserBuffer(armed)
  return true
}

function slotsOf(socket: Socket): readonly [symbol, symbol, symbol] | null {
  const own = Object.getOwnPropertySymbols(socket)
  const [buffer, callback, next] = NAMES.map((name) => own.find(({ description }) => description === name))
  return buffer === undefined || callback === undefined || next === undefined ? null : [buffer, callback, next]
}
