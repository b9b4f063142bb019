import type { parseArgs, ParseArgsConfig } from "node:util"
import { InputError } from "../../policy/base/errors.ts"
import {
  filterTerms,
  FILTER_FIELDS,
  formatFilterFault,
  parseEntryFilter,
  type EntryFilter,
} from "../../policy/audit/entry-filter.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { openReadOnlyStorage, type ReadOnlyStorage } from "../../hal/linux/storage.ts"
import { readGatewayConfig } from "../config/read-gateway-config.ts"
import { logFolder } from "../audit/log-folder.ts"
import { createLogReader, type LogReader } from "../audit/reader.ts"
import type { CliIo } from "./handler.ts"
import { parseKnown } from "./known-options.ts"

/** Whose log: every `audit` command takes these. */
export const LOG_OPTIONS = { config: { type: "string" }, state: { type: "string" } } as const
export const LOG_USAGE = "(--config <gateway.yaml> | --state <folder>)"

/** Filters, each an option of its own, and `--where` for the whole language. */
export const FILTER_OPTIONS = {
  since: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  seq: { type: "string" },
  event: { type: "string" },
  subject: { type: "string" },
  conduit: { type: "string" },
  object: { type: "string" },
  outcome: { type: "string" },
  requirement: { type: "string" },
  severity: { type: "string" },
  category: { type: "string" },
  where: { type: "string" },
} as const

export const FILTER_USAGE = `filters, all of which must hold:
  --since, --from, --to <when>  30s, 10m, 2h, 7d, or a time such as 2030-01-31T12:00:00Z (UTC if no zone is said)
  --severity <least>            info, notice, warning or alarm, and what is worse
  --event, --subject, --conduit, --object, --outcome, --category, --requirement <list>
                                a,b: either; conduit.*: any; !a: not this; -: nobody or nothing
  --seq <n | a..b>              by number
  --where '<filter>'            all of it in one: 'event=conduit.* severity=warning pressure'
`

/** Colour: only at a terminal, or when asked for. */
export const COLOUR_OPTIONS = { color: { type: "boolean" }, "no-color": { type: "boolean" } } as const

/** A log as a command was told of it. */
export interface NamedLog {
  /** As the person named it. */
  readonly folder: string
  readonly storage: ReadOnlyStorage
  readonly reader: LogReader
  /** A folder with a log alone, not a gateway's own. */
  readonly isCopy: boolean
}

type Options = NonNullable<ParseArgsConfig["options"]>
type Read<Known extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Known; allowPositionals: true; strict: true }>
>

/** The arguments. @throws InputError `ERR_ARGUMENT`, worded for people */
export function auditArguments<const Known extends Options>(
  args: readonly string[],
  options: Known,
  positionals: readonly [least: number, most: number] = [0, 0],
): Read<Known> {
  let read: Read<Known>
  try {
    read = parseKnown({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (cause) {
    // Node's own message names the argument.
    throw wrongUse(cause instanceof Error ? printable(cause.message) : "wrong arguments")
  }
  const [least, most] = positionals
  const extra = read.positionals[most]
  if (extra !== undefined) throw wrongUse(`what is "${printable(extra)}" here?`)
  if (read.positionals.length < least) throw wrongUse("something is missing")
  return read
}

/** The log that was named. @throws InputError `ERR_ARGUMENT` if none was, or the board file has faults */
export async function namedLog(values: { readonly config?: string; readonly state?: string }): Promise<NamedLog> {
  const folder = values.state ?? (values.config === undefined ? null : await stateFolderOf(values.config))
  if (folder === null) throw wrongUse("which log? --config <gateway.yaml> or --state <folder>")
  const whole = openReadOnlyStorage(folder)
  const storage = await logFolder(whole)
  return { folder, storage, reader: createLogReader(storage), isCopy: storage !== whole }
}

/** The filter that the options make. @throws InputError `ERR_ARGUMENT` that names every fault with its option */
export function namedFilter(
  values: { readonly [option in keyof typeof FILTER_OPTIONS]?: string },
  nowAt: number,
): EntryFilter {
  const terms = FILTER_FIELDS.flatMap((field) => {
    const value = field in FILTER_OPTIONS ? values[field as keyof typeof FILTER_OPTIONS] : undefined
    return value === undefined ? [] : [{ field, value, where: `--${field}` }]
  })
  if (values.where !== undefined) terms.push(...(filterTerms(values.where, "--where") as typeof terms))
  const parsed = parseEntryFilter(terms, nowAt)
  if (parsed.ok) return parsed.value
  throw wrongUse(parsed.faults.map(formatFilterFault).join("\n"))
}

/** Whether to colour: at a terminal unless the environment says NO_COLOR; what the option says comes first. @see no-color.org */
export function wantsColour(values: { readonly color?: boolean; readonly "no-color"?: boolean }, io: CliIo): boolean {
  if (values["no-color"] === true) return false
  return values.color === true || (io.isTTY && io.noColour !== true)
}

/** An error that says how a command is used. */
export function wrongUse(message: string): InputError<"ERR_ARGUMENT"> {
  return new InputError("ERR_ARGUMENT", message)
}

/** The state folder that a board file names; its faults are those of the arguments. */
async function stateFolderOf(file: string): Promise<string> {
  const parsed = await readGatewayConfig(file)
  if (parsed.ok) return parsed.value.stateFolder
  throw wrongUse(parsed.faults.map(formatFault).join("\n"))
}
