import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE } from "./gateway-call.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"

const USAGE = `lockgate island on|off ${GATEWAY_USAGE}`

/** `lockgate island on|off`: close or reopen all normal conduits. */
export async function island(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, GATEWAY_OPTIONS, 1, USAGE, io)
  if (read === null) return 2
  const state = read.positionals[0] ?? ""
  const answer = await askGateway(read.values, { command: "island", arguments: { state } }, io)
  if ("exitCode" in answer) return answer.exitCode
  const { before, durable } = answer.result as { before: string; durable: boolean }
  const already = before === state ? " already" : ""
  if (state === "on") io.out(`island mode is${already} on: normal flows are closed, essential flows go on\n`)
  else io.out(`island mode is${already} off: the policy alone decides\n`)
  if (durable) return 0
  io.err("WARNING: it could not be written to disk, so a restart would end island mode\n")
  return 1
}
