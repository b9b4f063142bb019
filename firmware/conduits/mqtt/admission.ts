import type { AliasMemory } from "../../../policy/filter/payload/alias-memory.ts"
import { isAllowed, type Verdict } from "../../../policy/filter/verdict.ts"
import { Authentication, propertyText } from "./authentication.ts"
import { assignClientId, mayUseClientId } from "./client-id.ts"
import { refuseConnect } from "./connack.ts"
import { type ConnectPacket, encodeConnect } from "./connect.ts"
import type { Judge, SessionDeps } from "./judge.ts"
import { CONNECT, type Version } from "./packet-type.ts"
import { numericProperties, PROPERTY, withoutProperties } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"
import { CODE, publishRefusal, RETURN_CODE } from "./reason-code.ts"
import { copyOf } from "./reader.ts"

/** The will that the broker holds, as it must be judged again under every new policy. */
export interface WillInForce {
  readonly topic: Uint8Array
  /** Low nibble of the PUBLISH it would become. */
  readonly flags: number
  /** Kept because a later policy may look into it. */
  readonly payload: Uint8Array
}

/** A CONNECT that is let in: what goes to the broker, and what the session keeps. */
export interface Accepted {
  readonly kind: "accepted"
  readonly version: Version
  readonly clientId: string
  /** True if the client left the id to us. */
  readonly assigned: boolean
  readonly judge: Judge
  readonly will: WillInForce | null
  /** What was said of the will; of no meaning without one. */
  readonly willVerdict: Verdict
  /** What the client authenticates itself with at the broker, where policy lets that pass. */
  readonly authentication: Authentication | null
  readonly keepAliveSeconds: number
  /** Highest alias the broker may use towards the client. */
  readonly topicAliasMaximum: number
  /** What the client said it takes; Infinity if nothing. */
  readonly clientMaxPacketBytes: number
  /** The CONNECT for the broker. */
  readonly forward: Uint8Array
}

/** A CONNECT that is not: what the client is answered, and why. */
export interface Refused {
  readonly kind: "refused"
  /** The CONNACK for the client. */
  readonly answer: Uint8Array
  readonly detail: string
  /** Set if it was for the will. */
  readonly deniedWill: { readonly verdict: Verdict; readonly topic: Uint8Array } | null
}

/**
 * Decide a CONNECT: who the client may be, whether its will may be published, and what the broker is told instead.
 *
 * @throws ERR_MQTT_PROPERTY for authentication data without a method.
 * @see MQTT 5.0 sections 3.1.2.11, 3.1.3.1 and 4.12
 */
export function admitConnect(
  packet: ConnectPacket,
  deps: SessionDeps,
  metricAliases: AliasMemory,
  nowMs: number,
): Accepted | Refused {
  const { version } = packet
  const numbers = numericProperties(CONNECT, packet.properties)
  const asksForAuth = numbers.has(PROPERTY.authenticationMethod)
  // The broker's half of an authentication is data of any kind, so none of it where data only leaves.
  if (asksForAuth && (deps.conduit.enhancedAuth === "refuse" || deps.conduit.direction === "out")) {
    return refusal(CODE.badAuthenticationMethod, version, "ERR_MQTT_AUTHENTICATION_METHOD")
  }
  if (!asksForAuth && numbers.has(PROPERTY.authenticationData)) {
    throw mqttError("ERR_MQTT_PROPERTY", "a CONNECT bears authentication data without a method")
  }

  const assigned = packet.clientId.length === 0
  const clientId = assigned
    ? assignClientId(deps.clientIdPattern, deps.subject, deps.randomSuffix())
    : new TextDecoder("utf-8", { ignoreBOM: true }).decode(packet.clientId)
  // 3.1.1 lets a client without an id have no session that outlives the connection (MQTT-3.1.3-8).
  const sessionless = !assigned || version === 5 || packet.cleanStart
  if (!sessionless || !mayUseClientId(clientId, deps.clientIdPattern, deps.subject)) {
    const code = version === 5 ? CODE.clientIdentifierInvalid : RETURN_CODE.identifierRejected
    return refusal(code, version, "ERR_MQTT_CLIENT_ID")
  }

  const judge = deps.admit({ version, clientId, metricAliases, authenticates: asksForAuth })
  const will = willInForce(packet)
  const verdict = will === null ? 0 : judgeWill(judge, will, nowMs)
  if (will !== null && deps.tap?.on === true) {
    deps.tap.judged("publish", verdict, will.topic, 0, will.topic.length, will.flags, will.payload.length, true)
  }
  if (will !== null && !isAllowed(verdict)) {
    const code = version === 5 ? publishRefusal(verdict) : RETURN_CODE.notAuthorized
    return { ...refusal(code, version, "ERR_MQTT_WILL_DENIED"), deniedWill: { verdict, topic: will.topic } }
  }

  const method = propertyText(CONNECT, packet.properties, PROPERTY.authenticationMethod)
  const clientMaxPacketBytes = numbers.get(PROPERTY.maximumPacketSize) ?? Infinity
  const { maxPacketBytes, maxTopicAliases } = deps.limits
  const topicAliasMaximum = Math.min(numbers.get(PROPERTY.topicAliasMaximum) ?? 0, maxTopicAliases)
  const toBroker: ConnectPacket = {
    ...packet,
    clientId: new TextEncoder().encode(clientId),
    properties:
      version === 5
        ? clampProperties(packet.properties, Math.min(clientMaxPacketBytes, maxPacketBytes), topicAliasMaximum)
        : packet.properties,
    userName: deps.conduit.upstreamIdentity === "subject" ? new TextEncoder().encode(deps.subject) : null,
    password: null,
  }
  return {
    kind: "accepted",
    version,
    clientId,
    assigned,
    judge,
    will,
    willVerdict: verdict,
    authentication: method === null ? null : new Authentication(method),
    keepAliveSeconds: packet.keepAliveSeconds,
    topicAliasMaximum,
    clientMaxPacketBytes,
    forward: encodeConnect(toBroker),
  }
}

/** A will is judged as the PUBLISH that it would become. */
export function judgeWill(judge: Judge, will: WillInForce, nowMs: number): Verdict {
  const { topic, flags, payload } = will
  return judge.topic("up", topic, 0, topic.length, flags, payload.length, nowMs, payload, 0)
}

/** The CONNACK for a version that is not spoken here. @see MQTT 3.1.1 section 3.1.2.2, MQTT 5.0 section 3.1.2.2 */
export function refuseVersion(level: number): Uint8Array {
  return level > 5 ? refuseConnect(CODE.unsupportedVersion, 5) : refuseConnect(RETURN_CODE.unacceptableVersion, 4)
}

function willInForce(packet: ConnectPacket): WillInForce | null {
  const { will } = packet
  if (will === null) return null
  return {
    topic: copyOf(will.topic),
    flags: (will.qos << 1) | (will.retain ? 1 : 0),
    payload: copyOf(will.payload),
  }
}

function clampProperties(properties: Uint8Array, maximumPacketSize: number, topicAliasMaximum: number): Uint8Array {
  const replaced = [PROPERTY.maximumPacketSize, PROPERTY.topicAliasMaximum]
  const list = withoutProperties(CONNECT, properties, replaced)
  list.u8(PROPERTY.maximumPacketSize).u32(maximumPacketSize)
  if (topicAliasMaximum > 0) list.u8(PROPERTY.topicAliasMaximum).u16(topicAliasMaximum)
  return list.body()
}

function refusal(code: number, version: Version, detail: string): Refused {
  return { kind: "refused", answer: refuseConnect(code, version), detail, deniedWill: null }
}
