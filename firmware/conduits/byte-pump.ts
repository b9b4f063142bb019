import type { Socket } from "node:net"

/** Over this many bytes waiting for a peer that does not read, nothing more is read that could add to them. */
const HIGH_WATER_BYTES = 256 * 1024

/** The far side of a pair: absent before it is dialled, not ready until it is connected and trusted. */
export interface FarSide {
  readonly socket: Socket
  readonly ready: boolean
}

/**
 * Backpressure between two sockets whose bytes are answered on both sides.
 *
 * A side is read only while the other side drains what it caused, and while its own answers (acknowledgements that we
 * give ourselves) do not pile up. The returned function is called after every chunk and every drain.
 */
export function couple(client: Socket, far: () => FarSide | null): () => void {
  let clientPaused = false
  let farPaused = false
  return () => {
    const other = far()
    const pauseClient =
      client.writableLength > HIGH_WATER_BYTES || (other !== null && (!other.ready || other.socket.writableNeedDrain))
    if (pauseClient !== clientPaused) {
      clientPaused = pauseClient
      if (pauseClient) client.pause()
      else client.resume()
    }
    if (other === null || !other.ready) return
    const pauseFar = client.writableNeedDrain || other.socket.writableLength > HIGH_WATER_BYTES
    if (pauseFar !== farPaused) {
      farPaused = pauseFar
      if (pauseFar) other.socket.pause()
      else other.socket.resume()
    }
  }
}
