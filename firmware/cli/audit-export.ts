import { open, rename, unlink } from "node:fs/promises"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { EntryFilter } from "../../policy/audit/entry-filter.ts"
import { cefLine } from "../../policy/audit/export/cef.ts"
import { ocsfLine } from "../../policy/audit/export/ocsf.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { encodeProofFile } from "../../policy/audit/proof-file.ts"
import { HardwareError } from "../../policy/base/errors.ts"
import { findProof } from "../audit/entry-proof.ts"
import { createFolderSource } from "../audit/folder-source.ts"
import { walkLog } from "../audit/log-walk.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import type { ReadEntry } from "../audit/reader.ts"
import { reasonOf } from "../config/read-text.ts"
import { VERSION } from "../version.ts"
import { EXIT } from "./exit-codes.ts"
import { exportToSyslog, SYSLOG_OPTIONS, SYSLOG_USAGE } from "./audit-export-syslog.ts"
import { namedKeys, ownLogKey } from "./audit-log-key.ts"
import {
  auditArguments,
  FILTER_OPTIONS,
  FILTER_USAGE,
  LOG_OPTIONS,
  LOG_USAGE,
  namedFilter,
  namedLog,
  wrongUse,
  type NamedLog,
} from "./audit-options.ts"
import { auditRun } from "./audit-run.ts"
import { entryNumber, findEntry } from "./audit-show.ts"
import type { CliIo } from "./handler.ts"
import { writeWhole } from "./policy-file.ts"
import { createProgress } from "./progress.ts"

const USAGE = `usage: lockgate audit export ${LOG_USAGE} [-o <file>] [filters]
         entries as JSON lines, as they lie in the log
       lockgate audit export ${LOG_USAGE} --format cef|ocsf [-o <file>] [filters]
         a line each for a SIEM: ArcSight CEF 0, or OCSF 1.3 as JSON
       lockgate audit export ${LOG_USAGE} --proof <number> [--key <key or file>] [-o <file>]
         one file that proves one entry; \`lockgate audit verify <file>\` checks it offline
       lockgate audit export ${LOG_USAGE} --syslog <host[:port]> ... [filters]
         to a syslog receiver over TLS
${SYSLOG_USAGE}${FILTER_USAGE}`

/**
 * Hands entries on: `lockgate audit export`, as JSON lines, CEF or OCSF, as a proof file, or to a syslog receiver. Reads only; the gateway
 * may be running.
 *
 * Resolves to a code of `EXIT`: `wrong` if entries that were to go out are missing or damaged.
 *
 * @see IEC 62443-4-2 CR 6.1
 */
export async function auditExport(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  return auditRun("export", USAGE, io, async () => {
    const { values } = auditArguments(args, {
      ...LOG_OPTIONS,
      ...FILTER_OPTIONS,
      ...SYSLOG_OPTIONS,
      format: { type: "string" },
      proof: { type: "string" },
      key: { type: "string", multiple: true },
      out: { type: "string", short: "o" },
    })
    if (values.proof !== undefined && values.syslog !== undefined) throw wrongUse("--proof or --syslog, not both")
    const format = formatOf(values.format)
    if (values.proof !== undefined && format !== "json") throw wrongUse("a proof has a form of its own, no --format")
    if (values.proof !== undefined) {
      const seq = entryNumber(values.proof)
      return exportProof(await namedLog(values), seq, values.key ?? [], values.out, io)
    }
    const filter = namedFilter(values, nowAt)
    if (values.syslog !== undefined) {
      if (format === "ocsf") throw wrongUse("syslog takes entries as they are, or --format cef")
      return exportToSyslog(await namedLog(values), { ...values, cef: format === "cef" }, filter, io)
    }
    return exportLines(await namedLog(values), LINES[format], filter, values.out, io)
  })
}

type Format = "json" | "cef" | "ocsf"

/** An entry as the line that goes out, without its line end. */
const LINES: Readonly<Record<Format, (read: ReadEntry) => Uint8Array>> = {
  json: ({ line }) => line,
  cef: ({ entry }) => new TextEncoder().encode(cefLine(entry, { version: VERSION })),
  ocsf: ({ entry }) => new TextEncoder().encode(ocsfLine(entry, { version: VERSION })),
}

function formatOf(text: string | undefined): Format {
  if (text === undefined) return "json"
  if (text !== "json" && text !== "cef" && text !== "ocsf")
    throw wrongUse(`--format takes json, cef or ocsf, not ${printable(text)}`)
  return text
}

async function exportLines(
  log: NamedLog,
  toLine: (read: ReadEntry) => Uint8Array,
  filter: EntryFilter,
  file: string | undefined,
  io: CliIo,
): Promise<number> {
  const end = await log.reader.end()
  if (end === 0) {
    io.err(`lockgate audit export: no log in ${printable(log.folder)}\n`)
    return EXIT.unreadable
  }
  const target = file === undefined ? standardOutput(io) : await wholeFile(file)
  const progress = createProgress(io, "entries")
  const first = Math.max(await log.reader.first(), filter.firstSeq)
  let [code, count]: [number, number] = [EXIT.done, 0]
  try {
    for await (const { index, entries, whole } of walkLog(log.reader, first, Math.min(end, filter.lastSeq + 1))) {
      if (io.signal.aborted) break
      const lines = entries.filter(({ entry }) => filter.matches(entry)).map(toLine)
      count += lines.length
      if (lines.length > 0) await target.write(lines)
      if (!whole) {
        code = EXIT.wrong
        progress.clear()
        io.err(`lockgate audit export: entries of bundle ${index} are missing or damaged\n`)
      }
      progress.show((index + 1) * BUNDLE_ENTRIES - first, end - first)
    }
    progress.clear()
    await target.close(io.signal.aborted)
  } catch (error) {
    await target.close(true)
    throw error
  }
  if (file !== undefined)
    io.err(`${printable(file)}: ${io.signal.aborted ? "not written: interrupted" : `${count} entries`}\n`)
  return io.signal.aborted ? EXIT.unreadable : code
}

interface Target {
  write(lines: readonly Uint8Array[]): Promise<void>
  close(discard: boolean): Promise<void>
}

/** Lines are printed anew, not copied: a log file is not trusted to be free of what drives a terminal. */
function standardOutput(io: CliIo): Target {
  return {
    async write(lines) {
      io.out(lines.map((line) => `${printable(new TextDecoder().decode(line))}\n`).join(""))
    },
    async close() {},
  }
}

/** The very bytes of the log, in a file that is there whole or not at all. @throws HardwareError `ERR_IO` */
async function wholeFile(file: string): Promise<Target> {
  const failed = (error: unknown): HardwareError =>
    new HardwareError("ERR_IO", `${file}: cannot be written: ${reasonOf(error)}`)
  const temporary = `${file}.part`
  const handle = await open(temporary, "w", 0o600).catch((error: unknown) => {
    throw failed(error)
  })
  const newline = Uint8Array.of(10)
  return {
    async write(lines) {
      await handle.appendFile(Buffer.concat(lines.flatMap((line) => [line, newline]))).catch((error: unknown) => {
        throw failed(error)
      })
    },
    async close(discard) {
      if (!discard) await handle.sync()
      await handle.close()
      await (discard ? unlink(temporary).catch(() => undefined) : rename(temporary, file))
    },
  }
}

async function exportProof(
  log: NamedLog,
  seq: number,
  given: readonly string[],
  file: string | undefined,
  io: CliIo,
): Promise<number> {
  const keys = await namedKeys(given)
  const found = await findEntry(log, seq, io, "export")
  if ("code" in found) return found.code
  const way = await findProof(createFolderSource(log.storage), seq)
  if (!way.ok) {
    io.err(`lockgate audit export: entry ${seq} cannot be proved: ${printable(way.text)}\n`)
    return way.reason === "not-yet" ? EXIT.unreadable : EXIT.wrong
  }
  const { origin, size } = way.checkpoint
  const key = keys.find(({ name }) => name === origin) ?? (await ownLogKey(log.folder, origin))
  if (key === null) throw wrongUse(`a proof names the key of ${origin}: give it with --key`)
  const { proof, note } = way
  const text = encodeProofFile(nodeSha256, { line: found.read.line, index: seq, size, proof, checkpoint: note, key })
  if (file === undefined) io.out(printableLines(text))
  else if (!(await writeWhole(text, file, io))) return EXIT.unreadable
  else
    io.err(
      `${printable(file)}: proof of entry ${seq}; \`lockgate audit verify ${printable(file)} --key <key>\` checks it\n`,
    )
  return EXIT.done
}

/** JSON stays the same JSON. */
function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n")
}
