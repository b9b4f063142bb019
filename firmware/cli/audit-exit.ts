/**
 * Exit codes of the commands of `lockgate audit`, for scripts. They are other than those of the rest of the command line, for a
 * log that is wrong must not be taken for a misspelt option, nor the other way round.
 */
export const AUDIT_EXIT = {
  /** Done; for `verify`: everything that was looked at is proved by a key that was handed in or is remembered. */
  done: 0,
  /** Wrong use: an option, a filter, a key that is none. Nothing was looked at. */
  usage: 1,
  /** Something is wrong with the log or the proof: missing, changed, rewound, signed by another. */
  wrong: 2,
  /** It cannot be read, or written where it should go. */
  unreadable: 3,
  /** In itself nothing is wrong, but nobody said whose key it is: give `--key`. */
  unvouched: 4,
  /** The receiver of an export cannot be reached or trusted; what it has is remembered. */
  unreachable: 5,
  /** Interrupted (Ctrl-C): nothing is said of what was not looked at. */
  interrupted: 130,
} as const

/** The table as `--help` prints it. */
export const AUDIT_EXIT_HELP = [
  "exit code  0 done (verify: all of it proved)  1 wrong use  2 something is wrong with the log or the proof",
  "           3 cannot be read or written  4 nothing is wrong, but whose key it is nobody said: give --key",
  "           5 the receiver cannot be reached or trusted  130 interrupted",
] as const
