/**
 * The heartbeat: what a gateway signs of itself at an interval, so that silence can be told from quiet.
 *
 * A signed note by the key of the log; its text is one line of JSON. No checkpoint is ever such a line, so that neither can be
 * taken for the other.
 */
import { InputError } from "../base/errors.ts"
import { fromBase64, toBase64 } from "./tlog/base64.ts"
import { HASH_BYTES } from "./tlog/hash.ts"

/** A gateway's word on how it stands. */
export interface Heartbeat {
  readonly gateway: string
  /** What its clock showed, and between which moments the true time lies; `latest` is null while nothing bounds it. ms since 1970. */
  readonly at: number
  readonly earliest: number
  readonly latest: number | null
  /** The log. */
  readonly size: number
  readonly root: Uint8Array
  /** Version of the policy in force; null when there is none. */
  readonly policy: number | null
  readonly firmware: string
  /** Alarms that nobody has acknowledged. */
  readonly alarms: number
  /** When the next one is due, at the latest. */
  readonly intervalSeconds: number
}

const KEYS = "gateway at earliest latest size root policy firmware alarms intervalSeconds".split(" ")
const MAX_CHARACTERS = 1024

/** The text of the note, its line end included. */
export function encodeHeartbeat(beat: Heartbeat): string {
  return `${JSON.stringify({ ...beat, root: toBase64(beat.root) })}\n`
}

/** @throws InputError `ERR_HEARTBEAT` */
export function parseHeartbeat(text: string): Heartbeat {
  const wrong = new InputError("ERR_HEARTBEAT", "not the heartbeat of a gateway")
  let value: Record<string, unknown> | null
  try {
    if (text.length > MAX_CHARACTERS) throw wrong
    value = JSON.parse(text) as Record<string, unknown> | null
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong
    throw error
  }
  if (typeof value !== "object" || value === null || Object.keys(value).join() !== KEYS.join()) throw wrong
  const { gateway, at, earliest, latest, size, root, policy, firmware, alarms, intervalSeconds } = value
  const bytes = typeof root === "string" ? fromBase64(root) : null
  if (bytes?.length !== HASH_BYTES || !isName(gateway) || !isName(firmware)) throw wrong
  if (![at, earliest, size, alarms].every(isCount) || !isCount(intervalSeconds) || intervalSeconds < 1) throw wrong
  if ((latest !== null && !isCount(latest)) || (policy !== null && !isCount(policy))) throw wrong
  return { ...(value as unknown as Heartbeat), root: bytes }
}

function isName(value: unknown): boolean {
  return typeof value === "string" && /^[\x20-\x7e]{1,128}$/.test(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
