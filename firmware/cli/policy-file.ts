import { randomBytes } from "node:crypto"
import { rename, stat, unlink, writeFile } from "node:fs/promises"
import { LockgateError } from "../../policy/base/errors.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import { formatFault } from "../../policy/language/fault.ts"
import type { Fault } from "../../policy/language/fault.ts"
import { readSigningKey } from "../bundles/signer-key.ts"
import type { SigningKey } from "../bundles/signer-key.ts"
import { readText, reasonOf } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
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

/** The private key in a file, or null after the fault was told. Warns if others may read it. */
export async function readKeyFile(file: string, io: CliIo): Promise<SigningKey | null> {
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

/** What a signer signs, for a person to check: `policy 7 (pumping station), for pump-17, valid until 2027-01-31T09:00:00.000Z`. */
export function describeStatement(statement: Statement, name: string): string {
  const { version, gateways, notBeforeAt, notAfterAt } = statement
  const whom = gateways[0] === "*" ? "every gateway" : gateways.join(", ")
  const from = notBeforeAt === null ? "" : ` from ${new Date(notBeforeAt).toISOString()}`
  const until = notAfterAt === null ? " without end" : ` until ${new Date(notAfterAt).toISOString()}`
  return printable(`policy ${version} (${name}), for ${whom}, valid${from}${until}`)
}
