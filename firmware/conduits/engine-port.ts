/**
 * The gateway's side of the conduit engine: starts the worker thread and turns its messages into promises and calls.
 *
 * The engine holds no state that the gateway does not also hold: when its thread dies, its sockets die with it (nothing
 * is forwarded), a new one is started and told everything again.
 */
import { Worker } from "node:worker_threads"
import { HardwareError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Inputs, KnownInput } from "../../policy/filter/inputs.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type {
  ConduitCounters,
  EngineConduit,
  EngineEpoch,
  EngineTrust,
  FlowPosture,
  FromEngine,
  Held,
  Listening,
  Rehearsal,
  RehearsalResult,
  RecordedTotals,
  ToEngine,
} from "./messages.ts"
import type { LoadRehearsal } from "./load/rehearse-load.ts"
import { joinParts, type RecordedPart } from "../../policy/recording/recorder.ts"
import type { RecordedPeer } from "../../policy/recording/recording.ts"
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
  certificateSeen(notBeforeAt: number): void
  /** The engine answered a ping: its loop is alive. */
  alive(): void
  /** The thread died: nothing listens. A new one will be told what is in force. */
  died(reason: string): void
  /** A fault has closed this conduit; it stays closed until `restore`. */
  failed(conduit: string, fault: string): void
  /** What listens has changed without being told: a new thread carries out what was in force, or a port became free. */
  listening(listening: readonly Listening[]): void
}

/** What the engine is started with. */
export interface EngineSetup {
  readonly clock: Clock
  readonly conduits: readonly EngineConduit[]
  readonly limits: Limits
  readonly time: TimeInterval
  readonly allowStall: boolean
  /** Where the serial lines are asked; nothing is there unless the board file names lines. Absent: this engine has none. */
  readonly linesSocket?: string
}

/** What a recording holds. */
export interface Collected extends RecordedTotals {
  readonly peers: readonly RecordedPeer[]
}

/** The engine as the gateway drives it. */
export interface EnginePort {
  /**
   * Policy for all conduits at once, or null for none. Resolves when it is in force, with what listens.
   * @throws HardwareError `ERR_ENGINE_DIED` if the thread died of it, or while it was told; the policy before it is in force again
   */
  setEpoch(epoch: EngineEpoch | null): Promise<readonly Listening[]>
  /** Resolves when the conduits follow; told again to a new thread if the old one dies of something else meanwhile. */
  setPosture(posture: FlowPosture): Promise<readonly Listening[]>
  /** Credentials, authorities and revocations; resolves when every peer is judged by them. Told again like the posture. */
  setTrust(trust: EngineTrust): Promise<readonly Listening[]>
  setTime(time: TimeInterval): void
  /** All emergencies that are switched on; a new thread is told them again. */
  setOverrides(emergencies: readonly string[]): void
  /** All that is known of the board's inputs; a new thread is told it again. */
  setInputs(inputs: Inputs): void
  /** Ways in that were approved and conduits that have failed, all of them; a new thread is told them again. */
  setHeld(held: Held): Promise<readonly Listening[]>
  /** Let a conduit that has failed open again. */
  restore(conduit: string): Promise<readonly Listening[]>
  /** Conduits that would be open under another posture, or if these had failed; nothing changes. */
  openUnder(posture: FlowPosture, failed: readonly string[]): Promise<readonly string[]>
  /** Let the next bytes on a conduit fail, for the test of fail close; ignored unless `allowStall`. */
  breakConduit(conduit: string): void
  ping(): void
  /** Null when the conduit is not in the policy in force. */
  rehearse(rehearsal: Rehearsal): Promise<RehearsalResult | null>
  /** What the live limits make of a flood that never happens. */
  rehearseLoad(): Promise<LoadRehearsal | null>
  /** Whether the conduit would refuse that certificate as revoked; null when it is not in force. */
  isRevoked(conduit: string, issuerDer: string, serial: string): Promise<boolean | null>
  /** Whether the engine's thread made code of a text when tried just now. */
  makesCode(): Promise<boolean>
  /** Record traffic from now on; what an earlier recording held is forgotten. */
  startRecording(): Promise<void>
  /** All that was recorded until now; with `stop` nothing more is. Null if nothing is, as in a thread that replaced another. */
  collectRecording(stop: boolean): Promise<Collected | null>
  /** Block the engine's loop, for the supervisor's test; ignored unless `allowStall`. */
  stall(ms: number): void
  stop(): Promise<void>
}

/** Start the engine's thread; resolves when it is ready to take a policy. */
export async function startEngine(setup: EngineSetup, listener: EngineListener): Promise<EnginePort> {
  let epoch: EngineEpoch | null = null
  let posture: FlowPosture = { normal: "open", essential: "open" }
  let trust: EngineTrust | null = null
  let time = setup.time
  let emergencies: readonly string[] = []
  let inputs: readonly (readonly [string, KnownInput])[] = []
  let held: Held = { granted: [], failed: [] }
  let number = 0
  let stopping = false
  let stopped: (() => void) | null = null
  const waiting = new Map<number, { resolve(message: FromEngine): void; reject(error: Error): void }>()
  const collecting = new Map<number, RecordedPart[]>()
  /** The last thread that is known to have ended. */
  let dead: Worker | null = null
  let worker = await spawn()

  function spawn(): Promise<Worker> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(new URL("./engine-worker.ts", import.meta.url), {
        name: "conduits",
        workerData: { allowStall: setup.allowStall, linesSocket: setup.linesSocket ?? null },
      })
      let started = false
      thread.on("message", (message: FromEngine) => {
        if (message.kind === "ready") {
          started = true
          thread.postMessage({
            kind: "configure",
            conduits: setup.conduits,
            limits: setup.limits,
            time,
          } satisfies ToEngine)
          resolve(thread)
        } else take(message)
      })
      const ended = (reason: string): void => {
        reject(new HardwareError("ERR_ENGINE_DIED", `the conduit engine's thread did not start: ${reason}`))
        if (started) died(thread, reason)
      }
      thread.on("error", (error: unknown) => ended(error instanceof Error ? error.message : "unknown"))
      thread.on("exit", (code) => ended(`exit code ${code}`))
    })
  }

  /** Null while a thread lives; else resolves when the next one has been told everything. */
  let reviving: { readonly done: Promise<void>; resolve(): void } | null = null

  /** Called once or more for each death: by an error and by the exit that follows it. */
  function died(thread: Worker, reason: string): void {
    if (thread !== worker) return
    const error = new HardwareError("ERR_ENGINE_DIED", `the conduit engine's thread ended: ${reason}`)
    for (const waiter of waiting.values()) waiter.reject(error)
    waiting.clear()
    collecting.clear()
    if (stopping) {
      stopped?.()
      return
    }
    if (dead === thread) return
    dead = thread
    reviving ??= deferred()
    listener.died(reason)
    reviveSoon()
  }

  let scheduled = false
  function reviveSoon(): void {
    if (scheduled) return
    scheduled = true
    setup.clock.after(REVIVE_MS, () => {
      scheduled = false
      void revive()
    })
  }

  async function revive(): Promise<void> {
    if (stopping) return
    try {
      worker = await spawn()
      worker.postMessage({ kind: "overrides", emergencies } satisfies ToEngine)
      if (trust !== null) await tell({ kind: "trust", trust, number: ++number })
      worker.postMessage({ kind: "inputs", inputs } satisfies ToEngine)
      await tell({ kind: "access", held, number: ++number })
      await tell({ kind: "posture", posture, number: ++number })
      const answer = await tell({ kind: "epoch", epoch, number: ++number })
      reviving?.resolve()
      reviving = null
      listener.listening(answer.kind === "applied" ? answer.listening : [])
    } catch {
      // A thread that died before it was ready is not `worker` yet: nobody else tries again for it.
      if (worker === dead) reviveSoon()
    }
  }

  function take(message: FromEngine): void {
    switch (message.kind) {
      case "ready":
        return
      case "applied":
      case "rehearsed":
      case "load-rehearsed":
      case "code-tried":
      case "open-under":
      case "revocation":
        waiting.get(message.number)?.resolve(message)
        waiting.delete(message.number)
        return
      case "recorded":
        collecting.get(message.number)?.push(...message.parts)
        if (!message.last) return
        waiting.get(message.number)?.resolve(message)
        waiting.delete(message.number)
        return
      case "events":
        return listener.events(message.events)
      case "counters":
        return listener.counters(message.conduits)
      case "fault":
        return listener.fault(message.conduit, message.code, message.message)
      case "failed":
        return listener.failed(message.conduit, message.fault)
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

  /** Tell the thread that lives; a dead one is waited out. */
  async function ask(message: Extract<ToEngine, { number: number }>): Promise<FromEngine> {
    while (reviving !== null) await reviving.done
    return tell(message)
  }

  function tell(message: Extract<ToEngine, { number: number }>): Promise<FromEngine> {
    return new Promise((resolve, reject) => {
      waiting.set(message.number, { resolve, reject })
      worker.postMessage(message)
    })
  }

  async function apply(message: Extract<ToEngine, { number: number }>): Promise<readonly Listening[]> {
    const answer = await ask(message)
    return answer.kind === "applied" ? answer.listening : []
  }

  /** Tell it again to each new thread, until one has followed. */
  async function insist(message: () => Extract<ToEngine, { number: number }>): Promise<readonly Listening[]> {
    for (;;) {
      try {
        return await apply(message())
      } catch (error) {
        if (stopping || !(error instanceof HardwareError)) throw error
      }
    }
  }

  return {
    setEpoch: async (next) => {
      const listening = await apply({ kind: "epoch", epoch: next, number: ++number })
      epoch = next
      return listening
    },
    setPosture: (next) => {
      posture = next
      return insist(() => ({ kind: "posture", posture, number: ++number }))
    },
    setTrust: (next) => {
      trust = next
      return insist(() => ({ kind: "trust", trust: next, number: ++number }))
    },
    setHeld: (next) => {
      held = next
      return insist(() => ({ kind: "access", held, number: ++number }))
    },
    restore: (conduit) => insist(() => ({ kind: "restore", conduit, number: ++number })),
    openUnder: async (other, failed) => {
      const answer = await ask({ kind: "open-under", posture: other, failed, number: ++number })
      return answer.kind === "open-under" ? answer.conduits : []
    },
    breakConduit: (conduit) => worker.postMessage({ kind: "break", conduit } satisfies ToEngine),
    setTime: (next) => {
      time = next
      worker.postMessage({ kind: "time", time } satisfies ToEngine)
    },
    setOverrides: (next) => {
      emergencies = next
      worker.postMessage({ kind: "overrides", emergencies } satisfies ToEngine)
    },
    setInputs: (next) => {
      inputs = [...next]
      worker.postMessage({ kind: "inputs", inputs } satisfies ToEngine)
    },
    ping: () => worker.postMessage({ kind: "ping", number: ++number } satisfies ToEngine),
    rehearse: async (rehearsal) => {
      const answer = await ask({ kind: "rehearse", number: ++number, rehearsal })
      return answer.kind === "rehearsed" ? answer.result : null
    },
    rehearseLoad: async () => {
      const answer = await ask({ kind: "rehearse-load", number: ++number })
      return answer.kind === "load-rehearsed" ? answer.result : null
    },
    isRevoked: async (conduit, issuerDer, serial) => {
      const answer = await ask({ kind: "is-revoked", number: ++number, conduit, issuerDer, serial })
      return answer.kind === "revocation" ? answer.revoked : null
    },
    makesCode: async () => {
      const answer = await ask({ kind: "try-code", number: ++number })
      return answer.kind !== "code-tried" || answer.made
    },
    startRecording: async () => {
      await ask({ kind: "record", number: ++number })
    },
    collectRecording: async (stop) => {
      const own = ++number
      const parts: RecordedPart[] = []
      collecting.set(own, parts)
      try {
        const answer = await ask({ kind: "collect", number: own, stop })
        if (answer.kind !== "recorded" || answer.totals === null) return null
        return { peers: joinParts(parts), ...answer.totals }
      } finally {
        collecting.delete(own)
      }
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
        if (reviving !== null) return end()
        stopped = end
        worker.postMessage({ kind: "stop" } satisfies ToEngine)
      })
    },
  }
}

function deferred(): { readonly done: Promise<void>; resolve(): void } {
  let resolve = (): void => undefined
  const done = new Promise<void>((settle) => (resolve = settle))
  return { done, resolve: () => resolve() }
}
