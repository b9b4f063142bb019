import { createHash } from "node:crypto"
import { LockgateError } from "../../policy/base/errors.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"
import type { CommandAnswer } from "../../policy/command/port.ts"
import { MAX_CHUNK_LENGTH } from "../../policy/command/transfer.ts"
import type { Clock } from "../../hal/clock.ts"
import type { ReplyTo } from "../audit/mqtt-link.ts"
import type { SignedDoor } from "./signed-door.ts"

/** What commands over MQTT stand on. */
export interface CommandMqttDeps {
  readonly door: Pick<SignedDoor, "gateway" | "take" | "nonce">
  readonly clock: Clock
  /** With the log's key that is in force: Ed25519, 64 bytes. */
  readonly sign: (text: string) => Promise<Uint8Array>
  /** QoS 1, not retained. @throws HardwareError `ERR_LINK` */
  readonly publish: (topic: string, payload: Uint8Array, correlation?: Uint8Array) => Promise<void>
  /** The largest answer that goes out. */
  readonly maxAnswerBytes?: () => number
}

/** Answers commands that come by a broker, which need not be trusted. */
export interface CommandMqtt {
  /** A request as it came; never throws, never waits. One beyond a rate, or that is none, is dropped without an answer. */
  take(payload: Uint8Array, reply?: ReplyTo): void
}

/** The type of a signed answer. */
export const ANSWER_TYPE = "lockgate-answer+jws"
/** A piece of a bundle, quoted and signed, fits; larger bundles come in pieces. */
export const MAX_MQTT_REQUEST_BYTES = 2 * MAX_CHUNK_LENGTH + 4_096
/** A broker drops, or ends the link for, what it finds too large: the log goes over the same link. */
export const MAX_MQTT_ANSWER_BYTES = 1024 * 1024
const MAX_WAITING = 16
const MAX_ANSWERED = 64
const MAX_ACCOUNTS = 256
const MAX_CORRELATION_BYTES = 256
/** Requests a second, and at once: of all, and for one account. */
const ALL = { rate: 8, burst: 32 }
const ONE = { rate: 4, burst: 16 }

/**
 * One request at a time, at most 8 a second, at most 4 of an account. The same bytes again, as QoS 1 or a broker may bring them, get the
 * same answer and are not executed again. Each answer bears the SHA-256 of its request and is signed by the log's key: an answer that
 * was forged, changed, or belongs to another request is noticed by who reads it.
 *
 *     lockgate/<gateway>/command/request                   {"nonce":"<account>","id":"<id>"} or {"signed":"<JWS>","id":"<id>"}
 *     lockgate/<gateway>/command/answer/<account>/<id>     JWS over {"gateway","id","request","answer"}
 *
 * A Response Topic of MQTT 5 is followed if it lies beneath `command/answer/`, with its Correlation Data; a request that names
 * another is none.
 *
 * @see IEC 62443-4-2 CR 1.1, CR 3.1 RE(1), CR 3.8, CR 7.1
 */
export function createCommandMqtt(deps: CommandMqttDeps): CommandMqtt {
  const { door } = deps
  const waiting: Request[] = []
  /** Answers by the SHA-256 of their request, the oldest first. */
  const answered = new Map<string, Uint8Array>()
  const all = bucketOf(deps.clock, ALL)
  const buckets = new Map<string, () => boolean>()
  let isAnswering = false

  function mayAsk(account: string): boolean {
    const bucket = buckets.get(account) ?? bucketOf(deps.clock, ONE)
    // Made newest again: whoever floods with names does not make the others forgotten first.
    buckets.delete(account)
    buckets.set(account, bucket)
    for (const oldest of buckets.keys()) if (buckets.size > MAX_ACCOUNTS) buckets.delete(oldest)
    return bucket() && all()
  }

  async function signed(request: Request, answer: CommandAnswer): Promise<Uint8Array> {
    const { gateway } = door
    const header = Buffer.from(JSON.stringify({ alg: "EdDSA", typ: ANSWER_TYPE })).toString("base64url")
    const body = Buffer.from(JSON.stringify({ gateway, id: request.id, request: request.hash, answer }))
    const text = `${header}.${body.toString("base64url")}`
    return Buffer.from(`${text}.${Buffer.from(await deps.sign(text)).toString("base64url")}`)
  }

  async function payloadFor(request: Request): Promise<Uint8Array> {
    const known = answered.get(request.hash)
    if (known !== undefined) return known
    const answer: CommandAnswer =
      request.signed === null
        ? { ok: true, result: { gateway: door.gateway, nonce: door.nonce(request.account) } }
        : await door.take(request.signed, "mqtt")
    let payload = await signed(request, answer)
    if (payload.length > (deps.maxAnswerBytes?.() ?? MAX_MQTT_ANSWER_BYTES))
      payload = await signed(request, { ok: false, code: "ERR_ANSWER_TOO_LARGE", entry: null })
    answered.set(request.hash, payload)
    for (const oldest of answered.keys()) if (answered.size > MAX_ANSWERED) answered.delete(oldest)
    return payload
  }

  async function answerAll(): Promise<void> {
    isAnswering = true
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const topic = next.reply?.topic ?? gatewayTopic(door.gateway, `command/answer/${next.account}/${next.id}`)
        await deps.publish(topic, await payloadFor(next), next.reply?.correlation)
      }
    } catch (error) {
      // The link or the key: who asked hears nothing, and asks again with the same bytes.
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      waiting.length = 0
    } finally {
      isAnswering = false
    }
  }

  return {
    take(payload, reply) {
      if (reply !== undefined && !isAnswerTopic(door.gateway, reply)) return
      const request = parse(payload)
      if (request === null || waiting.length >= MAX_WAITING || !mayAsk(request.account)) return
      waiting.push({ ...request, reply })
      if (!isAnswering) void answerAll()
    },
  }
}

interface Request {
  readonly id: string
  /** As the request says, unproven: where the answer goes, and whose rate it is. */
  readonly account: string
  /** Null: a number is asked for. */
  readonly signed: string | null
  readonly hash: string
  readonly reply?: ReplyTo | undefined
}

/** Elsewhere the gateway would say for others what they may not say themselves. */
function isAnswerTopic(gateway: string, { topic, correlation }: ReplyTo): boolean {
  const under = gatewayTopic(gateway, "command/answer/")
  if (!topic.startsWith(under) || (correlation?.length ?? 0) > MAX_CORRELATION_BYTES) return false
  return /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,3}$/.test(topic.slice(under.length))
}

function parse(payload: Uint8Array): Request | null {
  if (payload.length > MAX_MQTT_REQUEST_BYTES) return null
  const value = recordOf(payload)
  const { id, nonce, signed } = value ?? {}
  if (value === null || Object.keys(value).length !== 2) return null
  if (typeof id !== "string" || !/^[A-Za-z0-9_-]{16,64}$/.test(id)) return null
  const account = typeof signed === "string" ? accountIn(signed) : nonce
  if (typeof account !== "string" || !/^[a-z][a-z0-9._-]{0,31}$/.test(account)) return null
  const hash = createHash("sha256").update(payload).digest("hex")
  return { id, account, signed: typeof signed === "string" ? signed : null, hash }
}

function accountIn(jws: string): unknown {
  return recordOf(Buffer.from(jws.split(".", 2)[1] ?? "", "base64url"))?.["account"]
}

function recordOf(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

/** Whether one more is within the rate; that one is counted. */
function bucketOf(clock: Clock, { rate, burst }: typeof ALL): () => boolean {
  let tokens = burst
  let filledMs = clock.monotonicMs()
  return () => {
    const nowMs = clock.monotonicMs()
    tokens = Math.min(burst, tokens + ((nowMs - filledMs) / 1000) * rate)
    filledMs = nowMs
    if (tokens < 1) return false
    tokens--
    return true
  }
}
