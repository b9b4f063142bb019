import { connect, type Socket } from "node:net"
import { LockgateError } from "../../policy/base/errors.ts"
import type { ModbusOutcome, ModbusRequest, ModbusUpstream, NoAnswer } from "../conduits/modbus/upstream.ts"
import { decodeFromLine, encodeToLine, WireReader } from "./wire.ts"

/** Between an end of the connection and the next attempt: twice as long each time, up to the second. */
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 2_000
/** Requests under way on one connection; the line's own queue is smaller. */
const MAX_UNDER_WAY = 4_096

/** Where a line is asked. */
export interface LineClientDeps {
  /** `linesSocket(stateFolder)`. */
  readonly socket: string
  /** Name of the line in the board file. */
  readonly line: string
  readonly after: (delayMs: number, action: () => void) => () => void
}

interface UnderWay {
  readonly request: ModbusRequest
  readonly settle: (outcome: ModbusOutcome) => void
}

/**
 * The way to the units of a line from another thread or process than the one that has the line. When that dies, everything
 * under way is answered `lost`, and so is every request until it is back. Usable at once; connects by itself.
 */
export function createLineClient(deps: LineClientDeps): ModbusUpstream {
  const underWay = new Map<number, UnderWay>()
  let socket: Socket | null = null
  /** Connected or about to be: what is said now is heard, or answered `lost` when the connection ends. */
  let usable = false
  let closed = false
  let lastId = 0
  let retryMs = FIRST_RETRY_MS
  let cancelRetry = (): void => undefined

  function dial(): void {
    const dialled = connect(deps.socket)
    const reader = new WireReader()
    socket = dialled
    usable = true
    dialled.write(encodeToLine({ kind: "use", line: deps.line }))
    dialled.on("data", (chunk) => {
      try {
        for (const message of reader.push(chunk)) take(message)
      } catch (error) {
        if (!(error instanceof LockgateError) || error.kind !== "input") throw error
        dialled.destroy()
      }
    })
    // What follows is `close`.
    dialled.on("error", () => undefined)
    dialled.once("close", () => {
      usable = false
      settleAll("lost")
      if (closed) return
      cancelRetry = deps.after(retryMs, dial)
      retryMs = Math.min(2 * retryMs, LAST_RETRY_MS)
    })
  }

  function take(message: Uint8Array): void {
    const { id, outcome } = decodeFromLine(message)
    // It answers: it is the right one.
    retryMs = FIRST_RETRY_MS
    underWay.get(id)?.settle(outcome)
    underWay.delete(id)
  }

  function settleAll(why: NoAnswer): void {
    const all = [...underWay.values()]
    underWay.clear()
    for (const { settle } of all) settle({ kind: "none", why })
  }

  dial()
  return {
    ask(request: ModbusRequest): Promise<ModbusOutcome> {
      const why = closed ? "closed" : !usable ? "lost" : underWay.size >= MAX_UNDER_WAY ? "busy" : null
      if (why !== null) return Promise.resolve({ kind: "none", why })
      return new Promise((settle) => {
        // Numbers come round after a day of the fastest line; what is under way is answered within minutes.
        lastId = (lastId + 1) >>> 0
        underWay.set(lastId, { request, settle })
        socket?.write(encodeToLine({ kind: "ask", id: lastId, ...request }))
      })
    },
    recall(request) {
      if (!usable) return
      for (const [id, one] of underWay) if (one.request === request) socket?.write(encodeToLine({ kind: "recall", id }))
    },
    forget(master) {
      for (const [id, one] of underWay) {
        if (one.request.master !== master) continue
        underWay.delete(id)
        one.settle({ kind: "none", why: "closed" })
      }
      if (usable) socket?.write(encodeToLine({ kind: "forget", master }))
    },
    close() {
      closed = true
      cancelRetry()
      settleAll("closed")
      socket?.destroy()
    },
  }
}
