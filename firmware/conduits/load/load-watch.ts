import type { LoadLimits } from "../../config/load-limits.ts"
import { shedFor, stallAfter, totalBytes, type Stall } from "./memory-account.ts"

/** Between two looks at what connections hold. */
export const WATCH_MS = 250

/** A connection that was let in, as far as its load goes. */
export interface LoadedPeer {
  readonly essential: boolean
  /** Beyond what every connection costs: held packets, tables, what waits to be written to either side. */
  heldBytes(): number
  /** What waits for the peer to read it. */
  waitingBytes(): number
  /** End it. */
  shed(reason: Shed): void
}

/** Why a connection was ended for the sake of the others. */
export type Shed = "memory" | "queue" | "slow-reader" | "displaced"

/** A watch that runs. */
export interface LoadWatch {
  /** What all connections held at the last look. */
  heldBytes(): number
  stop(): void
}

/** What a load watch needs of the engine. */
export interface LoadWatchDeps {
  readonly limits: Pick<LoadLimits, "maxQueueBytes" | "slowReaderMs" | "maxMemoryBytes">
  /** Every connection now. */
  peers(): Iterable<LoadedPeer>
  readonly nowMs: () => number
  readonly after: (delayMs: number, action: () => void) => () => void
  sweep<T>(items: readonly T[], visit: (item: T) => void): void
}

interface Look {
  readonly peer: LoadedPeer
  readonly essential: boolean
  readonly heldBytes: number
}

/**
 * Looks at every connection four times a second, in slices, and ends those that cost the others too much. Between two looks
 * connections can grow by what the network brings in that time, no more; nothing is counted on the way of a message.
 *
 * @see IEC 62443-4-2 CR 7.1, CR 7.2
 */
export function startLoadWatch(deps: LoadWatchDeps): LoadWatch {
  const { limits } = deps
  // Only those for whom something waits: of a thousand connections most are silent, and looking at one must cost next to nothing.
  let stalls = new Map<LoadedPeer, Stall>()
  let looks: Look[] = []
  let heldBytes = 0
  let cancel = deps.after(WATCH_MS, tick)

  function tick(): void {
    heldBytes = totalBytes(looks)
    for (const { peer } of shedFor(looks, limits.maxMemoryBytes)) peer.shed("memory")
    looks = []
    const [now, before] = [looks, stalls]
    stalls = new Map()
    deps.sweep([...deps.peers()], (peer) => visit(peer, now, before))
    cancel = deps.after(WATCH_MS, tick)
  }

  function visit(peer: LoadedPeer, into: Look[], before: ReadonlyMap<LoadedPeer, Stall>): void {
    const waitingBytes = peer.waitingBytes()
    if (waitingBytes > limits.maxQueueBytes) return peer.shed("queue")
    if (waitingBytes > 0) {
      const nowMs = deps.nowMs()
      const stall = stallAfter(before.get(peer) ?? { waitingBytes: 0, sinceMs: nowMs }, waitingBytes, nowMs)
      stalls.set(peer, stall)
      if (nowMs - stall.sinceMs > limits.slowReaderMs) return peer.shed("slow-reader")
    }
    into.push({ peer, essential: peer.essential, heldBytes: peer.heldBytes() })
  }

  return { heldBytes: () => heldBytes, stop: () => cancel() }
}
