/** The engine in its real threads, between a TLS server that takes every CONNECT and clients with a certificate. */
import { once } from "node:events"
import { connect, createServer, type TLSSocket } from "node:tls"
import * as assert from "uvu/assert"
import { generate, type Packet } from "mqtt-packet"
import {
  startEngine,
  type EngineListener,
  type EnginePort,
  type EngineSetup,
} from "../../firmware/conduits/engine-port.ts"
import { enginePolicyOf } from "../../firmware/conduits/engine-policy.ts"
import type { EngineEpoch } from "../../firmware/conduits/messages.ts"
import { DEFAULT_LIMITS } from "../../firmware/config/gateway-config.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { createAuthority, issue } from "../../provisioning/owner/authority.ts"

export const OPEN = { normal: "open", essential: "open" } as const
export const ISLAND = { normal: "closed", essential: "open" } as const

/** The engine, and what is around it. */
export interface EngineRig {
  readonly engine: EnginePort
  /** The last megabytes that came to the far end, of all connections. */
  arrived(): string
  /** The policy as the engine is told it, compiled. */
  epochOf(number: number, policy: Policy): EngineEpoch
  /** A TLS connection to the port, as the device; it reads nothing until it is told to. */
  knock(port: number): TLSSocket
  /** The same, once it is connected by MQTT too; rejects at once if it is cut instead. */
  peer(port: number): Promise<TLSSocket>
  stop(): Promise<void>
}

const CONNECT = { cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "dev", clean: true, keepalive: 0 }
const CONNACK = Uint8Array.of(0x20, 2, 0, 0)
const KEPT = 4_000_000

/** Starts it with one MQTT conduit for each name, on free ports. Nothing is in force yet. */
export async function startEngineRig(
  names: readonly string[],
  listener: Partial<EngineListener>,
  change: Partial<EngineSetup> = {},
): Promise<EngineRig> {
  const [now, hour] = [Date.now(), 3_600_000]
  const validity = { notBeforeAt: now - hour, notAfterAt: now + hour }
  const authority = await createAuthority({ name: "ca", validity })
  const san = { dns: ["localhost"], ip: ["127.0.0.1"] }
  const server = await issue(authority, { ...validity, subject: { cn: "gateway" }, san, usage: "server" })
  const device = await issue(authority, { ...validity, subject: { cn: "dev" }, san: {}, usage: "client" })
  let arrived = ""
  const broker = createServer({ key: server.key, cert: server.certificate }, (socket) => {
    socket.on("error", () => undefined)
    socket.once("data", () => socket.write(CONNACK))
    socket.on("data", (chunk: Buffer) => (arrived = (arrived + chunk.toString("latin1")).slice(-KEPT)))
  })
  broker.listen(0, "127.0.0.1")
  await once(broker, "listening")
  const { port } = broker.address() as { port: number }
  const nothing = (): void => undefined
  const engine = await startEngine(
    {
      clock: createLinuxClock(),
      conduits: names.map((name) => ({
        name,
        listen: { address: "127.0.0.1", port: 0 },
        serverCredential: server,
        upstream: { host: "127.0.0.1", port, serverName: "localhost" },
        clientCredential: device,
        upstreamAuthority: authority.certificate,
      })),
      limits: DEFAULT_LIMITS,
      time: { earliestAt: now - 1000, latestAt: now + 1000 },
      allowStall: true,
      ...change,
    },
    {
      ...{ events: nothing, counters: nothing, certificateSeen: nothing, alive: nothing, fault: nothing },
      ...{ failed: nothing, died: nothing, listening: nothing },
      ...listener,
    },
  )
  const clients: TLSSocket[] = []
  const knock = (to: number): TLSSocket => {
    const keys = { ca: authority.certificate, key: device.key, cert: device.certificate }
    const client = connect({ host: "127.0.0.1", port: to, servername: "localhost", ...keys })
    clients.push(client)
    client.on("error", () => undefined)
    client.on("close", () => client.destroy())
    return client
  }
  return {
    engine,
    arrived: () => arrived,
    epochOf: (number, policy) => ({
      epoch: number,
      policy: enginePolicyOf(policy, compilePolicy(policy)),
      authorities: { "cell-ca": authority.certificate },
    }),
    knock,
    async peer(to) {
      const client = knock(to)
      const cut = new AbortController()
      client.once("close", () => cut.abort(new Error("the connection was cut before it was in")))
      const signal = AbortSignal.any([cut.signal, AbortSignal.timeout(5_000)])
      try {
        await once(client, "secureConnect", { signal })
        client.write(generate(CONNECT as Packet))
        await once(client, "data", { signal })
      } catch (error) {
        throw signal.aborted ? signal.reason : error
      }
      return client
    },
    async stop() {
      for (const client of clients) client.destroy()
      await engine.stop()
      broker.close()
    },
  }
}

/** A PUBLISH with QoS 0. */
export function publish(topic: string, payload: string): Uint8Array {
  return new Uint8Array(generate({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false }))
}

/** Resolves once it holds, looked at every 5 ms for ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > end) assert.unreachable(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/**
 * How long `close` takes, in milliseconds, while each client publishes `message` every few milliseconds. Resolves once all of
 * them are cut.
 */
export async function closeUnderLoad(
  clients: readonly TLSSocket[],
  message: Uint8Array,
  close: () => Promise<void>,
): Promise<number> {
  const messages = Buffer.concat(Array.from({ length: 30 }, () => message))
  let busy = true
  const load = clients.map(async (client) => {
    while (busy && client.writable) {
      client.write(messages)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  const from = performance.now()
  await close()
  const ms = performance.now() - from
  await until("all are cut", () => clients.every((client) => client.destroyed))
  busy = false
  await Promise.all(load)
  return ms
}
