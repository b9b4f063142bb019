import { createHash } from "node:crypto"
import { encodeStatement, MAX_POLICY_LENGTH } from "../../policy/bundle/statement.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import { GATEWAY_POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { policyAsJson } from "../../policy/language/policy-as-json.ts"
import { MAX_BUNDLE_LENGTH } from "../bundles/envelope.ts"
import { readStatement, signBundle } from "../bundles/sign.ts"
import { readText } from "../config/read-text.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { describeStatement, readKeyFile, tellError, tellFaults, writeBundle } from "./policy-file.ts"

const USAGE =
  "lockgate policy sign <policy.yaml> --key <signer.pem> --version <n> [--gateway <name>]...\n" +
  "         [--not-before <time>] [--not-after <time>] [--predecessor <bundle>] [--out <bundle>]"
const OPTIONS = {
  key: { type: "string" },
  version: { type: "string" },
  gateway: { type: "string", multiple: true },
  "not-before": { type: "string" },
  "not-after": { type: "string" },
  predecessor: { type: "string" },
  out: { type: "string" },
} as const

/**
 * `lockgate policy sign`: make a signed bundle of a policy that has no fault. Faults are told one a line; then nothing
 * is signed.
 */
export async function policySign(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  const read = readArguments(args, OPTIONS, 1, USAGE, io)
  if (read === null) return 2
  const { values } = read
  const file = read.positionals[0] ?? ""
  if (values.key === undefined || values.version === undefined) {
    io.err(`--key and --version are needed\nusage: ${USAGE}\n`)
    return 2
  }
  const text = await readText(file, MAX_POLICY_LENGTH)
  if (!text.ok) return tellFaults(text.faults, io)
  const parsed = parsePolicy(text.value, file)
  if (!parsed.ok) return tellFaults(parsed.faults, io)
  const predecessor = await predecessorOf(values.predecessor, io)
  const notBeforeAt = timeOf("--not-before", values["not-before"], io)
  const notAfterAt = timeOf("--not-after", values["not-after"], io)
  if (predecessor === undefined || notBeforeAt === undefined || notAfterAt === undefined) return 2
  const key = await readKeyFile(values.key, io)
  if (key === null) return 2
  const statement: Statement = {
    version: /^\d{1,10}$/.test(values.version) ? Number(values.version) : NaN,
    issuedAt: nowAt,
    notBeforeAt,
    notAfterAt,
    gateways: values.gateway ?? ["*"],
    predecessor,
    policy: forGateway(text.value, file),
  }
  try {
    if (!(await writeBundle(await signBundle(statement, key), values.out, io))) return 1
  } catch (error) {
    return tellError(file, error, io)
  }
  io.err(`signed: ${describeStatement(statement, parsed.value.name)}; key ${key.thumbprint}\n`)
  if (values.out !== undefined) io.err(`next: lockgate policy activate ${values.out} --config <gateway.yaml>\n`)
  return 0
}

/** What a gateway reads: the text as it was written, or, where it is too large for its YAML reader, the same in JSON. */
function forGateway(text: string, file: string): string {
  if (Buffer.byteLength(text) <= GATEWAY_POLICY_LIMITS.maxYamlBytes) return text
  const json = policyAsJson(text, file)
  return json.ok ? json.value : text
}

/** The hash of the statement in a bundle; null if none is given, undefined after a fault was told. */
async function predecessorOf(file: string | undefined, io: CliIo): Promise<string | null | undefined> {
  if (file === undefined) return null
  const text = await readText(file, MAX_BUNDLE_LENGTH)
  if (!text.ok) {
    tellFaults(text.faults, io)
    return undefined
  }
  try {
    return createHash("sha256")
      .update(encodeStatement(readStatement(text.value)))
      .digest("hex")
  } catch (error) {
    tellError(file, error, io)
    return undefined
  }
}

/** A day (midnight, UTC) or a time with its zone; null if none is given, undefined after a fault was told. */
function timeOf(option: string, text: string | undefined, io: CliIo): number | null | undefined {
  if (text === undefined) return null
  const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/
  const at = form.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(at)) return at
  io.err(`${option}: expected a time like 2027-01-31 or 2027-01-31T09:00:00Z, found ${JSON.stringify(text)}\n`)
  return undefined
}
