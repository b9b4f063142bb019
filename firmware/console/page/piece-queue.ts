/** How many pieces are asked for at a time. */
const WINDOW = 16
/** What has not come by then is not there. */
const PATIENCE_MS = 3_000

/**
 * Asks for pieces of a log one by one, a few at a time.
 *
 * One subscription to all of them would be one packet less each, and lose pieces: brokers drop what they cannot queue for a reader (mosquitto: 1,000
 * messages), and mosquitto 2.0 sends over WebSockets when something arrives, so that an asking reader is fed a hundred
 * times as fast as a silent one.
 */
export class PieceQueue {
  readonly #ask: (path: string) => void
  readonly #now: () => number
  readonly #asked = new Set<string>()
  readonly #waiting = new Map<string, number>()
  #queue: string[] = []

  constructor(ask: (path: string) => void, now: () => number) {
    this.#ask = ask
    this.#now = now
  }

  /** Ask for those that were not asked for yet, in this order, before what still waits. */
  want(paths: readonly string[]): void {
    const fresh = paths.filter((path) => !this.#asked.has(path))
    for (const path of fresh) this.#asked.add(path)
    this.#queue = [...fresh, ...this.#queue]
    this.#go()
  }

  /** One came, or the first part of it. */
  came(path: string): void {
    if (this.#waiting.delete(path)) this.#go()
  }

  /** Go on after those that do not come. To be called about once a second. */
  tick(): void {
    for (const [path, askedAt] of this.#waiting) if (this.#now() - askedAt > PATIENCE_MS) this.#waiting.delete(path)
    this.#go()
  }

  /** The connection is another: all is to be asked for anew. */
  restart(): void {
    this.#asked.clear()
    this.#waiting.clear()
    this.#queue = []
  }

  #go(): void {
    while (this.#waiting.size < WINDOW) {
      const path = this.#queue.shift()
      if (path === undefined) return
      this.#waiting.set(path, this.#now())
      this.#ask(path)
    }
  }
}
