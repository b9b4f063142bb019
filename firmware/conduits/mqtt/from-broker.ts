import { parseAcknowledgement } from "./acknowledgement.ts"
import { OUTCOME, type Outcome, type PacketHandler } from "./boundary.ts"
import { parseDisconnect } from "./disconnect.ts"
import type { KeepAlive } from "./keep-alive.ts"
import {
  AUTH,
  CONNACK,
  DISCONNECT,
  PINGRESP,
  PINGRESP_PACKET,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  SUBACK,
  UNSUBACK,
} from "./packet-type.ts"
import type { Direction } from "./judge.ts"
import type { PublishPath } from "./publish-path.ts"
import { Reader } from "./reader.ts"
import type { SessionContext } from "./session-context.ts"
import { parseSubscriptionAnswer } from "./subscription-packets.ts"
import type { Subscriptions } from "./subscriptions.ts"

/** What the packets of one side are decided with. */
export interface BrokerSide {
  readonly context: SessionContext
  readonly up: PublishPath
  readonly down: PublishPath
  readonly subscriptions: Subscriptions
  /** Check an AUTH, its body in [body, end); it passes. Let in by the scan only where policy lets it pass. */
  authenticate(direction: Direction, bytes: Uint8Array, body: number, end: number): Outcome
  readonly keepAlive: KeepAlive
  /** Deal with the CONNACK, its body in [body, end). */
  connack(bytes: Uint8Array, body: number, end: number): Outcome
}

/** Decides the packets of a broker. Types that a broker must not send have been refused by the scan. */
export function brokerHandler(side: BrokerSide): PacketHandler {
  const { context, up, down, subscriptions, keepAlive } = side

  function disconnect(bytes: Uint8Array, body: number, end: number): Outcome {
    const code = parseDisconnect(bytes, body, end, context.version, "broker")
    context.endAfter("broker", `disconnect ${code}`)
    return OUTCOME.last
  }

  return {
    begin: () => down.run.begin(),
    passOver: (bytes, start, end) => down.passOver(bytes, start, end),
    publish: (bytes, start, end, scan, whole) => down.publish(bytes, start, end, scan, whole),
    control(bytes, start, end, scan) {
      const { type } = scan
      const body = start + scan.headerLength
      switch (type) {
        case PUBACK:
        case PUBREC:
        case PUBCOMP: {
          const ack = parseAcknowledgement(type, bytes, body, end, context.version)
          return up.acknowledge(type, ack) ? OUTCOME.pass : OUTCOME.drop
        }
        case PUBREL: {
          const ack = parseAcknowledgement(type, bytes, body, end, context.version)
          return down.release(ack) ? OUTCOME.pass : OUTCOME.drop
        }
        case SUBACK:
          return subscriptions.answer(bytes, body, end)
        case UNSUBACK:
          parseSubscriptionAnswer(type, bytes, body, end, context.version)
          return OUTCOME.pass
        case PINGRESP: {
          new Reader(bytes, body, end).done()
          const owed = keepAlive.answered()
          if (owed > 1)
            context.inject(
              "down",
              new Uint8Array((owed - 1) * 2).map((_, k) => PINGRESP_PACKET[k % 2] ?? 0),
            )
          return owed === 0 ? OUTCOME.drop : OUTCOME.pass
        }
        case DISCONNECT:
          return disconnect(bytes, body, end)
        case CONNACK:
          return side.connack(bytes, body, end)
        case AUTH:
          return side.authenticate("down", bytes, body, end)
        default:
          return OUTCOME.stop
      }
    },
  }
}
