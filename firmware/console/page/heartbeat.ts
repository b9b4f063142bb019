/** Heartbeats and alarms as a broker hands them on. Nothing of them is trusted before it is verified. */
import { InputError } from "../../../policy/base/errors.ts"
import { parseHeartbeat, type Heartbeat } from "../../../policy/audit/heartbeat.ts"
import type { Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { parseNote, verifyNote, type NoteKey, type VerifySignature } from "../../../policy/audit/tlog/note.ts"
import type { Alarm } from "./messages.ts"

const MAX_TEXT = 200
/** As gateways write times: the page shows them everywhere to the second. */
const ISO = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.\d+)?Z$/
const MAX_ALARM_BYTES = 16 * 1024

/**
 * @throws InputError `ERR_HEARTBEAT`, `ERR_NOTE`, `ERR_NOTE_SIGNATURE` if it is not one of `gateway`, signed by one of `keys`
 */
export async function verifyHeartbeat(
  deps: { readonly sha256: Sha256; readonly verify: VerifySignature; readonly keys: readonly NoteKey[] },
  gateway: string,
  payload: Uint8Array,
): Promise<Heartbeat> {
  const note = parseNote(new TextDecoder().decode(payload))
  const good = await verifyNote(deps.sha256, note, deps.keys, deps.verify)
  if (good.length === 0) throw new InputError("ERR_NOTE_SIGNATURE", "no signature by the key of this gateway")
  const heartbeat = parseHeartbeat(note.text)
  if (heartbeat.gateway !== gateway) throw new InputError("ERR_HEARTBEAT", "a heartbeat of another gateway")
  return heartbeat
}

/** An alarm in words, whatever its JSON; null if it was cleared. */
export function readAlarm(id: string, payload: Uint8Array): Alarm | null {
  if (payload.length === 0) return null
  const said = payload.length > MAX_ALARM_BYTES ? null : objectIn(new TextDecoder().decode(payload))
  if (said === null) return { id, text: "cannot be read", seq: null }
  const { severity, text, count, since, seq } = said
  const times = typeof count === "number" && count > 1 ? `${count} times` : ""
  const from = typeof since === "string" ? `since ${since.replace(ISO, "$1 $2 UTC")}` : ""
  const words = [severity, text, times, from].filter((word) => typeof word === "string" && word !== "")
  return { id, text: words.join(" · ").slice(0, MAX_TEXT), seq: Number.isSafeInteger(seq) ? (seq as number) : null }
}

function objectIn(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const said: unknown = JSON.parse(text)
    return typeof said === "object" && said !== null && !Array.isArray(said) ? (said as Record<string, unknown>) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
