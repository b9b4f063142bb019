/**
 * How the edge of a log travels, whatever its size, so that nobody ever mixes two of them.
 *
 *     lockgate/<gateway>/log/edge                     retained: the gzipped edge; if that is over 128 KiB, where it lies:
 *                                                     {"format":2,"edge":"<32 hex>","parts":3}
 *     lockgate/<gateway>/log/edge/<32 hex>/part/<n>   retained: its parts, each with their number before it (`topics.ts`)
 *
 * The 32 hex are the first half of the SHA-256 of the gzipped edge: parts of one edge lie beside those of another and never over
 * them. The writer lets the broker acknowledge all parts, then says where they lie, then clears those of the edge before.
 */
import { InputError } from "../base/errors.ts"
import { MAX_EDGE_BYTES } from "./edge-message.ts"
import type { Sha256 } from "./tlog/hash.ts"
import { gatewayTopic, joinParts, PART_BYTES, partsOf, type PieceMessage } from "./topics.ts"

const PLACE = /^\{"format":2,"edge":"([0-9a-f]{32})","parts":([1-9][0-9]{0,2})\}$/
const MAX_PLACE_BYTES = 80
/** Edges of which parts are kept: the one before, this one, and the one that is coming. */
const MAX_KEPT = 3
const OPEN_BRACE = 0x7b

/** The messages that carry an edge. */
export interface EdgeMessages {
  /** To be acknowledged before `head` goes out; none if that holds all. */
  readonly parts: readonly PieceMessage[]
  readonly head: PieceMessage
}

/** A gzipped edge as the messages that carry it, each of at most `maxBytes`. @throws InputError `ERR_LOG_PARTS` if there would be more than 255 */
export function edgeMessages(
  sha256: Sha256,
  gateway: string,
  packed: Uint8Array,
  maxBytes: number = PART_BYTES,
): EdgeMessages {
  const topic = gatewayTopic(gateway, "log/edge")
  if (packed.length <= maxBytes) return { parts: [], head: { topic, payload: packed } }
  const edge = edgeName(sha256, packed)
  const parts = partsOf(`${topic}/${edge}`, packed, maxBytes)
  const place = JSON.stringify({ format: 2, edge, parts: parts.length })
  return { parts, head: { topic, payload: new TextEncoder().encode(place) } }
}

/** The filters that ask for an edge, whole or in parts. */
export function edgeFilters(gateway: string): readonly string[] {
  const topic = gatewayTopic(gateway, "log/edge")
  return [topic, `${topic}/+/part/+`]
}

/** Of which edge the part at `topic` is; null if that is no place of one. Never throws. */
export function edgePartAt(gateway: string, topic: string): { readonly edge: string; readonly part: number } | null {
  const root = `${gatewayTopic(gateway, "log/edge")}/`
  if (!topic.startsWith(root)) return null
  const [, edge, part] = /^([0-9a-f]{32})\/part\/(0|[1-9][0-9]{0,2})$/.exec(topic.slice(root.length)) ?? []
  return edge === undefined || Number(part) > 254 ? null : { edge, part: Number(part) }
}

/** Puts together what a broker shows of a gateway's edge. */
export interface EdgeInbox {
  /**
   * The gzipped edge, if this message makes it whole; empty if it was cleared; null while there is nothing new. Messages may come in
   * any order, and some twice. Only parts that make up the very edge that was named are put together.
   *
   * @throws InputError `ERR_EDGE` if what lies at `log/edge` is neither an edge nor says where one is; the next message is taken all the same
   */
  take(topic: string, payload: Uint8Array): Uint8Array | null
}

/** An inbox with nothing in it. It keeps parts of three edges, at most 1 MiB of each. */
export function createEdgeInbox(sha256: Sha256, gateway: string): EdgeInbox {
  const head = gatewayTopic(gateway, "log/edge")
  const kept = new Map<string, Map<number, Uint8Array>>()
  let wanted: { readonly edge: string; readonly count: number } | null = null

  /** The edge that is wanted, once all its parts are there; from then on it is not wanted any more. */
  function complete(): Uint8Array | null {
    const parts = wanted === null ? undefined : kept.get(wanted.edge)
    if (wanted === null || parts?.get(0)?.[0] !== wanted.count) return null
    const packed = joinParts(parts)
    if (packed === null || edgeName(sha256, packed) !== wanted.edge) return null
    wanted = null
    return packed
  }

  function keep(edge: string, part: number, payload: Uint8Array): void {
    const parts = kept.get(edge) ?? new Map<number, Uint8Array>()
    if (payload.length === 0) parts.delete(part)
    else parts.set(part, payload)
    kept.delete(edge)
    const bytes = [...parts.values()].reduce((sum, { length }) => sum + length, 0)
    if (parts.size > 0 && bytes <= MAX_EDGE_BYTES) kept.set(edge, parts)
    for (const old of kept.keys()) {
      if (kept.size <= MAX_KEPT) break
      if (old !== wanted?.edge) kept.delete(old)
    }
  }

  return {
    take(topic, payload) {
      if (topic !== head) {
        const at = edgePartAt(gateway, topic)
        if (at === null) return null
        keep(at.edge, at.part, payload)
        return at.edge === wanted?.edge ? complete() : null
      }
      wanted = null
      if (payload[0] !== OPEN_BRACE) return payload
      const text = payload.length > MAX_PLACE_BYTES ? "" : new TextDecoder().decode(payload)
      const [, edge, parts] = PLACE.exec(text) ?? []
      if (edge === undefined || Number(parts) < 2 || Number(parts) > 255)
        throw new InputError("ERR_EDGE", "not the edge of a log, nor where one lies")
      wanted = { edge, count: Number(parts) }
      return complete()
    },
  }
}

/** The name under which the parts of a gzipped edge lie. */
function edgeName(sha256: Sha256, packed: Uint8Array): string {
  return Array.from(sha256(packed).subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("")
}
