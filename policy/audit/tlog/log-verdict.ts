/** What is wrong with a log, in words that stay: scripts and pages match on `code`. */
export type LogFaultCode =
  /** No checkpoint, or a text that is none. */
  | "ERR_LOG_NO_CHECKPOINT"
  /** Signed, but by none of the keys that are trusted. */
  | "ERR_LOG_OTHER_KEY"
  /** A change of keys that does not lead from a trusted key to the next. */
  | "ERR_LOG_HANDOVER"
  /** A trusted key's signature is not of this text. */
  | "ERR_LOG_SIGNATURE"
  /** The log of another gateway. */
  | "ERR_LOG_OTHER_LOG"
  /** Shorter than a checkpoint that was seen before. */
  | "ERR_LOG_REWOUND"
  /** Not a continuation of a checkpoint that was seen before. */
  | "ERR_LOG_FORKED"
  /** Entries and tiles agree with each other, and not with the signed root. */
  | "ERR_LOG_OTHER_ROOT"
  | "ERR_LOG_TILE_MISSING"
  | "ERR_LOG_TILE_ALTERED"
  | "ERR_LOG_BUNDLE_MISSING"
  /** The oldest entries are gone, and the log does not say that it gave them up. */
  | "ERR_LOG_START_MISSING"
  | "ERR_LOG_BUNDLE_MALFORMED"
  /** Not the entry that was signed at this place. */
  | "ERR_LOG_ENTRY_ALTERED"
  /** An entry of the log, at the place of another one. */
  | "ERR_LOG_ENTRY_MOVED"
  | "ERR_LOG_ENTRY_MISSING"
  /** Between two entries of the log, and in no signed tree. */
  | "ERR_LOG_ENTRY_INSERTED"
  /** Signed, and yet not an entry, or with another number or gateway than its place has. */
  | "ERR_LOG_ENTRY_WRONG"
  /** There are more faults than are told. */
  | "ERR_LOG_MORE"

/** One thing that is wrong, and where: `entry 1234`, `tile/1/000.p/7`, `checkpoint`. */
export interface LogFault {
  readonly where: string
  readonly code: LogFaultCode
  /** A sentence for people. */
  readonly text: string
}

/** Faults that are told, at most; the last one then says that there are more. */
const MAX_FAULTS = 1_000

/** Collects faults, bounded. */
export class FaultList {
  readonly found: LogFault[] = []

  add(where: string, code: LogFaultCode, text: string): void {
    if (this.found.length < MAX_FAULTS) this.found.push({ where, code, text })
    else if (this.found.length === MAX_FAULTS)
      this.found.push({ where: "log", code: "ERR_LOG_MORE", text: "there are more faults than these" })
  }
}
