import { readFile } from "node:fs/promises"
import { dirname, basename } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { EntryFilter } from "../../policy/audit/entry-filter.ts"
import { encodeCursor, parseCursor, type ExportCursor } from "../../policy/audit/export/cursor.ts"
import {
  DOCUMENTATION_ENTERPRISE,
  frameSyslog,
  syslogCefMessage,
  syslogMessage,
} from "../../policy/audit/export/syslog.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { parseCheckpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { parseNote } from "../../policy/audit/tlog/note.ts"
import { HardwareError, LockgateError } from "../../policy/base/errors.ts"
import { errnoOf, syncFolder } from "../../hal/linux/durable.ts"
import { createFolderSource } from "../audit/folder-source.ts"
import { exportSyslog, type ExportEvent } from "../audit/syslog-export.ts"
import { dialSyslog } from "../audit/syslog-link.ts"
import { reasonOf } from "../config/read-text.ts"
import type { DialTarget } from "../tls/dial.ts"
import { VERSION } from "../version.ts"
import { certificateFacts } from "../tls/certificate-facts.ts"
import { parsePemChain } from "../tls/pem.ts"
import { EXIT } from "./exit-codes.ts"
import { wrongUse, type NamedLog } from "./audit-options.ts"
import type { CliIo } from "./handler.ts"
import { writeWhole } from "./policy-file.ts"
import { createProgress } from "./progress.ts"

/** RFC 5425 section 4.1. */
const SYSLOG_TLS_PORT = 6514
const TIMEOUT_MS = 10_000

export const SYSLOG_OPTIONS = {
  syslog: { type: "string" },
  ca: { type: "string" },
  cert: { type: "string" },
  "cert-key": { type: "string" },
  "server-name": { type: "string" },
  cursor: { type: "string" },
  enterprise: { type: "string" },
  follow: { type: "boolean", short: "f" },
} as const

export const SYSLOG_USAGE = `syslog (RFC 5424 over TLS, RFC 5425; both ends show a certificate):
  --syslog <host[:port]>  the receiver; port ${SYSLOG_TLS_PORT} if none is said
  --ca, --cert, --cert-key <pem>   who may vouch for the receiver; our certificate and its key
  --server-name <name>    what its certificate must say, if not the host
  --cursor <file>         how far the export came; it goes on from there, at least once
  -f, --follow            go on with what is written from now on, and through every absence of the receiver
  --format cef            the entries as CEF in the messages
  --enterprise <number>   private enterprise number of the plant (default ${DOCUMENTATION_ENTERPRISE}, that of documentation)
`

type SyslogValues = { readonly [option in Exclude<keyof typeof SYSLOG_OPTIONS, "follow">]?: string } & {
  readonly follow?: boolean
  /** The messages hold CEF. */
  readonly cef?: boolean
}

/**
 * Sends entries to a syslog receiver. Only what a checkpoint covers goes out: what the log has acknowledged.
 *
 * Resolves to a code of `EXIT`. @throws InputError `ERR_ARGUMENT`
 */
export async function exportToSyslog(
  log: NamedLog,
  values: SyslogValues,
  filter: EntryFilter,
  io: CliIo,
): Promise<number> {
  const target = await targetOf(values)
  const enterprise = enterpriseOf(values.enterprise)
  const cursorFile = values.cursor ?? null
  if (cursorFile === null) throw wrongUse("--cursor <file> is needed: where to keep how far the export came")
  const start = await readCursor(cursorFile)
  const progress = createProgress(io, "entries")
  const told = (event: ExportEvent): void => tell(event, progress, io)
  try {
    const { cursor, sent, missing } = await exportSyslog(
      {
        reader: log.reader,
        end: () => acknowledged(log),
        dial: () => dialSyslog(target),
        frame: (entry) =>
          frameSyslog(
            values.cef === true ? syslogCefMessage(entry, { version: VERSION }) : syslogMessage(entry, { enterprise }),
          ),
        matches: filter.matches,
        keep: (kept) => writeCursor(cursorFile, kept, io),
        nowMs: () => performance.now(),
        pause: (ms) => sleep(ms, undefined, { signal: io.signal }).catch(() => undefined),
        signal: io.signal,
        told,
      },
      start,
      values.follow ?? false,
    )
    progress.clear()
    io.err(`${sent} entries sent to ${target.host}:${target.port}; the next one is ${cursor.next}\n`)
    return missing > 0 ? EXIT.wrong : EXIT.done
  } catch (error) {
    progress.clear()
    if (!(error instanceof LockgateError) || error.code !== "ERR_SYSLOG") throw error
    io.err(`lockgate audit export: ${printable(error.message)}; run it again to go on\n`)
    return EXIT.unreachable
  }
}

function tell(event: ExportEvent, progress: ReturnType<typeof createProgress>, io: CliIo): void {
  if (event.kind === "progress") progress.show(event.done, event.of)
  else progress.clear()
  switch (event.kind) {
    case "progress":
      return
    case "gap":
      return io.err(`lockgate audit export: entries ${event.first} to ${event.last} are missing in the log\n`)
    case "lost":
      return io.err(`lockgate audit export: ${printable(event.text)}; again in ${event.retryMs / 1000} s\n`)
    case "back":
      return io.err("lockgate audit export: the receiver is back\n")
  }
}

/** Entries that a checkpoint covers; all that can be seen if the log has none (one of an earlier release). */
async function acknowledged({ storage, reader }: NamedLog): Promise<number> {
  const note = await createFolderSource(storage).checkpoint()
  if (note === null) return reader.end()
  try {
    return parseCheckpoint(parseNote(note).text).size
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return reader.end()
    throw error
  }
}

async function targetOf(values: SyslogValues): Promise<DialTarget> {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(values.syslog ?? "")
  const [host, port] = [found?.[1] ?? found?.[2], found?.[3] === undefined ? SYSLOG_TLS_PORT : Number(found[3])]
  if (host === undefined || port < 1 || port > 65_535) throw wrongUse("--syslog takes a host, or host:port")
  const certificate = await pem(values.cert, "--cert")
  const key = await pem(values["cert-key"], "--cert-key")
  const authorities = await pem(values.ca, "--ca")
  try {
    return {
      ...{ host, port, serverName: values["server-name"] ?? host, timeoutMs: TIMEOUT_MS },
      credential: { key, certificate },
      anchors: parsePemChain(authorities).map((der) => certificateFacts(der)),
      // A desk or a server with a clock: its dates are judged by it.
      now: () => ({ earliestAt: Date.now(), latestAt: Date.now() }),
      after(ms, action) {
        const timer = setTimeout(action, ms)
        return () => clearTimeout(timer)
      },
    }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    throw wrongUse(`--ca: ${error.message}`)
  }
}

async function pem(file: string | undefined, option: string): Promise<string> {
  if (file === undefined) throw wrongUse(`${option} <pem> is needed: both ends show a certificate`)
  try {
    return await readFile(file, "utf8")
  } catch (error) {
    throw wrongUse(`${option}: ${file} cannot be read: ${reasonOf(error)}`)
  }
}

function enterpriseOf(text: string | undefined): number {
  if (text === undefined) return DOCUMENTATION_ENTERPRISE
  if (!/^[1-9]\d{0,9}$/.test(text)) throw wrongUse(`--enterprise takes a number, not ${text}`)
  return Number(text)
}

async function readCursor(file: string): Promise<ExportCursor> {
  try {
    return parseCursor(await readFile(file, "utf8"))
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { gateway: "", next: 0, last: null }
    if (!(error instanceof LockgateError))
      throw new HardwareError("ERR_IO", `${file}: cannot be read: ${reasonOf(error)}`)
    throw new LockgateError(error.kind, error.code, `${file}: ${error.message}`)
  }
}

/** Lost in a power cut it would only be behind: what it says again is sent again. */
async function writeCursor(file: string, cursor: ExportCursor, io: CliIo): Promise<void> {
  if (!(await writeWhole(encodeCursor(cursor), file, io)))
    throw new HardwareError("ERR_IO", `${basename(file)}: the cursor cannot be kept`)
  await syncFolder(dirname(file))
}
