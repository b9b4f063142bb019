import { LockgateError } from "../../policy/base/errors.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { Entry } from "../../policy/audit/entry.ts"
import { parseRequest } from "../../policy/command/check.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { openReadOnlyStorage } from "../../hal/linux/storage.ts"
import { createLogReader, type LogReader } from "../audit/reader.ts"
import { readKeptRequest } from "../audit/requests.ts"
import { parseEnvelope } from "../bundles/envelope.ts"
import { readTrustedSigner, type TrustedSigner } from "../bundles/signer-key.ts"
import { createBundleVerifier } from "../bundles/verify.ts"
import { readGatewayConfig } from "../config/read-gateway-config.ts"
import { readText } from "../material.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable, thousands } from "./text.ts"

const USAGE = "lockgate audit request <SHA-256> (--config <gateway.yaml> | --state <folder>)"
const OPTIONS = { config: { type: "string" }, state: { type: "string" } } as const
/** On a terminal nobody reads a whole bundle. */
const SHOWN = 2_000

/**
 * `lockgate audit request <hash>`: a person's request exactly as it was received, on standard output; who vouches for it, and
 * which entries name it, on standard error. Reads the state folder only; the gateway may be running or not.
 *
 * @see IEC 62443-4-2 CR 2.12
 */
export async function auditRequest(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, OPTIONS, 1, USAGE, io)
  if (read === null) return 2
  const hash = (read.positionals[0] ?? "").toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(hash)) {
    io.err(`expected a SHA-256, 64 digits and letters a..f, as the entries have it under "request"\nusage: ${USAGE}\n`)
    return 2
  }
  try {
    const where = await find(read.values, io)
    if (where === null) return 2
    const storage = openReadOnlyStorage(where.state)
    const bytes = await readKeptRequest(storage, hash)
    const named = await namedBy(createLogReader(storage), hash)
    if (bytes === null) {
      io.err(`${hash} is not kept: it was refused, or held a secret, or is older than what is kept\n${told(named)}`)
      return 1
    }
    const text = new TextDecoder().decode(bytes)
    io.out(io.isTTY ? `${printable(text.slice(0, SHOWN))}${text.length > SHOWN ? " ..." : ""}\n` : text)
    io.err(printable(`${thousands(bytes.length)} bytes, and their SHA-256 is ${hash}\n`))
    for (const line of await vouchers(bytes, where.signers)) io.err(printable(line) + "\n")
    io.err(told(named))
    return 0
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`lockgate audit request: ${printable(error.message)} (${String(error.code)})\n`)
    return 1
  }
}

interface Place {
  readonly state: string
  /** Null: not known without the board file. */
  readonly signers: readonly TrustedSigner[] | null
}

async function find(
  given: { config?: string | undefined; state?: string | undefined },
  io: CliIo,
): Promise<Place | null> {
  if ((given.config === undefined) === (given.state === undefined)) {
    io.err(`give either --config or --state\nusage: ${USAGE}\n`)
    return null
  }
  if (given.state !== undefined) return { state: given.state, signers: null }
  const config = await readGatewayConfig(given.config ?? "")
  if (!config.ok) {
    for (const fault of config.faults) io.err(formatFault(fault) + "\n")
    return null
  }
  const files = Object.entries(config.value.trust.policySigners)
  const signers = await Promise.all(files.map(async ([name, file]) => readTrustedSigner(name, await readText(file))))
  return { state: config.value.stateFolder, signers }
}

/** Who vouches for a request, in sentences. */
export async function vouchers(
  bytes: Uint8Array,
  signers: readonly TrustedSigner[] | null,
): Promise<readonly string[]> {
  const unsigned =
    "signed: no; it is vouched for by the local socket's peer credentials only (who may open it says the system)"
  const { command, arguments: given } = parseRequest(bytes)
  const bundle = (given as { readonly bundle?: unknown } | null)?.bundle
  if (command !== "policy.activate" || typeof bundle !== "string") return [`command: ${command}`, unsigned]
  const lines = [`command: ${command}`, `the command itself is ${unsigned}`]
  try {
    if (signers === null) {
      const keys = parseEnvelope(bundle).signatures.map(({ keyId }) => keyId)
      return [...lines, `the bundle in it: signed with ${keys.join(", ")}; not checked, which takes --config`]
    }
    const { signers: by, statementHash } = await createBundleVerifier(signers)(bundle)
    return [...lines, `the bundle in it: signed by ${by.join(", ")}, checked against the board file; ${statementHash}`]
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    return [...lines, `the bundle in it: no good signature (${String(error.code)})`]
  }
}

/** The entries that name the request, the newest bundle that has any and the one before it. */
async function namedBy(log: LogReader, hash: string): Promise<readonly Entry[]> {
  let found: Entry[] = []
  const end = await log.end()
  for (let index = Math.ceil(end / BUNDLE_ENTRIES) - 1; index >= 0; index--) {
    const had = found.length > 0
    const { entries } = await log.bundle(index)
    found = [...entries.map(({ entry }) => entry).filter(({ request }) => request === hash), ...found]
    if (had) break
  }
  return found
}

function told(entries: readonly Entry[]): string {
  if (entries.length === 0) return "no entry that is there names it\n"
  const lines = entries.map(({ seq, time, event, subject, object, outcome }) => `entry ${seq}  ${time}  ${event}  ${subject ?? "nobody"}  ${object ?? ""}  ${outcome}`) // prettier-ignore
  return printable(`named by:\n${lines.map((line) => `  ${line}\n`).join("")}`)
}
