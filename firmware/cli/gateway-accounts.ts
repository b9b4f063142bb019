import type { ShownAccount } from "../people/account-handlers.ts"
import { askGateway, GATEWAY_OPTIONS, GATEWAY_USAGE, sameGateway, type GatewayOptions } from "./gateway-call.ts"
import { change, CHANGE_OPTIONS, CHANGE_USAGE, exitCodeOf, look } from "./gateway-change.ts"
import { enrolledKey, KEY_OPTIONS, KEY_USAGE } from "./gateway-enrol.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable } from "./text.ts"

const LIST = `lockgate gateway accounts [--json] ${GATEWAY_USAGE} [--as <account> --key <key.pem>]`
const ADD = `lockgate gateway account add <name> --roles <a,b> [${KEY_USAGE}] [--expires <time>|never] ${CHANGE_USAGE}`
const CHANGE = `lockgate gateway account change <name> [--roles <a,b>] [--expires <time>|never] ${CHANGE_USAGE}`
const SWITCH = (word: string): string => `lockgate gateway account ${word} <name> ${CHANGE_USAGE}`

/** What `account.list` answers. */
export interface ShownAccounts {
  readonly unclaimed: boolean
  readonly fault: string | null
  readonly accounts: readonly ShownAccount[]
  readonly retired: readonly { readonly id: string; readonly name: string }[]
}

/** What a command about one account answers. */
export interface ChangedAccount {
  readonly before: ShownAccount | null
  readonly after: ShownAccount | null
}

/** `lockgate gateway accounts`: who has an account, with roles, keys, password and end. */
export async function gatewayAccounts(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { ...GATEWAY_OPTIONS, json: { type: "boolean" } }, 0, LIST, io)
  if (read === null) return 2
  const answer = await askGateway(read.values, { command: "account.list", arguments: {} }, io)
  if ("exitCode" in answer) return answer.exitCode
  const shown = answer.result as ShownAccounts
  if (read.values.json === true) io.out(JSON.stringify(shown, null, 2) + "\n")
  else io.out(printable(accountLines(shown, read.values).join("\n")) + "\n")
  return 0
}

/** Everybody there is, a line each, and what to do if there is nobody. */
export function accountLines(shown: ShownAccounts, options: GatewayOptions): string[] {
  const { unclaimed, fault, accounts, retired } = shown
  const broken = fault === null ? [] : [`WARNING: the file of accounts is not believed, so nobody is let in: ${fault}`]
  if (unclaimed) {
    const first = `lockgate gateway account add <name> --roles security-admin --new-key <file.pem>${sameGateway(options)}`
    return ["nobody has an account yet: whoever holds this machine may do everything", `make the first: ${first}`]
  }
  const gone = retired.length === 0 ? [] : [`removed for ever: ${retired.map(({ name }) => name).join(", ")}`]
  return [...broken, ...accounts.map(accountLine), ...gone]
}

/** An account in a line. */
export function accountLine({ name, roles, enabled, expires, keys, password }: ShownAccount): string {
  const held = keys.map(({ thumbprint, onToken }) => `key ${thumbprint}${onToken ? " on a token" : ""}`)
  const secret = { none: [], good: ["a password"], due: ["a password that must be changed"], uncertain: ["a password, perhaps too old"] } // prettier-ignore
  const proofs = [...held, ...secret[password]]
  const end = expires === null ? [] : [`ends ${expires}`]
  const parts = [roles.join(",") || "no role", ...(enabled ? [] : ["DISABLED"]), ...end]
  return `${name}  ${parts.join("  ")}  ${proofs.join(", ") || "nothing to sign in with"}`
}

/** `lockgate gateway account add`: make an account; the first one ends the rule of whoever holds the machine. */
export async function accountAdd(args: readonly string[], io: CliIo): Promise<number> {
  const options = { ...CHANGE_OPTIONS, ...KEY_OPTIONS, roles: { type: "string" }, expires: { type: "string" } } as const
  const read = readArguments(args, options, 1, ADD, io)
  if (read === null) return 2
  const { roles, expires, ...values } = read.values
  const name = read.positionals[0] ?? ""
  if (roles === undefined) {
    io.err(`which roles? --roles, such as --roles operator\nusage: ${ADD}\n`)
    return 2
  }
  const enrolled = await enrolledKey(values, io)
  if ("exitCode" in enrolled) return enrolled.exitCode
  // Somebody who says who they are is not the owner of a machine where nobody is anybody.
  const isFirst = await isUnclaimed(values, io)
  const given = { name, roles: spaced(roles), ...enrolled.arguments, ...(expires === undefined ? {} : { expires }) }
  const answer = await change<ChangedAccount>(
    values,
    {
      request: { command: "account.create", arguments: given },
      would: async () => [`${name} would get an account: ${roles}`, ...enrolled.would],
      danger: isFirst
        ? `${name} is the first account: from then on this gateway obeys nobody who does not sign in, also not whoever holds this machine. Without that key it is of no use until it is wiped`
        : null,
      prepare: () => enrolled.keep(io),
      done: ({ after }) => [
        `${name} has an account: ${after?.roles.join(",") ?? ""}`,
        ...enrolled.done,
        ...(isFirst ? [`from now on say who you are: lockgate gateway accounts${sameGateway({ ...values, as: name, key: enrolled.newFile ?? "<key.pem>" })}`] : []), // prettier-ignore
      ],
    },
    io,
  )
  await enrolled.settle(answer, io)
  return exitCodeOf(answer)
}

/** `lockgate gateway account change`: other roles, another end. */
export async function accountChange(args: readonly string[], io: CliIo): Promise<number> {
  const options = { ...CHANGE_OPTIONS, roles: { type: "string" }, expires: { type: "string" } } as const
  const read = readArguments(args, options, 1, CHANGE, io)
  if (read === null) return 2
  const { roles, expires, ...values } = read.values
  if (roles === undefined && expires === undefined) {
    io.err(`what is to be changed? give --roles, --expires or both\nusage: ${CHANGE}\n`)
    return 2
  }
  const to = {
    ...(roles === undefined ? {} : { roles: spaced(roles) }),
    ...(expires === undefined ? {} : { expires }),
  }
  const name = read.positionals[0] ?? ""
  const words = [roles === undefined ? "" : `roles ${roles}`, expires === undefined ? "" : `ends ${expires}`]
  return changed(values, "account.change", { name, ...to }, words.filter(Boolean).join(", "), null, io)
}

/** `lockgate gateway account disable <name>`: not let in any more, at once, until it is enabled. */
export async function accountDisable(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, CHANGE_OPTIONS, 1, SWITCH("disable"), io)
  if (read === null) return 2
  const name = read.positionals[0] ?? ""
  const danger = `${name} is let in no more, and their sessions end`
  return changed(read.values, "account.change", { name, enabled: "no" }, "disabled", danger, io)
}

/** `lockgate gateway account enable <name>`: let in again. */
export async function accountEnable(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, CHANGE_OPTIONS, 1, SWITCH("enable"), io)
  if (read === null) return 2
  const name = read.positionals[0] ?? ""
  return changed(read.values, "account.change", { name, enabled: "yes" }, "enabled", null, io)
}

/** `lockgate gateway account remove <name>`: for ever; nobody gets that name again. */
export async function accountRemove(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, CHANGE_OPTIONS, 1, SWITCH("remove"), io)
  if (read === null) return 2
  const name = read.positionals[0] ?? ""
  const danger = `the account ${name} goes for ever, and nobody gets that name again (to shut it for a time: gateway account disable)`
  return changed(read.values, "account.remove", { name }, "removed for ever", danger, io)
}

/** Ask for a change of one account, and tell it as it was and as it is. */
export async function changed(
  options: Parameters<typeof change>[0],
  command: string,
  given: Readonly<Record<string, string>> & { readonly name: string },
  what: string,
  danger: string | null,
  io: CliIo,
): Promise<number> {
  const would = async (): Promise<readonly string[]> => {
    const shown = (await look(options, { command: "account.list", arguments: {} }, io)) as ShownAccounts | null
    const now = shown?.accounts.find(({ name }) => name === given.name)
    const before = shown === null ? [] : [now === undefined ? `there is no account ${given.name}` : `now:   ${accountLine(now)}`] // prettier-ignore
    return [...before, `then:  ${given.name}  ${what}`]
  }
  const done = ({ before, after }: ChangedAccount): readonly string[] => [
    ...(before === null ? [] : [`before: ${accountLine(before)}`]),
    after === null ? `now:    ${given.name} has no account` : `now:    ${accountLine(after)}`,
  ]
  const request = { command, arguments: given }
  return exitCodeOf(await change<ChangedAccount>(options, { request, would, danger, done }, io))
}

async function isUnclaimed(options: GatewayOptions, io: CliIo): Promise<boolean> {
  const shown = (await look(options, { command: "account.list", arguments: {} }, io)) as ShownAccounts | null
  return shown?.unclaimed === true
}

/** Roles as a person writes them, with commas or spaces, as the command takes them. */
function spaced(roles: string): string {
  return roles.split(/[ ,]+/).filter((role) => role !== "").join(" ") // prettier-ignore
}
