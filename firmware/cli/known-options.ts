import { parseArgs, type ParseArgsConfig } from "node:util"
import type { CliHandler } from "./handler.ts"

/** Options as `parseArgs` takes them. */
export type KnownOptions = NonNullable<ParseArgsConfig["options"]>

/** No command has this option, so each that is given it says how it is used and does nothing else. */
const NOBODY_HAS = "--which-options-are-there"

let heard: KnownOptions | null = null

/** `parseArgs` as it is; which options a command knows can be asked for (`optionsOf`). Every command reads its arguments by it. */
export function parseKnown<Config extends ParseArgsConfig>(config: Config): ReturnType<typeof parseArgs<Config>> {
  heard = config.options ?? {}
  return parseArgs(config)
}

/** The options that a command knows, from the command itself: nothing is written down a second time. One at a time. */
export async function optionsOf(command: CliHandler): Promise<KnownOptions> {
  heard = null
  const silent = { out: () => undefined, err: () => undefined, isTTY: false, signal: AbortSignal.abort() }
  await command([NOBODY_HAS], silent)
  return (heard as KnownOptions | null) ?? {}
}
