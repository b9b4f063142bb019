import { parseAcknowledgement } from "./acknowledgement.ts"
import { OUTCOME, type Outcome, type PacketHandler } from "./boundary.ts"
import { parseDisconnect } from "./disconnect.ts"
import {
  AUTH,
  CONNECT,
  DISCONNECT,
  PINGREQ,
  PINGRESP_PACKET,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  SUBSCRIBE,
  UNSUBSCRIBE,
} from "./packet-type.ts"
import type { PacketScan } from "./packet-scan.ts"
import type { Direction } from "./judge.ts"
import type { PublishPath } from "./publish-path.ts"
import { Reader } from "./reader.ts"
import { CODE } from "./reason-code.ts"
import type { SessionContext } from "./session-context.ts"
import { checkUnsubscribe } from "./subscription-packets.ts"
import type { Subscriptions } from "./subscriptions.ts"

/** What the packets of one side are decided with. */
export interface ClientSide {
  readonly context: SessionContext
  readonly up: PublishPath
  readonly down: PublishPath
  readonly subscriptions: Subscriptions
  /** Check an AUTH, its body in [body, end); it passes. Let in by the scan only where policy lets it pass. */
  authenticate(direction: Direction, bytes: Uint8Array, body: number, end: number): Outcome
  /** Decide the CONNECT, its body in [body, end). */
  connect(bytes: Uint8Array, body: number, end: number, scan: PacketScan): Outcome
}

/** After a PINGREQ was passed on, so long no other one is. */
export const PING_BREATH_MS = 10

/** Decides the packets of a client. Types that a client must not send have been refused by the scan. */
export function clientHandler(side: ClientSide): PacketHandler {
  const { context, up, down, subscriptions } = side

  function disconnect(bytes: Uint8Array, body: number, end: number): Outcome {
    const code = parseDisconnect(bytes, body, end, context.version, "client")
    context.endAfter("client", code === CODE.success ? "disconnect" : `disconnect ${code}`)
    return OUTCOME.last
  }

  let pingedMs = -Infinity

  return {
    begin: () => up.run.begin(),
    passOver: (bytes, start, end) => up.passOver(bytes, start, end),
    publish: (bytes, start, end, scan, whole) => up.publish(bytes, start, end, scan, whole),
    control(bytes, start, end, scan) {
      const { type } = scan
      const body = start + scan.headerLength
      switch (type) {
        case PUBACK:
        case PUBREC:
        case PUBCOMP: {
          const ack = parseAcknowledgement(type, bytes, body, end, context.version)
          return down.acknowledge(type, ack) ? OUTCOME.pass : OUTCOME.drop
        }
        case PUBREL: {
          const ack = parseAcknowledgement(type, bytes, body, end, context.version)
          return up.release(ack) ? OUTCOME.pass : OUTCOME.drop
        }
        case SUBSCRIBE:
          return subscriptions.request(bytes, body, end)
        case UNSUBSCRIBE:
          checkUnsubscribe(bytes, body, end, context.version)
          return OUTCOME.pass
        case PINGREQ:
          new Reader(bytes, body, end).done()
          // Two bytes cost a broker a packet of its own: of those that come in one breath it gets one, and we answer the rest.
          if (context.nowMs - pingedMs < PING_BREATH_MS) {
            context.inject("down", PINGRESP_PACKET)
            return OUTCOME.drop
          }
          pingedMs = context.nowMs
          return OUTCOME.pass
        case DISCONNECT:
          return disconnect(bytes, body, end)
        case CONNECT:
          return side.connect(bytes, body, end, scan)
        case AUTH:
          return side.authenticate("up", bytes, body, end)
        default:
          return OUTCOME.stop
      }
    },
  }
}
