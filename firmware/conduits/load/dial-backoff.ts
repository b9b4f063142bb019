import { Socket } from "node:net"
import { HardwareError } from "../../../policy/base/errors.ts"
import type { Dialled } from "../../tls/dial.ts"

const FIRST_MS = 250
const LONGEST_MS = 4_000

/** What a back-off needs of the world. */
export interface BackoffDeps {
  readonly nowMs: () => number
  /** Anything in 0..1. */
  readonly random: () => number
}

/**
 * The same dial, which a dead upstream does not hear from every client that comes back: after a failure nobody dials for a
 * while, then one does for all. The while doubles from 250 ms to 4 s and is drawn from half of it to one and a half, so
 * that gateways that lost a broker together do not come back together. Who may not dial gets the answer of a dial that
 * failed, with the reason `backing-off`: its protocol tells the client at once.
 *
 * @see IEC 62443-4-2 CR 7.1
 */
export function backedOff(dial: () => Dialled, { nowMs, random }: BackoffDeps): () => Dialled {
  let failures = 0
  let notBeforeMs = 0
  let trying = false

  return () => {
    if (failures > 0 && (trying || nowMs() < notBeforeMs)) return refused()
    trying = true
    const dialled = dial()
    dialled.trusted.then(
      () => {
        trying = false
        failures = 0
      },
      () => {
        trying = false
        const pauseMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10))
        // Dials that were under way together fail together: that is one failure.
        if (nowMs() < notBeforeMs) return
        failures++
        notBeforeMs = nowMs() + pauseMs * (0.5 + random())
      },
    )
    return dialled
  }
}

function refused(): Dialled {
  const message = "the upstream was lost a moment ago and is not dialled yet"
  const trusted: Promise<void> = Promise.reject(
    new HardwareError("ERR_UPSTREAM", message, { detail: { reason: "backing-off" } }),
  )
  // Whoever asked looks at it in this turn or the next; a promise that nobody looks at must not end the thread.
  trusted.catch(() => undefined)
  return { socket: new Socket().destroy(), trusted, path: () => [] }
}
