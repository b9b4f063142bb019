import type { Inputs } from "../filter/inputs.ts"
import type { Who } from "./who.ts"
import type { ModbusRequest } from "./modbus-request.ts"

/** Under what circumstances something is asked. */
export interface Circumstances {
  readonly who: Who
  /** UTC, milliseconds since 1970; null if nobody knows: then no allow with hours is in force, and every deny. */
  readonly at: number | null
  /** Emergencies that an override has switched on. */
  readonly emergencies: readonly string[]
  /** What is known of the board's inputs: of those that are not in it nothing; absent: of none. */
  readonly inputs?: Inputs
  /** True where the posture closes normal flows. */
  readonly essentialOnly: boolean
}

/** One MQTT message, published by the client or on its way to it. */
export interface MessageQuestion extends Circumstances {
  readonly kind: "publish" | "receive"
  readonly topic: string
  /** Null, as the two below, if it is not known: an entry of the log does not tell. */
  readonly qos: number | null
  readonly retain: boolean | null
  readonly payloadBytes: number | null
  /** Null if at most its length is known. */
  readonly payload: Uint8Array | null
}

/** A request to subscribe. */
export interface SubscribeQuestion extends Circumstances {
  readonly kind: "subscribe"
  /** With `$share/<group>/` in front, if so asked. */
  readonly filter: string
  readonly qos: number | null
}

/** One Modbus request. */
export interface ModbusQuestion extends Circumstances {
  readonly kind: "modbus"
  readonly request: ModbusRequest
}

/** Anything that a policy can be asked. */
export type Question = MessageQuestion | SubscribeQuestion | ModbusQuestion
