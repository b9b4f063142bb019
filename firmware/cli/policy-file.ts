import { randomBytes } from "node:crypto"
import { rename, stat, unlink, writeFile } from "node:fs/promises"
import { LockgateError } from "../../policy/base/errors.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import { formatFault } from "../../policy/language/fault.ts"
import type { Fault } from "../../policy/language/fault.ts"
import { parsePolicy } from "../../policy/language/parse-policy.ts"
import type { Policy } from "../../policy/language/policy.ts"
import type { TestCases } from "../bundles/cases.ts"
import { readSigningKey } from "../bundles/signer-key.ts"
import type { SigningKey } from "../bundles/signer-key.ts"
import { readText, reasonOf } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { isTokenUri } from "./pkcs11-uri.ts"
import { printable } from "./text.ts"

const MAX_KEY_LENGTH = 16 * 1024

/** Tell every fault of a file, one a line; the exit code is 2. */
export function tellFaults(faults: readonly Fault[], io: CliIo): number {
  for (const fault of faults) io.err(formatFault(fault) + "\n")
  return 2
}

/** Tell an error of ours; the exit code is 2, for what a person gave us is wrong. Anything else is thrown on. */
export function tellError(file: string, error: unknown, io: CliIo): number {
  if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
  const text = error.message.startsWith(file) ? error.message : `${file}: ${error.message}`
  io.err(`${text} (${String(error.code)})\n`)
  return 2
}

/** The private key in a file, or in the token that `pkcs11:...` names; null after the fault was told. Warns if others may read a file. */
export async function readKeyFile(file: string, io: CliIo, pinFile?: string): Promise<SigningKey | null> {
  if (isTokenUri(file)) return tokenKey(file, io, pinFile)
  const text = await readText(file, MAX_KEY_LENGTH)
  if (!text.ok) {
    tellFaults(text.faults, io)
    return null
  }
  const others = (await stat(file)).mode & 0o077
  if (others !== 0) io.err(`WARNING: ${file} can be read by others than you: chmod 600 ${file}\n`)
  try {
    return await readSigningKey(file, text.value)
  } catch (error) {
    tellError(file, error, io)
    return null
  }
}

async function tokenKey(uri: string, io: CliIo, pinFile: string | undefined): Promise<SigningKey | null> {
  try {
    const { openTokenKey } = await import("./token-key.ts")
    const key = await openTokenKey(uri, {
      env: io.env ?? {},
      pinFile,
      input: io.input,
    })
    const { algorithm, thumbprint, publicKey } = key
    return { algorithm, thumbprint, key: publicKey, sign: (bytes) => key.sign(bytes) }
  } catch (error) {
    tellError("--key", error, io)
    return null
  }
}

/** Write a bundle to a file, whole or not at all, or to standard output if there is no file. False after a fault was told. */
export async function writeBundle(text: string, file: string | undefined, io: CliIo): Promise<boolean> {
  if (file !== undefined) return writeWhole(text, file, io)
  io.out(text)
  return true
}

/** Write a file, whole or not at all. False after a fault was told. */
export async function writeWhole(data: string | Uint8Array, file: string, io: CliIo): Promise<boolean> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}`
  try {
    await writeFile(temporary, data, { flag: "wx" })
    await rename(temporary, file)
    return true
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    io.err(`${file}: cannot be written: ${reasonOf(error)}\n`)
    return false
  }
}

/** `plant.yaml` has its cases in `plant.cases.yaml`. */
export function casesFileOf(file: string): string {
  return `${file.replace(/\.(yaml|yml|json)$/, "")}.cases.yaml`
}

/** A statement and what goes with it: what a person reads before a name is put under it. */
export interface Described {
  readonly statement: Statement
  /** The policy's name. */
  readonly name: string
  /** SHA-256 of the statement, hex. */
  readonly hash: string
}

/**
 * What a signer signs, for a person to check, in lines:
 *
 *     policy 7 (pumping station), for pump-17, valid until 2027-01-31T09:00:00.000Z
 *       statement    9f86...
 *       predecessor  60303a... (or: none named)
 *       cases        pass (or: none)
 */
export function describeStatement({ statement, name, hash }: Described): string {
  const { version, gateways, notBeforeAt, notAfterAt, predecessor, cases } = statement
  const whom = gateways[0] === "*" ? "every gateway" : gateways.join(", ")
  const from = notBeforeAt === null ? "" : ` from ${new Date(notBeforeAt).toISOString()}`
  const until = notAfterAt === null ? " without end" : ` until ${new Date(notAfterAt).toISOString()}`
  const lines = [
    `policy ${version} (${name}), for ${whom}, valid${from}${until}`,
    `  statement    ${hash}`,
    `  predecessor  ${predecessor ?? "none named"}`,
    `  cases        ${cases === null ? "none" : "pass"}`,
  ]
  return printable(lines.join("\n"))
}

/** The policy in a statement, if it has no fault and passes its cases; null after what is wrong was told, one a line. */
export function soundPolicy(
  source: { readonly policy: string; readonly file: string; readonly cases: string | null; readonly casesFile: string },
  testCases: TestCases,
  io: CliIo,
): Policy | null {
  const parsed = parsePolicy(source.policy, source.file)
  if (!parsed.ok) {
    tellFaults(parsed.faults, io)
    return null
  }
  try {
    const compiled = compilePolicy(parsed.value)
    const failures = source.cases === null ? [] : testCases(parsed.value, compiled, source.cases)
    for (const failure of failures) io.err(printable(`${source.casesFile}: ${failure}`) + "\n")
    return failures.length === 0 ? parsed.value : null
  } catch (error) {
    tellError(source.file, error, io)
    return null
  }
}
