/** What does not fit, by what is to come right for it to go; and everything that was ever found, also after it was mended. */
import type { Fault, Finding } from "./messages.ts"

const MAX_FINDINGS = 100

/** The faults of one gateway. */
export class FaultBook {
  readonly #now: () => number
  readonly #faults = new Map<string, Fault>()
  readonly #findings: Finding[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  /** Those that stand. */
  get standing(): readonly Fault[] {
    return [...this.#faults.values()]
  }

  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** `slot`: what is to come right for this fault to go. */
  say(slot: string, where: string, code: string, text: string): void {
    this.#faults.set(slot, { where, code, text })
    this.note({ where, code, text })
  }

  /** It came right. */
  mend(slot: string): void {
    this.#faults.delete(slot)
  }

  /** Found, by somebody who keeps what stands himself. The same is noted once. */
  note(fault: Fault): void {
    if (this.#findings.some(({ where, code }) => where === fault.where && code === fault.code)) return
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ ...fault, at: this.#now() })
  }
}
