import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { verifyProof, type ProofVerdict } from "../../policy/audit/proof-file.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { findProof } from "../audit/entry-proof.ts"
import { createFolderSource } from "../audit/folder-source.ts"
import { nodeSha256, verifyNoteSignature } from "../audit/note-functions.ts"
import type { ReadEntry } from "../audit/reader.ts"
import { EXIT } from "./exit-codes.ts"
import { namedKeys, ownLogKey, vouchLocally } from "./audit-log-key.ts"
import {
  auditArguments,
  COLOUR_OPTIONS,
  LOG_OPTIONS,
  LOG_USAGE,
  namedLog,
  wantsColour,
  wrongUse,
  type NamedLog,
} from "./audit-options.ts"
import { auditRun } from "./audit-run.ts"
import { entrySheet } from "./entry-sheet.ts"
import type { CliIo } from "./handler.ts"

const USAGE = `usage: lockgate audit show <number> ${LOG_USAGE} [options]
  --key <key or file>  the key of this gateway's log, name+id+base64: only with it an entry is proved
  --json               the entry as it lies in the log
  --color, --no-color
`

/** How an entry stands to the signed log, and the words for it. */
interface ProofState {
  readonly code: number
  readonly word: string
  readonly lines: readonly string[]
}

/**
 * Prints one entry whole, and whether it is proved: `lockgate audit show <number>`. The gateway may be running.
 *
 * Resolves to a code of `EXIT`: `done` if the entry is proved, or is too new to be; `unvouched` without a key.
 *
 * @see IEC 62443-4-2 CR 6.1, CR 2.12
 */
export async function auditShow(args: readonly string[], io: CliIo): Promise<number> {
  return auditRun("show", USAGE, io, async () => {
    const { values, positionals } = auditArguments(
      args,
      { ...LOG_OPTIONS, ...COLOUR_OPTIONS, key: { type: "string", multiple: true }, json: { type: "boolean" } },
      [1, 1],
    )
    const seq = entryNumber(positionals[0])
    const keys = await namedKeys(values.key ?? [])
    const log = await namedLog(values)
    const found = await findEntry(log, seq, io, "show")
    if ("code" in found) return found.code
    const state = await proofState(log, found.read, keys)
    const paint = (text: string): string => {
      const colour = { [EXIT.done]: "32", [EXIT.wrong]: "1;31" }[state.code] ?? "33"
      return wantsColour(values, io) ? `\u001b[${colour}m${text}\u001b[0m` : text
    }
    if (values.json === true) {
      io.out(`${printable(new TextDecoder().decode(found.read.line))}\n`)
      io.err(`${state.word}\n`)
      return state.code
    }
    const [first = "", ...more] = state.lines
    io.out(`entry ${seq} of ${printable(found.read.entry.gateway)}\n${entrySheet(found.read.entry).join("\n")}\n`)
    io.out(
      `  ${"proof".padEnd(12)} ${paint(state.word)}: ${first}\n${more.map((line) => `${" ".repeat(15)}${line}\n`).join("")}`,
    )
    return state.code
  })
}

/** The number of an entry. @throws InputError `ERR_ARGUMENT` */
export function entryNumber(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text))
    throw wrongUse(`the number of an entry is needed, not "${printable(text ?? "")}"`)
  return Number(text)
}

/** Entry `seq` of the log; or the exit code after it was told why it is not to be had. */
export async function findEntry(
  { reader, folder }: NamedLog,
  seq: number,
  io: CliIo,
  command: string,
): Promise<{ readonly read: ReadEntry } | { readonly code: number }> {
  const { entries } = await reader.bundle(Math.floor(seq / BUNDLE_ENTRIES))
  const read = entries.find(({ entry }) => entry.seq === seq)
  if (read !== undefined) return { read }
  const [first, end] = [await reader.first(), await reader.end()]
  const say = (text: string): void => io.err(`lockgate audit ${command}: ${text}\n`)
  if (end === 0) say(`no log in ${printable(folder)}`)
  else if (seq >= end) say(`there is no entry ${seq} yet: the last one is ${end - 1}`)
  else if (seq < first) say(`entry ${seq} is gone: the log keeps those from ${first} on`)
  else say(`entry ${seq} is missing or damaged; \`lockgate audit verify\` says what else is`)
  return { code: end === 0 || seq >= end || seq < first ? EXIT.unreadable : EXIT.wrong }
}

async function proofState(log: NamedLog, { line, entry }: ReadEntry, keys: readonly NoteKey[]): Promise<ProofState> {
  const found = await findProof(createFolderSource(log.storage), entry.seq)
  if (!found.ok) {
    const isNew = found.reason === "not-yet"
    return {
      code: isNew ? EXIT.done : EXIT.wrong,
      word: isNew ? "NOT YET PROVED" : "NOT PROVED",
      lines: [printable(found.text)],
    }
  }
  const { origin, size } = found.checkpoint
  const own = keys.length > 0 ? null : await ownLogKey(log.folder, origin)
  const local = keys.length > 0 || own !== null ? null : vouchLocally(found.note)
  const key = keys[0] ?? own ?? local?.key
  if (key === undefined) return { code: EXIT.wrong, word: "NOT PROVED", lines: ["the checkpoint cannot be read"] }
  const proof = { line, index: entry.seq, size, proof: found.proof, checkpoint: local?.note ?? found.note, key }
  const verdict = await verifyProof({ sha256: nodeSha256, verify: verifyNoteSignature }, proof, keys)
  return verdictState(verdict, { size, own, isLocal: local !== null })
}

function verdictState(
  verdict: ProofVerdict,
  { size, own, isLocal }: { readonly size: number; readonly own: NoteKey | null; readonly isLocal: boolean },
): ProofState {
  switch (verdict.state) {
    case "wrong":
      return { code: EXIT.wrong, word: "WRONG", lines: verdict.faults.map(({ text }) => printable(text)) }
    case "proved": {
      const key = verdict.key === null ? "" : encodeNoteKey(nodeSha256, verdict.key)
      return {
        code: EXIT.done,
        word: "PROVED",
        lines: [`in the log of ${size} entries that this key signed:`, printable(key)],
      }
    }
    case "unvouched":
      return {
        code: EXIT.unvouched,
        word: "NOT PROVED",
        lines: [
          `it is where the checkpoint of ${size} entries has it${isLocal ? "" : ", signed by the key in this folder"};`,
          isLocal
            ? "whether that is signed was not looked at. Give --key, the key of this gateway's log"
            : "give it as --key if you know it from elsewhere:",
          ...(own === null ? [] : [printable(encodeNoteKey(nodeSha256, own))]),
        ],
      }
  }
}
