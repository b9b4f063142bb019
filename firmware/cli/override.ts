import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { localTime } from "./text.ts"

const START = `lockgate override start <emergency> --minutes <1..480> --reason "<why>" ${GATEWAY_USAGE}`
const END = `lockgate override end <emergency> ${GATEWAY_USAGE}`
const OPTIONS = { ...GATEWAY_OPTIONS, minutes: { type: "string" }, reason: { type: "string" } } as const

/** `lockgate override start <emergency> --minutes 30 --reason "..."`: let the emergency's rules allow, for a time. */
export async function overrideStart(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  const read = readArguments(args, OPTIONS, 1, START, io)
  if (read === null) return 2
  const { minutes, reason } = read.values
  if (minutes === undefined || reason === undefined) {
    io.err(`an override needs --minutes and --reason\nusage: ${START}\n`)
    return 2
  }
  const emergency = read.positionals[0] ?? ""
  // `Number("")` is 0, and `Number("0x10")` 16: neither is what somebody meant.
  const whole = /^\d{1,9}$/.test(minutes) ? Number(minutes) : NaN
  const request = { command: "override.start", arguments: { emergency, minutes: whole, reason } }
  const answer = await askGateway(read.values, request, io)
  if ("exitCode" in answer) return answer.exitCode
  const until = localTime(nowAt + whole * 60_000, nowAt)
  io.out(`override: ${emergency} is on until ${until} (${whole} min)\n`)
  io.out(`it ends by itself then, at once by \`lockgate override end ${emergency}\`, and when the gateway restarts\n`)
  return 0
}

/** `lockgate override end <emergency>`: close the emergency's rules again. */
export async function overrideEnd(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 1, END, io)
  if (read === null) return 2
  const emergency = read.positionals[0] ?? ""
  const answer = await askGateway(read.values, { command: "override.end", arguments: { emergency } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { before } = answer.result as { before: number | null }
  io.out(before === null ? `override: ${emergency} was not on\n` : `override: ${emergency} is off again\n`)
  return 0
}
