import { InputError } from "../../policy/base/errors.ts"

/** What the rogue tries, in this order, over and over. */
export const TRICKS = [
  "other-topic",
  "command",
  "reserved",
  "subscribe-all",
  "stowaway",
  "oversize",
  "flood",
  "unknown-ca",
] as const

export type Trick = (typeof TRICKS)[number]

/** What the plant says of itself once a second, one JSON line each, on its standard output. Totals since its start. */
export interface PlantReport {
  readonly kind: "report"
  readonly broker: {
    readonly clients: number
    /** Messages that came out of the gateway's conduit. */
    readonly arrived: number
    /** The same by MQTT client id. */
    readonly byClient: Readonly<Record<string, number>>
    /** Messages and subscriptions that came out of the conduit and should not have: always 0. */
    readonly leaked: number
    /** Messages of the gateway's management, its audit log above all. */
    readonly management: number
  }
  readonly sensors: { readonly connected: number; readonly of: number; readonly sent: number }
  readonly operator: { readonly commands: number; readonly received: number }
  readonly rogue: { readonly tried: Readonly<Partial<Record<Trick, number>>> }
}

export type PlantLine =
  | { readonly kind: "ready"; readonly port: number; readonly viewerPort: number }
  | PlantReport
  | { readonly kind: "fault"; readonly code: string; readonly message: string }

/**
 * Reads one line of the plant's output.
 * @throws InputError `ERR_PLANT_LINE`
 */
export function parsePlantLine(line: string): PlantLine {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new InputError("ERR_PLANT_LINE", "the plant said something that is no JSON", { cause })
  }
  const kinds = ["ready", "report", "fault"]
  if (typeof value === "object" && value !== null && "kind" in value && kinds.includes(String(value.kind)))
    return value as PlantLine
  throw new InputError("ERR_PLANT_LINE", "the plant said something that is no report")
}
