/** A child process on a disk of 2 MiB of its own (a tmpfs in a mount namespace): fills it, frees it, makes it read-only, and says what the log did. */
import { execFileSync } from "node:child_process"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { AuditLog } from "../../firmware/audit/log.ts"
import { openRetention } from "../../firmware/audit/retention.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { DEFAULT_AUDIT_STORAGE } from "../../policy/language/audit-shape.ts"
import { allEntries, openTestLog, sampleEvent } from "./audit.ts"

const folder = process.argv[2] ?? ""
const clock = createLinuxClock()
const storage = await openLinuxStorage(join(folder, "state"))
const log = await openTestLog(storage, { clock })
const capacityBytes = 256 * 1024 * 1024
const room = await openRetention({ log, storage, clock, capacityBytes, condition: () => undefined })
await room.policyChanged({ audit: { ...DEFAULT_AUDIT_STORAGE, overwriteUncollected: true } })
const take = (): Promise<boolean> => log.append(sampleEvent("x".repeat(300))).then(() => true, () => false) // prettier-ignore
/** Append until the log does (or does not) take it. */
async function until(taken: boolean): Promise<void> {
  for (let turn = 0; turn < 100 && (await take()) !== taken; turn++)
    await new Promise((resolve) => setTimeout(resolve, 50))
}

for (let n = 0; n < 3000; n += 100) await Promise.all(Array.from({ length: 100 }, take))
const kept = { firstSeq: log.firstSeq, lost: log.state.lost }
// Somebody else takes all that is left.
try {
  for (let n = 0; n < 64; n++) writeFileSync(join(folder, `other-${n}`), Buffer.alloc(64 * 1024, 1))
} catch {
  // It is full.
}
await until(false)
const failing = log.state.condition === "failing"
for (let n = 0; n < 64; n++) rmSync(join(folder, `other-${n}`), { force: true })
await until(true)
await room.measure()
const entries = await allEntries({ size: log.size, read: () => log.read(log.firstSeq, log.size) })
const told = entries.map(({ event, reason }) => `${event} ${reason ?? ""}`.trim())
await room.stop()
await log.close()
await storage.close()
// The kernel makes no disk read-only under a file that is open for writing: the next start finds it so.
execFileSync("mount", ["-o", "remount,ro", folder])
const start = async (): Promise<AuditLog> => openTestLog(await openLinuxStorage(join(folder, "state")), { clock })
const readOnly = await start().then(() => "opened", (error: unknown) => String((error as { code: unknown }).code)) // prettier-ignore
execFileSync("mount", ["-o", "remount,rw", folder])
const again = await start()
await again.append(sampleEvent("goes on"))
const damage = again.state.damage.length
console.log(JSON.stringify({ kept, failing, told: [...new Set(told)], lost: log.state.lost, readOnly, damage }))
process.exit(0)
