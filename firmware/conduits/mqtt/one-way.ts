/**
 * A conduit with `direction: out`: application data can only leave. That nothing is delivered and nothing subscribed is the
 * filter's doing, whose tables for that are empty; here everything else that could carry data inwards is closed: texts
 * beside codes, answers to nothing, and lists of any length.
 *
 * What is left to a broker is which code, of a few, it answers a message with, and when.
 *
 * @see IEC 62443-4-2 NDR 5.2
 */
import { acknowledgedId, encodeAcknowledgement, parseAcknowledgement } from "./acknowledgement.ts"
import { OUTCOME, type Outcome, type PacketHandler } from "./boundary.ts"
import { encodeDisconnect, parseDisconnect } from "./disconnect.ts"
import type { BrokerSide } from "./from-broker.ts"
import type { ClientSide } from "./from-client.ts"
import { ID_STATE } from "./packet-ids.ts"
import { DISCONNECT, PINGRESP, PINGRESP_PACKET, PUBACK, PUBCOMP, PUBREC, PUBREL } from "./packet-type.ts"
import { SUBACK, UNSUBACK, UNSUBSCRIBE } from "./packet-type.ts"
import { CODE } from "./reason-code.ts"
import { checkUnsubscribe, encodeUnsuback, parseSubscriptionAnswer } from "./subscription-packets.ts"

/** `usual` where data only leaves: of a broker's packets nothing passes but codes, and those in our own encoding. */
export function outwardBroker(side: BrokerSide, usual: PacketHandler): PacketHandler {
  const { context, up, down } = side

  /** An acknowledgement of something that the client is waiting for; any other one has a number to tell. */
  function acknowledgement(type: number, bytes: Uint8Array, start: number, body: number, end: number): Outcome {
    const { version } = context
    const ack = parseAcknowledgement(type, bytes, body, end, version)
    const isAwaited = up.ids.get(acknowledgedId(ack)) === ID_STATE.forwarded
    if (!up.acknowledge(type, ack) || !isAwaited) return OUTCOME.drop
    const bare = encodeAcknowledgement(type, acknowledgedId(ack), ack >>> 16, version)
    if (bare.length === end - start) return OUTCOME.pass
    context.replace("down", bare)
    return OUTCOME.replaced
  }

  function disconnect(bytes: Uint8Array, body: number, end: number): Outcome {
    const code = parseDisconnect(bytes, body, end, context.version, "broker")
    context.endAfter("broker", `disconnect ${code}`)
    context.replace("down", encodeDisconnect(code, context.version))
    return OUTCOME.stop
  }

  return {
    ...usual,
    control(bytes, start, end, scan) {
      const { type } = scan
      const body = start + scan.headerLength
      switch (type) {
        case PUBACK:
        case PUBREC:
        case PUBCOMP:
          return acknowledgement(type, bytes, start, body, end)
        case PUBREL: {
          const ack = parseAcknowledgement(type, bytes, body, end, context.version)
          if (!down.release(ack)) return OUTCOME.drop
          // Of a delivery before this connection: nobody here has it.
          const code = CODE.packetIdentifierNotFound
          context.inject("up", encodeAcknowledgement(PUBCOMP, acknowledgedId(ack), code, context.version))
          return OUTCOME.drop
        }
        case SUBACK:
        case UNSUBACK:
          // No SUBSCRIBE went there, and an UNSUBSCRIBE has been answered.
          parseSubscriptionAnswer(type, bytes, body, end, context.version)
          return OUTCOME.drop
        case PINGRESP: {
          const outcome = usual.control(bytes, start, end, scan)
          if (outcome !== OUTCOME.pass || end - start === PINGRESP_PACKET.length) return outcome
          context.replace("down", PINGRESP_PACKET)
          return OUTCOME.replaced
        }
        case DISCONNECT:
          return disconnect(bytes, body, end)
        default:
          return usual.control(bytes, start, end, scan)
      }
    },
  }
}

/** `usual` where data only leaves: what the client says goes out, and what it waits for in return is noted or answered here. */
export function outwardClient(side: ClientSide, usual: PacketHandler): PacketHandler {
  const { context, up } = side
  return {
    ...usual,
    control(bytes, start, end, scan) {
      const outcome = usual.control(bytes, start, end, scan)
      const body = start + scan.headerLength
      if (outcome !== OUTCOME.pass) return outcome
      if (scan.type === UNSUBSCRIBE) {
        const { packetId, count } = checkUnsubscribe(bytes, body, end, context.version)
        context.inject("down", encodeUnsuback(packetId, count, context.version))
      } else if (scan.type === PUBREL) {
        // Of a flow before this connection its PUBCOMP is awaited.
        const ack = parseAcknowledgement(PUBREL, bytes, body, end, context.version)
        up.ids.set(acknowledgedId(ack), ID_STATE.forwarded)
      }
      return outcome
    },
  }
}
