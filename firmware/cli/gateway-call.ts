import { InputError, LockgateError } from "../../policy/base/errors.ts"
import { checkRequest } from "../../policy/command/check.ts"
import type { CommandAnswer, CommandRequest } from "../../policy/command/port.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { readGatewayConfig } from "../config/read-gateway-config.ts"
import { callLocal, type SignedMessage } from "../management/local-client.ts"
import type { CliIo } from "./handler.ts"
import { askAs, identityOf, type IdentityOptions } from "./person-identity.ts"
import { refusalText } from "./refusal-text.ts"

/** How every command that speaks with a gateway is told which one. */
export const GATEWAY_OPTIONS = {
  socket: { type: "string" },
  config: { type: "string" },
  as: { type: "string" },
  key: { type: "string" },
  "pin-file": { type: "string" },
  // Over a broker: which gateway, by which key it is known, and as whom the broker knows us.
  broker: { type: "string" },
  gateway: { type: "string" },
  "gateway-key": { type: "string" },
  ca: { type: "string" },
  cert: { type: "string" },
  "cert-key": { type: "string" },
  mqtt: { type: "string" },
} as const
export const GATEWAY_USAGE =
  "(--config <gateway.yaml> | --socket <path> | --broker mqtts://<host>[:<port>] --gateway <name> --gateway-key <key> [--ca <pem>] " +
  "[--cert <pem> --cert-key <pem>] [--mqtt 5]) [--as <account> --key (<pem> | pkcs11:<token> [--pin-file <file>])]"

/** How a command was told which gateway is meant. */
export interface GatewayOptions extends IdentityOptions {
  readonly socket?: string | undefined
  readonly config?: string | undefined
  readonly broker?: string | undefined
  readonly gateway?: string | undefined
  readonly "gateway-key"?: string | undefined
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly "cert-key"?: string | undefined
  readonly mqtt?: string | undefined
}

/** Exit code of a command that is not refused and not done: it waits for a second person. */
export const WAITS = 3

/** What came of asking: the result, or the exit code after the reason was told, with the refusal if the gateway spoke. */
export type Asked =
  { readonly result: unknown } | { readonly exitCode: number; readonly answer?: Extract<CommandAnswer, { ok: false }> }

const TIMEOUT_MS = 60_000

/**
 * Ask the gateway; resolves to the result in its answer, or to an exit code after the reason was told on `io.err`: 2 if request or
 * board file are wrong, 3 if the command waits for a second person, else 1.
 */
export async function askGateway(
  options: GatewayOptions,
  request: CommandRequest,
  io: CliIo,
  timeoutMs = TIMEOUT_MS,
): Promise<Asked> {
  try {
    checkRequest(request)
    if (options.broker !== undefined) {
      // The local way needs no MQTT: this one is loaded for who takes it.
      const { askByBroker } = await import("./broker-ask.ts")
      return await answered(
        await askByBroker(options, request, io, timeoutMs),
        { stateFolder: null, options, isNamed: true },
        io,
      )
    }
    const where = await findGateway(options, io)
    if (where === null) return { exitCode: 2 }
    const person = await identityOf(options, io.env ?? {}, io.input)
    const send = (message: CommandRequest | SignedMessage): Promise<CommandAnswer> =>
      callLocal(where.socket, message, timeoutMs, io.signal)
    const answer = await (person === null ? send(request) : askAs(person, request, where.gateway, send))
    return await answered(answer, { stateFolder: where.stateFolder, options, isNamed: person !== null }, io)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`${error.message} (${String(error.code)})\n`)
    const isUsage = /^ERR_(COMMAND_|ARGUMENT$)/.test(String(error.code))
    return { exitCode: error instanceof InputError && isUsage ? 2 : 1 }
  }
}

async function answered(
  answer: CommandAnswer,
  asked: { readonly stateFolder: string | null; readonly options: GatewayOptions; readonly isNamed: boolean },
  io: CliIo,
): Promise<Asked> {
  if (answer.ok) return { result: answer.result }
  io.err(await refusalText(answer, asked.stateFolder))
  if (answer.waits !== undefined) {
    const again = `lockgate gateway approval give ${answer.waits}${sameGateway({ ...asked.options, as: undefined })}`
    io.err(`another person lets it run: ${again} --as <account> --key <key.pem>\n`)
    return { exitCode: WAITS, answer }
  }
  if (answer.code === "ERR_NOT_AUTHENTICATED" && !asked.isNamed)
    io.err("people have accounts at this gateway: say who you are, by --as <account> --key <key.pem>\n")
  return { exitCode: 1, answer }
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
  const { socket, config, as, key } = options
  if (options.broker !== undefined) {
    const named = [
      "broker",
      "gateway",
      "gateway-key",
      "ca",
      "cert",
      "cert-key",
      "mqtt",
      "as",
      "key",
      "pin-file",
    ] as const
    return named.map((name) => (options[name] === undefined ? "" : ` --${name} ${inShell(options[name])}`)).join("")
  }
  const pin = options["pin-file"] === undefined ? "" : ` --pin-file ${options["pin-file"]}`
  const who = as === undefined || key === undefined ? "" : ` --as ${as} --key ${inShell(key)}${pin}`
  if (socket !== undefined) return ` --socket ${socket}${who}`
  return config === undefined ? "" : ` --config ${config}${who}`
}

/** A PKCS#11 URI has semicolons, which end a command in a shell. */
function inShell(value: string): string {
  return /[;&?*]/.test(value) ? `'${value}'` : value
}

/** Where the gateway listens and, if its board file was named, where its log lies. */
async function findGateway(
  options: GatewayOptions,
  io: CliIo,
): Promise<{ readonly socket: string; readonly stateFolder: string | null; readonly gateway: string | null } | null> {
  if (options.socket !== undefined) return { socket: options.socket, stateFolder: null, gateway: null }
  if (options.config === undefined) {
    io.err(`which gateway? give ${GATEWAY_USAGE}\n`)
    return null
  }
  const config = await readGatewayConfig(options.config)
  if (config.ok) {
    const { management, stateFolder, gateway } = config.value
    return { socket: management.socket, stateFolder, gateway }
  }
  for (const fault of config.faults) io.err(formatFault(fault) + "\n")
  return null
}
