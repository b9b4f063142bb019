/**
 * The gateway's side of preparing a policy: a thread of its own for each, so that the largest policy, or one made to be
 * heavy, costs neither the gateway's loop nor the conduits a moment, and leaves no memory behind.
 */
import { Worker } from "node:worker_threads"
import { HardwareError, InputError, StateError } from "../../policy/base/errors.ts"
import type { LockgateError } from "../../policy/base/errors.ts"
import type { Rule } from "../../policy/language/policy.ts"
import type { Clock } from "../../hal/clock.ts"
import type { FromCompiler, ToCompiler } from "./compile-messages.ts"
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
  /** End what runs. */
  stop(): void
}

/** A compiler; no thread runs until it is asked. */
export function createCompiler(setup: CompilerSetup): Compiler {
  const { clock, limits = COMPILE_LIMITS, entry = new URL("./compile-worker.ts", import.meta.url) } = setup
  const running = new Set<(error: LockgateError) => void>()
  let stopping = false

  const prepare = (source: PolicySource): Promise<PreparedPolicy> =>
    new Promise((resolve, reject) => {
      const thread = new Worker(entry, {
        workerData: source,
        resourceLimits: { maxOldGenerationSizeMb: limits.heapMiB, maxYoungGenerationSizeMb: 64 },
        name: "policy-compiler",
      })
      const rules: Rule[] = []
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
        switch (message.kind) {
          case "rules":
            for (const rule of message.rules) rules.push(rule)
            thread.postMessage("more" satisfies ToCompiler)
            return
          case "done":
            end()
            return resolve({ policy: { ...message.policy, rules }, engine: message.engine })
          case "refused":
            return fail(new InputError(message.code, message.message, { detail: message.detail }))
        }
      })
      thread.on("error", (error: unknown) => fail(crash(error, limits)))
      thread.on("exit", (code) => fail(new HardwareError("ERR_COMPILE_CRASHED", `the compiler ended with ${code}`)))
    })

  return {
    prepare: (source) =>
      stopping ? Promise.reject(new StateError("ERR_STOPPING", "the gateway is stopping")) : prepare(source),
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
