import { InputError } from "../base/errors.ts"

/**
 * What the signers of a policy bundle sign.
 *
 *     { "format": "lockgate-policy-bundle/2",
 *       "version": 7,
 *       "issuedAt": "2026-01-31T09:00:00.000Z",
 *       "notBefore": null,
 *       "notAfter": "2027-01-31T09:00:00.000Z",
 *       "gateways": ["*"],
 *       "predecessor": "<SHA-256 of the statement it replaces, hex>",
 *       "policy": "<the policy document, YAML or JSON>",
 *       "cases": "<the policy's own test cases, YAML or JSON>" }
 *
 * Format 1 is the same without `cases`; it is still read, and no longer written.
 *
 * A statement has exactly one encoding: these members, all of them, in this order, without white space between them,
 * strings as `JSON.stringify` writes them, times as above with three decimals. So two readers cannot see two
 * statements in the same signed bytes (a repeated member, say), and a second signer approves what the first one saw.
 */
export interface Statement {
  /** 1..2^31. */
  readonly version: number
  readonly issuedAt: number
  /** Null: valid from the beginning. */
  readonly notBeforeAt: number | null
  /** Null: valid for ever. */
  readonly notAfterAt: number | null
  /** Names of the gateways it is for; `["*"]` for all. */
  readonly gateways: readonly string[]
  /** SHA-256 over the bytes of the statement that this one replaces, lower-case hex. Tells forks; refuses nothing. */
  readonly predecessor: string | null
  /** The policy document. */
  readonly policy: string
  /** Cases that the policy must pass wherever it comes into force; null for none, and in every statement of format 1. */
  readonly cases: string | null
}

export type StatementErrorCode = "ERR_BUNDLE_STATEMENT" | "ERR_BUNDLE_FORMAT" | "ERR_BUNDLE_SIZE"

/** The format that is written. */
export const STATEMENT_FORMAT = "lockgate-policy-bundle/2"
/** The one before it, read as well. */
export const FORMER_STATEMENT_FORMAT = "lockgate-policy-bundle/1"
export const MAX_VERSION = 2 ** 31
/** In base64url and with sixteen signatures it stays under the 32 MiB of a bundle. */
export const MAX_STATEMENT_BYTES = 23 * 1024 * 1024
/** Characters of the policy document. In the statement it is quoted: a document of this length may have 7 MiB of quotes. */
export const MAX_POLICY_LENGTH = 16 * 1024 * 1024
/** Characters of the test cases: what a gateway's YAML reader takes. */
export const MAX_CASES_LENGTH = 256 * 1024
export const MAX_GATEWAYS = 1000

const FORMER_MEMBERS = ["format", "version", "issuedAt", "notBefore", "notAfter", "gateways", "predecessor", "policy"]
const MEMBERS = [...FORMER_MEMBERS, "cases"]
const NAME = /^[A-Za-z0-9._-]{1,64}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/**
 * Parse a statement, whole or not at all.
 *
 * @throws InputError `ERR_BUNDLE_SIZE`; `ERR_BUNDLE_FORMAT` if it is of another format, perhaps a later one;
 *   `ERR_BUNDLE_STATEMENT` if anything in it is missing, unknown, out of range or not in its one encoding.
 */
export function parseStatement(bytes: Uint8Array): Statement {
  if (bytes.length > MAX_STATEMENT_BYTES) throw new InputError("ERR_BUNDLE_SIZE", "the statement is too long")
  let text: string
  let value: unknown
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch {
    throw wrong("the statement is not JSON in UTF-8")
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("the statement is not an object")
  const members = value as Record<string, unknown>
  const { format } = members
  if (format !== STATEMENT_FORMAT && format !== FORMER_STATEMENT_FORMAT) {
    throw new InputError(
      "ERR_BUNDLE_FORMAT",
      `the statement is not of format ${STATEMENT_FORMAT}, nor of the one before`,
    )
  }
  const known = format === STATEMENT_FORMAT ? MEMBERS : FORMER_MEMBERS
  for (const name of Object.keys(members)) if (!known.includes(name)) throw wrong("the statement has an unknown member")
  for (const name of known) if (!Object.hasOwn(members, name)) throw wrong(`the statement has no ${name}`)
  const statement: Statement = {
    version: version(members["version"]),
    issuedAt: time("issuedAt", members["issuedAt"]),
    notBeforeAt: members["notBefore"] === null ? null : time("notBefore", members["notBefore"]),
    notAfterAt: members["notAfter"] === null ? null : time("notAfter", members["notAfter"]),
    gateways: gateways(members["gateways"]),
    predecessor: predecessor(members["predecessor"]),
    policy: policy(members["policy"]),
    cases: format === STATEMENT_FORMAT ? cases(members["cases"]) : null,
  }
  checkOrder(statement)
  if (stringify(statement, format) !== text) throw wrong("the statement is not in its one encoding")
  return statement
}

/**
 * The one encoding of a statement, in the format that is written now, ready to be signed.
 *
 * @throws InputError `ERR_BUNDLE_STATEMENT`, `ERR_BUNDLE_SIZE`: whatever `parseStatement` would refuse.
 */
export function encodeStatement(statement: Statement): Uint8Array {
  let text: string
  try {
    text = stringify(statement, STATEMENT_FORMAT)
  } catch {
    throw wrong("a time of the statement is not a time")
  }
  const bytes = new TextEncoder().encode(text)
  parseStatement(bytes)
  return bytes
}

function stringify(statement: Statement, format: string): string {
  return JSON.stringify({
    format,
    version: statement.version,
    issuedAt: iso(statement.issuedAt),
    notBefore: statement.notBeforeAt === null ? null : iso(statement.notBeforeAt),
    notAfter: statement.notAfterAt === null ? null : iso(statement.notAfterAt),
    gateways: statement.gateways,
    predecessor: statement.predecessor,
    policy: statement.policy,
    ...(format === STATEMENT_FORMAT ? { cases: statement.cases } : {}),
  })
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

function version(value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > MAX_VERSION) {
    throw wrong("the version is not an integer in 1..2147483648")
  }
  return value
}

function time(name: string, value: unknown): number {
  if (typeof value !== "string" || !TIME.test(value)) throw wrong(`${name} is not a time like 2026-01-31T09:00:00.000Z`)
  const at = Date.parse(value)
  // A parser may roll 30 February over into March: only a time that reads back as itself is one.
  if (Number.isNaN(at) || iso(at) !== value) throw wrong(`${name} is not a day of the calendar`)
  return at
}

function gateways(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_GATEWAYS) {
    throw wrong(`gateways is not a list of 1 to ${MAX_GATEWAYS} names`)
  }
  const names = value as readonly unknown[]
  if (names.length === 1 && names[0] === "*") return ["*"]
  const found = names.map((name) => {
    if (typeof name !== "string" || !NAME.test(name))
      throw wrong('gateways holds something that is neither a name nor a sole "*"')
    return name
  })
  if (new Set(found).size !== found.length) throw wrong("gateways holds a name twice")
  return found
}

function predecessor(value: unknown): string | null {
  if (value === null) return null
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) throw wrong("predecessor is not a SHA-256 in hex")
  return value
}

function policy(value: unknown): string {
  if (typeof value !== "string") throw wrong("policy is not a text")
  if (value.length > MAX_POLICY_LENGTH) throw new InputError("ERR_BUNDLE_SIZE", "the policy document is too long")
  return value
}

function cases(value: unknown): string | null {
  if (value === null) return null
  if (typeof value !== "string") throw wrong("cases is not a text")
  if (value.length > MAX_CASES_LENGTH) throw new InputError("ERR_BUNDLE_SIZE", "the test cases are too long")
  return value
}

function checkOrder(statement: Statement): void {
  const { notBeforeAt, notAfterAt } = statement
  if (notBeforeAt !== null && notAfterAt !== null && notBeforeAt >= notAfterAt) {
    throw wrong("notAfter is not after notBefore")
  }
}

function wrong(message: string): InputError<StatementErrorCode> {
  return new InputError("ERR_BUNDLE_STATEMENT", message)
}
