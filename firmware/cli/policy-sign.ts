import { stat } from "node:fs/promises"
import { MAX_CASES_LENGTH, MAX_POLICY_LENGTH } from "../../policy/bundle/statement.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import { GATEWAY_POLICY_LIMITS } from "../../policy/language/parse-policy.ts"
import { policyAsJson } from "../../policy/language/policy-as-json.ts"
import { testCases } from "../bundles/cases.ts"
import type { TestCases } from "../bundles/cases.ts"
import { MAX_BUNDLE_LENGTH } from "../bundles/envelope.ts"
import { signBundle, statementHashOf } from "../bundles/sign.ts"
import { readText } from "../config/read-text.ts"
import type { StatusReport } from "../management/status-report.ts"
import { askGateway, GATEWAY_OPTIONS } from "./gateway-call.ts"
import type { GatewayOptions } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import {
  casesFileOf,
  describeStatement,
  readKeyFile,
  soundPolicy,
  tellError,
  tellFaults,
  writeBundle,
} from "./policy-file.ts"

const USAGE =
  "lockgate policy sign <policy.yaml> --key (<signer.pem> | pkcs11:<token> [--pin-file <file>]) --version <n> [--gateway <name>]...\n" +
  "         [--cases <cases.yaml> | --no-cases] [--not-before <time>] [--not-after <time>] [--out <bundle>]\n" +
  "         [--predecessor <bundle>] [--config <gateway.yaml> | --socket <path>]"
const OPTIONS = {
  socket: GATEWAY_OPTIONS.socket,
  config: GATEWAY_OPTIONS.config,
  key: GATEWAY_OPTIONS.key,
  "pin-file": GATEWAY_OPTIONS["pin-file"],
  version: { type: "string" },
  gateway: { type: "string", multiple: true },
  cases: { type: "string" },
  "no-cases": { type: "boolean" },
  "not-before": { type: "string" },
  "not-after": { type: "string" },
  predecessor: { type: "string" },
  out: { type: "string" },
} as const

/**
 * `lockgate policy sign`: make a signed bundle of a policy that has no fault and passes its own cases, which travel in it.
 * What is wrong is told one a line; then nothing is signed.
 *
 * The cases are those of `--cases`, or of `<policy>.cases.yaml` beside the policy if there is such a file. The predecessor
 * is the bundle of `--predecessor`, or what is in force at the gateway that `--config` or `--socket` names.
 */
export async function policySign(
  args: readonly string[],
  io: CliIo,
  nowAt = Date.now(),
  runCases: TestCases = testCases,
): Promise<number> {
  const read = readArguments(args, OPTIONS, 1, USAGE, io)
  if (read === null) return 2
  const { values } = read
  const file = read.positionals[0] ?? ""
  if (values.key === undefined || values.version === undefined) {
    io.err(`--key and --version are needed\nusage: ${USAGE}\n`)
    return 2
  }
  if (values.cases !== undefined && values["no-cases"] === true) {
    io.err(`--cases and --no-cases exclude each other\nusage: ${USAGE}\n`)
    return 2
  }
  const text = await readText(file, MAX_POLICY_LENGTH)
  if (!text.ok) return tellFaults(text.faults, io)
  const casesFile = values["no-cases"] === true ? null : (values.cases ?? (await casesBeside(file)))
  const cases = casesFile === null ? null : await readText(casesFile, MAX_CASES_LENGTH)
  if (cases !== null && !cases.ok) return tellFaults(cases.faults, io)
  const source = { policy: text.value, file, cases: cases?.value ?? null, casesFile: casesFile ?? "" }
  const policy = soundPolicy(source, runCases, io)
  if (policy === null) return 2
  const notBeforeAt = timeOf("--not-before", values["not-before"], io)
  const notAfterAt = timeOf("--not-after", values["not-after"], io)
  const predecessor = await predecessorOf(values.predecessor, values, io)
  if (predecessor === undefined || notBeforeAt === undefined || notAfterAt === undefined) return 2
  const key = await readKeyFile(values.key, io, values["pin-file"])
  if (key === null) return 2
  const statement: Statement = {
    version: /^\d{1,10}$/.test(values.version) ? Number(values.version) : NaN,
    issuedAt: nowAt,
    notBeforeAt,
    notAfterAt,
    gateways: values.gateway ?? ["*"],
    predecessor,
    policy: forGateway(text.value, file),
    cases: source.cases,
  }
  let bundle: string
  try {
    bundle = await signBundle(statement, key)
    if (!(await writeBundle(bundle, values.out, io))) return 1
  } catch (error) {
    return tellError(file, error, io)
  }
  const described = { statement, name: policy.name, hash: statementHashOf(bundle) }
  io.err(`signed: ${describeStatement(described)}\n  key          ${key.thumbprint}\n`)
  if (values.out !== undefined) io.err(`next: lockgate policy activate ${values.out} --config <gateway.yaml>\n`)
  return 0
}

/** What a gateway reads: the text as it was written, or, where it is too large for its YAML reader, the same in JSON. */
function forGateway(text: string, file: string): string {
  if (Buffer.byteLength(text) <= GATEWAY_POLICY_LIMITS.maxYamlBytes) return text
  const json = policyAsJson(text, file)
  return json.ok ? json.value : text
}

/** The cases beside a policy; null if there is no such file. */
async function casesBeside(file: string): Promise<string | null> {
  const beside = casesFileOf(file)
  const found = await stat(beside).catch(() => null)
  return found === null ? null : beside
}

/** The hash that the next statement names; null if nobody says which, undefined after a fault was told. */
async function predecessorOf(
  file: string | undefined,
  gateway: Pick<GatewayOptions, "config" | "socket">,
  io: CliIo,
): Promise<string | null | undefined> {
  if (file === undefined) {
    if (gateway.config === undefined && gateway.socket === undefined) return null
    // `key` here is who signs the policy; who asks the gateway is named by the environment alone.
    const { config, socket } = gateway
    const answer = await askGateway({ config, socket }, { command: "status", arguments: {} }, io)
    return "exitCode" in answer ? undefined : ((answer.result as StatusReport).policy.inForce?.statement ?? null)
  }
  const text = await readText(file, MAX_BUNDLE_LENGTH)
  if (!text.ok) {
    tellFaults(text.faults, io)
    return undefined
  }
  try {
    return statementHashOf(text.value)
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
