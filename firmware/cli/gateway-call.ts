import { InputError, LockgateError } from "../../policy/base/errors.ts"
import { checkRequest } from "../../policy/command/check.ts"
import type { CommandRequest } from "../../policy/command/port.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { readGatewayConfig } from "../config/read-gateway-config.ts"
import { callLocal } from "../management/local-client.ts"
import type { CliIo } from "./handler.ts"
import { refusalText } from "./refusal-text.ts"

/** How every command that speaks with a gateway is told which one. */
export const GATEWAY_OPTIONS = { socket: { type: "string" }, config: { type: "string" } } as const
export const GATEWAY_USAGE = "(--config <gateway.yaml> | --socket <path>)"

/** How a command was told which gateway is meant. */
export interface GatewayOptions {
  readonly socket?: string | undefined
  readonly config?: string | undefined
}

const TIMEOUT_MS = 60_000

/**
 * Ask the gateway; resolves to the result in its answer, or to null after the reason was told on `io.err`.
 * The exit code is then 2 if `faulty` says that the request or the board file is wrong, else 1.
 */
export async function askGateway(
  options: GatewayOptions,
  request: CommandRequest,
  io: CliIo,
  timeoutMs = TIMEOUT_MS,
): Promise<{ readonly result: unknown } | { readonly exitCode: number }> {
  try {
    checkRequest(request)
    const where = await findGateway(options, io)
    if (where === null) return { exitCode: 2 }
    const answer = await callLocal(where.socket, request, timeoutMs, io.signal)
    if (answer.ok) return { result: answer.result }
    io.err(await refusalText(answer, where.stateFolder))
    return { exitCode: 1 }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`${error.message} (${String(error.code)})\n`)
    return { exitCode: error instanceof InputError && String(error.code).startsWith("ERR_COMMAND_") ? 2 : 1 }
  }
}

/** Exit code 2 after what is wrong with a request was told, before anybody is asked; null if it may be sent. */
export function requestFault(request: CommandRequest, io: CliIo): { readonly exitCode: number } | null {
  try {
    checkRequest(request)
    return null
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    io.err(`${error.message} (${String(error.code)})\n`)
    return { exitCode: 2 }
  }
}

/** The same options again, for a command that is proposed to the reader. */
export function sameGateway(options: GatewayOptions): string {
  if (options.socket !== undefined) return ` --socket ${options.socket}`
  return options.config === undefined ? "" : ` --config ${options.config}`
}

/** Where the gateway listens and, if its board file was named, where its log lies. */
async function findGateway(
  options: GatewayOptions,
  io: CliIo,
): Promise<{ readonly socket: string; readonly stateFolder: string | null } | null> {
  if (options.socket !== undefined) return { socket: options.socket, stateFolder: null }
  if (options.config === undefined) {
    io.err(`which gateway? give ${GATEWAY_USAGE}\n`)
    return null
  }
  const config = await readGatewayConfig(options.config)
  if (config.ok) return { socket: config.value.management.socket, stateFolder: config.value.stateFolder }
  for (const fault of config.faults) io.err(formatFault(fault) + "\n")
  return null
}
