import type { Socket } from "node:net"
import { socketSource, type ByteSource } from "../byte-source.ts"
import { createModbusSession, type ModbusSession, type ModbusSessionDeps } from "./session.ts"

/** What a connection is made of: its session's parts but for those that are the socket's. */
export interface ModbusConnectionDeps {
  readonly client: Socket
  /** For a frame that has begun to be whole. */
  readonly frameTimeoutMs: number
  readonly after: (delayMs: number, action: () => void) => () => void
  /** Slows the master down to its pace (`load/flow-meter.ts`). */
  readonly paced: (source: ByteSource) => ByteSource
  readonly session: Omit<ModbusSessionDeps, "toClient" | "isClogged">
  /** Called before any chunk is judged. */
  refresh(): void
  received(bytes: number): void
  /** Once, when it is over. `fault`: the master broke the protocol, in a stable word. */
  ended(how: "client" | "fault" | "withdrawn", detail: string): void
}

/** One master at work. */
export interface ModbusConnection {
  /** Another policy or posture is in force: what waits is judged again. */
  rejudge(): void
  /** Cut it off. */
  withdraw(detail: string): void
  /** Bytes held for it, beside what waits in its socket. */
  heldBytes(): number
}

/** Start reading from a master that was let in. */
export function openModbusConnection(deps: ModbusConnectionDeps): ModbusConnection {
  const { client } = deps
  const source = deps.paced(socketSource(client))
  const session: ModbusSession = createModbusSession({
    ...deps.session,
    ask: (request) => deps.session.ask(request).finally(updateAfterwards),
    toClient: (bytes) => {
      if (client.writable) client.write(bytes)
    },
    isClogged: () => client.writableNeedDrain,
  })
  let isPaused = false
  let isOver = false
  let cancelFrame: (() => void) | null = null

  /** After whatever may have changed: read on or wait, and give a frame that has begun only so long. */
  function update(): void {
    if (isOver) return
    if (session.wantsMore === isPaused) {
      isPaused = !isPaused
      if (isPaused) source.pause()
      else source.resume()
    }
    if (session.isMidFrame && cancelFrame === null) waitForFrame()
  }

  /** A frame that has begun must be whole in time; one that has begun since then has its own time. */
  function waitForFrame(): void {
    const { frames } = session
    cancelFrame = deps.after(deps.frameTimeoutMs, () => {
      cancelFrame = null
      if (!session.isMidFrame) return
      if (session.frames === frames) end("fault", "frame-timeout")
      else waitForFrame()
    })
  }

  /** Once the session has taken the answer over. */
  function updateAfterwards(): void {
    queueMicrotask(() => queueMicrotask(update))
  }

  function end(how: "client" | "fault" | "withdrawn", detail: string): void {
    if (isOver) return
    isOver = true
    cancelFrame?.()
    session.end()
    client.destroy()
    deps.ended(how, detail)
  }

  client.setNoDelay(true)
  client.setKeepAlive(true, 60_000)
  client.on("drain", () => {
    const fault = isOver ? null : session.drained()
    if (fault !== null) end("fault", fault)
    update()
  })
  client.on("error", () => client.destroy())
  client.on("end", () => end("client", "end"))
  client.on("close", () => end("client", "lost"))
  source.start((chunk) => {
    if (isOver) return
    deps.refresh()
    // Whoever is no longer in has been withdrawn by that.
    if (client.destroyed) return
    deps.received(chunk.length)
    const fault = session.fromClient(chunk)
    if (fault !== null) end("fault", fault)
    update()
  })
  return {
    rejudge: () => {
      if (!isOver) session.rejudge()
    },
    withdraw: (detail) => end("withdrawn", detail),
    heldBytes: () => session.heldBytes,
  }
}
