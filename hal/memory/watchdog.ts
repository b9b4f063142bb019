import { HardwareError } from "../../policy/base/errors.ts"
import type { Clock } from "../clock.ts"
import type { Watchdog } from "../watchdog.ts"

/** What a watchdog in memory is told. */
export interface MemoryWatchdogOptions {
  readonly clock: Clock
  readonly lastReset?: Watchdog["lastReset"]
  /** Called once, when nobody has fed it in time. */
  readonly expired: () => void
}

/**
 * A watchdog that counts on the clock it is given; `expired` is what resets the board. Once expired it stays so.
 *
 * It lives in the process it watches: on a real clock it does not see that process's own main thread hang.
 */
export class MemoryWatchdog implements Watchdog {
  readonly lastReset: Watchdog["lastReset"]
  /** Times it was fed. */
  feeds = 0
  /** The next feeds fail with `ERR_IO`, that many. */
  failing = 0
  readonly #clock: Clock
  readonly #expired: () => void
  #timeoutMs = 0
  #cancel: (() => void) | null = null

  constructor(options: MemoryWatchdogOptions) {
    this.#clock = options.clock
    this.#expired = options.expired
    this.lastReset = options.lastReset ?? "power"
  }

  async arm(timeoutMs: number): Promise<number> {
    this.#timeoutMs = Math.ceil(timeoutMs / 1000) * 1000
    this.#restart()
    return this.#timeoutMs
  }

  async feed(): Promise<void> {
    if (this.failing > 0) {
      this.failing--
      throw new HardwareError("ERR_IO", "the watchdog does not answer")
    }
    if (this.#cancel === null) return
    this.feeds++
    this.#restart()
  }

  async disarm(): Promise<void> {
    this.#cancel?.()
    this.#cancel = null
  }

  #restart(): void {
    this.#cancel?.()
    this.#cancel = this.#clock.after(this.#timeoutMs, () => {
      this.#cancel = null
      this.#expired()
    })
  }
}
