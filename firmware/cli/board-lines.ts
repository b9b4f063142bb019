import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable } from "./text.ts"

const CLEAR = `lockgate tamper clear --reason "<what was found>" ${GATEWAY_USAGE}`
const INPUT = `lockgate board input <input> <state> ${GATEWAY_USAGE}`

/** `lockgate tamper clear --reason "..."`: clear the tamper alarm, once the enclosure was looked at and is shut. */
export async function tamperClear(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, reason: { type: "string" } }, 0, CLEAR, io)
  if (read === null) return 2
  const { reason } = read.values
  if (reason === undefined) {
    io.err(`say what was found, for the log: --reason\nusage: ${CLEAR}\n`)
    return 2
  }
  const answer = await askGateway(read.values, { command: "tamper.clear", arguments: { reason } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { before } = answer.result as { before: readonly string[] }
  io.out(before.length === 0 ? "tamper: there was no alarm\n" : `tamper: cleared (${printable(before.join(", "))})\n`)
  return 0
}

/** `lockgate board input <input> <state>`: set an input of a simulated board, as its wire would. */
export async function boardInput(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 2, INPUT, io)
  if (read === null) return 2
  const [input = "", state = ""] = read.positionals
  const answer = await askGateway(read.values, { command: "board.input", arguments: { input, state } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { before } = answer.result as { before: string | null }
  io.out(
    printable(
      `board: ${input} is ${state} (was ${before ?? "not known"}; counts once it has lasted its debounce time)`,
    ) + "\n",
  )
  return 0
}
