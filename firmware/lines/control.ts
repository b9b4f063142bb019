import type { LineNote } from "../conduits/modbus/line-upstream.ts"
import type { LineSettings } from "../config/gateway-config.ts"
import { InputError } from "../../policy/base/errors.ts"

/** The first line on the process's input: all that it is told. Its input ends with the gateway, and it with it. */
export interface LinesSetup {
  readonly socket: string
  readonly lines: Readonly<Record<string, LineSettings>>
}

/** What is said of a line, its own or what the socket refused. */
export type LineEvent = LineNote | { readonly kind: "refused"; readonly code: string }

/** Lines on the process's output, one JSON text each. */
export type FromLines =
  { readonly kind: "ready" } | { readonly kind: "event"; readonly line: string; readonly event: LineEvent }

/** A line of the process's output is no longer than this. */
export const MAX_CONTROL_BYTES = 4_096
const MAX_TEXT = 300

/** One message of the process, read strictly: it handles what anybody sends on a line. @throws InputError `ERR_LINES_CONTROL` */
export function readFromLines(bytes: Uint8Array): FromLines {
  const said = parse(bytes)
  if (said["kind"] === "ready") return { kind: "ready" }
  const { line, event } = said
  if (said["kind"] !== "event" || typeof line !== "string" || line.length > 64 || !isRecord(event)) throw wrong()
  const { kind, code, text } = event
  if (kind === "opened" || kind === "echo") return { kind: "event", line, event: { kind } }
  if (typeof code !== "string" || !/^ERR_[A-Z_]{1,40}$/.test(code)) throw wrong()
  if (kind === "refused") return { kind: "event", line, event: { kind, code } }
  if (kind !== "lost" || typeof text !== "string") throw wrong()
  return { kind: "event", line, event: { kind, code, text: text.slice(0, MAX_TEXT) } }
}

/** A message of the process as a line. */
export function writeFromLines(message: FromLines): string {
  const cut = (key: string, value: unknown): unknown =>
    key === "text" && typeof value === "string" ? value.slice(0, MAX_TEXT) : value
  return `${JSON.stringify(message, cut)}\n`
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
    if (isRecord(value)) return value
  } catch {
    // Told below.
  }
  throw wrong()
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function wrong(): InputError {
  return new InputError("ERR_LINES_CONTROL", "the process that has the serial lines said something that it must not")
}
