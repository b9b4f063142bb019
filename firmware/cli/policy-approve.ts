import { testCases } from "../bundles/cases.ts"
import type { TestCases } from "../bundles/cases.ts"
import { MAX_BUNDLE_LENGTH } from "../bundles/envelope.ts"
import { addSignature, readStatement, statementHashOf } from "../bundles/sign.ts"
import { readText } from "../config/read-text.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { describeStatement, readKeyFile, soundPolicy, tellError, tellFaults, writeBundle } from "./policy-file.ts"

const USAGE = "lockgate policy approve <bundle> --key <signer.pem> [--out <bundle>]"

/**
 * `lockgate policy approve`: add a second signature to a bundle, over the very bytes that the first signer signed, and
 * say what was approved. A policy that has faults or fails its cases is not approved: no gateway would take it.
 *
 * @see IEC 62443-4-2 CR 2.1 RE(4)
 */
export async function policyApprove(args: readonly string[], io: CliIo, cases: TestCases = testCases): Promise<number> {
  const read = readArguments(args, { key: { type: "string" }, out: { type: "string" } }, 1, USAGE, io)
  if (read === null) return 2
  const file = read.positionals[0] ?? ""
  if (read.values.key === undefined) {
    io.err(`--key is needed\nusage: ${USAGE}\n`)
    return 2
  }
  const text = await readText(file, MAX_BUNDLE_LENGTH)
  if (!text.ok) return tellFaults(text.faults, io)
  const key = await readKeyFile(read.values.key, io)
  if (key === null) return 2
  try {
    const statement = readStatement(text.value)
    const policy = soundPolicy({ ...statement, file, casesFile: `${file}: cases` }, cases, io)
    if (policy === null) return 2
    const described = { statement, name: policy.name, hash: statementHashOf(text.value) }
    if (!(await writeBundle(await addSignature(text.value, key), read.values.out, io))) return 1
    io.err(`approved: ${describeStatement(described)}\n  key          ${key.thumbprint}\n`)
    return 0
  } catch (error) {
    return tellError(file, error, io)
  }
}
