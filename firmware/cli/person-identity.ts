import { readFile } from "node:fs/promises"
import { InputError, StateError } from "../../policy/base/errors.ts"
import type { CommandAnswer, CommandRequest } from "../../policy/command/port.ts"
import type { SignedMessage } from "../management/local-client.ts"
import type { CliInput, CliIo } from "./handler.ts"
import { isEncrypted, readPersonKey, signCommand, type PersonKey } from "./person-key.ts"
import { isTokenUri } from "./pkcs11-uri.ts"
import { printable } from "./text.ts"

/** Who asks. */
export interface PersonIdentity {
  readonly account: string
  readonly key: PersonKey
}

/** How a command was told who asks. */
export interface IdentityOptions {
  readonly as?: string | undefined
  readonly key?: string | undefined
  readonly "pin-file"?: string | undefined
}

/** How long a signed command may be on its way, whatever the clocks of both ends differ by. */
const GOOD_FOR_MS = 600_000

/** For as long as the command runs. */
const TYPED = new WeakMap<CliInput, string>()

/**
 * Who asks, by `--as` and `--key`, else by LOCKGATE_AS and LOCKGATE_KEY; null if nobody was named. The passphrase of an encrypted key is in
 * LOCKGATE_KEY_PASSPHRASE, or asked for once at a terminal: never among the arguments, which everybody on the machine can read.
 * `--key pkcs11:...` is a key in a token, see `openTokenKey`.
 *
 * @throws InputError `ERR_IDENTITY` if only one of both was given, `ERR_FILE`, or what `readPersonKey` throws
 */
export async function identityOf(
  options: IdentityOptions,
  env: NonNullable<CliIo["env"]>,
  input?: CliInput,
): Promise<PersonIdentity | null> {
  const account = options.as ?? env["LOCKGATE_AS"]
  const file = options.key ?? env["LOCKGATE_KEY"]
  if (account === undefined && file === undefined) return null
  if (account === undefined || file === undefined)
    throw new InputError("ERR_IDENTITY", "who asks? give both: --as <account> --key <key.pem>")
  if (isTokenUri(file)) {
    // Whoever has no token loads nothing for it.
    const { openTokenKey } = await import("./token-key.ts")
    return { account, key: await openTokenKey(file, { env, pinFile: options["pin-file"], input }) }
  }
  let pem: string
  try {
    pem = await readFile(file, "utf8")
  } catch {
    throw new InputError("ERR_FILE", `${file}: the key cannot be read`)
  }
  const known = env["LOCKGATE_KEY_PASSPHRASE"] ?? null
  const passphrase = known === null && isEncrypted(pem) ? await typed(file, input) : known
  return { account, key: await readPersonKey(pem, passphrase) }
}

/** The passphrase as somebody types it; a command that asks the gateway twice asks the person once. */
async function typed(file: string, input: CliInput | undefined): Promise<string | null> {
  if (input?.isTTY !== true) return null
  const known = TYPED.get(input)
  if (known !== undefined) return known
  const passphrase = await input.askHidden(`passphrase of ${printable(file)}: `)
  if (passphrase !== null) TYPED.set(input, passphrase)
  return passphrase
}

/**
 * That request as this person's, signed with a number of the gateway's; resolves to the answer, a refusal included.
 *
 * `gateway`: the name that the asker knows; null: the one that answers is believed, since nobody else can listen there.
 * @throws StateError `ERR_OTHER_GATEWAY` if another one answers
 * @throws InputError `ERR_ANSWER_MALFORMED`, or what `send` throws
 */
export async function askAs(
  { account, key }: PersonIdentity,
  request: CommandRequest,
  gateway: string | null,
  send: (message: SignedMessage) => Promise<CommandAnswer>,
  nowAt = Date.now(),
): Promise<CommandAnswer> {
  const given = await send({ nonce: account })
  if (!given.ok) return given
  const { gateway: name, nonce } = (given.result ?? {}) as Record<string, unknown>
  if (typeof name !== "string" || typeof nonce !== "string")
    throw new InputError("ERR_ANSWER_MALFORMED", "the gateway answered something that is no number to sign")
  if (gateway !== null && name !== gateway)
    throw new StateError("ERR_OTHER_GATEWAY", `this is the gateway ${name}, not ${gateway}: nothing was signed`)
  const expiresAt = nowAt + GOOD_FOR_MS
  return send({ signed: await signCommand({ gateway: name, account, nonce, expiresAt, request }, key) })
}
