import type { Writable } from "node:stream"
import type { ByteSource } from "./byte-source.ts"

/** Over this many bytes waiting for a peer that does not read, nothing more is read that could add to them. */
const HIGH_WATER_BYTES = 256 * 1024

/** One side of a pair: what is read from it, and how much waits to be written to it. */
export interface Side {
  readonly source: ByteSource
  readonly sink: Pick<Writable, "writableLength" | "writableNeedDrain">
}

/** The far side: absent before it is dialled, not ready until it is connected and trusted. */
export interface FarSide extends Side {
  readonly ready: boolean
}

/**
 * Backpressure between two sides whose bytes are answered on both sides.
 *
 * A side is read only while the other side drains what it caused, and while its own answers (acknowledgements that we
 * give ourselves) do not pile up. The returned function is called after every chunk and every drain.
 */
export function couple(client: Side, far: () => FarSide | null): () => void {
  let clientPaused = false
  let farPaused = false
  return () => {
    const other = far()
    const pauseClient =
      client.sink.writableLength > HIGH_WATER_BYTES ||
      (other !== null && (!other.ready || other.sink.writableNeedDrain))
    if (pauseClient !== clientPaused) {
      clientPaused = pauseClient
      if (pauseClient) client.source.pause()
      else client.source.resume()
    }
    if (other === null || !other.ready) return
    const pauseFar = client.sink.writableNeedDrain || other.sink.writableLength > HIGH_WATER_BYTES
    if (pauseFar !== farPaused) {
      farPaused = pauseFar
      if (pauseFar) other.source.pause()
      else other.source.resume()
    }
  }
}
