import { posture, type Condition, type Posture } from "../policy/posture.ts"

/** The conditions that hold, and the posture they give. */
export interface PostureKeeper {
  readonly posture: Posture
  /** Set or lift one condition. Resolves when the conduits follow the posture that results. */
  set(condition: Condition, holds: boolean): Promise<void>
  /** Resolves when the conduits follow everything that was set so far. */
  settled(): Promise<void>
}

/**
 * Holds which conditions are in force and carries the posture that the table gives them to the conduits.
 *
 * `changed` is called, one call at a time, only when the posture of a flow class changes; the first time it is assumed
 * that nothing is closed. If it fails, whoever set the condition is told, and the next change tries again.
 */
export function createPostureKeeper(changed: (next: Posture, before: Posture) => Promise<void>): PostureKeeper {
  const conditions = new Set<Condition>()
  let current = posture(conditions)
  let told = current
  let turn: Promise<void> = Promise.resolve()
  return {
    get posture() {
      return current
    },
    set(condition, holds) {
      if (holds) conditions.add(condition)
      else conditions.delete(condition)
      current = posture(conditions)
      const mine = turn.then(async () => {
        const before = told
        const next = current
        if (next.normal === before.normal && next.essential === before.essential) return
        await changed(next, before)
        told = next
      })
      // One failure must not keep every later change from being carried out.
      turn = mine.catch(() => undefined)
      return mine
    },
    settled: () => turn,
  }
}
