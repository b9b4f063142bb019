/**
 * The demo plant, a process of its own and no part of the gateway:
 *
 *     node firmware/demo/plant.ts <plant.json>
 *
 * The control zone's broker, well-behaved sensors, an operator and a rogue, as separate clients over real TLS sockets
 * on loopback. One JSON line a second on stdout (`PlantLine`). Stops on SIGTERM, when its standard input ends, or on Ctrl-C.
 */
import { LockgateError } from "../../policy/base/errors.ts"
import { startBroker } from "./broker.ts"
import { startOperator } from "./operator.ts"
import { readPlantConfig, type PlantConfig } from "./plant-config.ts"
import type { PlantLine } from "./plant-report.ts"
import { startRogue } from "./rogue.ts"
import { startSensors } from "./sensors.ts"

function tell(line: PlantLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

async function runPlant(config: PlantConfig, stopped: Promise<void>): Promise<void> {
  const broker = await startBroker(config)
  tell({ kind: "ready", port: broker.port, viewerPort: broker.viewerPort })
  const sensors = startSensors(config)
  const operator = startOperator(config)
  const rogue = startRogue(config)
  const report = (): void => {
    const commands = { commands: operator.commands(), received: sensors.received() }
    tell({
      kind: "report",
      broker: broker.counts(),
      sensors: sensors.counts(),
      operator: commands,
      rogue: rogue.counts(),
    })
  }
  const timer = setInterval(report, 1000)
  // The first message is told at once: it is how long a start takes.
  const first = setInterval(() => {
    if (broker.counts().arrived === 0) return
    clearInterval(first)
    report()
  }, 20)
  await stopped
  clearInterval(timer)
  clearInterval(first)
  await Promise.all([sensors.stop(), operator.stop(), rogue.stop()])
  report()
  await broker.stop()
}

/** Resolves when somebody wants the plant to stop. */
function untilStopped(): Promise<void> {
  return new Promise<void>((resolve) => {
    process.on("SIGTERM", resolve)
    // Under `lockgate demo` a Ctrl-C reaches us too, but then it is the gateway that stops first and closes our input.
    process.on("SIGINT", () => {
      if (process.stdin.isTTY) resolve()
    })
    process.stdin.on("end", resolve).on("close", resolve).resume()
    process.stdout.on("error", resolve)
  })
}

try {
  const file = process.argv[2]
  if (file === undefined)
    throw new LockgateError("input", "ERR_USAGE", "usage: node firmware/demo/plant.ts <plant.json>")
  await runPlant(readPlantConfig(file), untilStopped())
} catch (error) {
  if (!(error instanceof LockgateError)) throw error
  tell({ kind: "fault", code: String(error.code), message: error.message })
  process.exitCode = error.kind === "input" ? 2 : 1
} finally {
  process.stdin.destroy()
}
