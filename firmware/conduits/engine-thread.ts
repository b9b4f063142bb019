/** One thread of the conduit engine, seen from the gateway: started, asked, and when it dies replaced and told everything again. */
import { Worker } from "node:worker_threads"
import type { Clock } from "../../hal/clock.ts"
import { HardwareError } from "../../policy/base/errors.ts"
import { joinParts, type RecordedPart } from "../../policy/recording/recorder.ts"
import type { RecordedPeer } from "../../policy/recording/recording.ts"
import type { FromEngine, Listening, RecordedTotals, ToEngine } from "./messages.ts"

/** Between the death of a thread and the start of the next. */
const REVIVE_MS = 200
/** A thread has this long to say good-bye to its peers. */
const STOP_MS = 3_000

/** What a thread is started with. */
export interface WorkerStart {
  readonly allowStall: boolean
  /** Null: no serial line on this board. */
  readonly linesSocket: string | null
  /** Whether a conduit of the board speaks Modbus. */
  readonly speaksModbus: boolean
  /** Where its clock begins, in nanoseconds of the monotonic clock: the same for all. */
  readonly originNs: bigint
}

/** A message that is answered. */
export type Asking = Extract<ToEngine, { number: number }>
/** A message that is answered, before it has its number. */
export type Question = Asking extends infer M ? (M extends Asking ? Omit<M, "number"> : never) : never

/** What a thread says that nobody asked for. */
export type Report = Extract<
  FromEngine,
  { kind: "events" | "counters" | "fault" | "failed" | "listening" | "certificate-seen" | "pong" | "asked" }
>

/** What a thread needs of who drives it. */
export interface EngineThreadDeps {
  readonly clock: Clock
  readonly start: WorkerStart
  /** The first message to each new thread. */
  configure(): Extract<ToEngine, { kind: "configure" }>
  /** Everything that is in force, for a thread that replaces another; told in this order. */
  told(): readonly (Question | Exclude<ToEngine, Asking>)[]
  reported(report: Report): void
  /** It ended, and with it all its sockets; a new one follows. */
  died(reason: string): void
}

/** What one thread recorded. */
export interface CollectedHere extends RecordedTotals {
  readonly peers: readonly RecordedPeer[]
}

/** One thread, and those that replace it. */
export interface EngineThread {
  /** What it listens to; nothing while it is dead. */
  readonly listening: readonly Listening[]
  /** How often it has died. */
  readonly deaths: number
  readonly isAlive: boolean
  /** Say something that is not answered. To a dead thread nothing is said. */
  post(message: Exclude<ToEngine, Asking>): void
  ping(): void
  /**
   * Ask the thread that lives; a dead one is waited out.
   * @throws HardwareError `ERR_ENGINE_DIED` if it died meanwhile
   */
  ask(question: Question): Promise<FromEngine>
  /** The same, asked again of each new thread until one has answered. */
  insist(question: Question): Promise<FromEngine>
  /** All that it recorded until now; null if nothing is recorded. */
  collect(stop: boolean): Promise<CollectedHere | null>
  stop(): Promise<void>
}

/** Start a thread; resolves when it is ready. */
export async function startEngineThread(deps: EngineThreadDeps): Promise<EngineThread> {
  let listening: readonly Listening[] = []
  let deaths = 0
  let number = 0
  let stopping = false
  let stopped: (() => void) | null = null
  let scheduled = false
  /** Null while a thread lives; else resolves when the next one has been told everything. */
  let reviving: { readonly done: Promise<void>; resolve(): void } | null = null
  const waiting = new Map<number, { resolve(message: FromEngine): void; reject(error: Error): void }>()
  const collecting = new Map<number, RecordedPart[]>()
  /** The last thread that is known to have ended. */
  let dead: Worker | null = null
  let worker = await spawn()

  function spawn(): Promise<Worker> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(new URL("./engine-worker.ts", import.meta.url), {
        name: "conduits",
        workerData: deps.start,
      })
      let started = false
      thread.on("message", (message: FromEngine) => {
        if (message.kind === "ready") {
          started = true
          thread.postMessage(deps.configure())
          resolve(thread)
        } else if (thread !== dead) take(message)
      })
      const ended = (reason: string): void => {
        reject(new HardwareError("ERR_ENGINE_DIED", `the conduit engine's thread did not start: ${reason}`))
        if (started) died(thread, reason)
      }
      thread.on("error", (error: unknown) => ended(error instanceof Error ? error.message : "unknown"))
      thread.on("exit", (code) => ended(`exit code ${code}`))
    })
  }

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
    deaths++
    listening = []
    reviving ??= deferred()
    deps.died(reason)
    reviveSoon()
  }

  function reviveSoon(): void {
    if (scheduled) return
    scheduled = true
    deps.clock.after(REVIVE_MS, () => {
      scheduled = false
      void revive()
    })
  }

  async function revive(): Promise<void> {
    if (stopping) return
    try {
      worker = await spawn()
      for (const message of deps.told()) {
        if (isQuestion(message)) await tell(message)
        else worker.postMessage(message)
      }
      reviving?.resolve()
      reviving = null
      deps.reported({ kind: "listening", listening })
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
        listening = message.listening
        return answer(message.number, message)
      case "rehearsed":
      case "load-rehearsed":
      case "code-tried":
      case "open-under":
      case "revocation":
        return answer(message.number, message)
      case "recorded":
        collecting.get(message.number)?.push(...message.parts)
        if (message.last) answer(message.number, message)
        return
      case "listening":
        listening = message.listening
        return deps.reported(message)
      case "events":
      case "counters":
      case "fault":
      case "failed":
      case "certificate-seen":
      case "asked":
      case "pong":
        return deps.reported(message)
      case "stopped":
        return stopped?.()
    }
  }

  function answer(to: number, message: FromEngine): void {
    waiting.get(to)?.resolve(message)
    waiting.delete(to)
  }

  function tell(question: Question, own = ++number): Promise<FromEngine> {
    return new Promise((resolve, reject) => {
      waiting.set(own, { resolve, reject })
      worker.postMessage({ ...question, number: own } satisfies ToEngine)
    })
  }

  async function ask(question: Question, own?: number): Promise<FromEngine> {
    while (reviving !== null) await reviving.done
    return tell(question, own)
  }

  return {
    get listening() {
      return listening
    },
    get deaths() {
      return deaths
    },
    get isAlive() {
      return reviving === null
    },
    post: (message) => worker.postMessage(message),
    ping: () => worker.postMessage({ kind: "ping", number: ++number } satisfies ToEngine),
    ask: (question) => ask(question),
    insist: async (question) => {
      for (;;) {
        try {
          return await ask(question)
        } catch (error) {
          if (stopping || !(error instanceof HardwareError)) throw error
        }
      }
    },
    collect: async (stop) => {
      const own = ++number
      const parts: RecordedPart[] = []
      collecting.set(own, parts)
      try {
        const last = await ask({ kind: "collect", stop }, own)
        if (last.kind !== "recorded" || last.totals === null) return null
        return { peers: joinParts(parts), ...last.totals }
      } finally {
        collecting.delete(own)
      }
    },
    stop: () => {
      stopping = true
      return new Promise((resolve) => {
        const end = (): void => {
          cancel()
          void worker.terminate().then(() => resolve())
        }
        const cancel = deps.clock.after(STOP_MS, end)
        if (reviving !== null) return end()
        stopped = end
        worker.postMessage({ kind: "stop" } satisfies ToEngine)
      })
    },
  }
}

function isQuestion(message: Question | Exclude<ToEngine, Asking>): message is Question {
  switch (message.kind) {
    case "epoch":
    case "posture":
    case "trust":
    case "access":
    case "restore":
    case "open-under":
    case "ping":
    case "rehearse":
    case "rehearse-load":
    case "is-revoked":
    case "try-code":
    case "record":
    case "collect":
      return true
    case "configure":
    case "spooled":
    case "answer":
    case "time":
    case "overrides":
    case "inputs":
    case "break":
    case "stall":
    case "crash":
    case "stop":
      return false
  }
}

function deferred(): { readonly done: Promise<void>; resolve(): void } {
  let resolve = (): void => undefined
  const done = new Promise<void>((settle) => (resolve = settle))
  return { done, resolve: () => resolve() }
}
