import { createHash } from "node:crypto"
import { waitingText } from "../../policy/people/approval.ts"
import type { ShownWaiting } from "../people/approvals.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE, type GatewayOptions } from "./gateway-call.ts"
import { change, CHANGE_OPTIONS, CHANGE_USAGE, exitCodeOf } from "./gateway-change.ts"
import { span } from "./gateway-sessions.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable } from "./text.ts"

const LIST = `lockgate gateway approvals [--json] ${GATEWAY_USAGE} [--as <account> --key <key.pem>]`
const GIVE = `lockgate gateway approval give <hash> ${CHANGE_USAGE}`
const WITHDRAW = `lockgate gateway approval withdraw <hash> ${CHANGE_USAGE}`

/** `lockgate gateway approvals`: the commands that wait for a second person, each under its hash. */
export async function gatewayApprovals(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, LIST, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "approval.list", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { waiting } = answer.result as { waiting: readonly ShownWaiting[] }
  if (read.values.json === true) io.out(JSON.stringify({ waiting }, null, 2) + "\n")
  else io.out(printable(waiting.length === 0 ? "nothing waits" : waiting.flatMap(waitingLines).join("\n")) + "\n")
  return 0
}

/** What waits, in two lines: the hash alone on one of them, to be copied. */
export function waitingLines(waiting: ShownWaiting): string[] {
  const { hash, by, permission, secondsLeft } = waiting
  return [
    hash,
    `    ${commandText(waiting)}  asked by ${by}, permission ${permission}, waits ${span(secondsLeft)} more`,
  ]
}

/** `lockgate gateway approval give <hash>`: the second person; what is approved is shown and its hash made again first. */
export async function approvalGive(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, CHANGE_OPTIONS, 1, GIVE, io)
  if (read === null) return 2
  const hash = read.positionals[0] ?? ""
  const found = await waitingUnder(hash, read.values, io)
  if ("exitCode" in found) return found.exitCode
  const what = `${commandText(found)}, asked by ${found.by}`
  if (hashIs(found) === "another") {
    io.err(printable(`${hash} is not the hash of "${what}": nothing was approved (ERR_APPROVAL_HASH)\n`))
    return 1
  }
  return decided(read.values, found, "approval.give", `this would run now: ${what}`, `you approve: ${what}`, `approved, and done as ${found.by}: ${commandText(found)}`, io) // prettier-ignore
}

/** `lockgate gateway approval withdraw <hash>`: what one asked for oneself, or as who manages people what anybody did. */
export async function approvalWithdraw(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, CHANGE_OPTIONS, 1, WITHDRAW, io)
  if (read === null) return 2
  const hash = read.positionals[0] ?? ""
  const found = await waitingUnder(hash, read.values, io)
  if ("exitCode" in found) return found.exitCode
  const what = `${commandText(found)}, asked by ${found.by}`
  return decided(read.values, found, "approval.withdraw", `this would wait no longer: ${what}`, null, `withdrawn, and not done: ${what}`, io) // prettier-ignore
}

/** Whether the hash is that of what is shown; `unknown` where a long text or a secret keeps us from making it again. */
export function hashIs(waiting: ShownWaiting): "right" | "another" | "unknown" {
  const { hash, command, arguments: given, account, number } = waiting
  const isShort = !Object.values(given).some((value) => /^\d+ characters, SHA-256 [0-9a-f]{64}$/.test(String(value)))
  if (number === null || !isShort) return "unknown"
  const text = waitingText({ command, arguments: given, account, number })
  return createHash("sha256").update(text).digest("hex") === hash ? "right" : "another"
}

async function decided(
  options: Parameters<typeof change>[0],
  { hash }: ShownWaiting,
  command: string,
  would: string,
  danger: string | null,
  done: string,
  io: CliIo,
): Promise<number> {
  const request = { command, arguments: { hash } }
  const lines = { request, would: () => Promise.resolve([would]), danger, done: () => [done] }
  return exitCodeOf(await change<unknown>(options, lines, io))
}

async function waitingUnder(
  hash: string,
  options: GatewayOptions,
  io: CliIo,
): Promise<ShownWaiting | { readonly exitCode: number }> {
  const answer = await askGateway(options, { command: "approval.list", arguments: {} }, io)
  if ("exitCode" in answer) return answer
  const { waiting } = answer.result as { waiting: readonly ShownWaiting[] }
  const found = waiting.find((one) => one.hash === hash)
  if (found !== undefined) return found
  io.err(`nothing waits under ${printable(hash)}, or no longer: \`lockgate gateway approvals\` lists what does (ERR_APPROVAL_UNKNOWN)\n`) // prettier-ignore
  return { exitCode: 1 }
}

function commandText({ command, arguments: given }: ShownWaiting): string {
  return [command, ...Object.entries(given).map(([name, value]) => `${name}=${String(value)}`)].join(" ")
}
