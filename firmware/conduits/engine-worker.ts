/**
 * Entry of the worker thread that runs the conduit engine. Started by `engine-port.ts`; nothing imports it.
 *
 * What only some boards need is loaded here, and only there: Modbus, and the way to serial lines.
 */
import { createHash, getRandomValues, randomBytes } from "node:crypto"
import { parentPort, workerData } from "node:worker_threads"
import { InvariantError } from "../../policy/base/errors.ts"
import { refuseKeyLog } from "../tls/key-log.ts"
import { createKernelFlowCache } from "../../policy/filter/cache/create.ts"
import { createEngine } from "./engine.ts"
import type { WorkerStart } from "./engine-thread.ts"
import type { ToEngine } from "./messages.ts"
import type { ModbusUpstream } from "./modbus/upstream.ts"
import { ALL_LANDING_BYTES } from "./read-pools.ts"

if (parentPort === null) throw new InvariantError("ERR_NO_PARENT", "engine-worker.ts runs in a worker thread only")
// A thread has its own options, and its own environment.
refuseKeyLog({ execArgv: process.execArgv, nodeOptions: process.env["NODE_OPTIONS"] })
const port = parentPort
const { allowStall, linesSocket, speaksModbus, originNs } = workerData as WorkerStart

/** `performance.now` counts from the start of its thread; what is counted in shared memory needs one clock for all. */
const sinceOriginMs = Number(process.hrtime.bigint() - originNs) / 1e6 - performance.now()

const after = (delayMs: number, action: () => void): (() => void) => {
  const timer = setTimeout(action, delayMs)
  return () => clearTimeout(timer)
}
const modbus = speaksModbus ? (await import("./modbus/protocol.ts")).createModbusProtocol : undefined
const openLine = linesSocket === null ? undefined : await wayToLines(linesSocket)
const flows = createKernelFlowCache({
  seed: getRandomValues(new Uint32Array(8)),
  landingBytes: ALL_LANDING_BYTES,
})
const engine = createEngine({
  allowStall,
  post: (message) => port.postMessage(message),
  nowMs: () => performance.now() + sinceOriginMs,
  after,
  ...(openLine === undefined ? {} : { openLine }),
  ...(modbus === undefined ? {} : { modbus }),
  soon: (action) => setImmediate(action),
  newHash: () => {
    const hash = createHash("sha256")
    return { update: (bytes) => hash.update(bytes), digest: () => hash.digest("base64") }
  },
  randomSuffix: () => randomBytes(6).toString("hex"),
  wallMs: () => Date.now(),
  flows,
  landing: flows.input.subarray(flows.landingAt),
})

async function wayToLines(socket: string): Promise<(line: string) => ModbusUpstream> {
  const { createLineClient } = await import("../lines/client.ts")
  return (line) => createLineClient({ socket, line, after })
}

port.on("message", (message: ToEngine) => engine.handle(message))
port.postMessage({ kind: "ready" })
