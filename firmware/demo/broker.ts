import { readFileSync } from "node:fs"
import { createServer, type TLSSocket } from "node:tls"
import { Aedes, type Client } from "aedes"
import { HardwareError, StateError } from "../../policy/base/errors.ts"
import { MAX_TELEMETRY_BYTES, setpointTopic, telemetryTopic, type PlantConfig } from "./plant-config.ts"
import type { PlantReport } from "./plant-report.ts"
import { openViewerDoor } from "./viewer-door.ts"

/** The control zone's broker, running. */
export interface Broker {
  readonly port: number
  /** Where a browser on this machine may read the audit topics. */
  readonly viewerPort: number
  counts(): PlantReport["broker"]
  stop(): Promise<void>
}

type Peer = keyof PlantConfig["broker"]["clients"] | "viewer"

/**
 * Starts the control zone's broker: MQTT 3.1.1 over TLS on loopback, for four client certificates and no other; and for browsers
 * on this machine, which may only read `lockgate/`, over WebSocket.
 *
 * `lockgate/<gateway>/` is writable by the gateway's management alone, but for what its witness says of the log. What the conduit brings is counted, and what it
 * should never bring is counted as leaked: that is the demo's proof, seen from the far side of the gateway.
 * @throws HardwareError `ERR_PLANT_PORT` if the port is taken.
 */
export async function startBroker(config: PlantConfig): Promise<Broker> {
  const peers = new WeakMap<object, Peer>()
  const byClient: Record<string, number> = {}
  let [arrived, leaked, management] = [0, 0, 0]

  const peerOf = (client: Client | null): Peer | undefined => (client === null ? undefined : peers.get(client.conn))
  const reserved = "lockgate/"
  const witnessTopics = ["log/request", `witness/${config.witness}`, `witness/${config.witness}/refused`].map(
    (topic) => `${reserved}${config.gateway.name}/${topic}`,
  )
  const aedes = new Aedes({
    authorizePublish(client, packet, done) {
      const peer = peerOf(client)
      const own = packet.topic.startsWith(`${reserved}${config.gateway.name}/`)
      const said = peer === "witness" && witnessTopics.includes(packet.topic)
      const others = peer !== "viewer" && peer !== "witness" && !packet.topic.startsWith(reserved)
      const allowed = peer === "management" ? own : said || others
      if (peer === "conduit" && !allowed) leaked++
      done(allowed ? null : new StateError("ERR_PLANT_TOPIC", `${peer ?? "nobody"} may not write there`))
    },
  })
  aedes.authorizeSubscribe = (client, subscription, done) => {
    const isReader = ["viewer", "witness"].includes(peerOf(client) ?? "")
    done(null, !isReader || subscription.topic.startsWith(reserved) ? subscription : null)
  }
  aedes.on("publish", (packet, client) => {
    const peer = peerOf(client)
    if (peer === "management") management++
    if (peer !== "conduit" || client === null) return
    arrived++
    byClient[client.id] = (byClient[client.id] ?? 0) + 1
    const { topic, payload } = packet
    if (topic !== telemetryTopic(client.id) || payload.length > MAX_TELEMETRY_BYTES || payload.includes("script"))
      leaked++
  })
  aedes.on("subscribe", (subscriptions, client) => {
    if (peerOf(client) !== "conduit") return
    leaked += subscriptions.filter(({ topic }) => topic !== setpointTopic(client.id)).length
  })

  const server = createServer({
    key: readFileSync(config.broker.key),
    cert: readFileSync(config.broker.certificate),
    ca: readFileSync(config.broker.authority),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
  })
  const sockets = new Set<TLSSocket>()
  server.on("secureConnection", (socket) => {
    const peer = identify(socket, config.broker.clients)
    socket.on("error", () => socket.destroy())
    if (peer === null) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
    peers.set(socket, peer)
    aedes.handle(socket)
  })
  // Handshakes that fail, clients that go away: nothing of ours.
  server.on("tlsClientError", () => undefined)
  aedes.on("clientError", () => undefined)
  aedes.on("connectionError", () => undefined)

  await aedes.listen()
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      aedes.close()
      reject(new HardwareError("ERR_PLANT_PORT", `the broker cannot listen on port ${config.broker.port}`, { cause }))
    })
    server.listen(config.broker.port, "127.0.0.1", resolve)
  })
  const door = await openViewerDoor((stream) => {
    peers.set(stream, "viewer")
    aedes.handle(stream)
  })
  return {
    port: config.broker.port,
    viewerPort: door.port,
    counts: () => ({ clients: aedes.connectedClients, arrived, byClient: { ...byClient }, leaked, management }),
    async stop() {
      await door.stop()
      const closed = new Promise((resolve) => server.close(resolve))
      await new Promise<void>((resolve) => aedes.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Which of the known clients this is, by the URI in its certificate; null for anybody else. */
function identify(socket: TLSSocket, clients: PlantConfig["broker"]["clients"]): Peer | null {
  const names = (socket.getPeerX509Certificate()?.subjectAltName ?? "").split(", ")
  const known = Object.keys(clients) as (keyof typeof clients)[]
  return known.find((peer) => names.includes(`URI:${clients[peer]}`)) ?? null
}
