import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import { IntegrityError, LockgateError } from "../../policy/base/errors.ts"
import type { ExportCursor } from "../../policy/audit/export/cursor.ts"
import { leafHash } from "../../policy/audit/tlog/hash.ts"
import { nodeSha256 } from "./note-functions.ts"
import type { LogReader } from "./reader.ts"
import type { SyslogLink } from "./syslog-link.ts"

/** Messages of one connection at most, and how long it is kept: what is in doubt after a break, and sent again. */
const RUN_MESSAGES = 4096
const RUN_MS = 30_000
const POLL_MS = 250
/** How often entries are looked for that the log should have. */
const LOOKS = 3
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

/** What an export stands on. */
export interface SyslogExportDeps {
  readonly reader: LogReader
  /** One past the last entry that may go out: those that the log has acknowledged. */
  readonly end: () => Promise<number>
  /** @throws HardwareError `ERR_SYSLOG` */
  readonly dial: () => Promise<SyslogLink>
  readonly frame: (entry: Entry) => Uint8Array
  readonly matches: (entry: Entry) => boolean
  /** Keep how far it came; on disk before this resolves. */
  readonly keep: (cursor: ExportCursor) => Promise<void>
  readonly nowMs: () => number
  /** Resolves after that time, or when the export is to end. */
  readonly pause: (ms: number) => Promise<void>
  readonly signal: AbortSignal
  readonly told: (event: ExportEvent) => void
}

/** What happens meanwhile, for a person. */
export type ExportEvent =
  | { readonly kind: "progress"; readonly done: number; readonly of: number }
  | { readonly kind: "gap"; readonly first: number; readonly last: number }
  | { readonly kind: "lost"; readonly text: string; readonly retryMs: number }
  | { readonly kind: "back" }

/** What an export did. */
export interface ExportResult {
  readonly cursor: ExportCursor
  /** Messages that the receiver has; some of them twice if it went away meanwhile. */
  readonly sent: number
  /** Entries that could not be read. */
  readonly missing: number
}

/**
 * Sends the log from `cursor` on to a syslog receiver, at least once and in order: a run of messages on each connection, and the
 * cursor only moves when the receiver has read the run to its end. With `follow` it goes on until the signal, and through
 * every absence of the receiver; without, it ends at the end of the log.
 *
 * @throws HardwareError `ERR_SYSLOG` without `follow`, when the receiver is not there; the cursor stands where it stood
 * @throws IntegrityError `ERR_CURSOR_LOG` if the log is not the one that the cursor is of, or was rewound
 * @see RFC 5425 section 4.2; IEC 62443-4-2 CR 6.1 RE(1), CR 6.2
 */
export async function exportSyslog(
  deps: SyslogExportDeps,
  start: ExportCursor,
  follow: boolean,
): Promise<ExportResult> {
  await checkCursor(deps, start)
  const result = { cursor: start, sent: 0, missing: 0 }
  let retryMs = FIRST_RETRY_MS
  let isLost = false
  for (;;) {
    const end = await deps.end()
    if (end > result.cursor.next) {
      try {
        const dial = async (): Promise<SyslogLink> => {
          const link = await deps.dial()
          if (isLost) deps.told({ kind: "back" })
          ;[retryMs, isLost] = [FIRST_RETRY_MS, false]
          return link
        }
        await sendRun({ ...deps, dial }, result, follow)
      } catch (error) {
        if (!(error instanceof LockgateError) || error.code !== "ERR_SYSLOG" || !follow) throw error
        deps.told({ kind: "lost", text: error.message, retryMs })
        isLost = true
        await deps.pause(retryMs)
        retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
      }
    } else if (!follow) return result
    else await deps.pause(POLL_MS)
    if (deps.signal.aborted) return result
  }
}

/** One connection's worth; moves the cursor once the receiver has it. Nothing to send dials nobody. */
async function sendRun(
  deps: SyslogExportDeps,
  result: { cursor: ExportCursor; sent: number; missing: number },
  follow: boolean,
): Promise<void> {
  let { next, last, gateway } = result.cursor
  let [link, sent, missing]: [SyslogLink | null, number, number] = [null, 0, 0]
  const startedMs = deps.nowMs()
  let looks = 0
  try {
    for (;;) {
      const end = await deps.end()
      const index = Math.floor(next / BUNDLE_ENTRIES)
      const { entries } = next < end ? await deps.reader.bundle(index) : { entries: [] }
      const stop = Math.min(end, (index + 1) * BUNDLE_ENTRIES)
      for (const { entry, line } of entries) {
        if (entry.seq < next || entry.seq >= stop) continue
        missing += gap(deps, next, entry.seq)
        ;[next, last, gateway] = [entry.seq + 1, Buffer.from(leafHash(nodeSha256, line)).toString("hex"), entry.gateway]
        if (!deps.matches(entry)) continue
        link ??= await deps.dial()
        await link.send(deps.frame(entry))
        sent++
      }
      // A bundle that is being renamed is there at the next look; what is still gone then will not come any more.
      if (next < stop && ++looks >= LOOKS) {
        missing += gap(deps, next, stop)
        next = stop
      } else if (next < stop) await deps.pause(POLL_MS)
      if (next >= stop) looks = 0
      deps.told({ kind: "progress", done: next, of: end })
      const isFull = sent >= RUN_MESSAGES || deps.nowMs() - startedMs >= RUN_MS
      if (isFull || deps.signal.aborted || (next >= end && (!follow || link === null))) break
      if (next >= end) await deps.pause(POLL_MS)
      // A receiver that went away is noticed before there is something to say.
      if (link !== null && !link.isOpen) await link.finish()
    }
    await link?.finish()
  } catch (error) {
    link?.destroy()
    throw error
  }
  const cursor = { gateway, next, last }
  await deps.keep(cursor)
  result.cursor = cursor
  result.sent += sent
  result.missing += missing
}

function gap(deps: SyslogExportDeps, from: number, to: number): number {
  if (to > from) deps.told({ kind: "gap", first: from, last: to - 1 })
  return to - from
}

/** Whether the log is the one that the cursor is of. What retention has taken away meanwhile cannot be asked. */
async function checkCursor({ reader, end }: SyslogExportDeps, { next, last, gateway }: ExportCursor): Promise<void> {
  if (next === 0 || last === null) return
  const wrong = (text: string): IntegrityError =>
    new IntegrityError("ERR_CURSOR_LOG", `${text}: this is not the log that the cursor is of, or it was put back`)
  if (next > (await end())) throw wrong(`${next} entries were exported, and the log has fewer`)
  const { entries } = await reader.bundle(Math.floor((next - 1) / BUNDLE_ENTRIES))
  const before = entries.find(({ entry }) => entry.seq === next - 1)
  if (before === undefined) return
  if (before.entry.gateway !== gateway) throw wrong(`the log is of ${before.entry.gateway}, not of ${gateway}`)
  if (Buffer.from(leafHash(nodeSha256, before.line)).toString("hex") !== last)
    throw wrong(`entry ${next - 1} is another one than was exported`)
}
