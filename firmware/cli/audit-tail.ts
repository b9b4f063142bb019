import { setTimeout as sleep } from "node:timers/promises"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { EntryFilter } from "../../policy/audit/entry-filter.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { walkLog } from "../audit/log-walk.ts"
import type { LogReader, ReadEntry } from "../audit/reader.ts"
import { EXIT } from "./exit-codes.ts"
import {
  auditArguments,
  COLOUR_OPTIONS,
  FILTER_OPTIONS,
  FILTER_USAGE,
  LOG_OPTIONS,
  LOG_USAGE,
  namedFilter,
  namedLog,
  wantsColour,
  wrongUse,
} from "./audit-options.ts"
import { auditRun } from "./audit-run.ts"
import { entryText } from "./entry-text.ts"
import type { CliIo } from "./handler.ts"
import { createProgress } from "./progress.ts"

const POLL_MS = 200
const DEFAULT_COUNT = 10

const USAGE = `usage: lockgate audit tail ${LOG_USAGE} [options] [filters]
  -n <count>     the last entries that match (default ${DEFAULT_COUNT}; all of them with --since, --from or --seq)
  -f, --follow   go on with what is written from now on
  --json         the entries as they lie in the log, one a line
  --color, --no-color
${FILTER_USAGE}`

interface Wanted {
  readonly count: number
  readonly follow: boolean
  readonly filter: EntryFilter
  readonly print: (read: ReadEntry) => void
  readonly unreadable: (index: number) => void
}

/**
 * Prints entries of a log: `lockgate audit tail`. Reads only; the gateway may be running.
 *
 * Resolves to a code of `EXIT`: `wrong` if entries that were looked for are missing or damaged.
 *
 * @see IEC 62443-4-2 CR 6.1
 */
export async function auditTail(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  return auditRun("tail", USAGE, io, async () => {
    const { values } = auditArguments(args, {
      ...LOG_OPTIONS,
      ...FILTER_OPTIONS,
      ...COLOUR_OPTIONS,
      n: { type: "string", short: "n" },
      follow: { type: "boolean", short: "f" },
      json: { type: "boolean" },
    })
    const { folder, reader } = await namedLog(values)
    const all = values.since !== undefined || values.from !== undefined || values.seq !== undefined
    const filter = namedFilter(values, nowAt)
    const colour = wantsColour(values, io)
    const progress = createProgress(io, "entries")
    let code: number = EXIT.done
    const wanted: Wanted = {
      count: values.n === undefined ? (all ? Infinity : DEFAULT_COUNT) : countOf(values.n),
      follow: values.follow ?? false,
      filter,
      print({ line, entry }) {
        progress.clear()
        // The line is printed anew, not copied: a log file is not trusted to be free of what drives a terminal.
        io.out(`${values.json === true ? printable(new TextDecoder().decode(line)) : entryText(entry, colour)}\n`)
      },
      unreadable(index) {
        code = EXIT.wrong
        progress.clear()
        io.err(`lockgate audit tail: entries of bundle ${index} are missing or damaged\n`)
      },
    }
    const end = await reader.end()
    if (end === 0 && !wanted.follow) {
      io.err(`lockgate audit tail: no log in ${printable(folder)}\n`)
      return EXIT.unreadable
    }
    if (wanted.count === Infinity) {
      const first = Math.max(await reader.first(), filter.firstSeq)
      for await (const bundle of walkLog(reader, first, Math.min(end, filter.lastSeq + 1))) {
        if (io.signal.aborted) return code
        if (!bundle.whole) wanted.unreadable(bundle.index)
        for (const read of bundle.entries) if (filter.matches(read.entry)) wanted.print(read)
        progress.show((bundle.index + 1) * BUNDLE_ENTRIES - first, end - first)
      }
      progress.clear()
    } else for (const read of await last(reader, end, wanted)) wanted.print(read)
    if (wanted.follow) await follow(reader, end, wanted, io.signal)
    return code
  })
}

/** The last entries before `end` that match, oldest first. Goes back no further than it must. */
async function last(reader: LogReader, end: number, wanted: Wanted): Promise<readonly ReadEntry[]> {
  const found: ReadEntry[][] = []
  const first = Math.floor((await reader.first()) / BUNDLE_ENTRIES)
  let left = wanted.count
  for (let index = Math.ceil(end / BUNDLE_ENTRIES) - 1; index >= first && left > 0; index--) {
    const { entries, whole } = await reader.bundle(index)
    if (!whole) wanted.unreadable(index)
    const matching = entries.filter(({ entry }) => entry.seq < end && wanted.filter.matches(entry))
    const taken = matching.slice(Math.max(0, matching.length - left))
    left -= taken.length
    found.unshift(taken)
  }
  return found.flat()
}

/** Print what comes after `from`, until the signal. */
async function follow(reader: LogReader, from: number, wanted: Wanted, signal: AbortSignal): Promise<void> {
  let next = from
  for (;;) {
    const end = await reader.end()
    // A log that healed after a failing disk gives numbers anew that were seen but never acknowledged.
    next = Math.min(next, end)
    for (let before = -1; next < end && next !== before;) {
      before = next
      const index = Math.floor(next / BUNDLE_ENTRIES)
      const { entries, whole } = await reader.bundle(index)
      for (const read of entries) {
        if (read.entry.seq < next) continue
        next = read.entry.seq + 1
        if (wanted.filter.matches(read.entry)) wanted.print(read)
      }
      // What cannot be read in a bundle before the last will not come any more.
      if (!whole) next = Math.max(next, Math.min(end, (index + 1) * BUNDLE_ENTRIES))
    }
    try {
      await sleep(POLL_MS, undefined, { signal })
    } catch {
      return
    }
  }
}

function countOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw wrongUse(`-n takes a number, not ${printable(text)}`)
  return Number(text)
}
