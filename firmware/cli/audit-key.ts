import { printable } from "../../policy/audit/json-text.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey } from "../../policy/audit/tlog/note.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import { NO_COSIGNER_KEY, ownCosignerKey } from "./audit-cosigner-key.ts"
import { AUDIT_EXIT } from "./audit-exit.ts"
import { ownLogKey } from "./audit-log-key.ts"
import { auditArguments, LOG_OPTIONS, LOG_USAGE, namedLog } from "./audit-options.ts"
import { auditRun } from "./audit-run.ts"
import type { CliIo } from "./handler.ts"

const USAGE = `usage: lockgate audit key [--cosigner] ${LOG_USAGE}
`

/**
 * Prints the public key of a gateway's log, `name+id+base64`, from its own key store: `lockgate audit key`. For whoever stands at the
 * gateway and notes it down; what a copy of the log says of its key proves nothing.
 *
 * With `--cosigner`: the key with which it witnesses others, for their board files.
 *
 * Resolves to a code of `AUDIT_EXIT`.
 */
export async function auditKey(args: readonly string[], io: CliIo): Promise<number> {
  return auditRun("key", USAGE, io, async () => {
    const { values } = auditArguments(args, { ...LOG_OPTIONS, cosigner: { type: "boolean" } })
    const { folder, reader } = await namedLog(values)
    const end = await reader.end()
    const [read] = end === 0 ? [] : (await reader.bundle(Math.floor((end - 1) / 256))).entries
    const gateway = read?.entry.gateway ?? null
    const ofLog = values.cosigner !== true
    const own = ofLog
      ? (name: string) => ownLogKey(folder, originOf(name))
      : (name: string) => ownCosignerKey(folder, name)
    const key = gateway === null ? null : await own(gateway)
    if (key === null && !ofLog) {
      io.err(`lockgate audit key: ${NO_COSIGNER_KEY}\n`)
      return AUDIT_EXIT.unreadable
    }
    if (key === null) {
      io.err(`lockgate audit key: there is no log, or no key that may be read, in ${printable(folder)}\n`)
      return AUDIT_EXIT.unreadable
    }
    io.out(`${printable(encodeNoteKey(nodeSha256, key))}\n`)
    return AUDIT_EXIT.done
  })
}
