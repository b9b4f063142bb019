/** What a proxy under measurement is to the bench, and the Node pipes among them. */
import { fileURLToPath } from "node:url"
import { startChild } from "./lines.ts"
import type { Material } from "./material.ts"
import type { PipeRequest } from "./pipe.ts"

/** How a proxy's two ends speak: plain TCP on both, or mutual TLS 1.3 on both. */
export type Transport = "tcp" | "tls"

/** A running proxy. */
export interface RunningProxy {
  readonly pid: number
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number
  stop(): Promise<void>
}

/** How a proxy is started for one measurement. */
export interface StartOptions {
  /** Where the sink listens, on 127.0.0.1, with the same transport. */
  readonly upstreamPort: number
  readonly material: Material
  /** The core that the proxy is confined to, all its threads; null for no pinning. */
  readonly core: number | null
}

/** A proxy that can be measured. */
export interface Proxy {
  readonly name: string
  readonly transport: Transport
  /** Resolves when the port listens. */
  start(options: StartOptions): Promise<RunningProxy>
}

/** The dumb pipe: `socket.pipe(upstream)` both ways; on TLS a client certificate is demanded. */
export function nodePipe(transport: Transport): Proxy {
  return pipe("node pipe", transport, false)
}

/** The pipe with pooled reads. On server-side TLS Node ignores `onread`, hence TCP only. */
export function pooledPipe(): Proxy {
  return pipe("node pipe, pooled", "tcp", true)
}

function pipe(name: string, transport: Transport, pooled: boolean): Proxy {
  return {
    name,
    transport,
    async start({ upstreamPort, material, core }) {
      const child = startChild(fileURLToPath(new URL("pipe.ts", import.meta.url)), core)
      const tls = transport === "tcp" ? null : { server: material.proxyServer, client: material.proxyClient }
      const { port } = await child.call("start", { upstreamPort, tls, pooled } satisfies PipeRequest)
      return { pid: child.pid, port, stop: () => child.stop() }
    },
  }
}
