import { createLinuxBoard, type OpenBoard } from "../../hal/linux/board.ts"
import { createSimulatedBoard } from "../../hal/linux/simulated-board.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { formatFault } from "../../policy/language/fault.ts"
import type { GatewayConfig } from "../config/gateway-config.ts"
import { readGatewayConfig } from "../config/read-gateway-config.ts"
import { startGateway } from "../gateway.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"

const USAGE = "lockgate run --config <gateway.yaml>"

/**
 * `lockgate run --config <gateway.yaml>`: the gateway, until Ctrl-C or SIGTERM.
 *
 * Exit code 2 for a faulty board file (every fault is listed), 1 when the gateway cannot start.
 */
export async function run(args: readonly string[], io: CliIo): Promise<number> {
  const read = readArguments(args, { config: { type: "string" } }, 0, USAGE, io)
  const file = read?.values.config
  if (file === undefined) {
    if (read !== null) io.err(`usage: ${USAGE}\n`)
    return 2
  }
  const parsed = await readGatewayConfig(file)
  if (!parsed.ok) {
    for (const fault of parsed.faults) io.err(`${formatFault(fault)}\n`)
    return 2
  }
  const config = parsed.value
  let board: OpenBoard | null = null
  try {
    board = await openBoard(config)
    const gateway = await startGateway(board, config)
    io.out(`lockgate: ${config.gateway} runs; commands at ${config.management.socket}\n`)
    for (const { conduit, address, port } of gateway.listening) {
      io.out(`lockgate: conduit ${conduit} listens on ${address}:${port}\n`)
    }
    if (gateway.listening.length === 0) io.out("lockgate: no conduit listens (no policy in force)\n")
    await aborted(io.signal)
    await gateway.stop()
    return 0
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    io.err(`lockgate: ${error.message} (${error.code})\n`)
    return error.kind === "input" ? 2 : 1
  } finally {
    await board?.close()
  }
}

function openBoard(config: GatewayConfig): Promise<OpenBoard> {
  const { stateFolder, credentials, time, keys } = config
  const more = {
    token: keys,
    trustRtc: time.rtcErrorMs !== null,
    ...(time.chronySocket === null ? {} : { chronySocket: time.chronySocket }),
  }
  switch (config.board) {
    case "linux":
      return createLinuxBoard({ stateFolder, credentials, ...more })
    case "simulated":
      return createSimulatedBoard(stateFolder, { credentials, ...more })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
}
