import { encodeNoteKey } from "../../policy/audit/tlog/note.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import { ownLogKey } from "../cli/audit-log-key.ts"
import { consoleUrl } from "../cli/console.ts"
import { startConsole, type ConsoleServer } from "../console/server.ts"
import type { DemoPaths } from "./material.ts"

/** Where the page is looked for first; the next port if another program has it. */
const PAGE_PORT = 8400

/** The operator's page, served for the demo. */
export interface ConsoleScene {
  /** With the broker's address and the key of the log behind the `#`. */
  readonly url: string
  stop(): Promise<void>
}

/** Serves the page; null while the gateway has no key for its log yet. */
export async function openConsole(paths: DemoPaths, viewerPort: number): Promise<ConsoleScene | null> {
  const key = await ownLogKey(paths.stateFolder, originOf(paths.gatewayName))
  if (key === null) return null
  const broker = `ws://127.0.0.1:${viewerPort}`
  const server = await serve(PAGE_PORT, broker).catch((error: unknown) => {
    if (!(error instanceof LockgateError) || error.code !== "ERR_CONSOLE_PORT") throw error
    return serve(0, broker)
  })
  return { url: consoleUrl(server.url, broker, [encodeNoteKey(nodeSha256, key)]), stop: () => server.stop() }
}

function serve(port: number, broker: string): Promise<ConsoleServer> {
  return startConsole({ port, brokers: [broker] })
}
