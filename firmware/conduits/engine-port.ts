/**
 * The gateway's side of the conduit engine: starts the worker thread and turns its messages into promises and calls.
 *
 * The engine holds no state that the gateway does not also hold: when its thread dies, its sockets die with it (nothing
 * is forwarded), a new one is started and told everything again.
 */
import { Worker } from "node:worker_threads"
import { HardwareError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type {
  ConduitCounters,
  EngineConduit,
  EngineEpoch,
  FlowPosture,
  FromEngine,
  Listening,
  Rehearsal,
  RehearsalResult,
  ToEngine,
} from "./messages.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Limits } from "../config/gateway-config.ts"

/** Between the death of the engine's thread and the start of the next. */
const REVIVE_MS = 200
/** The engine has this long to say good-bye to its peers. */
const STOP_MS = 3_000

/** What the engine tells the gateway. */
export interface EngineListener {
  events(events: readonly AuditEvent[]): void
  counters(conduits: readonly ConduitCounters[]): void
  fault(conduit: string | null, code: string, message: string): void
  /** What listens has changed without being told: after a restart of the thread, or when a port became free. */
  listening(listening: readonly Listening[]): void
  certificateSeen(notBeforeAt: number): void
  /** The engine answered a ping: its loop is alive. */
  alive(): void
  /** The thread died and a new one is being told what is in force. */
  restarted(reason: string): void
}

/** What the engine is started with. */
export interface EngineSetup {
  readonly clock: Clock
  readonly conduits: readonly EngineConduit[]
  readonly limits: Limits
  readonly time: TimeInterval
  readonly allowStall: boolean
}

/** The engine as the gateway drives it. */
export interface EnginePort {
  /** Policy for all conduits at once, or null for none. Resolves when it is in force, with what listens. */
  setEpoch(epoch: EngineEpoch | null): Promise<readonly Listening[]>
  setPosture(posture: FlowPosture): Promise<readonly Listening[]>
  setTime(time: TimeInterval): void
  ping(): void
  /** Null when the conduit is not in the policy in force. */
  rehearse(rehearsal: Rehearsal): Promise<RehearsalResult | null>
  /** Block the engine's loop, for the supervisor's test; ignored unless `allowStall`. */
  stall(ms: number): void
  stop(): Promise<void>
}

/** Start the engine's thread; resolves when it is ready to take a policy. */
export async function startEngine(setup: EngineSetup, listener: EngineListener): Promise<EnginePort> {
  let epoch: EngineEpoch | null = null
  let posture: FlowPosture = { normal: "open", essential: "open" }
  let time = setup.time
  let number = 0
  let stopping = false
  let stopped: (() => void) | null = null
  const waiting = new Map<number, { resolve(message: FromEngine): void; reject(error: Error): void }>()
  let started = false
  let worker = await spawn()
  started = true

  function spawn(): Promise<Worker> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(new URL("./engine-worker.ts", import.meta.url), {
        workerData: { allowStall: setup.allowStall },
      })
      thread.on("message", (message: FromEngine) => {
        if (message.kind === "ready") {
          thread.postMessage({
            kind: "configure",
            conduits: setup.conduits,
            limits: setup.limits,
            time,
          } satisfies ToEngine)
          resolve(thread)
        } else take(message)
      })
      thread.on("error", (error: unknown) => died(error instanceof Error ? error.message : "unknown", reject))
      thread.on("exit", (code) => died(`exit code ${code}`, reject))
    })
  }

  /** The thread has died and no other has taken its place. */
  let down = false
  let reviving = false
  function died(reason: string, reject: (error: Error) => void): void {
    const error = new HardwareError("ERR_ENGINE_DIED", `the conduit engine's thread ended: ${reason}`)
    reject(error)
    for (const waiter of waiting.values()) waiter.reject(error)
    waiting.clear()
    if (stopping) return stopped?.()
    if (!started) return
    if (!down) {
      down = true
      listener.restarted(reason)
      listener.listening([])
    }
    reviveSoon()
  }

  function reviveSoon(): void {
    if (reviving || stopping) return
    reviving = true
    setup.clock.after(REVIVE_MS, () => void revive())
  }

  async function revive(): Promise<void> {
    try {
      worker = await spawn()
      down = false
      await ask({ kind: "posture", posture, number: ++number })
      listener.listening(await apply({ kind: "epoch", epoch, number: ++number }))
      reviving = false
    } catch {
      // `died` has told of it; a thread that cannot live is tried again and again, and nothing is forwarded meanwhile.
      reviving = false
      reviveSoon()
    }
  }

  function take(message: FromEngine): void {
    switch (message.kind) {
      case "ready":
        return
      case "applied":
      case "rehearsed":
        waiting.get(message.number)?.resolve(message)
        waiting.delete(message.number)
        return
      case "events":
        return listener.events(message.events)
      case "counters":
        return listener.counters(message.conduits)
      case "fault":
        return listener.fault(message.conduit, message.code, message.message)
      case "listening":
        return listener.listening(message.listening)
      case "certificate-seen":
        return listener.certificateSeen(message.notBeforeAt)
      case "pong":
        return listener.alive()
      case "stopped":
        return stopped?.()
    }
  }

  function ask(message: Extract<ToEngine, { number: number }>): Promise<FromEngine> {
    return new Promise((resolve, reject) => {
      if (down) return reject(new HardwareError("ERR_ENGINE_DIED", "the conduit engine's thread is being replaced"))
      waiting.set(message.number, { resolve, reject })
      worker.postMessage(message)
    })
  }

  async function apply(message: Extract<ToEngine, { number: number }>): Promise<readonly Listening[]> {
    const answer = await ask(message)
    return answer.kind === "applied" ? answer.listening : []
  }

  return {
    setEpoch: async (next) => {
      const listening = await apply({ kind: "epoch", epoch: next, number: ++number })
      epoch = next
      return listening
    },
    setPosture: async (next) => {
      posture = next
      try {
        return await apply({ kind: "posture", posture, number: ++number })
      } catch (error) {
        // With its thread everything is closed; the next one is told the posture before it is told a policy.
        if (error instanceof HardwareError) return []
        throw error
      }
    },
    setTime: (next) => {
      time = next
      worker.postMessage({ kind: "time", time } satisfies ToEngine)
    },
    ping: () => worker.postMessage({ kind: "ping", number: ++number } satisfies ToEngine),
    rehearse: async (rehearsal) => {
      const answer = await ask({ kind: "rehearse", number: ++number, rehearsal })
      return answer.kind === "rehearsed" ? answer.result : null
    },
    stall: (ms) => worker.postMessage({ kind: "stall", ms } satisfies ToEngine),
    stop: () => {
      stopping = true
      return new Promise((resolve) => {
        const end = (): void => {
          cancel()
          void worker.terminate().then(() => resolve())
        }
        const cancel = setup.clock.after(STOP_MS, end)
        stopped = end
        worker.postMessage({ kind: "stop" } satisfies ToEngine)
      })
    },
  }
}
