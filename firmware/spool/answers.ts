import { LockgateError } from "../../policy/base/errors.ts"
import type { HeldSubject, SpoolAnswer, SpoolAsk } from "../conduits/messages.ts"
import type { Backlog, Spool } from "./store.ts"

/** The spool as the conduits ask it. */
export interface SpoolAnswers {
  /** Carry out what a thread asks; a disk that fails is an answer. */
  answer(ask: SpoolAsk): Promise<SpoolAnswer>
  backlog(): readonly Backlog[]
}

/**
 * Answers for the conduits, and tells `held` whenever the subjects for whom messages wait have changed: before the answer
 * that changed them, so that who hears of one knows of the other.
 */
export function createSpoolAnswers(spool: Spool, held: (subjects: readonly HeldSubject[]) => void): SpoolAnswers {
  let told = ""

  function tellHeld(): void {
    const subjects = spool.backlog().map(({ conduit, subject }) => ({ conduit, subject }))
    const key = JSON.stringify(subjects)
    if (key === told) return
    told = key
    held(subjects)
  }

  async function carryOut(ask: SpoolAsk): Promise<SpoolAnswer> {
    const { conduit, subject } = ask
    switch (ask.what) {
      case "put":
        return { kind: await spool.put(conduit, subject, ask.record, ask.buffer) }
      case "batch":
        return { kind: "batch", batch: await spool.batch(conduit, subject, ask.max, ask.maxBytes) }
      case "settle":
        await spool.settle(conduit, subject, ask.done)
        return { kind: "settled" }
    }
  }

  tellHeld()
  return {
    async answer(ask) {
      try {
        const answer = await carryOut(ask)
        tellHeld()
        return answer
      } catch (error) {
        if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
        return { kind: "failed" }
      }
    },
    backlog: () => spool.backlog(),
  }
}
