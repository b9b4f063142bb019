import { ALL_COMMANDS } from "./commands/all.ts"
import type { CommandEntry } from "./commands/entry.ts"
import { completionScript, SHELLS, type Completable, type Shell } from "./completion-script.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { optionsOf } from "./known-options.ts"

const USAGE = `lockgate completion ${SHELLS.join("|")}`

/** `lockgate completion bash|zsh`: a script for the shell, made of the table of commands and of what each command takes. */
export async function completion(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, {}, 1, USAGE, io)
  if (read === null) return 2
  const shell = SHELLS.find((known) => known === read.positionals[0])
  if (shell === undefined) {
    io.err(`there is no completion for "${read.positionals[0] ?? ""}"\nusage: ${USAGE}\n`)
    return 2
  }
  io.out(await scriptFor(shell))
  return 0
}

async function scriptFor(shell: Shell): Promise<string> {
  const rows: Completable[] = []
  // One after the other: a command says its options while it reads its arguments.
  for (const entry of ALL_COMMANDS) rows.push(await completable(entry))
  return completionScript(shell, rows)
}

/** A command as completion knows it: the options it takes, and those that its usage names, if it reads some in another way. */
export async function completable(entry: CommandEntry): Promise<Completable> {
  const { words, usage } = entry
  const known = new Map<string, boolean>()
  for (const [name, { type, short }] of Object.entries(await optionsOf(await entry.load()))) {
    known.set(`--${name}`, type === "string")
    if (short !== undefined) known.set(`-${short}`, type === "string")
  }
  for (const [, option = "", value] of usage.matchAll(/(?<=^|[ [(|])(--[a-z-]+)( <)?/g)) {
    if (!known.has(option)) known.set(option, value !== undefined)
  }
  const valued = [...known].flatMap(([option, isValued]) => (isValued ? [option] : []))
  return { words, options: [...known.keys()], valued, choices: choicesIn(usage) }
}

/** `on|off` or `[policy|cases|gateway]` where the first argument stands. */
function choicesIn(usage: string): string[] {
  const [first = ""] = usage.split(" ")
  return /^\[?[a-z-]+(\|[a-z-]+)+\]?$/.test(first) ? first.replace(/[[\]]/g, "").split("|") : []
}
