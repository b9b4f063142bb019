/** Heartbeats and alarms as a broker hands them on. Nothing of them is trusted before it is verified. */
import { InputError, LockgateError } from "../../../policy/base/errors.ts"
import { fromBase64 } from "../../../policy/audit/tlog/base64.ts"
import type { Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { parseNote, verifyNote, type NoteKey, type VerifySignature } from "../../../policy/audit/tlog/note.ts"
import type { Alarm, Heartbeat } from "./messages.ts"

const MAX_TEXT = 200

/** A heartbeat whose signature is good, with the root that it names. */
export interface VerifiedHeartbeat extends Heartbeat {
  readonly root: Uint8Array
}

/**
 * @throws InputError `ERR_HEARTBEAT`, `ERR_NOTE`, `ERR_NOTE_SIGNATURE` if it is not one of `gateway`, signed by one of `keys`
 */
export async function verifyHeartbeat(
  deps: { readonly sha256: Sha256; readonly verify: VerifySignature; readonly keys: readonly NoteKey[] },
  gateway: string,
  payload: Uint8Array,
): Promise<VerifiedHeartbeat> {
  const note = parseNote(new TextDecoder().decode(payload))
  const good = await verifyNote(deps.sha256, note, deps.keys, deps.verify)
  if (good.length === 0) throw new InputError("ERR_NOTE_SIGNATURE", "no signature by the key of this gateway")
  const said = objectIn(note.text)
  const root = fromBase64(textOf(said["root"]))
  const latest = said["latest"]
  const [size, interval] = [numberOf(said["size"]), numberOf(said["intervalSeconds"])]
  const isWhole =
    said["gateway"] === gateway && root?.length === 32 && size !== null && interval !== null && interval > 0
  if (!isWhole) throw new InputError("ERR_HEARTBEAT", "a heartbeat that says something else than heartbeats do")
  return {
    at: typeof said["at"] === "number" ? new Date(Math.min(said["at"], 8.64e15)).toISOString() : textOf(said["at"]),
    earliest: numberOf(said["earliest"]) ?? 0,
    latest: latest === null ? null : numberOf(latest),
    size,
    root,
    policy: textOf(said["policy"]),
    firmware: textOf(said["firmware"]),
    alarms: numberOf(said["alarms"]) ?? 0,
    intervalSeconds: interval,
  }
}

/** An alarm in words, whatever its JSON; null if it is none. */
export function readAlarm(id: string, payload: Uint8Array): Alarm | null {
  if (payload.length === 0 || payload.length > 64 * 1024) return null
  try {
    const said = objectIn(new TextDecoder().decode(payload))
    const words = [said["severity"], said["text"], said["rule"] ?? said["event"], said["subject"], said["reason"]]
    const text = words.filter((word) => typeof word === "string" && word !== "").join(" · ")
    return { id, text: text.slice(0, MAX_TEXT), seq: numberOf(said["seq"]) }
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return { id, text: "cannot be read", seq: null }
    throw error
  }
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const said: unknown = JSON.parse(text)
    if (typeof said === "object" && said !== null && !Array.isArray(said)) return said as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new InputError("ERR_HEARTBEAT", "not a JSON object")
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null
}

function textOf(value: unknown): string {
  if (typeof value === "number") return String(value)
  return typeof value === "string" ? value.slice(0, MAX_TEXT) : ""
}
