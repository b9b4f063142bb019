import type { Authentication } from "./authentication.ts"
import { type ConnackPacket, encodeConnack } from "./connack.ts"
import { CONNACK, type Version } from "./packet-type.ts"
import { numericProperties, PROPERTY, withoutProperties } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"

/** What a successful CONNACK settles for the session. */
export interface ConnackTerms {
  /** The CONNACK for the client. */
  readonly forward: Uint8Array
  /** Highest alias the client may use. */
  readonly topicAliasMaximum: number
  /** What the broker takes; Infinity if it did not say. */
  readonly brokerMaxPacketBytes: number
  /** Null if the broker leaves the client's value. */
  readonly keepAliveSeconds: number | null
}

/** What the gateway puts into a CONNACK. */
export interface ConnackLimits {
  readonly maxPacketBytes: number
  readonly maxTopicAliases: number
  /** Data only leaves: the broker's texts stay outside, its numbers are the terms of the connection. */
  readonly numbersOnly: boolean
  /** What the client authenticates itself with; null if nothing. */
  readonly authentication: Authentication | null
  /** The id that the client left to us, else null. */
  readonly assignedClientId: string | null
}

const TEXTS = [PROPERTY.responseInformation, PROPERTY.serverReference, PROPERTY.reasonString, PROPERTY.userProperty]
const AUTHENTICATION = [PROPERTY.authenticationMethod, PROPERTY.authenticationData]

/**
 * Read a successful CONNACK and write the one for the client: in MQTT 5 the two maxima are lowered to the gateway's own
 * (the maximum packet size is added where the broker has none) and an id that the gateway assigned is named. In 3.1.1
 * nothing changes.
 *
 * @throws ERR_MQTT_CONNACK if the broker assigns an id, though it was given one, or speaks of an authentication that
 *   nobody asked for; ERR_MQTT_AUTH if it answers one with another method.
 * @see MQTT 5.0 section 3.2.2.3
 */
export function connackTerms(packet: ConnackPacket, version: Version, limits: ConnackLimits): ConnackTerms {
  if (version === 4) {
    const forward = encodeConnack(packet, version)
    return { forward, topicAliasMaximum: 0, brokerMaxPacketBytes: Infinity, keepAliveSeconds: null }
  }
  const numbers = numericProperties(CONNACK, packet.properties)
  const { authentication } = limits
  for (const id of [PROPERTY.assignedClientIdentifier, ...(authentication === null ? AUTHENTICATION : [])]) {
    if (numbers.has(id)) throw mqttError("ERR_MQTT_CONNACK", "a CONNACK answers what was not asked", { property: id })
  }
  authentication?.accepted(packet.properties)
  const brokerMaxPacketBytes = numbers.get(PROPERTY.maximumPacketSize) ?? Infinity
  const topicAliasMaximum = Math.min(numbers.get(PROPERTY.topicAliasMaximum) ?? 0, limits.maxTopicAliases)
  const replaced = [PROPERTY.maximumPacketSize, PROPERTY.topicAliasMaximum, ...(limits.numbersOnly ? TEXTS : [])]
  const list = withoutProperties(CONNACK, packet.properties, replaced)
  list.u8(PROPERTY.maximumPacketSize).u32(Math.min(brokerMaxPacketBytes, limits.maxPacketBytes))
  if (topicAliasMaximum > 0) list.u8(PROPERTY.topicAliasMaximum).u16(topicAliasMaximum)
  if (limits.assignedClientId !== null) {
    list.u8(PROPERTY.assignedClientIdentifier).binary(new TextEncoder().encode(limits.assignedClientId))
  }
  const forward = encodeConnack({ ...packet, properties: list.body() }, version)
  return {
    forward,
    topicAliasMaximum,
    brokerMaxPacketBytes,
    keepAliveSeconds: numbers.get(PROPERTY.serverKeepAlive) ?? null,
  }
}
