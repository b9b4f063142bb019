/** Who is at fault, and thereby how the caller reacts: see the table in `policy/README.md`. */
export type ErrorKind = "input" | "integrity" | "hardware" | "state" | "invariant"

/** Facts for machines beside the message: numbers, names, places; never secrets or payload bytes. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean>>

/** What an error may carry beside its message. */
export interface ErrorOptions {
  readonly detail?: ErrorDetail
  readonly cause?: unknown
}

/**
 * Base of every error this project throws.
 *
 * `code` is stable: tests, the audit log and the console match on it. `message` is for people.
 *
 * @see IEC 62443-4-2 CR 3.7: never put key material, passwords or payload bytes in `message` or `detail`.
 */
export class LockgateError<Code extends string = string> extends Error {
  readonly kind: ErrorKind
  readonly code: Code
  readonly detail: ErrorDetail

  constructor(kind: ErrorKind, code: Code, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = "LockgateError"
    this.kind = kind
    this.code = code
    this.detail = options.detail ?? {}
  }
}

/** Bytes or words from outside are wrong: drop, count, audit, carry on. */
export class InputError<Code extends string = string> extends LockgateError<Code> {
  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super("input", code, message, options)
    this.name = "InputError"
  }
}

/** Something that should be trustworthy is not: refuse, keep the last good, alarm. */
export class IntegrityError<Code extends string = string> extends LockgateError<Code> {
  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super("integrity", code, message, options)
    this.name = "IntegrityError"
  }
}

/** The board failed: retry inside the port's budget, then take that port's safe state. */
export class HardwareError<Code extends string = string> extends LockgateError<Code> {
  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super("hardware", code, message, options)
    this.name = "HardwareError"
  }
}

/** The asker asked at the wrong moment: tell them; nothing changed. */
export class StateError<Code extends string = string> extends LockgateError<Code> {
  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super("state", code, message, options)
    this.name = "StateError"
  }
}

/** We are wrong. Never caught: the process dies and the watchdog restarts it. */
export class InvariantError<Code extends string = string> extends LockgateError<Code> {
  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super("invariant", code, message, options)
    this.name = "InvariantError"
  }
}
