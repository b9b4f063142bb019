import { InputError, StateError } from "../../policy/base/errors.ts"
import type { CommandAnswer, CommandId, CommandRequest } from "../../policy/command/port.ts"
import { COMMANDS, holdsSecret } from "../../policy/command/table.ts"
import { brokerLogin } from "./audit-broker.ts"
import { namedKeys } from "./audit-log-key.ts"
import { callByBroker } from "./broker-call.ts"
import type { GatewayOptions } from "./gateway-call.ts"
import type { CliIo } from "./handler.ts"
import { askAs, identityOf } from "./person-identity.ts"

/** For the number that is signed: nothing has to be done for it. */
const NONCE_TIMEOUT_MS = 15_000

/**
 * Ask a gateway over a broker; resolves to its answer, a refusal included. Signed both ways, since nobody trusts the broker.
 *
 * @throws InputError `ERR_ARGUMENT`, `ERR_IDENTITY`; StateError `ERR_SECRET_OVER_MQTT`; what `callByBroker` and its `send` throw
 * @see IEC 62443-4-2 CR 1.1
 */
export async function askByBroker(
  options: GatewayOptions,
  request: CommandRequest,
  io: CliIo,
  timeoutMs: number,
): Promise<CommandAnswer> {
  const { broker = "", gateway, "gateway-key": named } = options
  if (options.socket !== undefined || options.config !== undefined)
    throw new InputError("ERR_ARGUMENT", "--broker goes without --config and --socket")
  if (gateway === undefined || named === undefined)
    throw new InputError(
      "ERR_ARGUMENT",
      "--broker needs --gateway <name> and --gateway-key <key> (`lockgate audit key` there)",
    )
  const person = await identityOf(options, io.env ?? {}, io.input)
  if (person === null)
    throw new InputError("ERR_ARGUMENT", "over a broker each command is signed: --as <account> --key <pem>")
  if (holdsSecret(COMMANDS[request.command as CommandId], request.arguments as Record<string, unknown>))
    throw new StateError(
      "ERR_SECRET_OVER_MQTT",
      "no password goes over a broker, which could read it: do this at the gateway",
    )
  const login = await brokerLogin(broker, {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options["cert-key"] === undefined ? {} : { "cert-key": options["cert-key"] }),
    ...(options.mqtt === undefined ? {} : { mqtt: options.mqtt }),
  })
  const keys = await namedKeys([named])
  const call = await callByBroker({ login, gateway, account: person.account, keys, signal: io.signal })
  try {
    return await askAs(person, request, gateway, (message) =>
      call.send(message, "nonce" in message ? NONCE_TIMEOUT_MS : timeoutMs),
    )
  } finally {
    await call.close()
  }
}
