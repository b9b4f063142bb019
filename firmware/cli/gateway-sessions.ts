import type { ShownSession } from "../people/sessions.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { change, CHANGE_OPTIONS, CHANGE_USAGE, exitCodeOf, look } from "./gateway-change.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable } from "./text.ts"

const LIST = `lockgate gateway sessions [--json] ${GATEWAY_USAGE} [--as <account> --key <key.pem>]`
const END = `lockgate gateway session end <id> ${CHANGE_USAGE}`

/** `lockgate gateway sessions`: who is signed in, since when, and on which way. */
export async function gatewaySessions(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, LIST, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "session.list", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { sessions } = answer.result as { sessions: readonly ShownSession[] }
  if (read.values.json === true) io.out(JSON.stringify({ sessions }, null, 2) + "\n")
  else io.out(printable(sessions.length === 0 ? "nobody is signed in" : sessions.map(sessionLine).join("\n")) + "\n")
  return 0
}

/** A session in a line. */
export function sessionLine(session: ShownSession): string {
  const { id, account, channel, factors, state, openedSeconds, unusedSeconds } = session
  return `${id}  ${account}  ${channel}, by ${factors.join(" and ")}  ${state}, for ${span(openedSeconds)}, last used ${span(unusedSeconds)} ago`
}

/** `lockgate gateway session end <id>`: at once; what is under way for it is still answered. */
export async function sessionEnd(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, CHANGE_OPTIONS, 1, END, io)
  if (read === null) return 2
  const id = read.positionals[0] ?? ""
  const would = async (): Promise<readonly string[]> => {
    const request = { command: "session.list", arguments: {} }
    const listed = (await look(read.values, request, io)) as { sessions: readonly ShownSession[] } | null
    if (listed === null) return [`the session ${id} would end`]
    const found = listed.sessions.find((one) => one.id === id)
    return [found === undefined ? `there is no session ${id}` : `this would end: ${sessionLine(found)}`]
  }
  const answer = await change<{ readonly account: string }>(
    read.values,
    {
      request: { command: "session.end", arguments: { id } },
      would,
      danger: `the session ${id} ends at once, whatever its person is doing`,
      done: ({ account }) => [`the session ${id} of ${account} has ended`],
    },
    io,
  )
  return exitCodeOf(answer)
}

/** A number of seconds as people say it. */
export function span(seconds: number): string {
  const whole = Math.round(seconds)
  return whole < 120 ? `${whole} s` : whole < 7_200 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3_600)} h`
}
