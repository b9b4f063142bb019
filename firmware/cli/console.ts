import { readFile } from "node:fs/promises"
import { HardwareError, LockgateError } from "../../policy/base/errors.ts"
import { brokerOrigin, startConsole, type ConsoleOptions } from "../console/server.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { printable } from "./text.ts"

const USAGE = `lockgate console [--broker wss://<host>:<port>]... [--log-key <file>]... [--port <n>]
                        [--cert <pem> --key <pem> [--host <address>] [--name <name>]...]`
const OPTIONS = {
  broker: { type: "string", multiple: true },
  "log-key": { type: "string", multiple: true },
  port: { type: "string" },
  cert: { type: "string" },
  key: { type: "string" },
  host: { type: "string" },
  name: { type: "string", multiple: true },
} as const
const MAX_KEY_CHARACTERS = 16_384

/**
 * `lockgate console`: serves the operator's page until it is interrupted.
 *
 * Address and keys travel to the page behind the `#`, which no browser sends to any server. Name and password are typed
 * into the page: never into a command line.
 */
export async function consoleCommand(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, OPTIONS, 0, USAGE, io)
  if (read === null) return 2
  const { broker = [], port = "8400", cert, key, host, name = [] } = read.values
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535 || (cert === undefined) !== (key === undefined)) {
    io.err(`usage: ${USAGE}\n`)
    return 2
  }
  try {
    const keys = await Promise.all((read.values["log-key"] ?? []).map(readPem))
    const tls =
      cert === undefined || key === undefined ? {} : { tls: { cert: await readPem(cert), key: await readPem(key) } }
    const options: ConsoleOptions = {
      port: Number(port),
      brokers: broker,
      names: name,
      ...tls,
      ...(host ? { host } : {}),
    }
    const server = await startConsole(options)
    io.out(`the console is at ${consoleUrl(server.url, broker[0], keys)}\n`)
    io.out("Ctrl-C stops it; the page keeps working until it is closed\n")
    if (!io.signal.aborted) await new Promise((resolve) => io.signal.addEventListener("abort", resolve, { once: true }))
    await server.stop()
    return 0
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`lockgate console: ${printable(error.message)}\n`)
    return error.kind === "input" ? 2 : 1
  }
}

/** The address of the page with what it need not be told by hand. */
export function consoleUrl(page: string, broker: string | undefined, keys: readonly string[]): string {
  const told = new URLSearchParams()
  if (broker !== undefined) told.set("broker", brokerOrigin(broker) === broker ? broker : new URL(broker).href)
  for (const key of keys) told.append("key", key.trim())
  const text = told.toString()
  return text === "" ? page : `${page}#${text}`
}

async function readPem(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).slice(0, MAX_KEY_CHARACTERS)
  } catch (cause) {
    throw new HardwareError("ERR_IO", `cannot read ${file}`, { cause })
  }
}
