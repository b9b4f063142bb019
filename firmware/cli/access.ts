import type { AccessStatus } from "../management/access.ts"
import type { ConduitStatus, StatusReport } from "../management/status-report.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { localTime, printable, thousands } from "./text.ts"

const LIST = `lockgate access list ${GATEWAY_USAGE}`
const GRANT = `lockgate access grant <conduit> --minutes <1..480> --reason "<why>" ${GATEWAY_USAGE}`
const END = `lockgate access end <conduit> ${GATEWAY_USAGE}`
const END_ALL = `lockgate access end-all ${GATEWAY_USAGE}`
const RESTORE = `lockgate conduit restore <conduit> ${GATEWAY_USAGE}`

/** `lockgate access list`: every way in from an untrusted zone, who approved it, until when, and what passes. */
export async function accessList(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 0, LIST, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "status", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { access, conduits } = answer.result as StatusReport
  const lines = access.length === 0 ? ["the policy in force has no way in from an untrusted zone"] : access.map((one) => accessLine(one, conduits, nowAt)) // prettier-ignore
  io.out(printable(lines.join("\n")) + "\n")
  return 0
}

/** One way in, in a line. */
export function accessLine(
  { conduit, access, zone, on }: AccessStatus,
  conduits: readonly ConduitStatus[],
  nowAt: number,
): string {
  const own = conduits.find(({ name }) => name === conduit)
  const from = zone === null ? "" : `  zone ${zone}`
  const state =
    access === "always"
      ? "ALWAYS OPEN by policy"
      : on === null
        ? "closed: nobody has approved it"
        : `OPEN until ${localTime(nowAt + on.remainingSeconds * 1000, nowAt)}, approved by ${on.by}: ${on.reason}`
  const { connections = 0, allowed = 0, denied = 0 } = own ?? {}
  return `${conduit}${from}  ${state}  ${connections} connected  ${thousands(allowed)} allowed  ${thousands(denied)} denied`
}

/** `lockgate access grant <conduit> --minutes 30 --reason "..."`: approve a way in for a time. */
export async function accessGrant(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  const options = { ...GATEWAY_OPTIONS, minutes: { type: "string" }, reason: { type: "string" } } as const
  const read = readArguments(args, options, 1, GRANT, io)
  if (read === null) return 2
  const { minutes, reason } = read.values
  if (minutes === undefined || reason === undefined) {
    io.err(`an approval needs --minutes and --reason\nusage: ${GRANT}\n`)
    return 2
  }
  const conduit = read.positionals[0] ?? ""
  const whole = /^\d{1,9}$/.test(minutes) ? Number(minutes) : NaN
  const request = { command: "access.grant", arguments: { conduit, minutes: whole, reason } }
  const answer = await askGateway(read.values, request, io)
  if ("exitCode" in answer) return answer.exitCode
  io.out(`access: ${conduit} is open until ${localTime(nowAt + whole * 60_000, nowAt)} (${whole} min)\n`)
  io.out(`it ends by itself then, at once by \`lockgate access end ${conduit}\`, and when the gateway restarts\n`)
  return 0
}

/** `lockgate access end <conduit>`: close it again. */
export async function accessEnd(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 1, END, io)
  if (read === null) return 2
  const conduit = read.positionals[0] ?? ""
  const answer = await askGateway(read.values, { command: "access.end", arguments: { conduit } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { before } = answer.result as { before: number | null }
  io.out(before === null ? `access: ${conduit} was not approved\n` : `access: ${conduit} is closed again\n`)
  return 0
}

/** `lockgate access end-all`: the one switch for every way in. */
export async function accessEndAll(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 0, END_ALL, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "access.end-all", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { ended } = answer.result as { ended: readonly string[] }
  io.out(ended.length === 0 ? "access: nothing was approved\n" : `access: closed again: ${ended.join(", ")}\n`)
  return 0
}

/** `lockgate conduit restore <conduit>`: open a conduit again that a fault of the gateway had closed. */
export async function conduitRestore(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 1, RESTORE, io)
  if (read === null) return 2
  const conduit = read.positionals[0] ?? ""
  const answer = await askGateway(read.values, { command: "conduit.restore", arguments: { conduit } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { fault } = answer.result as { fault: string }
  io.out(printable(`conduit ${conduit} is restored; what had closed it: ${fault}\n`))
  return 0
}
