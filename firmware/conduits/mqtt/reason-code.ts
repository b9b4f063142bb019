import { REASON, reasonOf, type Verdict } from "../../../policy/filter/verdict.ts"
import { mqttError } from "./protocol-error.ts"
import {
  AUTH,
  CONNACK,
  DISCONNECT,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  SUBACK,
  UNSUBACK,
  type Version,
} from "./packet-type.ts"

/** The reason codes that this gateway says itself. @see MQTT 5.0 section 2.4 */
export const CODE = {
  success: 0x00,
  disconnectWithWill: 0x04,
  continueAuthentication: 0x18,
  reAuthenticate: 0x19,
  noSubscriptionExisted: 0x11,
  unspecified: 0x80,
  implementationSpecific: 0x83,
  unsupportedVersion: 0x84,
  clientIdentifierInvalid: 0x85,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  badAuthenticationMethod: 0x8c,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdentifierNotFound: 0x92,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  sharedNotSupported: 0x9e,
} as const

/** Return codes of a 3.1.1 CONNACK and the one failure code of its SUBACK. @see MQTT 3.1.1 sections 3.2.2.3, 3.9.3 */
export const RETURN_CODE = {
  unacceptableVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  notAuthorized: 5,
  subscribeFailure: 0x80,
} as const

type Sender = "client" | "broker"

const PUBLISHED = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
const RELEASED = [0x00, 0x92]
const LEFT = [0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]
const SENT_AWAY = [0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2]
const FIRST_ANSWER = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
  0x9c, 0x9d, 0x9f,
]

const IN_5: Readonly<Record<number, readonly number[]>> = {
  [CONNACK]: FIRST_ANSWER,
  [PUBACK]: PUBLISHED,
  [PUBREC]: PUBLISHED,
  [PUBREL]: RELEASED,
  [PUBCOMP]: RELEASED,
  [SUBACK]: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  [UNSUBACK]: [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
}
const IN_4: Readonly<Record<number, readonly number[]>> = {
  [CONNACK]: [0, 1, 2, 3, 4, 5],
  [SUBACK]: [0x00, 0x01, 0x02, 0x80],
}

/**
 * Check that `code` may stand in a packet of this type, version and sender.
 *
 * @throws ERR_MQTT_REASON_CODE
 * @see MQTT 5.0 section 2.4 table 2-6, 3.14.2.1, 3.15.2.1; MQTT 3.1.1 sections 3.2.2.3, 3.9.3
 */
export function checkReasonCode(type: number, code: number, version: Version, sender: Sender): void {
  const allowed =
    type === DISCONNECT
      ? LEFT.includes(code) || (sender === "client" ? code === CODE.disconnectWithWill : SENT_AWAY.includes(code))
      : type === AUTH
        ? code === CODE.continueAuthentication || code === (sender === "client" ? CODE.reAuthenticate : CODE.success)
        : (version === 5 ? IN_5 : IN_4)[type]?.includes(code)
  if (allowed !== true) {
    throw mqttError("ERR_MQTT_REASON_CODE", "a reason code must not stand in this packet", { type, reason: code })
  }
}

/**
 * The code of a PUBACK or PUBREC (or of the CONNACK that refuses a will) for a denied message in MQTT 5.
 *
 * "Packet too large" must not stand in a PUBACK, so a payload beyond its rule's limit exceeds a quota, as a rate does.
 *
 * @see MQTT 5.0 sections 3.4.2.1, 3.5.2.1
 */
export function publishRefusal(verdict: Verdict): number {
  switch (reasonOf(verdict)) {
    case REASON["payload-size"]:
    case REASON.rate:
      return CODE.quotaExceeded
    case REASON["bad-topic"]:
      return CODE.topicNameInvalid
    case REASON["payload-form"]:
      return CODE.payloadFormatInvalid
    case REASON["too-complex"]:
      return CODE.implementationSpecific
    default:
      return CODE.notAuthorized
  }
}

/** The code in a SUBACK for a denied filter. @see MQTT 5.0 section 3.9.3, MQTT 3.1.1 section 3.9.3 */
export function subscribeRefusal(verdict: Verdict, version: Version): number {
  if (version === 4) return RETURN_CODE.subscribeFailure
  switch (reasonOf(verdict)) {
    case REASON["shared-subscription"]:
      return CODE.sharedNotSupported
    case REASON["bad-topic"]:
      return CODE.topicFilterInvalid
    case REASON.rate:
      return CODE.quotaExceeded
    case REASON["too-complex"]:
      return CODE.implementationSpecific
    default:
      return CODE.notAuthorized
  }
}
