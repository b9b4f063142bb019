import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { InputError, LockgateError } from "../../policy/base/errors.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { openReadOnlyStorage } from "../../hal/linux/storage.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { readGatewayConfig } from "../config/read-gateway-config.ts"
import { createLogReader, type LogReader, type ReadEntry } from "../audit/reader.ts"
import type { CliIo } from "./handler.ts"
import { entryText } from "./entry-text.ts"

const POLL_MS = 200
const DEFAULT_COUNT = 10

const USAGE = `usage: lockgate audit tail (--config <gateway.yaml> | --state <folder>) [options]
  -n <count>           the last entries that match (default ${DEFAULT_COUNT}; all of them with --since)
  -f, --follow         go on with what is written from now on
  --json               the entries as they lie in the log, one a line
  --since <when>       30s, 10m, 2h, 7d, or a time such as 2030-01-31T12:00:00Z
  --category, --subject, --conduit, --outcome, --event <word>
                       only entries that say so; --subject - for nobody
  --color              colour even when this is no terminal
`

interface Wanted {
  readonly state: string
  readonly count: number
  readonly follow: boolean
  readonly json: boolean
  readonly colour: boolean
  readonly matches: (entry: Entry) => boolean
}

/**
 * Prints entries of a state folder's log: `lockgate audit tail`. Reads only; the gateway may be running.
 *
 * Returns the exit code: 0; 1 if the log cannot be read or bundles of it are missing or damaged; 2 for wrong arguments.
 */
export async function auditTail(args: readonly string[], io: CliIo): Promise<number> {
  let wanted: Wanted
  try {
    wanted = await parse(args, io.isTTY)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    io.err(`lockgate audit tail: ${error.message}\n${USAGE}`)
    return 2
  }
  try {
    return await run(wanted, createLogReader(openReadOnlyStorage(wanted.state)), io)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    io.err(`lockgate audit tail: ${printable(error.message)}\n`)
    return 1
  }
}

async function run(wanted: Wanted, reader: LogReader, io: CliIo): Promise<number> {
  const print = (read: ReadEntry): void => {
    // The line is printed anew, not copied: a log file is not trusted to be free of what drives a terminal.
    const text = wanted.json ? printable(new TextDecoder().decode(read.line)) : entryText(read.entry, wanted.colour)
    io.out(`${text}\n`)
  }
  let code = 0
  const unreadable = (index: number): void => {
    code = 1
    io.err(`lockgate audit tail: entries of bundle ${index} are missing or damaged\n`)
  }
  const end = await reader.end()
  if (end === 0 && !wanted.follow) io.err(`lockgate audit tail: no log in ${printable(wanted.state)}\n`)
  for (const read of await last(reader, end, wanted, unreadable)) print(read)
  if (wanted.follow) await follow(reader, end, wanted, print, io.signal)
  return end === 0 && !wanted.follow ? 1 : code
}

/** The last entries before `end` that match, oldest first. Goes back no further than it must. */
async function last(
  reader: LogReader,
  end: number,
  wanted: Wanted,
  unreadable: (index: number) => void,
): Promise<readonly ReadEntry[]> {
  const found: ReadEntry[][] = []
  let left = wanted.count
  for (let index = Math.ceil(end / BUNDLE_ENTRIES) - 1; index >= 0 && left > 0; index--) {
    const { entries, whole } = await reader.bundle(index)
    if (!whole) unreadable(index)
    const matching = entries.filter(({ entry }) => entry.seq < end && wanted.matches(entry))
    const taken = matching.slice(Math.max(0, matching.length - left))
    left -= taken.length
    found.unshift(taken)
  }
  return found.flat()
}

/** Print what comes after `from`, until the signal. */
async function follow(
  reader: LogReader,
  from: number,
  wanted: Wanted,
  print: (read: ReadEntry) => void,
  signal: AbortSignal,
): Promise<void> {
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
        if (wanted.matches(read.entry)) print(read)
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

async function parse(args: readonly string[], isTTY: boolean): Promise<Wanted> {
  const values = readOptions(args)
  const state = values.state ?? (values.config === undefined ? undefined : await stateFolderOf(values.config))
  if (state === undefined) throw wrong("--config <gateway.yaml> or --state <folder> is needed")
  const since = values.since === undefined ? null : sinceAt(values.since)
  const count = values.n === undefined ? (since === null ? DEFAULT_COUNT : Infinity) : countOf(values.n)
  const { category, subject, conduit, outcome, event } = values
  return {
    state,
    count,
    follow: values.follow ?? false,
    json: values.json ?? false,
    colour: isTTY || (values.color ?? false),
    matches: (entry) =>
      (category === undefined || entry.category === category) &&
      (subject === undefined || (entry.subject ?? "-") === subject) &&
      (conduit === undefined || entry.conduit === conduit) &&
      (outcome === undefined || entry.outcome === outcome) &&
      (event === undefined || entry.event === event) &&
      (since === null || Date.parse(entry.time) >= since),
  }
}

const OPTIONS = {
  config: { type: "string" },
  state: { type: "string" },
  n: { type: "string", short: "n" },
  follow: { type: "boolean", short: "f" },
  json: { type: "boolean" },
  color: { type: "boolean" },
  since: { type: "string" },
  category: { type: "string" },
  subject: { type: "string" },
  conduit: { type: "string" },
  outcome: { type: "string" },
  event: { type: "string" },
} as const

/** The state folder that a board file names; its faults are those of the arguments. */
async function stateFolderOf(file: string): Promise<string> {
  const parsed = await readGatewayConfig(file)
  if (parsed.ok) return parsed.value.stateFolder
  throw wrong(parsed.faults.map(formatFault).join("\n"))
}

function readOptions(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"] {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values
  } catch (cause) {
    // Node's own message names the argument.
    throw wrong(cause instanceof Error ? printable(cause.message) : "wrong arguments")
  }
}

function countOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw wrong(`-n takes a number, not ${printable(text)}`)
  return Number(text)
}

function sinceAt(text: string): number {
  const ago = /^(\d{1,6})([smhd])$/.exec(text)
  if (ago !== null) {
    const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[ago[2] ?? ""] ?? 0
    return Date.now() - Number(ago[1]) * unitMs
  }
  const at = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(at)) throw wrong(`--since takes 30s, 10m, 2h, 7d or a time, not ${printable(text)}`)
  return at
}

function wrong(message: string): InputError {
  return new InputError("ERR_ARGUMENT", message)
}
