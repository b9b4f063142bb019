/**
 * Exit codes of every command of the command line, for scripts: a number means the same whichever command ends with it.
 *
 * Node itself ends with 1 after a fault of ours; so no code but 0 says that something is good, and what is wrong with a log is
 * never 1.
 */
export const EXIT = {
  /** Done. Of `audit verify`: everything that was looked at is proved by a key that was handed in or is remembered. */
  done: 0,
  /** Refused, failed, or the answer is no: policies differ, a test case fails, a requirement is not met. */
  failed: 1,
  /** Wrong use: an option, an argument, faults in a file that was handed in. Nothing was done. */
  usage: 2,
  /** The command waits for a second person. */
  waits: 3,
  /** In itself nothing is wrong, but nobody said whose key it is: give `--key`. */
  unvouched: 4,
  /** A broker or receiver cannot be reached or trusted, or had not all of it; what is done is remembered. */
  unreachable: 5,
  /** A log cannot be read, or what was asked for is not in it, or it cannot be written where it should go. */
  unreadable: 6,
  /** Something is wrong with a log or a proof: missing, changed, rewound, signed by another. */
  wrong: 7,
  /** Interrupted (Ctrl-C): nothing is said of what was not looked at. */
  interrupted: 130,
} as const

/** How a command can end. */
export type ExitName = keyof typeof EXIT

/** What most commands can end with. */
export const COMMON_EXITS: readonly ExitName[] = ["done", "failed", "usage", "waits"]
/** What the commands that read or verify a log can end with. */
export const LOG_EXITS: readonly ExitName[] = ["done", "usage", "unvouched", "unreachable", "unreadable", "wrong", "interrupted"] // prettier-ignore

const WORDS: Readonly<Record<ExitName, string>> = {
  done: "done",
  failed: "refused or failed, or the answer is no",
  usage: "wrong use, or faults in a file",
  waits: "it waits for a second person",
  unvouched: "nothing is wrong, but whose key it is nobody said: give --key",
  unreachable: "the broker or receiver cannot be reached or trusted",
  unreadable: "cannot be read or written",
  wrong: "something is wrong with the log or the proof",
  interrupted: "interrupted",
}

/** The rows that `--help` prints of what a command can end with. */
export function exitHelp(names: readonly ExitName[]): readonly string[] {
  return names.map((name, k) => `${k === 0 ? "exit code" : "         "}  ${String(EXIT[name]).padStart(3)}  ${WORDS[name]}`) // prettier-ignore
}
