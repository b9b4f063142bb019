import { connect } from "node:net"
import { InputError, StateError } from "../../policy/base/errors.ts"
import type { CommandAnswer, CommandRequest } from "../../policy/command/port.ts"
import { LineBuffer } from "./line-buffer.ts"

const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** What a person sends in the place of a request: see `local-line.ts`. */
export type SignedMessage = { readonly nonce: string } | { readonly signed: string }

/**
 * Ask the gateway that listens at `socketPath`; resolves to its answer, a refusal included.
 *
 * @throws StateError `ERR_GATEWAY_NOT_RUNNING` (no socket, or nobody behind it), `ERR_GATEWAY_NOT_PERMITTED` (not our
 *   user's), `ERR_GATEWAY_NO_ANSWER` (it hung up, or is busy with too many others), `ERR_GATEWAY_TIMEOUT`,
 *   `ERR_INTERRUPTED` (by `signal`)
 * @throws InputError `ERR_ANSWER_MALFORMED`, `ERR_LINE_TOO_LONG`
 */
export async function callLocal(
  socketPath: string,
  request: CommandRequest | SignedMessage,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<CommandAnswer> {
  if (signal?.aborted === true) throw new StateError("ERR_INTERRUPTED", "interrupted")
  const line = await exchange(socketPath, JSON.stringify(request) + "\n", timeoutMs, signal)
  return parseAnswer(line)
}

function exchange(path: string, text: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const lines = new LineBuffer(MAX_ANSWER_BYTES)
    const socket = connect(path)
    const stop = (error: Error): void => {
      reject(error)
      socket.destroy()
    }
    const timer = setTimeout(() => stop(new StateError("ERR_GATEWAY_TIMEOUT", "the gateway did not answer in time")), timeoutMs) // prettier-ignore
    const abort = (): void => stop(new StateError("ERR_INTERRUPTED", "interrupted"))
    signal?.addEventListener("abort", abort, { once: true })
    socket.on("connect", () => socket.write(text))
    socket.on("data", (chunk) => {
      try {
        for (const line of lines.push(chunk)) {
          resolve(line)
          socket.destroy()
          return
        }
      } catch (error) {
        stop(error as Error)
      }
    })
    socket.on("error", (error) => reject(explain(path, error)))
    socket.on("close", () => {
      clearTimeout(timer)
      signal?.removeEventListener("abort", abort)
      reject(new StateError("ERR_GATEWAY_NO_ANSWER", "the gateway closed the connection without an answer"))
    })
  })
}

function explain(path: string, error: NodeJS.ErrnoException): StateError {
  const code = error.code ?? "?"
  if (code === "ENOENT" || code === "ECONNREFUSED") {
    return new StateError("ERR_GATEWAY_NOT_RUNNING", `no gateway is running at ${path}`)
  }
  if (code === "EACCES" || code === "EPERM") {
    return new StateError("ERR_GATEWAY_NOT_PERMITTED", `${path} belongs to another user`)
  }
  return new StateError("ERR_GATEWAY_NO_ANSWER", `the gateway at ${path} did not answer: ${code}`)
}

function parseAnswer(line: Uint8Array): CommandAnswer {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(line).toString("utf8"))
  } catch {
    value = null
  }
  if (isAnswer(value)) return value
  throw new InputError("ERR_ANSWER_MALFORMED", "the gateway answered something that is no answer")
}

function isAnswer(value: unknown): value is CommandAnswer {
  if (typeof value !== "object" || value === null || !("ok" in value)) return false
  if (value.ok === true) return true
  return value.ok === false && "code" in value && typeof value.code === "string"
}
