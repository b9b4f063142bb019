import type { parseArgs } from "node:util"
import type { ParseArgsConfig } from "node:util"
import { parseKnown } from "./known-options.ts"

/** A person at the keyboard, or a file in the place of one. Prompts go to the terminal's error side. */
export interface CliInput {
  /** Whether somebody is there to answer. */
  readonly isTTY: boolean
  /** The line that is typed; null if nobody types one. */
  ask(prompt: string): Promise<string | null>
  /** The same, and nothing of it is shown. */
  askHidden(prompt: string): Promise<string | null>
  /** All of standard input, up to `max` bytes. @throws InputError `ERR_TOO_LARGE` */
  readAll(max: number): Promise<string>
}

/** Where a command of the command line writes, and what interrupts it. Texts go out as they are: a line ends in `\n`. */
export interface CliIo {
  out(text: string): void
  err(text: string): void
  readonly isTTY: boolean
  /** Whether `err` goes to a terminal, too: only there a bar of progress is drawn. */
  readonly errIsTTY?: boolean
  /** What the environment says (NO_COLOR). */
  readonly noColour?: boolean
  /** Whoever answers a question; without it there is nobody. */
  readonly input?: CliInput
  /** The environment, for who asks and with which key. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/** One command: arguments after its words, to a code of `EXIT`. */
export type CliHandler = (args: readonly string[], io: CliIo) => Promise<number>

type Options = NonNullable<ParseArgsConfig["options"]>
type Read<Known extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Known; allowPositionals: true; strict: true }>
>

/** The arguments, or null after the fault and `usage` were told. Unknown options are faults. */
export function readArguments<const Known extends Options>(
  args: readonly string[],
  options: Known,
  count: number,
  usage: string,
  io: CliIo,
): Read<Known> | null {
  try {
    const read = parseKnown({ args: [...args], options, allowPositionals: true, strict: true })
    if (read.positionals.length === count) return read
    io.err(`usage: ${usage}\n`)
  } catch (error) {
    // parseArgs throws nothing but faults of usage, and words them for people.
    io.err(`${error instanceof Error ? error.message : String(error)}\nusage: ${usage}\n`)
  }
  return null
}
