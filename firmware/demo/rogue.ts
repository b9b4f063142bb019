import { readFileSync } from "node:fs"
import { connect as connectTls } from "node:tls"
import type { MqttClient } from "mqtt"
import { connectClient, endClient } from "./plant-client.ts"
import { MAX_TELEMETRY_BYTES, PUMP, setpointTopic, telemetryTopic, type PlantConfig } from "./plant-config.ts"
import { TRICKS, type PlantReport, type Trick } from "./plant-report.ts"

const EVERY_MS = 800
/** More in one go than the policy's rate and burst allow. */
const FLOOD_MESSAGES = 60

/** The rogue, running. */
export interface Rogue {
  counts(): PlantReport["rogue"]
  stop(): Promise<void>
}

/** Starts the rogue: a device with a valid sensor certificate that tries one trick after another, for ever. */
export function startRogue(config: PlantConfig): Rogue {
  const client = connectClient(config.rogue, config.gateway)
  const tried: Partial<Record<Trick, number>> = {}
  let turn = 0
  const timer = setInterval(() => {
    const trick = TRICKS[turn % TRICKS.length] ?? "flood"
    if (trick !== "unknown-ca" && !client.connected) return
    turn++
    attempt(trick, client, config)
    tried[trick] = (tried[trick] ?? 0) + 1
  }, EVERY_MS)
  return {
    counts: () => ({ tried: { ...tried } }),
    async stop() {
      clearInterval(timer)
      await endClient(client)
    },
  }
}

function attempt(trick: Trick, client: MqttClient, config: PlantConfig): void {
  const own = telemetryTopic(config.rogue.name)
  switch (trick) {
    case "other-topic":
      client.publish(telemetryTopic("tank-level"), `{"value":3,"unit":"%"}`, { qos: 1 })
      return
    case "command":
      client.publish(setpointTopic(PUMP), `{"bar":99}`, { qos: 1 })
      return
    case "reserved":
      client.publish(`lockgate/${config.gateway.name}/audit/live`, `{"event":"nothing happened"}`, { qos: 0 })
      return
    case "subscribe-all":
      client.subscribe("#", { qos: 0 }, () => undefined)
      return
    case "stowaway":
      client.publish(own, `{"value":1,"unit":"g","script":"curl example.org"}`, { qos: 0 })
      return
    case "oversize":
      client.publish(own, "x".repeat(8 * MAX_TELEMETRY_BYTES), { qos: 0 })
      return
    case "flood":
      for (let i = 0; i < FLOOD_MESSAGES; i++) client.publish(own, `{"value":${i},"unit":"g"}`, { qos: 0 })
      return
    case "unknown-ca":
      comeAsStranger(config)
      return
  }
}

/** One TLS handshake with a certificate that nobody vouches for. The gateway hangs up before it reads a byte. */
function comeAsStranger(config: PlantConfig): void {
  const socket = connectTls({
    host: config.gateway.host,
    port: config.gateway.port,
    key: readFileSync(config.stranger.key),
    cert: readFileSync(config.stranger.certificate),
    ca: readFileSync(config.gateway.authority),
    timeout: 2000,
  })
  socket.on("secureConnect", () =>
    socket.write(Uint8Array.of(0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 9, 0, 0)),
  )
  socket.on("timeout", () => socket.destroy())
  socket.on("error", () => socket.destroy())
  socket.resume()
}
