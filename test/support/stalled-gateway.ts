/** A process of its own: a gateway on the simulated board whose conduit engine is blocked, until its watchdog ends it. */
import { createSimulatedBoard } from "../../hal/linux/simulated-board.ts"
import { readGatewayConfig } from "../../firmware/config/read-gateway-config.ts"
import { startGateway } from "../../firmware/gateway.ts"

const read = await readGatewayConfig(process.argv[2] ?? "")
if (!read.ok) throw new Error("the board file is faulty")
const board = await createSimulatedBoard(read.value.stateFolder, { credentials: read.value.credentials })
const gateway = await startGateway(board, read.value, { allowStall: true, watchdogMs: 2_000, loopDeadlineMs: 1_400 })
gateway.engine.stall(60_000)
