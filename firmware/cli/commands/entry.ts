import type { ExitName } from "../exit-codes.ts"
import type { CliHandler } from "../handler.ts"

/** One command of the command line, as help tells it; what carries it out is loaded when it is used. */
export interface CommandEntry {
  /** One to three words. */
  readonly words: string
  readonly usage: string
  readonly summary: string
  /** What `--help` says beside, a line each. */
  readonly details?: readonly string[]
  /** How it can end, for `--help`; `COMMON_EXITS` if it does not say. */
  readonly exits?: readonly ExitName[]
  load(): Promise<CliHandler>
}
