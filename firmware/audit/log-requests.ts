import { LockgateError } from "../../policy/base/errors.ts"
import { parseLogRequest } from "../../policy/audit/log-request.ts"
import { answerTopic, partsOf } from "../../policy/audit/topics.ts"
import { parsePiecePath } from "../../policy/audit/tlog/tile.ts"
import type { Clock } from "../../hal/clock.ts"
import { packPiece, pieceOrNull, type RetainedLog } from "./retained-log.ts"

/** Requests that may wait. */
const MAX_WAITING = 16
/** Answers a second, and how many may come at once. */
const RATE = 8
const BURST = 32

/** What answers stand on. */
export interface LogRequestsDeps {
  readonly gateway: string
  readonly log: Pick<RetainedLog, "piece">
  readonly clock: Clock
  readonly partBytes: number
  /** @throws HardwareError `ERR_LINK` */
  readonly publish: (topic: string, payload: Uint8Array) => Promise<void>
}

/** Answers readers who want what the broker no longer holds. */
export interface LogRequests {
  /** A request as it came; never throws, never waits. One beyond the rate, or that is none, is dropped without an answer. */
  take(payload: Uint8Array): void
}

/**
 * Pieces of the log by request: to the answer topic that the request names comes the piece as it would be retained, cut into
 * parts if it must be; an empty message if there is no such piece. One at a time, at most 8 a second.
 *
 * @see IEC 62443-4-2 CR 6.1
 */
export function createLogRequests(deps: LogRequestsDeps): LogRequests {
  const waiting: { readonly path: string; readonly nonce: string }[] = []
  let tokens = BURST
  let filledMs = deps.clock.monotonicMs()
  let isAnswering = false

  async function answer({ path, nonce }: { readonly path: string; readonly nonce: string }): Promise<void> {
    const topic = answerTopic(deps.gateway, nonce)
    const piece = parsePiecePath(path)
    const bytes = await pieceOrNull(deps.log, piece)
    const payload = bytes === null ? new Uint8Array() : await packPiece(piece, bytes)
    for (const part of partsOf(topic, payload, deps.partBytes)) await deps.publish(part.topic, part.payload)
  }

  async function answerAll(): Promise<void> {
    isAnswering = true
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await answer(next)
    } catch (error) {
      // The link or the disk: the reader asks again.
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      waiting.length = 0
    } finally {
      isAnswering = false
    }
  }

  return {
    take(payload) {
      const nowMs = deps.clock.monotonicMs()
      tokens = Math.min(BURST, tokens + ((nowMs - filledMs) / 1000) * RATE)
      filledMs = nowMs
      if (tokens < 1 || waiting.length >= MAX_WAITING) return
      const request = parseLogRequest(payload)
      if (request === null) return
      tokens--
      waiting.push(request)
      if (!isAnswering) void answerAll()
    },
  }
}
