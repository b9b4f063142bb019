import type { Clock } from "../clock.ts"

interface Timer {
  readonly dueMs: number
  readonly action: () => void
}

/** A clock that stands still until told: timers fire in the order of their due times, inside `advance`. */
export class MemoryClock implements Clock {
  #wallAt: number
  #trusted: boolean
  #nowMs = 0
  #timers: Timer[] = []

  constructor(wallAt = Date.UTC(2030, 0, 1), trusted = true) {
    this.#wallAt = wallAt
    this.#trusted = trusted
  }

  wall(): { readonly at: number; readonly trusted: boolean } {
    return { at: this.#wallAt + this.#nowMs, trusted: this.#trusted }
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), action }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Step the wall clock; monotonic time and timers do not notice. */
  setWall(at: number, trusted: boolean): void {
    this.#wallAt = at - this.#nowMs
    this.#trusted = trusted
  }

  /** Let `ms` pass. A timer set by a timer fires too if it falls due in that time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (let next = this.#next(endMs); next !== null; next = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.action()
    }
    this.#nowMs = endMs
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.length
  }

  #next(endMs: number): Timer | null {
    let next: Timer | null = null
    for (const timer of this.#timers) if (next === null || timer.dueMs < next.dueMs) next = timer
    if (next === null || next.dueMs > endMs) return null
    const found = next
    this.#timers = this.#timers.filter((timer) => timer !== found)
    return found
  }
}
