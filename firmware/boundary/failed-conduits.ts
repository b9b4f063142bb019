import { StateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Storage } from "../../hal/storage.ts"
import { createQueue } from "../bundles/queue.ts"
import { survivable } from "../bundles/refusal.ts"

/** What the record of failed conduits stands on. */
export interface FailedConduitsDeps {
  readonly storage: Storage
  readonly audit: (event: AuditEvent) => Promise<number>
  /** Keep these closed; told again with every change. */
  readonly hold: (conduits: readonly string[]) => void
  /** Open this one again, if policy and posture let it be. */
  readonly restore: (conduit: string) => Promise<void>
}

/**
 * Conduits that a fault of the gateway itself has closed. Each stays closed, restarts included, until it is restored by
 * command; the others go on.
 *
 * @see IEC 62443-4-2 NDR 5.2 RE(3)
 */
export interface FailedConduits {
  /** Conduit to the fault that closed it. */
  readonly failed: ReadonlyMap<string, string>
  /** The engine has closed it already: held, written down, alarmed. */
  fail(conduit: string, fault: string): void
  /**
   * Written down first.
   * @throws StateError `ERR_CONDUIT_WHOLE` if no fault has closed it
   */
  restore(conduit: string, by: string): Promise<string>
}

const FILE = "failed-conduits.json"

/** Open the record: what had failed before a restart is held closed at once. A record that cannot be read holds nothing. */
export async function openFailedConduits(deps: FailedConduitsDeps): Promise<FailedConduits> {
  const failed = new Map(await readFailed(deps.storage))
  const inTurn = createQueue()
  const write = (): Promise<void> => {
    const text = `${JSON.stringify({ format: 1, failed: [...failed] })}\n`
    return inTurn(() => deps.storage.write(FILE, new TextEncoder().encode(text)))
  }
  const note = (event: Omit<AuditEvent, "source">): Promise<unknown> =>
    deps.audit({ ...event, source: "boundary" }).catch(survivable)
  deps.hold([...failed.keys()])
  return {
    failed,
    fail(conduit, fault) {
      failed.set(conduit, fault)
      deps.hold([...failed.keys()])
      void write().catch(survivable)
      void note({ id: "conduit.failed", outcome: "failure", conduit, reason: fault.slice(0, 200) })
    },
    async restore(conduit, by) {
      const fault = failed.get(conduit)
      if (fault === undefined) throw new StateError("ERR_CONDUIT_WHOLE", "no fault has closed a conduit of that name")
      failed.delete(conduit)
      try {
        await write()
      } catch (error) {
        failed.set(conduit, fault)
        throw error
      }
      deps.hold([...failed.keys()])
      await deps.restore(conduit)
      await note({ id: "conduit.restored", outcome: "success", conduit, subject: by, reason: fault.slice(0, 200) })
      return fault
    },
  }
}

async function readFailed(storage: Storage): Promise<readonly (readonly [string, string])[]> {
  try {
    const bytes = await storage.read(FILE)
    if (bytes === null || bytes.length > 65_536) return []
    const { failed } = JSON.parse(new TextDecoder().decode(bytes)) as { failed: unknown }
    const rows = Array.isArray(failed) ? (failed as unknown[]) : []
    return rows.filter((row): row is [string, string] => {
      return Array.isArray(row) && row.length === 2 && row.every((word) => typeof word === "string")
    })
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) survivable(error)
    return []
  }
}
