import { printable } from "../../policy/audit/json-text.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey } from "../../policy/audit/tlog/note.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import { NO_COSIGNER_KEY, ownCosignerKey } from "./audit-cosigner-key.ts"
import { EXIT } from "./exit-codes.ts"
import { ownLogKey } from "./audit-log-key.ts"
import { auditArguments, LOG_OPTIONS, LOG_USAGE, namedLog } from "./audit-options.ts"
import { auditRun } from "./audit-run.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments, type CliIo } from "./handler.ts"
import { thousands } from "./text.ts"

const USAGE = `usage: lockgate audit key [--cosigner] ${LOG_USAGE}
       lockgate audit key --rotate ${GATEWAY_USAGE}
`

/**
 * Prints the public key of a gateway's log, `name+id+base64`, from its own key store: `lockgate audit key`. For whoever stands at the
 * gateway and notes it down; what a copy of the log says of its key proves nothing.
 *
 * With `--cosigner`: the key with which it witnesses others, for their board files.
 *
 * With `--rotate` the gateway, which must run, hands its log over to a new key.
 *
 * Resolves to a code of `EXIT`.
 */
export async function auditKey(args: readonly string[], io: CliIo): Promise<number> {
  if (args.includes("--rotate")) return rotateKey(args, io)
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
      return EXIT.unreadable
    }
    if (key === null) {
      io.err(`lockgate audit key: there is no log, or no key that may be read, in ${printable(folder)}\n`)
      return EXIT.unreadable
    }
    io.out(`${printable(encodeNoteKey(nodeSha256, key))}\n`)
    return EXIT.done
  })
}

async function rotateKey(args: readonly string[], io: CliIo): Promise<number> {
  const usage = `lockgate audit key --rotate ${GATEWAY_USAGE}`
  const read = readArguments(args, { ...GATEWAY_OPTIONS, rotate: { type: "boolean" } }, 0, usage, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "audit.rotate-key", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { after, size } = answer.result as { readonly after: string; readonly size: number }
  io.out(`${printable(after)}\n`)
  io.err(
    `in force from entry ${thousands(size)} on. Whoever has the key before follows by itself; note this one down too.\n`,
  )
  return 0
}
