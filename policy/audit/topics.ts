/**
 * The topics a gateway itself speaks on, and how a piece of its log travels under them.
 *
 *     lockgate/<gateway>/online              retained: `online`, or by will `offline`
 *     lockgate/<gateway>/audit/live          each entry as it is written, a line
 *     lockgate/<gateway>/heartbeat           the signed sign of life
 *     lockgate/<gateway>/alarm/<id>          retained: an alarm as JSON, until it is acknowledged
 *     lockgate/<gateway>/log/edge            retained: checkpoint and what no full tile or bundle holds yet
 *     lockgate/<gateway>/log/edge/...        retained: parts of a large edge (`edge-parts.ts`)
 *     lockgate/<gateway>/log/handover/<size> retained: a change of the log's key, as a proof file
 *     lockgate/<gateway>/log/tile/...        retained: full tiles, raw; full bundles, gzipped
 *     lockgate/<gateway>/log/request         what a reader asks for that the broker no longer holds
 *     lockgate/<gateway>/log/answer/<nonce>  and where it gets that
 *     lockgate/<gateway>/command/request     a person's signed command, or what begins one
 *     lockgate/<gateway>/command/answer/<account>/<id>  its answer, signed by the log's key
 *
 * A piece over 128 KiB, or over what the broker takes, is cut; each part says how many there are:
 *
 *     <topic>/part/<n>     n = 0, 1, ..
 *      0       1
 *      +-------+------ - - -+
 *      | parts | bytes      |       parts: 2..255
 *      +-------+------ - - -+
 */
import { InputError } from "../base/errors.ts"
import { parsePiecePath } from "./tlog/tile.ts"

/** Topics below `lockgate/<gateway>/` of which there is one; the rest of `lockgate/` is not the gateway's own. */
export type GatewayTopic =
  | "audit/live"
  | "online"
  | "heartbeat"
  | "log/edge"
  | "log/"
  | "log/handover/"
  | `log/handover/${number}`
  | "log/request"
  | "command/request"
  | `command/answer/${string}`
  | `alarm/${string}`

/** A payload of more bytes is cut into parts. */
export const PART_BYTES = 128 * 1024
const MAX_PARTS = 255
/** A nonce names one answer: nobody can guess it who may not read the request. */
const NONCE = /^[A-Za-z0-9_-]{16,64}$/

/** `lockgate/<gateway>/<topic>`. No policy rule opens anything under `lockgate/` to a conduit's subject. */
export function gatewayTopic(gateway: string, topic: GatewayTopic): string {
  return `lockgate/${gateway}/${topic}`
}

/** The client id under which the gateway itself connects; conduits refuse it to everybody else. */
export function gatewayClientId(gateway: string): string {
  return `lockgate-${gateway}`
}

/** Where a tile or bundle is retained, by its tlog-tiles path. */
export function pieceTopic(gateway: string, path: string): string {
  return `lockgate/${gateway}/log/${path}`
}

/** Where the answer to a request with this nonce comes. @throws InputError `ERR_LOG_NONCE` */
export function answerTopic(gateway: string, nonce: string): string {
  if (!NONCE.test(nonce)) throw new InputError("ERR_LOG_NONCE", "a nonce is 16 to 64 of A-Z a-z 0-9 _ -")
  return `lockgate/${gateway}/log/answer/${nonce}`
}

/** The piece that a retained topic of this gateway's log is of; `part` is null if it holds the whole of it. */
export interface PieceAt {
  readonly path: string
  readonly part: number | null
}

/** What lies at `topic`; null if that is no place of a full tile or bundle of this gateway's log. Never throws. */
export function pieceAt(gateway: string, topic: string): PieceAt | null {
  const root = pieceTopic(gateway, "")
  if (!topic.startsWith(root) || topic.length > root.length + 80) return null
  const [path = "", part, ...more] = topic.slice(root.length).split("/part/")
  if (more.length > 0 || (part !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(part))) return null
  const number = part === undefined ? null : Number(part)
  return isFullPiece(path) && (number === null || number < MAX_PARTS) ? { path, part: number } : null
}

/** One message as it is published. */
export interface PieceMessage {
  readonly topic: string
  readonly payload: Uint8Array
}

/**
 * `payload` as the messages that carry it to `topic`: one, or parts of at most `maxBytes` each.
 *
 * @throws InputError `ERR_LOG_PARTS` if there would be more than 255
 */
export function partsOf(topic: string, payload: Uint8Array, maxBytes: number = PART_BYTES): readonly PieceMessage[] {
  if (payload.length <= maxBytes) return [{ topic, payload }]
  const span = maxBytes - 1
  const count = span < 1 ? Infinity : Math.ceil(payload.length / span)
  if (count > MAX_PARTS)
    throw new InputError("ERR_LOG_PARTS", `${payload.length} bytes in messages of at most ${maxBytes}`)
  return Array.from({ length: count }, (_, n) => {
    const bytes = payload.subarray(n * span, (n + 1) * span)
    const part = new Uint8Array(1 + bytes.length)
    part[0] = count
    part.set(bytes, 1)
    return { topic: `${topic}/part/${n}`, payload: part }
  })
}

/** The payload again, from parts by their number; null while parts are missing or do not belong together. Never throws. */
export function joinParts(parts: ReadonlyMap<number, Uint8Array>): Uint8Array | null {
  const count = parts.get(0)?.[0] ?? 0
  if (count < 2) return null
  const found: Uint8Array[] = []
  for (let n = 0; n < count; n++) {
    const part = parts.get(n)
    if (part === undefined || part[0] !== count || part.length < 2) return null
    found.push(part.subarray(1))
  }
  const payload = new Uint8Array(found.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of found) {
    payload.set(part, at)
    at += part.length
  }
  return payload
}

function isFullPiece(path: string): boolean {
  try {
    return parsePiecePath(path).width === 256
  } catch (error) {
    if (error instanceof InputError) return false
    throw error
  }
}
