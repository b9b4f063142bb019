import { randomFill } from "node:crypto"
import { openAuditLog, type AuditLog, type AuditLogDeps } from "../../firmware/audit/log.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { droppingEvent } from "../../policy/audit/retention-event.ts"
import { parseEntry, type Entry } from "../../policy/audit/entry.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { createFileKeyStore } from "../../hal/linux/key-store.ts"
import type { Storage } from "../../hal/storage.ts"

/** An event that can be told from every other by `name`. */
export function sampleEvent(name: string): AuditEvent {
  return { id: "conduit.connected", outcome: "success", source: "conduit/test", subject: "pump-1", object: name }
}

/** A log on this storage, of the gateway `gw`. */
export function openTestLog(storage: Storage, more: Partial<AuditLogDeps> = {}): Promise<AuditLog> {
  const clock = more.clock ?? new MemoryClock()
  const interval = (): { earliestAt: number; latestAt: number } => ({ earliestAt: 0, latestAt: Infinity })
  const keyStore = more.keyStore ?? createFileKeyStore(storage)
  return openAuditLog({ storage, clock, keyStore, gateway: "gw", bootId: "boot", interval, ...more })
}

/** Drop the bundles below `below` as the keeper of the room does: the entry that says so first. */
export async function dropSaid(log: AuditLog, below: number): Promise<void> {
  const event = droppingEvent(log.firstSeq, below, 0, await log.rootAt(below), { byDisk: false })
  await log.drop(below, await log.append(event))
}

/** Every entry of the log, in order. */
export async function allEntries(log: Pick<AuditLog, "read" | "size">): Promise<readonly Entry[]> {
  const found = await log.read(0, log.size)
  return found.map(({ line }) => parseEntry(line))
}

/** Let everything that waits on a promise or on memory go on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    // Signatures are made in the pool of threads: whoever asks there after them mostly hears after them.
    if (turn % 5 === 0) await new Promise((resolve) => randomFill(new Uint8Array(1), resolve))
  }
}
