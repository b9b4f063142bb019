import { open, rm } from "node:fs/promises"
import { LockgateError } from "../../policy/base/errors.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { readText } from "../config/read-text.ts"
import { MAX_KEY_LENGTH, parseAccountKey } from "../people/account-key.ts"
import type { Asked } from "./gateway-call.ts"
import type { CliIo } from "./handler.ts"
import { makePersonKey } from "./person-key.ts"
import { isTokenUri } from "./pkcs11-uri.ts"

/** How a command is told which key an account gets; whose key signs the command is `--key`. */
export const KEY_OPTIONS = {
  "new-key": { type: "string" },
  "public-key": { type: "string" },
  "on-token": { type: "boolean" },
} as const
export const KEY_USAGE = "--new-key <file.pem> | --public-key (<file> [--on-token] | pkcs11:<token>)"

/** The key that an account gets. */
export interface Enrolled {
  /** Arguments of the command; none without a key. */
  readonly arguments: { readonly key?: string; readonly onToken?: "yes" | "no" }
  /** The file of a key that is made. */
  readonly newFile: string | null
  readonly would: readonly string[]
  readonly done: readonly string[]
  /** Write the private half, for nobody but its user to read; the exit code if it could not be. */
  keep(io: CliIo): Promise<number | null>
  /** Remove the private half of a key that the gateway refused; of everything else nobody can be sure. */
  settle(answer: Asked, io: CliIo): Promise<void>
}

interface Options {
  readonly "new-key"?: string | undefined
  readonly "public-key"?: string | undefined
  readonly "on-token"?: boolean | undefined
  readonly "dry-run"?: boolean | undefined
}

/** The key that is made for, or given to, an account; an exit code after the fault was told. */
export async function enrolledKey(options: Options, io: CliIo): Promise<Enrolled | { readonly exitCode: number }> {
  const { "new-key": newFile, "public-key": given, "on-token": onToken = false } = options
  if (newFile !== undefined && given !== undefined) return told(io, "give --new-key or --public-key, not both")
  if (onToken && given === undefined) return told(io, "a key on a token is made there: --on-token goes with --public-key") // prettier-ignore
  if (newFile !== undefined) return made(newFile, options["dry-run"] === true, io)
  if (given === undefined) return NO_KEY
  if (isTokenUri(given)) return onAToken(given, io)
  const text = await readText(given, MAX_KEY_LENGTH)
  if (!text.ok) return told(io, text.faults.map((fault) => formatFault(fault)).join("\n"))
  try {
    const { thumbprint } = parseAccountKey(text.value)
    const line = `key ${thumbprint}${onToken ? ", on a token" : ""}, from ${given}`
    return { ...NO_KEY, arguments: { key: text.value, onToken: onToken ? "yes" : "no" }, would: [line], done: [line] }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    return told(io, `${given}: ${error.message} (${String(error.code)})`)
  }
}

const NO_KEY: Enrolled = {
  arguments: {},
  newFile: null,
  would: [],
  done: [],
  keep: () => Promise.resolve(null),
  settle: () => Promise.resolve(),
}

/** The public half of a key in a token that is here: no PIN is needed to see it. */
async function onAToken(uri: string, io: CliIo): Promise<Enrolled | { readonly exitCode: number }> {
  try {
    const { openTokenKey } = await import("./token-key.ts")
    const { thumbprint, publicKey } = await openTokenKey(uri, { env: io.env ?? {} })
    const line = `key ${thumbprint}, on the token that was shown here`
    const key = publicKey.export({ type: "spki", format: "pem" }).toString()
    return { ...NO_KEY, arguments: { key, onToken: "yes" }, would: [line], done: [line] }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    return told(io, `--public-key: ${error.message} (${String(error.code)})`)
  }
}

/** A key that is made now, P-256, encrypted if there is a passphrase for it. */
async function made(file: string, isRehearsal: boolean, io: CliIo): Promise<Enrolled | { readonly exitCode: number }> {
  if (isRehearsal) return { ...NO_KEY, arguments: {}, newFile: file, would: [`a new key would be made in ${file}`] }
  const passphrase = await passphraseFor(file, io)
  if (passphrase === undefined) return told(io, "the passphrases differ, or none was typed: nothing was made", 1)
  const { privatePem, publicPem } = makePersonKey(passphrase)
  const { thumbprint } = parseAccountKey(publicPem)
  let isKept = false
  const how = passphrase === null ? "not encrypted: nobody else may read it" : "encrypted with the passphrase"
  return {
    arguments: { key: publicPem, onToken: "no" },
    newFile: file,
    would: [],
    done: [`key ${thumbprint}`, `private half: ${file} (0600, ${how}); keep it, the gateway has only this:`, publicPem.trimEnd()], // prettier-ignore
    async keep() {
      try {
        // wx: a key that somebody signs with is never written over.
        await using handle = await open(file, "wx", 0o600)
        await handle.writeFile(privatePem)
        await handle.sync()
        isKept = true
        return null
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? "?"
        io.err(code === "EEXIST" ? `${file} is there already: name another file (ERR_FILE_EXISTS)\n` : `${file} cannot be written: ${code} (ERR_FILE)\n`) // prettier-ignore
        return code === "EEXIST" ? 2 : 1
      }
    },
    async settle(answer) {
      if (!("exitCode" in answer)) return
      const { answer: refusal } = answer
      // Nobody has seen the file if it could not be made, or if nobody was asked; what was not answered may have been done.
      if (!isKept) return
      if (refusal !== undefined && refusal.waits === undefined) await rm(file, { force: true })
      else if (refusal !== undefined) io.err(`${file} is the key that the account gets when it is approved\n`)
      else io.err(`${file} holds the new key; \`lockgate gateway accounts\` shows whether it was enrolled: if not, remove it\n`) // prettier-ignore
    },
  }
}

/** Null: none; undefined: the person did not make up their mind. Without a terminal LOCKGATE_NEW_KEY_PASSPHRASE, or none. */
async function passphraseFor(file: string, io: CliIo): Promise<string | null | undefined> {
  const known = io.env?.["LOCKGATE_NEW_KEY_PASSPHRASE"] ?? ""
  if (known !== "") return known
  if (io.input?.isTTY !== true) return null
  const first = await io.input.askHidden(`passphrase for the new key in ${file} (empty: none): `)
  if (first === null) return undefined
  if (first === "") return null
  return (await io.input.askHidden("the same again: ")) === first ? first : undefined
}

function told(io: CliIo, text: string, exitCode = 2): { readonly exitCode: number } {
  io.err(`${text}\n`)
  return { exitCode }
}
