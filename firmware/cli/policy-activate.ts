import type { TrialStarted } from "../bundles/activation-port.ts"
import { MAX_BUNDLE_LENGTH } from "../bundles/envelope.ts"
import { readText } from "../config/read-text.ts"
import { MAX_INLINE_LENGTH } from "../../policy/command/transfer.ts"
import { sendBundle } from "./bundle-transfer.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE, requestFault, sameGateway } from "./gateway-call.ts"
import type { GatewayOptions } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { tellFaults } from "./policy-file.ts"
import { localTime, printable } from "./text.ts"

const ACTIVATE = `lockgate policy activate <bundle> [--trial <seconds>] ${GATEWAY_USAGE}`
const CONFIRM = `lockgate policy confirm <version> ${GATEWAY_USAGE}`
const ROLLBACK = `lockgate policy rollback ${GATEWAY_USAGE}`

/** The gateway gives up preparing a policy before that. */
const ACTIVATION_TIMEOUT_MS = 180_000

/** `lockgate policy activate`: put a signed bundle in force on trial, and say how to keep it. A large one is sent in pieces. */
export async function policyActivate(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, trial: { type: "string" } }, 1, ACTIVATE, io)
  if (read === null) return 2
  const bundle = await readText(read.positionals[0] ?? "", MAX_BUNDLE_LENGTH)
  if (!bundle.ok) return tellFaults(bundle.faults, io)
  const trial = read.values.trial === undefined ? {} : { trialSeconds: wholeNumber(read.values.trial) }
  const source = await sourceOf(bundle.value, trial, read.values, io)
  if ("exitCode" in source) return source.exitCode
  const request = { command: "policy.activate", arguments: { ...source, ...trial } }
  const answer = await askGateway(read.values, request, io, ACTIVATION_TIMEOUT_MS)
  if ("exitCode" in answer) return answer.exitCode
  const started = answer.result as TrialStarted
  const until = localTime(started.trialEndsAt, started.trialEndsAt - started.trialMs)
  const back = started.previous === null ? "no policy is in force again" : `policy ${started.previous} comes back`
  const same = sameGateway(read.values)
  io.out(printable(`policy ${started.version} (${started.name}) is in force, on trial until ${until}\n`))
  io.out(`\`lockgate policy confirm ${started.version}${same}\` keeps it; otherwise ${back} by itself\n`)
  if (started.timeUncertain)
    io.err("note: the gateway does not know the time well enough to tell whether it is valid now\n")
  return 0
}

/** The bundle itself, or, where it is too large for one command, its hash after it was sent. */
async function sourceOf(
  bundle: string,
  trial: object,
  options: GatewayOptions,
  io: CliIo,
): Promise<{ readonly bundle: string } | { readonly hash: string } | { readonly exitCode: number }> {
  if (bundle.length <= MAX_INLINE_LENGTH) return { bundle }
  // A wrong option is told before minutes are spent on sending.
  const faulty = requestFault({ command: "policy.activate", arguments: { bundle: "", ...trial } }, io)
  return faulty ?? sendBundle(bundle, options, io)
}

/** `lockgate policy confirm`: keep the policy that is on trial. */
export async function policyConfirm(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 1, CONFIRM, io)
  if (read === null) return 2
  const version = wholeNumber(read.positionals[0] ?? "")
  const answer = await askGateway(read.values, { command: "policy.confirm", arguments: { version } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { before } = answer.result as { before: number | null }
  io.out(`policy ${version} is confirmed${before === null ? "" : `; it replaces policy ${before}`}\n`)
  return 0
}

/** `lockgate policy rollback`: drop the policy that is on trial. */
export async function policyRollback(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 0, ROLLBACK, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "policy.rollback", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { dropped, inForce } = answer.result as { dropped: number; inForce: number | null }
  const now =
    inForce === null ? "no policy is in force: every conduit is closed" : `policy ${inForce} is in force again`
  io.out(`policy ${dropped} is dropped; ${now}\n`)
  io.out(`its number is used up: sign the next one with ${dropped + 1} or more\n`)
  return 0
}

/** The number, or NaN, which no argument of the table takes. */
function wholeNumber(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : NaN
}
