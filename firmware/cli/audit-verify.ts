import { readFile, stat } from "node:fs/promises"
import { printable } from "../../policy/audit/json-text.ts"
import { encodeKnownLogs, parseKnownLogs, remember, type KnownLog } from "../../policy/audit/known-log.ts"
import { looksLikeProof, MAX_PROOF_BYTES, parseProofFile, verifyProof } from "../../policy/audit/proof-file.ts"
import { toBase64 } from "../../policy/audit/tlog/base64.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { verifyLog, type LogVerdict } from "../../policy/audit/tlog/verify-log.ts"
import { HardwareError, InputError, LockgateError, StateError } from "../../policy/base/errors.ts"
import { errnoOf } from "../../hal/linux/durable.ts"
import { readCopyBeginning } from "../audit/collect-beginning.ts"
import { createFolderSource } from "../audit/folder-source.ts"
import { nodeSha256, verifyNoteSignature } from "../audit/note-functions.ts"
import { BROKER_OPTIONS, brokerLogin, verifyBroker, type BrokerLogin } from "./audit-broker.ts"
import { EXIT } from "./exit-codes.ts"
import { namedKeys, ownLogKey, vouchLocally } from "./audit-log-key.ts"
import {
  auditArguments,
  COLOUR_OPTIONS,
  LOG_OPTIONS,
  namedLog,
  wantsColour,
  wrongUse,
  type NamedLog,
} from "./audit-options.ts"
import { auditRun } from "./audit-run.ts"
import { entrySheet } from "./entry-sheet.ts"
import type { CliIo } from "./handler.ts"
import { writeWhole } from "./policy-file.ts"
import { createProgress } from "./progress.ts"
import { thousands } from "./text.ts"

const USAGE = `usage: lockgate audit verify (<folder> | <proof file> | --config <gateway.yaml> | --broker mqtts://<host>[:<port>]) [options]
  --key <key or file>  the key of this gateway's log, name+id+base64, from the provisioning receipt or the owner's inventory
  --known <file>       remember the checkpoint of each log there, and hold it against that the next time: a rewind is noticed
  --broker <url>       the log as the broker alone holds it, the gateway may be off; --key says whose; with --ca, --cert, --cert-key <pem>,
                       --mqtt 5, and --ask: what the broker no longer holds is asked of the gateway
  --json               the verdict for scripts
  --color, --no-color
`
const DEPS = { sha256: nodeSha256, verify: verifyNoteSignature }
/** Faults that are told to a person; `--json` has all. */
const MAX_TOLD = 20

interface Asked {
  readonly keys: readonly NoteKey[]
  readonly known: string | undefined
  readonly json: boolean
  readonly colour: boolean
}

/**
 * Verifies a whole log, in a gateway's own folder while it runs or in a copy, or one proof file: `lockgate audit verify`.
 *
 * Resolves to a code of `EXIT`: `done` only if everything is proved by a key that was handed in or is remembered.
 *
 * @see IEC 62443-4-2 CR 3.9, CR 6.1
 */
export async function auditVerify(args: readonly string[], io: CliIo): Promise<number> {
  return auditRun("verify", USAGE, io, async () => {
    const { values, positionals } = auditArguments(
      args,
      {
        ...LOG_OPTIONS,
        ...COLOUR_OPTIONS,
        ...BROKER_OPTIONS,
        key: { type: "string", multiple: true },
        known: { type: "string" },
        json: { type: "boolean" },
      },
      [0, 1],
    )
    const keys = await namedKeys(values.key ?? [])
    const asked = { keys, known: values.known, json: values.json === true, colour: wantsColour(values, io) }
    const [place] = positionals
    if (place !== undefined && (values.config ?? values.state) !== undefined) throw wrongUse("one log at a time")
    if (values.broker !== undefined) {
      if (place !== undefined || (values.config ?? values.state) !== undefined) throw wrongUse("one log at a time")
      return verifyAtBroker(await brokerLogin(values.broker, values), asked, io)
    }
    const file = place === undefined ? null : await fileText(place)
    if (file !== null) return verifyFile(place ?? "", file, asked, io)
    return verifyFolder(await namedLog(place === undefined ? values : { state: place }), asked, io)
  })
}

/** The text of a file; null for a folder. @throws HardwareError `ERR_IO` */
async function fileText(path: string): Promise<string | null> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) return null
    if (found.size <= MAX_PROOF_BYTES) return await readFile(path, "utf8")
  } catch (error) {
    throw new HardwareError("ERR_IO", `${path} cannot be read: ${errnoOf(error)}`)
  }
  throw new InputError("ERR_PROOF", `${path} is too long for a proof file`)
}

async function verifyFile(path: string, text: string, asked: Asked, io: CliIo): Promise<number> {
  if (!looksLikeProof(text)) throw wrongUse(`${path} is neither a folder with a log nor a proof file`)
  if (asked.known !== undefined) throw wrongUse("--known is for whole logs")
  const proof = parseProofFile(nodeSha256, text)
  const verdict = await verifyProof(DEPS, proof, asked.keys)
  const { state, faults, entry, checkpoint, key } = verdict
  const code = { proved: EXIT.done, unvouched: EXIT.unvouched, wrong: EXIT.wrong }[state]
  const keyLine = key === null ? null : encodeNoteKey(nodeSha256, key)
  if (asked.json) {
    io.out(
      `${JSON.stringify({ verdict: state, index: proof.index, size: checkpoint?.size ?? null, key: keyLine, faults })}\n`,
    )
    return code
  }
  if (entry !== null) io.out(`entry ${proof.index} of ${printable(entry.gateway)}\n${entrySheet(entry).join("\n")}\n`)
  for (const fault of faults) io.out(`  ${fault.code}: ${printable(fault.text)}\n`)
  if (keyLine !== null) io.out(`  signed by    ${printable(keyLine)}\n`)
  conclude(
    code,
    `this entry stands in the log of ${thousands(checkpoint?.size ?? 0)} entries that the key signed`,
    asked,
    io,
  )
  return code
}

async function verifyFolder(log: NamedLog, asked: Asked, io: CliIo): Promise<number> {
  const source = createFolderSource(log.storage)
  const note = await source.checkpoint()
  const end = await log.reader.end()
  if (note === null && end === 0) throw new HardwareError("ERR_NO_LOG", `no log in ${log.folder}`)
  const origin = (note === null ? null : vouchLocally(note))?.checkpoint.origin ?? ""
  const remembered = asked.known === undefined ? [] : await readKnown(asked.known)
  const known = remembered.find(({ checkpoint }) => checkpoint.origin === origin) ?? null
  const trusted = asked.keys.length > 0 ? asked.keys : known === null ? [] : [known.key]
  const own = trusted.length > 0 ? null : await ownLogKey(log.folder, origin)
  // Without any key the log is held against its checkpoint, whoever signed that.
  const local = trusted.length > 0 || own !== null || note === null ? null : vouchLocally(note)
  const keys = trusted.length > 0 ? trusted : [own ?? local?.key].filter((key) => key !== undefined)
  const progress = createProgress(io, "entries")
  let looked = `nothing was looked at yet`
  const unlessInterrupted = (): void => {
    if (io.signal.aborted) throw new StateError("ERR_INTERRUPTED", `interrupted: ${looked}, and nothing is said of it`)
  }
  // A collector's copy may have begun late, and says where; a gateway's own log must say so in an entry.
  const begin = log.isCopy ? await readCopyBeginning(log.storage) : null
  const verdict = await verifyLog(
    { ...DEPS, keys },
    {
      checkpoint: async () => local?.note ?? note,
      // Without a key there is none to follow.
      handovers: async () => (local === null ? source.handovers() : []),
      piece(path) {
        unlessInterrupted()
        return source.piece(path)
      },
    },
    {
      from: begin ?? (await log.reader.first()),
      window: begin !== null,
      ...(known === null ? {} : { known: known.checkpoint }),
      progress(done, of) {
        looked = `${thousands(done)} of ${thousands(of)} entries were looked at`
        progress.show(done, of)
      },
    },
  ).finally(() => progress.clear())
  const code = verdict.faults.length > 0 ? EXIT.wrong : trusted.length === 0 ? EXIT.unvouched : EXIT.done
  // Vouched for by a key that was trusted, whether it signed itself or handed over.
  const signer = local !== null ? [] : verdict.key === null ? keys : [verdict.key]
  if (code === EXIT.unvouched && remembered.length > 0)
    io.err(`lockgate audit verify: nothing is remembered of ${printable(origin)}\n`)
  tellFolder(verdict, { asked, code, end, known, signer, isWindow: begin !== null }, io)
  const { checkpoint, key } = verdict
  if (code === EXIT.done && asked.known !== undefined && note !== null && checkpoint !== null && key !== null) {
    const text = encodeKnownLogs(nodeSha256, remember(remembered, { key, note, checkpoint }))
    if (!(await writeWhole(text, asked.known, io))) return EXIT.unreadable
  }
  return code
}

async function verifyAtBroker(login: BrokerLogin, asked: Asked, io: CliIo): Promise<number> {
  const remembered = asked.known === undefined ? [] : await readKnown(asked.known)
  const [first, ...more] = asked.keys.length > 0 ? asked.keys : remembered.map(({ key }) => key)
  if (first === undefined || (asked.keys.length === 0 && more.length > 0))
    throw wrongUse("--broker: whose log? --key says it")
  const known = remembered.find(({ checkpoint: { origin } }) => origin === first.name) ?? null
  const progress = createProgress(io, "entries")
  const verdict = await verifyBroker(login, [first, ...more], {
    ...(known === null ? {} : { known: known.checkpoint }),
    progress(done, of) {
      if (io.signal.aborted) throw new StateError("ERR_INTERRUPTED", "interrupted")
      progress.show(done, of)
    },
  }).finally(() => progress.clear())
  const { faults, checkpoint, key, note, from } = verdict
  const code = faults.length > 0 ? EXIT.wrong : EXIT.done
  const told = { asked, code, end: checkpoint?.size ?? 0, known, signer: [key ?? first], isWindow: true }
  tellFolder(verdict, told, io)
  if (from > 0) io.err(`the broker no longer holds entries below ${from}: ask the gateway with --ask\n`)
  if (code === EXIT.done && asked.known !== undefined && note !== null && checkpoint !== null && key !== null) {
    const text = encodeKnownLogs(nodeSha256, remember(remembered, { key, note, checkpoint }))
    if (!(await writeWhole(text, asked.known, io))) return EXIT.unreadable
  }
  return code
}

interface Told {
  readonly asked: Asked
  readonly code: number
  readonly end: number
  readonly known: KnownLog | null
  readonly signer: readonly NoteKey[]
  /** What is before the first entry may lie elsewhere. */
  readonly isWindow: boolean
}

function tellFolder(verdict: LogVerdict, { asked, code, end, known, signer, isWindow }: Told, io: CliIo): void {
  const { checkpoint, from, dropped, entries, faults } = verdict
  const keys = signer.map((key) => encodeNoteKey(nodeSha256, key))
  // The log itself does not say that it begins there.
  const isUnsaid = isWindow && from > dropped
  if (asked.json) {
    const word = { [EXIT.done]: "proved", [EXIT.unvouched]: "unvouched" }[code] ?? "wrong"
    const tree = checkpoint === null ? null : { ...checkpoint, root: toBase64(checkpoint.root) }
    const told = { checkpoint: tree, from, saidByLog: !isUnsaid, dropped, entries, seen: end }
    io.out(`${JSON.stringify({ verdict: word, ...told, keys, faults })}\n`)
    return
  }
  if (checkpoint !== null) {
    io.out(`log         ${printable(checkpoint.origin)}\n`)
    io.out(`checkpoint  ${thousands(checkpoint.size)} entries, root ${toBase64(checkpoint.root)}\n`)
    const newer = end > checkpoint.size ? `; ${thousands(end - checkpoint.size)} newer ones are not covered yet` : ""
    io.out(`entries     ${thousands(entries)} right, from ${from} on${newer}\n`)
  }
  if (dropped > 0)
    io.out(`dropped     ${thousands(dropped)} oldest entries were given up to make room, as the log says itself\n`)
  if (isUnsaid)
    io.out(
      `begins      at ${thousands(from)}, as this copy says (nobody signs that); nothing is proved of the entries before\n`,
    )
  for (const key of keys) io.out(`key         ${printable(key)}\n`)
  if (known !== null) io.out(`known       ${thousands(known.checkpoint.size)} entries when last looked at\n`)
  for (const { where, code: word, text } of faults.slice(0, MAX_TOLD))
    io.out(`${printable(where)}: ${printable(text)} (${word})\n`)
  if (faults.length > MAX_TOLD) io.out(`and ${faults.length - MAX_TOLD} more; --json has all\n`)
  const which = isUnsaid ? `every entry from ${from} on` : "every entry"
  conclude(code, `${which} is the one that the key signed, in its place`, asked, io)
}

/** The last line: the verdict that cannot be missed, and what it does not say. */
function conclude(code: number, proved: string, { colour }: Asked, io: CliIo): void {
  const paint = (style: string, text: string): string => (colour ? `\u001b[${style}m${text}\u001b[0m` : text)
  if (code === EXIT.done) io.out(`${paint("1;32", "VERIFIED")}: ${proved}\n`)
  else if (code === EXIT.wrong)
    io.out(`${paint("1;31", "WRONG")}: do not rely on it, and find out who could write there\n`)
  else
    io.out(
      `${paint("1;33", "NOT VERIFIED")}: it agrees with itself, but anybody can make such a log. ` +
        "Give --key, the key of this gateway's log\n",
    )
}

/** What was remembered; nothing if there is no such file yet. @throws InputError `ERR_KNOWN_LOG` */
async function readKnown(file: string): Promise<readonly KnownLog[]> {
  try {
    return parseKnownLogs(nodeSha256, await readFile(file, "utf8"))
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return []
    if (!(error instanceof LockgateError))
      throw new HardwareError("ERR_IO", `${file} cannot be read: ${errnoOf(error)}`)
    throw new LockgateError("input", error.code, `${file}: ${error.message}`)
  }
}
