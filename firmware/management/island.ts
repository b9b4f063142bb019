import { StateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Storage } from "../../hal/storage.ts"
import { createQueue } from "../bundles/queue.ts"
import { survivable } from "../bundles/refusal.ts"

/** What island mode stands on. */
export interface IslandDeps {
  readonly storage: Storage
  readonly audit: (event: AuditEvent) => Promise<number>
  /** Close (true) or reopen (false) the normal conduits; resolves when it has happened. The last call counts. */
  readonly apply: (on: boolean) => Promise<void>
}

/** Island mode: ordered by a person, kept until a person lifts it, restarts included. */
export interface Island {
  readonly on: boolean
  /**
   * On: the conduits are closed without waiting for the disk, and stay closed even if that fails (`durable` false).
   * Off: written down first; if that fails the conduits stay closed.
   * @throws HardwareError `ERR_IO` for off only
   * @throws StateError `ERR_ISLAND_ORDERED` for off only: meanwhile somebody ordered on, which waits for nothing.
   */
  set(on: boolean, by: string): Promise<{ readonly before: boolean; readonly durable: boolean }>
}

const FILE = "island.json"

/**
 * Open the record of island mode. A record that is there and cannot be read means on: better shut for no reason than
 * open against an order. `apply` is not called; the caller starts in the mode found.
 *
 * @see IEC 62443-4-2 NDR 5.2 RE(2)
 */
export async function openIsland(deps: IslandDeps): Promise<Island> {
  let on = await readMode(deps.storage)
  let orders = 0
  const inTurn = createQueue()
  const write = (mode: boolean): Promise<void> => inTurn(() => deps.storage.write(FILE, encode(mode)))
  const note = (mode: boolean, by: string, durable: boolean): Promise<boolean> => {
    const id = mode ? "island.on" : "island.off"
    return succeeds(() =>
      deps.audit({ id, outcome: "success", source: "management", subject: by, detail: { durable } }),
    )
  }
  return {
    get on() {
      return on
    },
    async set(wanted, by) {
      const order = ++orders
      const before = on
      if (wanted) {
        on = true
        const closing = deps.apply(true)
        // Written down even if the engine fails to close: whatever restarts it then finds the order.
        const [durable] = await Promise.all([succeeds(() => write(true)), closing.catch(() => undefined)])
        await closing
        if (!before) await note(true, by, durable)
        return { before, durable }
      }
      await write(false)
      if (order !== orders) throw new StateError("ERR_ISLAND_ORDERED", "another order came in between")
      on = false
      await deps.apply(false)
      if (before) await note(false, by, true)
      return { before, durable: true }
    },
  }
}

async function readMode(storage: Storage): Promise<boolean> {
  try {
    const bytes = await storage.read(FILE)
    if (bytes === null) return false
    return Buffer.compare(bytes, encode(false)) !== 0
  } catch (error) {
    survivable(error)
    return true
  }
}

function encode(on: boolean): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ format: 1, island: on }) + "\n")
}

async function succeeds(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    survivable(error)
    return false
  }
}
