import type { OwnDenial } from "../../../policy/analysis/rights.ts"

const KEPT = 8
const MAX_SUBJECTS = 1_000

type Denial = Omit<OwnDenial, "secondsAgo">

/** The last denials of each subject, for the subject itself: eight each, of the thousand that were denied last. */
export class RecentDenials {
  readonly #nowMs: () => number
  readonly #bySubject = new Map<string, { readonly denial: Denial; readonly atMs: number }[]>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  add(subject: string, denial: Denial): void {
    const own = this.#bySubject.get(subject) ?? []
    this.#bySubject.delete(subject)
    this.#bySubject.set(subject, own)
    own.push({ denial, atMs: this.#nowMs() })
    if (own.length > KEPT) own.shift()
    if (this.#bySubject.size <= MAX_SUBJECTS) return
    for (const oldest of this.#bySubject.keys()) {
      this.#bySubject.delete(oldest)
      return
    }
  }

  /** Newest first. */
  of(subject: string): readonly OwnDenial[] {
    const nowMs = this.#nowMs()
    const own = this.#bySubject.get(subject) ?? []
    return own.map(({ denial, atMs }) => ({ ...denial, secondsAgo: Math.round((nowMs - atMs) / 1000) })).reverse()
  }
}
