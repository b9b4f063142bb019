/** Clients of the `mqtt` package through a rig's conduit: they are not ours, and they keep what happened to them. */
import { readFileSync } from "node:fs"
import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt"
import type { Rig } from "./rig.ts"

/** A client of the `mqtt` package, and what it has seen so far. */
export interface MqttPeer {
  readonly client: MqttClient
  /** Everything received. */
  readonly received: readonly { readonly topic: string; readonly payload: Buffer; readonly packet: IPublishPacket }[]
  /** Times that the connection was lost or closed. */
  readonly closed: number
  /** Times that it was made. */
  readonly connected: number
  /** Resolves once `fits`, looked at after every event of the client and every 20 ms. */
  until(fits: () => boolean, what: string, timeoutMs?: number): Promise<void>
  /** Publish; the reason code of the answer, 0 if it has none. */
  publish(topic: string, payload: string | Buffer, options?: { qos?: 0 | 1 | 2; alias?: number }): Promise<number>
  /** Subscribe; the codes of the SUBACK. */
  subscribe(filters: readonly string[], qos?: 0 | 1 | 2): Promise<readonly number[]>
  end(force?: boolean): Promise<void>
}

/** Who connects, and how, beside what the `mqtt` package takes. */
export interface MqttPeerOptions extends IClientOptions {
  readonly name: string
  /** Default `sensor`; with `pump` it may subscribe. */
  readonly kind?: "sensor" | "pump"
  /** Where it connects; default the conduit. */
  readonly port?: number
  /** Do not wait for the CONNACK. */
  readonly unawaited?: boolean
}

/** Somebody of the control zone at the broker itself. */
export function deskPeer(rig: Rig, options: IClientOptions = {}): Promise<MqttPeer> {
  const { cert, key } = rig.desk
  const tls = { ca: [readFileSync(rig.controlCa.cert)], cert: readFileSync(cert), key: readFileSync(key) }
  return mqttPeer(rig, { name: "desk", port: rig.broker.tlsPort, ...tls, ...options })
}

/** Connect as a subject of the rig; resolves after the CONNACK. Never reconnects unless `reconnectPeriod` says so. */
export async function mqttPeer(rig: Rig, options: MqttPeerOptions): Promise<MqttPeer> {
  const { name, kind = "sensor", port = rig.port, unawaited = false, ...rest } = options
  const files = rig.tls(rig.peer(name, { uri: `urn:test:${kind}:${name}` }))
  const client = connect(`mqtts://127.0.0.1:${port}`, {
    clientId: name,
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    ca: [readFileSync(files.ca)],
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
    ...rest,
  })
  const received: { topic: string; payload: Buffer; packet: IPublishPacket }[] = []
  let closed = 0
  let connected = 0
  let failure = ""
  client.on("message", (topic, payload, packet) => received.push({ topic, payload, packet }))
  client.on("connect", () => connected++)
  // Of what is under way the package says nothing when the connection ends for good.
  const unanswered = new Set<(error: Error) => void>()
  const leave = (): void => {
    for (const reject of unanswered) reject(new Error(`${name}: the connection ended`))
  }
  client.on("close", () => {
    closed++
    if ((options.reconnectPeriod ?? 0) === 0) leave()
  })
  client.on("error", (error) => (failure = error.message))
  const until = async (fits: () => boolean, what: string, timeoutMs = 10_000): Promise<void> => {
    const end = performance.now() + timeoutMs
    while (!fits()) {
      if (performance.now() > end) throw new Error(`${name}: ${what} did not come in ${timeoutMs} ms ${failure}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  if (!unawaited) {
    await until(() => connected > 0 || closed > 0, "CONNACK")
    if (connected === 0) throw new Error(`${name}: not connected: ${failure}`)
  }
  return {
    client,
    received,
    get closed() {
      return closed
    },
    get connected() {
      return connected
    },
    until,
    publish: (topic, payload, { qos = 1, alias } = {}) =>
      new Promise((resolve, reject) => {
        unanswered.add(reject)
        const properties = alias === undefined ? {} : { properties: { topicAlias: alias } }
        client.publish(topic, payload, { qos, ...properties }, (error) => {
          unanswered.delete(reject)
          if (!error) resolve(0)
          else if ("code" in error && typeof error.code === "number") resolve(error.code)
          else reject(error)
        })
      }),
    subscribe: (filters, qos = 2) =>
      new Promise((resolve, reject) => {
        client.subscribe([...filters], { qos }, (error, granted, packet) => {
          const codes = packet?.granted?.map(Number) ?? granted?.map((g) => g.qos)
          if (codes !== undefined) resolve(codes)
          else reject(error ?? new Error("no SUBACK"))
        })
      }),
    end: async (force = false) => {
      await client.endAsync(force)
      leave()
    },
  }
}
