import { readFileSync } from "node:fs"
import { InputError } from "../../policy/base/errors.ts"

/** A key and its certificate chain, as PEM files (absolute paths). */
export interface CredentialFiles {
  readonly key: string
  readonly certificate: string
}

/** A client of the plant: its name is its MQTT client id and the name in its certificate. */
export interface PlantClient extends CredentialFiles {
  readonly name: string
}

/** The plant file (`plant.json`), written by `prepareDemo`. All paths are absolute. */
export interface PlantConfig {
  readonly gateway: {
    /** Its name in topics: `lockgate/<name>/...`. */
    readonly name: string
    readonly host: string
    readonly port: number
    /** PEM file of the authority that vouches for the gateway towards the field. */
    readonly authority: string
  }
  readonly broker: CredentialFiles & {
    readonly port: number
    /** PEM file of the control zone's authority. */
    readonly authority: string
    /** Who may connect, by the URI in the client's certificate; nobody else is let in. */
    readonly clients: {
      readonly conduit: string
      readonly management: string
      readonly operator: string
      readonly witness: string
    }
  }
  readonly sensors: readonly PlantClient[]
  /** Who cosigns the gateway's log, by its name as cosigner: it may say so at the broker, and ask for what is older. */
  readonly witness: string
  /** A client in the control zone, at the broker itself. */
  readonly operator: PlantClient
  /** A valid sensor by its certificate, and up to no good. */
  readonly rogue: PlantClient
  /** A certificate of an authority that nobody here knows. */
  readonly stranger: PlantClient
}

/** The topic on which the field device `name` tells its values. */
export function telemetryTopic(name: string): string {
  return `plant/${name}/telemetry`
}

/** The topic on which the field device `name` is told what to do. */
export function setpointTopic(name: string): string {
  return `plant/${name}/setpoint`
}

/** The largest telemetry message that the demo's policy lets through. */
export const MAX_TELEMETRY_BYTES = 512

/** The sensor that is an actuator too: a pump that takes a pressure setpoint. */
export const PUMP = "pump-pressure"

/**
 * Reads the plant file.
 * @throws InputError `ERR_PLANT_FILE`
 */
export function readPlantConfig(file: string): PlantConfig {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, "utf8"))
  } catch (cause) {
    throw new InputError("ERR_PLANT_FILE", `${file} cannot be read as JSON`, { cause })
  }
  // Our own file of the run before: its shape is checked by what is used first, the rest is ours to trust.
  if (!isPlantConfig(value)) throw new InputError("ERR_PLANT_FILE", `${file} is not a plant file`)
  return value
}

function isPlantConfig(value: unknown): value is PlantConfig {
  const parts = ["gateway", "broker", "sensors", "operator", "rogue", "stranger", "witness"]
  return typeof value === "object" && value !== null && parts.every((part) => part in value)
}
