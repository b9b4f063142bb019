/** The words of OpenSC's `pkcs11-tool`: what to run, and what is read from it. Pure. */
import { HardwareError, StateError, type LockgateError } from "../../policy/base/errors.ts"

/** Where the PIN stands in the environment of the tool, and of nothing else: arguments can be read by everybody on the machine. */
export const PIN_VARIABLE = "LOCKGATE_TOKEN_PIN"

/** One token behind one module. */
export interface TokenPlace {
  /** PKCS#11 module, path of a shared library. */
  readonly module: string
  /** Label of the token. */
  readonly token: string
}

/** A key in a token, as `--list-objects` tells it: what is told of the two halves apart is one entry each. */
export interface TokenObject {
  readonly label: string
  /** CKA_ID, lower-case hex; empty if it has none. */
  readonly id: string
}

/** Arguments that come first whatever is done. */
export function placeArguments({ module, token }: TokenPlace): readonly string[] {
  return ["--module", module, "--token-label", token]
}

/** Sign in as the token's user, with the PIN of the environment. */
export const LOGIN: readonly string[] = ["--login", "--pin", `env:${PIN_VARIABLE}`]

/** The labels and ids in what `--list-objects` wrote; objects with neither are left out. */
export function parseObjects(text: string): readonly TokenObject[] {
  return text
    .split(/^(?=\S)/m)
    .map((part) => ({
      label: /^ {2}label: {6}(.*)$/m.exec(part)?.[1] ?? "",
      id: (/^ {2}ID: {9}([0-9a-f]+)$/m.exec(part)?.[1] ?? "").toLowerCase(),
    }))
    .filter(({ label, id }) => label !== "" || id !== "")
}

/**
 * The 32 bytes of a shared secret in what `--derive` wrote: it says what it derives with on the same output, after the secret or
 * before it. Null if it is neither. Without a file: a secret on a disk would have to be erased again.
 */
export function parseDerived(output: Uint8Array): Uint8Array | null {
  const says = (bytes: Uint8Array): boolean =>
    bytes.length === 0 || /^Using derive algorithm [^\n]*\n$/.test(Buffer.from(bytes).toString("latin1"))
  if (output.length < 32) return null
  if (says(output.subarray(32))) return output.slice(0, 32)
  return says(output.subarray(0, -32)) ? output.slice(-32) : null
}

/** What the tool said, in words of ours; nothing of what it wrote is repeated but the name of a PKCS#11 code. */
export function faultOf(said: string, { module, token }: TokenPlace): LockgateError {
  const code = /\b(CKR_[A-Z0-9_]{1,48})\b/.exec(said)?.[1] ?? null
  if (code === "CKR_PIN_LOCKED")
    return new StateError("ERR_TOKEN_LOCKED", `the token ${token} takes no PIN any more: its administrator unlocks it`)
  if (code === "CKR_PIN_INCORRECT" || code === "CKR_PIN_INVALID" || code === "CKR_PIN_LEN_RANGE")
    return new StateError("ERR_TOKEN_PIN", `the token ${token} refuses this PIN; after some more it locks itself`)
  if (code === "CKR_USER_PIN_NOT_INITIALIZED")
    return new StateError("ERR_TOKEN_PIN", `the token ${token} has no PIN yet: give it one first`)
  if (/Failed to load pkcs11 module|cannot open shared object|sc_dlopen failed/.test(said))
    return new HardwareError("ERR_TOKEN_MODULE", `${module}: no PKCS#11 module that can be loaded`)
  if (/No slot with token named|No slots?\b|no token/i.test(said) || code === "CKR_TOKEN_NOT_PRESENT")
    return new HardwareError("ERR_TOKEN_MISSING", `no token ${token} behind ${module}: is it plugged in?`)
  if (/object not found|(Private|Public) key not found/i.test(said))
    return new StateError("ERR_KEY_MISSING", `the token ${token} holds no such key`)
  return new HardwareError("ERR_TOKEN", `the token ${token} failed: ${code ?? "it did not say why"}`)
}
