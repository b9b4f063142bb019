/**
 * A proxy that decides nothing: what any Node proxy pays at least. A process of its own.
 *
 * Request: `start {upstreamPort, tls: {server, client} | null, pooled}` -> `{port}`.
 */
import { connect, createServer, Socket } from "node:net"
import { connect as connectTls, createServer as createTlsServer } from "node:tls"
import { serveLines } from "./lines.ts"
import { readTls } from "./tls-files.ts"
import type { TlsEnd } from "./tls-files.ts"

/** What the pipe is started with. */
export interface PipeRequest {
  readonly upstreamPort: number
  readonly tls: { readonly server: TlsEnd; readonly client: TlsEnd } | null
  /** Read into a pool of 256 KiB buffers instead of a new one per read; plain TCP only. */
  readonly pooled: boolean
}

const POOL_BUFFER_BYTES = 256 * 1024
const pool: Buffer[] = []

function join(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.setNoDelay(true)
    from.on("error", () => to.destroy())
    from.on("close", () => to.destroy())
  }
}

/** A socket that reads into pooled buffers and writes them to `to()`; a buffer returns when its write has called back. */
function pooledRead(to: () => Socket): { buffer: () => Uint8Array; callback: (n: number, b: Uint8Array) => boolean } {
  let current: Buffer
  return {
    buffer: () => (current = pool.pop() ?? Buffer.allocUnsafeSlow(POOL_BUFFER_BYTES)),
    callback(bytes) {
      const used = current
      const flowing = to().write(used.subarray(0, bytes), () => pool.push(used))
      return flowing
    },
  }
}

function pipePooled(accepted: Socket, upstreamPort: number): void {
  // A server's sockets take no `onread`: the handle is put into a socket that does. Node has no public way to do so.
  const handle = (accepted as unknown as { _handle: object })._handle
  const wrapped: Socket = new Socket({ handle, onread: pooledRead(() => upstream) } as object)
  const upstream: Socket = connect({
    host: "127.0.0.1",
    port: upstreamPort,
    onread: pooledRead(() => wrapped),
  })
  join(wrapped, upstream)
  wrapped.on("drain", () => upstream.resume())
  upstream.on("drain", () => wrapped.resume())
  wrapped.resume()
  upstream.resume()
}

serveLines({
  async start({ upstreamPort, tls, pooled }: PipeRequest) {
    const address = { host: "127.0.0.1", port: upstreamPort }
    const upstreamTls = tls === null ? null : readTls(tls.client)
    const pipe = (socket: Socket): void => {
      const upstream =
        upstreamTls === null ? connect(address) : connectTls({ ...address, ...upstreamTls, minVersion: "TLSv1.3" })
      join(socket, upstream)
      socket.pipe(upstream)
      upstream.pipe(socket)
    }
    const server =
      tls !== null
        ? createTlsServer(
            { ...readTls(tls.server), requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
            pipe,
          )
        : pooled
          ? createServer({ pauseOnConnect: true }, (socket) => pipePooled(socket, upstreamPort))
          : createServer(pipe)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const at = server.address()
    return { port: at !== null && typeof at === "object" ? at.port : 0 }
  },
})
