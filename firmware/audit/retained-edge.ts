import type { Edge } from "../../policy/audit/edge-message.ts"
import { edgeMessages } from "../../policy/audit/edge-parts.ts"
import type { PieceMessage } from "../../policy/audit/topics.ts"
import { nodeSha256 } from "./note-functions.ts"
import { packEdge } from "./retained-log.ts"
import type { RetainedWatch } from "./retained-watch.ts"

/** What the keeping of the edge stands on. */
export interface RetainedEdgeDeps {
  readonly gateway: string
  readonly partBytes: number
  readonly watch: Pick<RetainedWatch, "edgeSent" | "edgeStands">
  /** @throws HardwareError `ERR_LINK` */
  readonly send: (message: PieceMessage) => Promise<void>
}

/** The edge as it stands at the broker. */
export interface RetainedEdge {
  /** The one that the broker acknowledged last. */
  readonly edge: Edge | null
  /** Retain this one: its parts, then where they lie, then the parts of the one before are cleared. @throws HardwareError `ERR_LINK` */
  put(next: Edge): Promise<void>
}

/** Keeps one edge retained: a reader finds at any moment a whole one, the one before or this one. @see IEC 62443-4-2 CR 6.1 */
export function createRetainedEdge({ gateway, partBytes, watch, send }: RetainedEdgeDeps): RetainedEdge {
  let edge: Edge | null = null
  let standing = new Set<string>()
  return {
    get edge() {
      return edge
    },
    async put(next) {
      // The oldest may have left beyond what this checkpoint covers: the next edge will fit.
      if (next.first > sizeOf(next)) return
      const messages = edgeMessages(nodeSha256, gateway, await packEdge(next), partBytes)
      watch.edgeSent(messages)
      await Promise.all(messages.parts.map(send))
      await send(messages.head)
      edge = next
      const now = new Set(messages.parts.map(({ topic }) => topic))
      const gone = [...standing].filter((topic) => !now.has(topic))
      standing = now
      watch.edgeStands()
      await Promise.all(gone.map((topic) => send({ topic, payload: new Uint8Array() })))
    },
  }
}

/** How many entries an edge covers. */
export function sizeOf({ checkpoint }: Pick<Edge, "checkpoint">): number {
  return Number(checkpoint.split("\n")[1])
}
