/** What people prove themselves with: `lockgate gateway account key-add | key-remove | password`. */
import { InputError } from "../../policy/base/errors.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { readText } from "../config/read-text.ts"
import { accountLine, changed, type ChangedAccount } from "./gateway-accounts.ts"
import { change, CHANGE_OPTIONS, CHANGE_USAGE, exitCodeOf } from "./gateway-change.ts"
import { enrolledKey, KEY_OPTIONS, KEY_USAGE } from "./gateway-enrol.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"

const KEY_ADD = `lockgate gateway account key-add <name> ${KEY_USAGE} ${CHANGE_USAGE}`
const KEY_REMOVE = `lockgate gateway account key-remove <name> <thumbprint> ${CHANGE_USAGE}`
const PASSWORD = `lockgate gateway account password <name> [--from <file>|- | --none] ${CHANGE_USAGE}`

/** Longest password that is sent. */
const MAX_LENGTH = 256
/** Stands for a password in a request that is checked and never sent. */
const STAND_IN = "x"

/** `lockgate gateway account key-add <name>`: one more key, made now or given. */
export async function accountKeyAdd(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...CHANGE_OPTIONS, ...KEY_OPTIONS }, 1, KEY_ADD, io)
  if (read === null) return 2
  const { values } = read
  const name = read.positionals[0] ?? ""
  const enrolled = await enrolledKey(values, io)
  if ("exitCode" in enrolled) return enrolled.exitCode
  if (values["new-key"] === undefined && values["public-key"] === undefined) {
    io.err(`which key? --new-key makes one, --public-key takes one\nusage: ${KEY_ADD}\n`)
    return 2
  }
  const answer = await change<ChangedAccount>(
    values,
    {
      request: { command: "account.key-add", arguments: { name, key: "", ...enrolled.arguments } },
      would: () => Promise.resolve([`${name} would get one more key`, ...enrolled.would]),
      danger: null,
      prepare: () => enrolled.keep(io),
      done: ({ after }) => [after === null ? "" : accountLine(after), ...enrolled.done],
    },
    io,
  )
  await enrolled.settle(answer, io)
  return exitCodeOf(answer)
}

/** `lockgate gateway account key-remove <name> <thumbprint>`: what it signs is nobody's from now on. */
export async function accountKeyRemove(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, CHANGE_OPTIONS, 2, KEY_REMOVE, io)
  if (read === null) return 2
  const [name = "", thumbprint = ""] = read.positionals
  const danger = `the key ${thumbprint} opens nothing for ${name} any more, and sessions that it opened end`
  return changed(read.values, "account.key-remove", { name, thumbprint }, `without ${thumbprint}`, danger, io)
}

/**
 * `lockgate gateway account password <name>`: one's own (`--as` is that name), or a first one for somebody else, who must change it.
 *
 * It is typed without being shown, or read from a file or standard input: arguments can be read by everybody on the machine.
 */
export async function accountPassword(args: readonly string[], io: CliIo): Promise<number> {
  const options = { ...CHANGE_OPTIONS, from: { type: "string" }, none: { type: "boolean" } } as const
  const read = readArguments(args, options, 1, PASSWORD, io)
  if (read === null) return 2
  const { from, none = false, ...values } = read.values
  const name = read.positionals[0] ?? ""
  const isOwn = name === (values.as ?? io.env?.["LOCKGATE_AS"])
  if (none && (isOwn || from !== undefined)) {
    io.err(isOwn ? "nobody takes away their own password: an administrator does\n" : "--none or --from, not both\n")
    return 2
  }
  const isRehearsal = values["dry-run"] === true
  const password = none ? null : isRehearsal ? STAND_IN : await newPassword(name, from, io)
  if (password !== null && typeof password !== "string") return password.exitCode
  const given = password === null ? {} : { password }
  const verb = none ? "no password any more" : isOwn ? "a new password" : "a password that must be changed at its first use" // prettier-ignore
  const request = isOwn
    ? { command: "account.password", arguments: given }
    : { command: "account.password-set", arguments: { name, ...given } }
  const answer = await change<ChangedAccount>(
    values,
    {
      request,
      would: () => Promise.resolve([`${name} would have ${verb}`]),
      danger: none ? `${name} signs in with no password any more, and their sessions end` : null,
      done: () => [`${name} has ${verb}`],
    },
    io,
  )
  return exitCodeOf(answer)
}

async function newPassword(
  name: string,
  from: string | undefined,
  io: CliIo,
): Promise<string | { readonly exitCode: number }> {
  const fault = (text: string): { readonly exitCode: number } => {
    io.err(`${text}\n`)
    return { exitCode: 2 }
  }
  if (from === "-") {
    if (io.input === undefined) return fault("there is no standard input")
    try {
      return firstLine(await io.input.readAll(MAX_LENGTH * 4))
    } catch (error) {
      if (error instanceof InputError) return fault(error.message)
      throw error
    }
  }
  if (from !== undefined) {
    const text = await readText(from, MAX_LENGTH * 4)
    return text.ok ? firstLine(text.value) : fault(text.faults.map((one) => formatFault(one)).join("\n"))
  }
  if (io.input?.isTTY !== true) return fault("nobody is at a terminal to type the password: give --from <file>, or --from - for standard input") // prettier-ignore
  const first = await io.input.askHidden(`new password for ${name}: `)
  if (first === null || first === "") return { ...fault("no password was typed: nothing was changed"), exitCode: 1 }
  if ((await io.input.askHidden("the same again: ")) === first) return first
  return { ...fault("the two differ: nothing was changed"), exitCode: 1 }
}

/** A file ends in a line break that is no part of the password. */
function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? ""
}
