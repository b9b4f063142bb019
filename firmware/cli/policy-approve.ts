import { testCases } from "../bundles/cases.ts"
import type { TestCases } from "../bundles/cases.ts"
import { MAX_BUNDLE_LENGTH, parseEnvelope } from "../bundles/envelope.ts"
import { addSignature, readStatement, statementHashOf } from "../bundles/sign.ts"
import { readText } from "../config/read-text.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { describeStatement, readKeyFile, soundPolicy, tellError, tellFaults, writeBundle } from "./policy-file.ts"

const USAGE =
  "lockgate policy approve <bundle> (--key (<signer.pem> | pkcs11:<token> [--pin-file <file>]) [--out <bundle>] | --show)"
const OPTIONS = {
  key: { type: "string" },
  "pin-file": { type: "string" },
  out: { type: "string" },
  show: { type: "boolean" },
} as const

/**
 * `lockgate policy approve`: add a second signature to a bundle, over the very bytes that the first signer signed; what
 * these are is told before. `--show` only tells. A policy that has faults or fails its cases is not approved: no gateway would take it.
 *
 * @see IEC 62443-4-2 CR 2.1 RE(4)
 */
export async function policyApprove(args: readonly string[], io: CliIo, cases: TestCases = testCases): Promise<number> {
  const read = readArguments(args, OPTIONS, 1, USAGE, io)
  if (read === null) return 2
  const file = read.positionals[0] ?? ""
  if ((read.values.key === undefined) === (read.values.show !== true)) {
    io.err(`either --key or --show is needed\nusage: ${USAGE}\n`)
    return 2
  }
  const text = await readText(file, MAX_BUNDLE_LENGTH)
  if (!text.ok) return tellFaults(text.faults, io)
  const key =
    read.values.key === undefined ? undefined : await readKeyFile(read.values.key, io, read.values["pin-file"])
  if (key === null) return 2
  try {
    const statement = readStatement(text.value)
    const policy = soundPolicy({ ...statement, file, casesFile: `${file}: cases` }, cases, io)
    if (policy === null) return 2
    const described = { statement, name: policy.name, hash: statementHashOf(text.value) }
    const signed = parseEnvelope(text.value).signatures.map(
      ({ keyId }) => `  signature    ${keyId}, not checked here\n`,
    )
    const facts = `${describeStatement(described)}\n${signed.join("")}`
    if (key === undefined) {
      io.out(facts)
      return 0
    }
    io.err(`about to be approved: ${facts}`)
    if (!(await writeBundle(await addSignature(text.value, key), read.values.out, io))) return 1
    io.err(`approved with ${key.thumbprint}: ${signed.length + 1} signatures now\n`)
    return 0
  } catch (error) {
    return tellError(file, error, io)
  }
}
