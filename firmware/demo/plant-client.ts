import { readFileSync } from "node:fs"
import { connect, type MqttClient } from "mqtt"
import type { PlantClient } from "./plant-config.ts"

/** Where a client of the plant connects. */
export interface Destination {
  readonly host: string
  readonly port: number
  /** PEM file of the authority that vouches for the other side. */
  readonly authority: string
}

/**
 * An MQTT 3.1.1 client over TLS with its own certificate; its client id is its name. It keeps trying, a few times a
 * second, until it is ended. Errors of a connection are no errors of the plant: the gateway refuses the rogue, and restarts.
 */
export function connectClient(who: PlantClient, where: Destination): MqttClient {
  const client = connect({
    protocol: "mqtts",
    host: where.host,
    port: where.port,
    key: readFileSync(who.key),
    cert: readFileSync(who.certificate),
    ca: readFileSync(where.authority),
    rejectUnauthorized: true,
    clientId: who.name,
    protocolVersion: 4,
    clean: true,
    keepalive: 20,
    reconnectPeriod: 250,
    connectTimeout: 5000,
    // What could not be sent at its time is old news afterwards.
    queueQoSZero: false,
    resubscribe: true,
  })
  client.on("error", () => undefined)
  return client
}

/** Ends a client, whatever state it is in. */
export async function endClient(client: MqttClient): Promise<void> {
  await new Promise<void>((resolve) => client.end(true, {}, () => resolve()))
}
