import { connectClient, endClient } from "./plant-client.ts"
import { PUMP, setpointTopic, type PlantConfig } from "./plant-config.ts"

const EVERY_MS = 4000
/** bar */
const SETPOINTS = [4, 4.4, 3.6]

/** The operator of the plant, running. */
export interface Operator {
  commands(): number
  stop(): Promise<void>
}

/** Starts the operator: a client in the control zone, at the broker itself, that tells the pump its pressure now and then. */
export function startOperator(config: PlantConfig): Operator {
  const { port, authority } = config.broker
  const client = connectClient(config.operator, { host: "127.0.0.1", port, authority })
  let commands = 0
  // Retained, so that a pump that comes back learns what it was to do.
  const command = (): void => {
    if (!client.connected) return
    const bar = SETPOINTS[commands % SETPOINTS.length]
    client.publish(setpointTopic(PUMP), JSON.stringify({ bar }), { qos: 1, retain: true })
    commands++
  }
  client.once("connect", command)
  const timer = setInterval(command, EVERY_MS)
  return {
    commands: () => commands,
    async stop() {
      clearInterval(timer)
      await endClient(client)
    },
  }
}
