/**
 * A time that somebody has signed in answer to a number of ours (the nonce): JSON in one object, 4 KiB at most.
 *
 *     { "format": 1, "gateway": "gw-7", "nonce": "<22 characters of base64url>",
 *       "at": "2026-11-23T09:30:00.000Z", "withinSeconds": 2, "purpose": "set" }
 *
 * `at` is the signer's time when it signed, which its clock shows give or take `withinSeconds`. `purpose` is `set`, or
 * `lower`: the floor is wrong and goes back to `at`.
 *
 * @see IEC 62443-4-2 CR 2.11
 */
import { InputError } from "../base/errors.ts"
import { DRIFT, type TimeBound } from "./floor.ts"

/** Bytes of a statement, at most. */
export const MAX_TIME_STATEMENT_BYTES = 4096
const MOST_WITHIN_SECONDS = 86_400
const LAST_AT = 253_402_300_799_999

/** What a signer states. */
export interface TimeStatement {
  readonly gateway: string
  readonly nonce: string
  readonly at: number
  readonly withinMs: number
  readonly purpose: "set" | "lower"
}

/** 128 bits in base64url. */
export const NONCE = /^[A-Za-z0-9_-]{22}$/

/** The statement's text, for its signer. */
export function encodeTimeStatement(statement: TimeStatement): string {
  const { gateway, nonce, at, withinMs, purpose } = statement
  const iso = new Date(at).toISOString()
  return JSON.stringify({ format: 1, gateway, nonce, at: iso, withinSeconds: withinMs / 1000, purpose })
}

/**
 * The statement in `text`, whose signature is the caller's affair.
 *
 * @throws InputError `ERR_TIME_STATEMENT`; `detail.key` names what is wrong
 */
export function parseTimeStatement(text: string): TimeStatement {
  if (text.length > MAX_TIME_STATEMENT_BYTES) throw wrong("length")
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw wrong("form")
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("form")
  const read = value as Readonly<Record<string, unknown>>
  const known = ["format", "gateway", "nonce", "at", "withinSeconds", "purpose"]
  for (const key of Object.keys(read)) if (!known.includes(key)) throw wrong("form")
  const { format, gateway, nonce, at, withinSeconds, purpose } = read
  if (format !== 1) throw wrong("format")
  if (typeof gateway !== "string" || gateway.length > 64) throw wrong("gateway")
  if (typeof nonce !== "string" || !NONCE.test(nonce)) throw wrong("nonce")
  if (typeof at !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(at)) throw wrong("at")
  const signedAt = Date.parse(at)
  if (!(signedAt >= 0 && signedAt <= LAST_AT)) throw wrong("at")
  if (typeof withinSeconds !== "number" || !(withinSeconds >= 0 && withinSeconds <= MOST_WITHIN_SECONDS))
    throw wrong("withinSeconds")
  if (purpose !== "set" && purpose !== "lower") throw wrong("purpose")
  return { gateway, nonce, at: signedAt, withinMs: withinSeconds * 1000, purpose }
}

/**
 * What a verified answer says of the time now, `elapsedMs` of our monotonic clock after its nonce was given out.
 *
 *     nonce given out        signed at some moment         answer taken
 *     |----------------------x-----------------------------|---> monotonic
 *                            at +- within
 *
 * It was signed after the nonce and before now: it is at least as late as the signer's clock said, and at most so much
 * later as the whole round took at our clock's worst drift.
 */
export function boundOf(statement: TimeStatement, elapsedMs: number): TimeBound {
  const { at, withinMs } = statement
  const round = Math.max(0, elapsedMs) / (1 - DRIFT)
  return { source: "owner-signed", earliestAt: at - withinMs, latestAt: at + withinMs + round }
}

function wrong(key: string): InputError<"ERR_TIME_STATEMENT"> {
  return new InputError("ERR_TIME_STATEMENT", `a signed time is wrong at ${key}`, { detail: { key } })
}
