import { type ErrorDetail, InputError } from "../../../policy/base/errors.ts"

interface Fault {
  /** Reason code of a DISCONNECT in MQTT 5; 3.1.1 has no words for it. */
  readonly reason: number
  /** True when the peer asked for more than this gateway holds, and did not break the protocol. */
  readonly limit?: true
}

/**
 * Every way in which bytes of a peer can be wrong, and the reason code that answers it in MQTT 5.
 *
 * 0x81 where the bytes cannot be parsed, 0x82 where they can but must not stand there.
 *
 * @see MQTT 5.0 section 4.13
 */
const FAULTS = {
  ERR_MQTT_PACKET_TYPE: { reason: 0x82 },
  ERR_MQTT_PACKET_FLAGS: { reason: 0x81 },
  ERR_MQTT_LENGTH: { reason: 0x81 },
  ERR_MQTT_TRUNCATED: { reason: 0x81 },
  ERR_MQTT_TRAILING_BYTES: { reason: 0x81 },
  ERR_MQTT_UTF8: { reason: 0x81 },
  ERR_MQTT_PACKET_ID: { reason: 0x82 },
  ERR_MQTT_PACKET_ID_IN_USE: { reason: 0x82 },
  ERR_MQTT_QOS: { reason: 0x81 },
  ERR_MQTT_DUP: { reason: 0x81 },
  ERR_MQTT_TOPIC_NAME: { reason: 0x82 },
  ERR_MQTT_TOPIC_FILTER: { reason: 0x82 },
  ERR_MQTT_TOPIC_ALIAS: { reason: 0x94 },
  ERR_MQTT_TOPIC_ALIAS_UNKNOWN: { reason: 0x82 },
  ERR_MQTT_PROPERTY: { reason: 0x81 },
  ERR_MQTT_PROPERTY_TWICE: { reason: 0x82 },
  ERR_MQTT_PROPERTY_VALUE: { reason: 0x82 },
  ERR_MQTT_PROTOCOL_NAME: { reason: 0x84 },
  ERR_MQTT_PROTOCOL_LEVEL: { reason: 0x84 },
  ERR_MQTT_CONNECT_FLAGS: { reason: 0x81 },
  ERR_MQTT_CONNACK: { reason: 0x82 },
  ERR_MQTT_REASON_CODE: { reason: 0x81 },
  ERR_MQTT_NO_FILTERS: { reason: 0x82 },
  ERR_MQTT_SUBSCRIPTION_OPTIONS: { reason: 0x82 },
  ERR_MQTT_SUBACK_COUNT: { reason: 0x82 },
  ERR_MQTT_AUTH: { reason: 0x82 },
  ERR_MQTT_PACKET_TOO_LARGE: { reason: 0x95, limit: true },
  ERR_MQTT_QUOTA: { reason: 0x97, limit: true },
} as const satisfies Record<string, Fault>

export type MqttErrorCode = keyof typeof FAULTS

/** An input error with a code of this room; the message is for the log, never for the peer. */
export function mqttError(code: MqttErrorCode, message: string, detail: ErrorDetail = {}): InputError<MqttErrorCode> {
  return new InputError(code, message, { detail })
}

/** The code, the facts and the answer of an error of this room, or null if it is none. */
export function faultOf(
  error: unknown,
): { readonly code: MqttErrorCode; readonly detail: ErrorDetail; readonly fault: Fault } | null {
  if (!(error instanceof InputError)) return null
  const { code, detail } = error as InputError
  return isMqttErrorCode(code) ? { code, detail, fault: FAULTS[code] } : null
}

function isMqttErrorCode(code: string): code is MqttErrorCode {
  return Object.hasOwn(FAULTS, code)
}
