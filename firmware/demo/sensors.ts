import type { MqttClient } from "mqtt"
import { connectClient, endClient } from "./plant-client.ts"
import { PUMP, setpointTopic, telemetryTopic, type PlantConfig } from "./plant-config.ts"
import type { PlantReport } from "./plant-report.ts"
import { AT_REST, readSetpoint, stepProcess, type ProcessState } from "./process-model.ts"

/** What one kind of sensor says, how often and how surely. */
interface Habit {
  readonly everyMs: number
  readonly qos: 0 | 1
  readonly read: (state: ProcessState) => { readonly value: number; readonly unit: string }
}

const HABITS: Readonly<Record<string, Habit>> = {
  [PUMP]: { everyMs: 125, qos: 0, read: (s) => ({ value: s.pressure, unit: "bar" }) },
  flow: { everyMs: 200, qos: 0, read: (s) => ({ value: s.flow, unit: "m3/h" }) },
  "tank-level": { everyMs: 500, qos: 1, read: (s) => ({ value: s.level, unit: "%" }) },
  temperature: { everyMs: 1000, qos: 1, read: (s) => ({ value: s.temperature, unit: "Cel" }) },
}

/** The sensors, running. */
export interface Sensors {
  counts(): PlantReport["sensors"]
  /** Commands that reached the pump through the gateway. */
  received(): number
  stop(): Promise<void>
}

/** Starts the well-behaved sensors, each a client of its own through the gateway; the pump also takes setpoints. */
export function startSensors(config: PlantConfig): Sensors {
  let state = AT_REST
  let [sent, received] = [0, 0]
  const stepMs = 100
  const timers = [setInterval(() => (state = stepProcess(state, stepMs / 1000, Math.random)), stepMs)]
  const clients: MqttClient[] = []

  for (const sensor of config.sensors) {
    const habit = HABITS[sensor.name]
    if (habit === undefined) continue
    const client = connectClient(sensor, config.gateway)
    clients.push(client)
    const say = (): void => {
      if (!client.connected) return
      const { value, unit } = habit.read(state)
      const payload = JSON.stringify({ value: Number(value.toFixed(2)), unit, at: new Date().toISOString() })
      client.publish(telemetryTopic(sensor.name), payload, { qos: habit.qos })
      sent++
    }
    client.once("connect", say)
    timers.push(setInterval(say, habit.everyMs))
    if (sensor.name !== PUMP) continue
    client.subscribe(setpointTopic(PUMP), { qos: 1 }, () => undefined)
    client.on("message", (_topic, payload) => {
      const setpoint = readSetpoint(payload)
      if (setpoint === null) return
      received++
      state = { ...state, setpoint }
    })
  }
  return {
    counts: () => ({ connected: clients.filter((c) => c.connected).length, of: clients.length, sent }),
    received: () => received,
    async stop() {
      for (const timer of timers) clearInterval(timer)
      await Promise.all(clients.map(endClient))
    },
  }
}
