import { readText } from "../config/read-text.ts"
import type { StatusReport } from "../management/status-report.ts"
import type { TimeNonce, TimeSet } from "../time/signed-time.ts"
import { MAX_SIGNED_TIME_LENGTH } from "../time/statement.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { tellFaults, writeBundle } from "./policy-file.ts"
import { printable } from "./text.ts"
import { iso, span, timeLines } from "./time-text.ts"

const STATUS = `lockgate time status [--json] ${GATEWAY_USAGE}`
const NONCE = `lockgate time nonce [--out <file>] ${GATEWAY_USAGE}`
const SET = `lockgate time set <signed time> ${GATEWAY_USAGE}`

/** `lockgate time status`: what the gateway knows of the time. */
export async function timeStatus(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, STATUS, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "status", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { time } = answer.result as StatusReport
  if (time === undefined) {
    io.err("this gateway says nothing of the time: it is of an older version\n")
    return 1
  }
  if (read.values.json === true) io.out(JSON.stringify(time, null, 2) + "\n")
  else io.out(printable(timeLines(time).join("\n")) + "\n")
  return 0
}

/** `lockgate time nonce`: a number for somebody to answer with a signed time. */
export async function timeNonce(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, out: { type: "string" } }, 0, NONCE, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "time.nonce", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { gateway, nonce, validSeconds } = answer.result as TimeNonce
  const text = JSON.stringify({ gateway, nonce }) + "\n"
  const { out } = read.values
  if (!(await writeBundle(text, out, io))) return 1
  io.err(`where the key is: lockgate time sign ${out ?? "<this, in a file>"} --key <pem> --out <signed time>\n`)
  io.err(`then here, within ${span(validSeconds * 1000)}: lockgate time set <signed time>\n`)
  return 0
}

/** `lockgate time set <signed time>`: hand a signed time over to the gateway. */
export async function timeSet(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 1, SET, io)
  if (read === null) return 2
  const text = await readText(read.positionals[0] ?? "", MAX_SIGNED_TIME_LENGTH)
  if (!text.ok) return tellFaults(text.faults, io)
  const answer = await askGateway(read.values, { command: "time.set", arguments: { statement: text.value } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { signers, before, after } = answer.result as TimeSet
  const words = ({ earliestAt, latestAt }: TimeSet["after"]): string =>
    `${iso(earliestAt)} to ${latestAt === null ? "no latest" : iso(latestAt)}`
  io.out(printable(`time: ${words(after)}, signed by ${signers.join(" and ")}\nbefore: ${words(before)}\n`))
  return 0
}
