import { parseAcknowledgement } from "./acknowledgement.ts"
import { OUTCOME, type Outcome, type PacketHandler } from "./boundary.ts"
import { parseDisconnect } from "./disconnect.ts"
import type { KeepAlive } from "./keep-alive.ts"
import {
  AUTH,
  CONNECT,
  DISCONNECT,
  PINGREQ,
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
  readonly keepAlive: KeepAlive
  /** Check an AUTH, its body in [body, end); it passes. Let in by the scan only where policy lets it pass. */
  authenticate(direction: Direction, bytes: Uint8Array, body: number, end: number): Outcome
  /** Decide the CONNECT, its body in [body, end). */
  connect(bytes: Uint8Array, body: number, end: number, scan: PacketScan): Outcome
}

/** Decides the packets of a client. Types that a client must not send have been refused by the scan. */
export function clientHandler(side: ClientSide): PacketHandler {
  const { context, up, down, subscriptions, keepAlive } = side

  function disconnect(bytes: Uint8Array, body: number, end: number): Outcome {
    const code = parseDisconnect(bytes, body, end, context.version, "client")
    context.endAfter("client", code === CODE.success ? "disconnect" : `disconnect ${code}`)
    return OUTCOME.last
  }

  /** Whether the packet before was a PINGREQ. */
  let pinged = false

  return {
    begin: () => up.run.begin(),
    passOver(bytes, start, end) {
      const next = up.passOver(bytes, start, end)
      if (next > start) pinged = false
      return next
    },
    publish(bytes, start, end, scan, whole) {
      pinged = false
      return up.publish(bytes, start, end, scan, whole)
    },
    control(bytes, start, end, scan) {
      const { type } = scan
      const body = start + scan.headerLength
      const wasPing = pinged
      pinged = false
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
          pinged = true
          return keepAlive.asked(wasPing) ? OUTCOME.pass : OUTCOME.drop
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
