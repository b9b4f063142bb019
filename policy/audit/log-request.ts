/**
 * What a reader sends to `lockgate/<gateway>/log/request` for a piece that the broker no longer holds:
 *
 *     { "format": 1, "path": "tile/entries/000", "answer": "<nonce>" }
 *
 * The piece comes to `log/answer/<nonce>`. The reader makes the nonce and subscribes there before it asks; so it works on MQTT
 * 3.1.1 too, which has no response topic.
 */
import { InputError } from "../base/errors.ts"
import { answerTopic } from "./topics.ts"
import { parsePiecePath } from "./tlog/tile.ts"

const MAX_BYTES = 256

/** A piece of the log asked for, and the name of the answer. */
export interface LogRequest {
  readonly path: string
  readonly nonce: string
}

/** The request as bytes. @throws InputError `ERR_LOG_NONCE`, `ERR_TLOG_PATH` */
export function encodeLogRequest({ path, nonce }: LogRequest): Uint8Array {
  parsePiecePath(path)
  answerTopic("", nonce)
  return new TextEncoder().encode(JSON.stringify({ format: 1, path, answer: nonce }))
}

/** A request; null if the bytes are none. Never throws. */
export function parseLogRequest(bytes: Uint8Array): LogRequest | null {
  if (bytes.length > MAX_BYTES) return null
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Record<string, unknown> | null
    if (value === null || Object.keys(value).join() !== "format,path,answer" || value["format"] !== 1) return null
    const { path, answer } = value
    if (typeof path !== "string" || typeof answer !== "string") return null
    parsePiecePath(path)
    answerTopic("", answer)
    return { path, nonce: answer }
  } catch (error) {
    if (error instanceof InputError || error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}
