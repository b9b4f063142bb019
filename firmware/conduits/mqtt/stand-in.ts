import { Duplex } from "node:stream"
import type { Socket } from "node:net"
import type { Limits } from "../../config/gateway-config.ts"
import type { Dialled } from "../../tls/dial.ts"
import { BufferBroker, type Storable, type StoreOutcome } from "./buffer-broker.ts"
import { PacketScan } from "./packet-scan.ts"

/** What a stand-in needs. */
export interface StandInDeps {
  readonly limits: Limits
  readonly store: (message: Storable, settled: (outcome: StoreOutcome) => void) => void
  readonly dropped: () => void
  readonly after: (delayMs: number, action: () => void) => () => void
  /** It is over. */
  readonly ended: () => void
}

/** A broker of necessity in the place of a dialled one. */
export interface StandIn {
  readonly dialled: Dialled
  /** The true broker can be had again. */
  leave(): void
}

/** A buffer broker behind something that reads and writes as an upstream socket does. */
export function openStandIn(deps: StandInDeps): StandIn {
  let goOn: (() => void) | null = null
  const duplex = new Duplex({
    allowHalfOpen: false,
    read: () => undefined,
    write(chunk: Uint8Array, _encoding, done) {
      broker.feed(chunk)
      if (broker.isFull) goOn = () => done()
      else done()
    },
    destroy(_error, done) {
      broker.ended()
      deps.ended()
      done(null)
    },
  })
  const broker = new BufferBroker(
    {
      reply: (bytes) => void duplex.push(bytes),
      store: deps.store,
      dropped: deps.dropped,
      close: () => void duplex.push(null),
      readable: () => {
        const next = goOn
        goOn = null
        next?.()
      },
      after: deps.after,
    },
    (accepted) => new PacketScan(accepted, true, deps.limits),
  )
  // What a connection asks of a socket, a duplex has: it is written, read, paused, ended, destroyed.
  const socket = duplex as unknown as Socket
  return { dialled: { socket, trusted: Promise.resolve(), path: () => [] }, leave: () => broker.leave() }
}
