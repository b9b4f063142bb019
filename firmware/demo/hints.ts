import { join, relative } from "node:path"
import type { DemoPaths } from "./material.ts"
import { telemetryTopic, type PlantClient } from "./plant-config.ts"

/** What to type beside a running demo, from the folder `cwd`: one command or remark a line. */
export function demoHints(paths: DemoPaths, cwd: string): string[] {
  const at = (file: string): string => shortest(file, cwd)
  const as = (who: PlantClient, authority: string, port: number): string =>
    `-h 127.0.0.1 -p ${port} --cafile ${at(authority)} --cert ${at(who.certificate)} --key ${at(who.key)}`
  const field = as(paths.byHand, paths.fieldAuthority, paths.gatewayPort)
  const control = as(paths.desk, paths.controlAuthority, paths.brokerPort)
  const board = `--config ${at(paths.gatewayConfig)}`
  return [
    `npx --no-install lockgate status ${board}`,
    `npx --no-install lockgate policy explain --last ${board}`,
    `npx --no-install lockgate assess run ${board}`,
    `npx --no-install lockgate board input key-switch island ${board}`,
    `# be a sensor: this passes; with another topic, say ${telemetryTopic("flow")}, it is denied`,
    `mosquitto_pub ${field} -i ${paths.byHand.name} -t ${telemetryTopic(paths.byHand.name)} -m '{"value":21,"unit":"C"}'`,
    "# be at the broker, and see what arrived",
    `mosquitto_sub ${control} -i ${paths.desk.name} -v -t '#'`,
  ]
}

/** How to verify the witness's copy of the log, by the key of the log. */
export function witnessHint(paths: DemoPaths, logKey: string, cwd: string): string {
  const copy = shortest(join(paths.witness.store, "logs", paths.gatewayName), cwd)
  return `npx --no-install lockgate audit verify ${copy} --key ${logKey}`
}

function shortest(file: string, cwd: string): string {
  const path = relative(cwd, file)
  return path.startsWith("..") ? file : path || "."
}
