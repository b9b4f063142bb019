/**
 * The gateway's side of preparing a policy: a thread of its own for each, so that the largest policy, or one made to be
 * heavy, costs neither the gateway's loop nor the conduits a moment, and leaves no memory behind.
 */
import { Worker } from "node:worker_threads"
import { HardwareError, InputError, StateError } from "../../policy/base/errors.ts"
import type { LockgateError } from "../../policy/base/errors.ts"
import type { Rule } from "../../policy/language/policy.ts"
import type { Clock } from "../../hal/clock.ts"
import type { CompileJob, FromCompiler, ToCompiler } from "./compile-messages.ts"
import type { PolicySource, PreparedPolicy } from "./prepare.ts"

/** What one preparation may cost. */
export interface CompileLimits {
  readonly timeMs: number
  /** Heap of the thread. The compiled tables lie outside it and have a bound of their own. */
  readonly heapMiB: number
}

/** Ten times what the largest policy takes on a desk: slow boards finish, and what hangs ends. */
export const COMPILE_LIMITS: CompileLimits = { timeMs: 120_000, heapMiB: 1024 }

/** What the compiler is started with. */
export interface CompilerSetup {
  readonly clock: Clock
  readonly limits?: CompileLimits
  /** Another thread than ours; for tests of what a thread can do. */
  readonly entry?: URL
}

/** Prepares policies, each in a thread of its own. */
export interface Compiler {
  /**
   * As `preparePolicy`, which runs in the thread.
   *
   * @throws InputError what `preparePolicy` throws; `ERR_COMPILE_TIME`, `ERR_COMPILE_MEMORY` past the limits
   * @throws HardwareError `ERR_COMPILE_CRASHED` if the thread died of anything else
   * @throws StateError `ERR_STOPPING`
   */
  prepare(source: PolicySource): Promise<PreparedPolicy>
  /**
   * For each document the code with which it is refused as a policy, or null; in their order. All in one thread: on a
   * small board starting one takes longest.
   *
   * @throws as `prepare`, but for what only its documents are at fault for
   */
  examine(documents: readonly string[]): Promise<readonly (string | null)[]>
  /** End what runs. */
  stop(): void
}

/** A compiler; no thread runs until it is asked. */
export function createCompiler(setup: CompilerSetup): Compiler {
  const { clock, limits = COMPILE_LIMITS, entry = new URL("./compile-worker.ts", import.meta.url) } = setup
  const running = new Set<(error: LockgateError) => void>()
  let stopping = false

  /** Runs a thread until `take` has what was asked for of its messages. */
  const inThread = <T>(job: CompileJob, take: (message: FromCompiler, thread: Worker) => T | null): Promise<T> => {
    if (stopping) return Promise.reject(new StateError("ERR_STOPPING", "the gateway is stopping"))
    return new Promise((resolve, reject) => {
      const thread = new Worker(entry, {
        workerData: job,
        resourceLimits: { maxOldGenerationSizeMb: limits.heapMiB, maxYoungGenerationSizeMb: 64 },
        name: "policy-compiler",
      })
      const end = (): void => {
        cancel()
        running.delete(fail)
        void thread.terminate()
      }
      const fail = (error: LockgateError): void => {
        end()
        reject(error)
      }
      running.add(fail)
      const cancel = clock.after(limits.timeMs, () => {
        const detail = { limitMs: limits.timeMs }
        fail(new InputError("ERR_COMPILE_TIME", "the policy takes too long to prepare", { detail }))
      })
      thread.on("message", (message: FromCompiler) => {
        if (message.kind === "refused") return fail(new InputError(message.code, message.message, { detail: message.detail })) // prettier-ignore
        const result = take(message, thread)
        if (result === null) return
        end()
        resolve(result)
      })
      thread.on("error", (error: unknown) => fail(crash(error, limits)))
      thread.on("exit", (code) => fail(new HardwareError("ERR_COMPILE_CRASHED", `the compiler ended with ${code}`)))
    })
  }

  return {
    prepare: (source) => {
      const rules: Rule[] = []
      return inThread<PreparedPolicy>({ kind: "prepare", source }, (message, thread) => {
        if (message.kind === "rules") {
          for (const rule of message.rules) rules.push(rule)
          thread.postMessage("more" satisfies ToCompiler)
        }
        return message.kind === "done" ? { policy: { ...message.policy, rules }, engine: message.engine } : null
      })
    },
    examine: (documents) =>
      inThread({ kind: "examine", documents }, (message) => (message.kind === "examined" ? message.codes : null)),
    stop: () => {
      stopping = true
      for (const fail of running) fail(new StateError("ERR_STOPPING", "the gateway is stopping"))
    },
  }
}

/** Messages of others may quote what they were given: the name is enough. */
function crash(error: unknown, limits: CompileLimits): LockgateError {
  if (error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") {
    const detail = { limitMiB: limits.heapMiB }
    return new InputError("ERR_COMPILE_MEMORY", "the policy takes too much memory to prepare", { detail })
  }
  const name = error instanceof Error ? error.name : typeof error
  return new HardwareError("ERR_COMPILE_CRASHED", `the compiler died of ${name}`)
}
