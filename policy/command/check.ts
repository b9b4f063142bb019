import { InputError } from "../base/errors.ts"
import { COMMANDS } from "./table.ts"
import type { ArgumentKind, CommandId, CommandRow } from "./table.ts"
import type { CommandRequest } from "./port.ts"

/** What can be wrong with a request before anybody asks who sent it. */
export type RequestErrorCode = "ERR_COMMAND_MALFORMED" | "ERR_COMMAND_UNKNOWN" | "ERR_COMMAND_ARGUMENT"

type ValueOf<Kind> = Kind extends { readonly kind: "string" }
  ? string
  : Kind extends { readonly kind: "integer" }
    ? number
    : Kind extends { readonly kind: "choice"; readonly of: readonly (infer Word)[] }
      ? Word
      : never

type OptionalKeys<Kinds> = {
  [Key in keyof Kinds]: Kinds[Key] extends { readonly optional: true } ? Key : never
}[keyof Kinds]

type ValuesOf<Kinds> = { readonly [Key in Exclude<keyof Kinds, OptionalKeys<Kinds>>]: ValueOf<Kinds[Key]> } & {
  readonly [Key in OptionalKeys<Kinds>]?: ValueOf<Kinds[Key]>
}

/** The arguments of one command, typed from its row in the table. */
export type ArgumentsOf<Id extends CommandId> = ValuesOf<(typeof COMMANDS)[Id]["arguments"]>

/** A request that fits the table: the command exists and every argument has its kind and range. */
export type CheckedRequest<Id extends CommandId = CommandId> = {
  [Key in Id]: { readonly command: Key; readonly arguments: ArgumentsOf<Key> }
}[Id]

/** Requests longer than this are not looked at: the largest bundle, quoted in JSON, fits. */
export const MAX_REQUEST_BYTES = 6 * 1024 * 1024

/**
 * The request in one JSON document, `{"command": "...", "arguments": {...}}`, still unchecked against the table.
 * Absent arguments mean none.
 *
 * @throws InputError `ERR_COMMAND_MALFORMED` if it is too long, not UTF-8, not JSON, or has other members.
 */
export function parseRequest(bytes: Uint8Array): CommandRequest {
  if (bytes.length > MAX_REQUEST_BYTES) throw malformed("the request is longer than 6 MiB")
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    throw malformed("the request is not JSON in UTF-8")
  }
  if (!isRecord(value)) throw malformed("the request is not a JSON object")
  for (const key of Object.keys(value)) {
    if (key !== "command" && key !== "arguments") throw malformed("the request has a member it must not have")
  }
  if (typeof value["command"] !== "string") throw malformed("the request names no command")
  return { command: value["command"], arguments: Object.hasOwn(value, "arguments") ? value["arguments"] : {} }
}

/**
 * The request, typed, if the table has such a command and the arguments are exactly the named ones, each of its kind
 * and in its range. Takes nothing on trust: a transport may hand over whatever it read.
 *
 * The result is a new object that holds nothing but the named arguments.
 *
 * @throws InputError `ERR_COMMAND_MALFORMED`, `ERR_COMMAND_UNKNOWN`, `ERR_COMMAND_ARGUMENT`
 * @see IEC 62443-4-2 CR 3.5
 */
export function checkRequest(request: unknown): CheckedRequest {
  if (!isRecord(request)) throw malformed("the request is not an object")
  const { command, arguments: given } = request
  if (typeof command !== "string") throw malformed("the request names no command")
  // hasOwn: `constructor` and its like are no commands.
  if (!Object.hasOwn(COMMANDS, command)) throw new InputError("ERR_COMMAND_UNKNOWN", "there is no such command")
  const row: CommandRow = COMMANDS[command as CommandId]
  if (!isRecord(given)) throw argument("the arguments are not an object")
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(row.arguments, name)) throw argument(`${command} has no such argument`)
  }
  const values: Record<string, string | number> = {}
  for (const [name, kind] of Object.entries(row.arguments)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    if (value === undefined && kind.optional === true) continue
    values[name] = checkValue(name, kind, value)
  }
  // The loop above built exactly what the row of this command says; the compiler cannot follow it through the table.
  return { command, arguments: values } as unknown as CheckedRequest
}

/**
 * True for a command that must work even when nothing can be written down: closing the conduits, or what an override has
 * opened. Everything else waits for the audit log.
 *
 * @see IEC 62443-4-2 NDR 5.2
 */
export function isFailSafe(request: CheckedRequest): boolean {
  return (
    (request.command === "island" && request.arguments.state === "on") ||
    ["override.end", "access.end", "access.end-all"].includes(request.command)
  )
}

function checkValue(name: string, kind: ArgumentKind, value: unknown): string | number {
  switch (kind.kind) {
    case "string":
      if (typeof value !== "string") throw argument(`${name} is not a string`)
      if (value.length > kind.maxLength) throw argument(`${name} is longer than ${kind.maxLength} characters`)
      return value
    case "integer":
      if (typeof value !== "number" || !Number.isInteger(value)) throw argument(`${name} is not an integer`)
      if (value < kind.min || value > kind.max) throw argument(`${name} is not in ${kind.min}..${kind.max}`)
      return value
    case "choice":
      if (typeof value !== "string" || !kind.of.includes(value)) {
        throw argument(`${name} is not one of ${kind.of.join(", ")}`)
      }
      return value
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function malformed(message: string): InputError<RequestErrorCode> {
  return new InputError("ERR_COMMAND_MALFORMED", message)
}

function argument(message: string): InputError<RequestErrorCode> {
  return new InputError("ERR_COMMAND_ARGUMENT", message)
}
