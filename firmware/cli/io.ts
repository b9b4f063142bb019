/** What a command of the CLI may use of the terminal. */
export interface CliIo {
  out(text: string): void
  err(text: string): void
  readonly isTTY: boolean
  /** Aborted on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

/** A command: its arguments after its own words; resolves to the exit code (0 done, 1 failed, 2 wrong use or faults). */
export type CliCommand = (args: readonly string[], io: CliIo) => Promise<number>
