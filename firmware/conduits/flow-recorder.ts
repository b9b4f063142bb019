import type { AuditEvent } from "../../policy/audit/event.ts"
import { createFlowLog, type AllowedFlow } from "../../policy/audit/flows.ts"

/** Subjects and topics whose last payload is remembered, by its hash; over that the one unheard for longest is forgotten. */
const MAX_REMEMBERED = 10_000

/** What the recorder is told of an allowed action. */
export interface RecordedFlow extends Omit<AllowedFlow, "record"> {
  /** What it is told apart by, and what it said; null if each is recorded and nothing is compared. */
  readonly change: { readonly topic: string; readonly payload: string } | null
}

/**
 * Allowed actions on their way to the log: those whose rule wants changes only are compared with the last one, by hashes;
 * no payload is kept. Forgetting records one too many, never one too few.
 *
 * @see IEC 62443-4-2 CR 2.12 RE(1)
 */
export class FlowRecorder {
  readonly #report: (event: AuditEvent) => void
  readonly #log = createFlowLog()
  readonly #last = new Map<string, string>()

  constructor(report: (event: AuditEvent) => void) {
    this.#report = report
  }

  note({ change, ...flow }: RecordedFlow, nowMs: number): void {
    if (change !== null && !this.#changed(flow, change)) return
    const event = this.#log.add({ ...flow, record: change === null ? "each" : "changes" }, nowMs)
    if (event !== null) this.#report(event)
  }

  /** Report what was left out; call it about once a second. */
  flush(nowMs: number, all = false): void {
    for (const event of this.#log.flush(nowMs, all)) this.#report(event)
  }

  #changed(flow: Omit<AllowedFlow, "record">, { topic, payload }: { topic: string; payload: string }): boolean {
    const key = `${flow.conduit}\n${flow.subject}\n${flow.action}\n${topic}`
    const last = this.#last.get(key)
    this.#last.delete(key)
    this.#last.set(key, payload)
    if (this.#last.size > MAX_REMEMBERED) {
      for (const oldest of this.#last.keys()) {
        this.#last.delete(oldest)
        break
      }
    }
    return last !== payload
  }
}
