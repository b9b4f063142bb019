import type { KeyObject } from "node:crypto"
import { readFile } from "node:fs/promises"
import { calculateJwkThumbprint } from "jose/jwk/thumbprint"
import { InputError } from "../../policy/base/errors.ts"
import { openPkcs11Token, type Pkcs11Token } from "../../hal/linux/pkcs11-tool.ts"
import type { CliInput, CliIo } from "./handler.ts"
import type { PersonKey } from "./person-key.ts"
import { parseTokenUri, type TokenUri } from "./pkcs11-uri.ts"
import { printable } from "./text.ts"

/** A key that a token guards by a PIN: it signs there, and is never seen here. */
export interface TokenKey extends PersonKey {
  readonly algorithm: "ES256"
  readonly publicKey: KeyObject
}

/** What a key in a token is reached by, beside its name. */
export interface TokenAccess {
  readonly env: NonNullable<CliIo["env"]>
  /** `--pin-file`. */
  readonly pinFile?: string | undefined
  readonly input?: CliInput | undefined
}

/** For as long as the command runs: a command that asks the gateway twice asks the person once. */
const TYPED = new WeakMap<CliInput, Map<string, string>>()

/**
 * The key that a PKCS#11 URI names. The PIN is asked for when it first signs: from `--pin-file`, from the URI's pin-source, from
 * LOCKGATE_TOKEN_PIN, or at a terminal without being shown; never among the arguments. It is tried once: tokens count.
 *
 * @throws InputError `ERR_TOKEN_URI`, `ERR_TOKEN_KEY`, `ERR_KEY_ALGORITHM`, `ERR_FILE`; what `Pkcs11Token` throws
 * @see IEC 62443-4-2 CR 1.1 RE(2)
 */
export async function openTokenKey(uri: string, access: TokenAccess): Promise<TokenKey> {
  const named = parseTokenUri(uri)
  const module = named.module ?? access.env["LOCKGATE_PKCS11_MODULE"]
  if (module === undefined || module === "")
    throw new InputError("ERR_TOKEN_URI", "which PKCS#11 module? give ?module-path=<file> in the URI, or LOCKGATE_PKCS11_MODULE") // prettier-ignore
  const token = openPkcs11Token({ module, token: named.token, pin: () => pinOf(named, access), env: access.env })
  const id = await idOf(token, named)
  const publicKey = await token.publicKey(id)
  if (publicKey === null) throw new InputError("ERR_TOKEN_KEY", `the token ${printable(named.token)} holds no such key`)
  if (publicKey.asymmetricKeyType !== "ec" || publicKey.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new InputError("ERR_KEY_ALGORITHM", "a P-256 key is wanted in the token")
  const thumbprint = await calculateJwkThumbprint(publicKey.export({ format: "jwk" }))
  return { algorithm: "ES256", thumbprint, publicKey, sign: (bytes) => token.sign(id, bytes, publicKey) }
}

/** The one key that is meant: never the first of several. */
async function idOf(token: Pkcs11Token, { id, object, token: label }: TokenUri): Promise<string> {
  const meant = (await token.publicKeys()).filter(
    (one) => one.id !== "" && (id === null || one.id === id) && (object === null || one.label === object),
  )
  const [first] = meant
  const there = printable(label)
  if (first === undefined) throw new InputError("ERR_TOKEN_KEY", `the token ${there} holds no such key with an id`)
  if (meant.length === 1) return first.id
  const names = meant.map((one) => printable(one.label)).join(", ")
  throw new InputError(
    "ERR_TOKEN_KEY",
    `the token ${there} holds several: say which, ;object=<label> or ;id=%01 (${names})`,
  )
}

async function pinOf({ token, pinFile: source }: TokenUri, access: TokenAccess): Promise<string | null> {
  const file = access.pinFile ?? source
  if (file !== null) return pinIn(file)
  const known = access.env["LOCKGATE_TOKEN_PIN"] ?? ""
  if (known !== "") return known
  const { input } = access
  if (input?.isTTY !== true) return null
  const typed = TYPED.get(input) ?? new Map<string, string>()
  TYPED.set(input, typed)
  const before = typed.get(token)
  if (before !== undefined) return before
  const pin = await input.askHidden(`PIN of the token ${printable(token)}: `)
  if (pin !== null) typed.set(token, pin)
  return pin
}

async function pinIn(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).split(/\r?\n/, 1)[0] ?? ""
  } catch {
    throw new InputError("ERR_FILE", `${printable(file)}: the PIN cannot be read`)
  }
}
