/**
 * Whose logs a collector keeps: a gateway and the key of its log, a line each.
 *
 *     # plant north
 *     gw-7 = lockgate/gw-7/log+1a2b3c4d+AX..
 *
 * The file may also name only the keys, for their name says the gateway.
 */
import { InputError } from "../base/errors.ts"
import { originOf } from "./tlog/checkpoint.ts"
import type { Sha256 } from "./tlog/hash.ts"
import { parseNoteKey, type NoteKey } from "./tlog/note.ts"

const MAX_GATEWAYS = 10_000
const GATEWAY = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/

/** The keys by gateway; several lines for one gateway are several keys. @throws InputError `ERR_INVENTORY` that names the line */
export function parseInventory(sha256: Sha256, lines: readonly string[]): ReadonlyMap<string, readonly NoteKey[]> {
  const keys = new Map<string, NoteKey[]>()
  for (const [at, line] of lines.entries()) {
    const text = line.trim()
    if (text === "" || text.startsWith("#")) continue
    const wrong = (why: string): InputError =>
      new InputError("ERR_INVENTORY", `line ${at + 1}: ${why}`, { detail: { line: at + 1 } })
    const [, named, keyText = ""] = /^(?:([^=\s+]+)\s*=\s*)?(\S+)$/.exec(text) ?? []
    let key: NoteKey
    try {
      key = parseNoteKey(sha256, keyText)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      throw wrong("a gateway and the key of its log: NAME=name+id+base64, see `lockgate audit key`")
    }
    const gateway = named ?? /^lockgate\/([^/]+)\/log$/.exec(key.name)?.[1] ?? ""
    if (!GATEWAY.test(gateway)) throw wrong("not the name of a gateway")
    if (key.name !== originOf(gateway) || key.type === "cosignature")
      throw wrong(`not the key of the log of ${gateway}`)
    keys.set(gateway, [...(keys.get(gateway) ?? []), key])
    if (keys.size > MAX_GATEWAYS) throw wrong(`more than ${MAX_GATEWAYS} gateways`)
  }
  return keys
}
