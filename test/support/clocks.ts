import { randomBytes } from "node:crypto"
import type { TimeView } from "../../firmware/assess/probe-context.ts"
import type { TrustedSigner } from "../../firmware/bundles/signer-key.ts"
import { createTimeKeeper } from "../../firmware/time-keeper.ts"
import { newestEntry } from "../../firmware/time/own-log.ts"
import { createSignedTimes } from "../../firmware/time/signed-time.ts"
import { createTimeVerifier } from "../../firmware/time/statement.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { MemoryTimeSync } from "../../hal/memory/time-sync.ts"
import { openTestLog, sampleEvent } from "./audit.ts"

/** Clocks in good order, as probes see them: the true time, followed by NTS, and a log with an entry. */
export async function clocksOf(signers: readonly TrustedSigner[]): Promise<TimeView> {
  const wallAt = Date.now()
  const [clock, storage, sync] = [new MemoryClock(wallAt, false), new MemoryStorage(), new MemoryTimeSync()]
  sync.follow()
  const time = await createTimeKeeper({ clock, storage, builtAt: wallAt - 86_400_000, sync })
  const log = await openTestLog(storage, { clock, bootId: "this-boot", interval: () => time.logged() })
  await log.append(sampleEvent("first"))
  const audit = (event: Parameters<typeof log.append>[0]): Promise<number> => log.append(event)
  const random = (): string => randomBytes(16).toString("base64url")
  const signed = createSignedTimes({ gateway: "gw", clock, time, verify: createTimeVerifier(signers), audit, random })
  return {
    bootId: "this-boot",
    monotonicMs: () => clock.monotonicMs(),
    newestEntry: () => newestEntry(log),
    report: () => time.report(),
    rehearseStep: (byMs) => time.rehearseStep(byMs),
    examine: (text) => signed.examine(text),
  }
}
