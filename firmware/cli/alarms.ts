import type { OpenAlarm } from "../../policy/audit/alarm.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE, sameGateway } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { localTime, printable, thousands } from "./text.ts"

const LIST = `lockgate alarms [--json] ${GATEWAY_USAGE}`
const ACKNOWLEDGE = `lockgate alarm acknowledge <id> [--note "<what was done>"] ${GATEWAY_USAGE}`

/** `lockgate alarms`: what is open, the gravest first; `--json` as it was answered. */
export async function alarms(args: readonly string[], io: CliIo, nowAt = Date.now()): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, LIST, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "alarm.list", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { alarms: open } = answer.result as { readonly alarms: readonly OpenAlarm[] }
  if (read.values.json === true) io.out(JSON.stringify(open, null, 2) + "\n")
  else if (open.length === 0) io.out("no alarm is open\n")
  else {
    const lines = open.flatMap((alarm) => alarmLines(alarm, nowAt))
    const close = `close one, once somebody has seen to it: lockgate alarm acknowledge <id>${sameGateway(read.values)}`
    io.out(printable([...lines, close].join("\n")) + "\n")
  }
  return 0
}

/** One alarm, in two lines. */
export function alarmLines({ id, since, last, count, seq, severity, text }: OpenAlarm, nowAt: number): string[] {
  const [from, to] = [since, last].map((time) => localTime(Date.parse(time), nowAt))
  const when = count === 1 ? `at ${from ?? ""}` : `${thousands(count)} times, ${from ?? ""} to ${to ?? ""}`
  return [`${severity === "alarm" ? "ALARM" : severity}  ${id}  ${text}`, `       ${when}, newest entry ${seq}`]
}

/** `lockgate alarm acknowledge <id>`: close it; the log says who did. */
export async function alarmAcknowledge(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, note: { type: "string" } }, 1, ACKNOWLEDGE, io)
  if (read === null) return 2
  const alarm = read.positionals[0] ?? ""
  const { note } = read.values
  const given = { alarm, ...(note === undefined ? {} : { note }) }
  const answer = await askGateway(read.values, { command: "alarm.acknowledge", arguments: given }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { count, seq } = answer.result as OpenAlarm
  io.out(printable(`alarm ${alarm} is closed: ${thousands(count)} times, newest entry ${seq}\n`))
  return 0
}
