/** Power cuts (model) over appends and a rotation: every step, every way it can land, every fate of what was not synced. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { FaultPlan, Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { STORM, tellStorm } from "../../storm/figures.ts"
import { allEntries, openTestLog, sampleEvent, settled } from "../../support/audit.ts"

const test = suite("firmware/audit/power-cut")

const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 1 }, { prefix: 300 }]
const UNSYNCED: readonly Unsynced[] = ["kept", "lost", { subset: 1 }, { subset: 2 }]
const BURST = 8
const BURSTS = 3

/** A storage whose log is about to fill a bundle: made once, copied by cutting power. */
async function prepared(entries: number): Promise<MemoryStorage> {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await Promise.all(Array.from({ length: entries }, (_, i) => log.append(sampleEvent(`old ${i}`))))
  await log.close()
  return storage
}

/** Opens the log and appends in bursts until power goes; notes what was acknowledged. */
async function run(storage: MemoryStorage, acknowledged: Map<number, string>): Promise<void> {
  try {
    const log = await openTestLog(storage)
    for (let burst = 0; burst < BURSTS; burst++) {
      const appends = Array.from({ length: BURST }, async (_, i) => {
        const name = `new ${burst}.${i}`
        acknowledged.set(await log.append(sampleEvent(name)), name)
      })
      await Promise.allSettled(appends)
    }
    await settled()
    await log.close()
  } catch {
    // Power is gone.
  }
}

async function check(
  found: MemoryStorage,
  old: number,
  acknowledged: Map<number, string>,
  told: string,
): Promise<string[]> {
  const log = await openTestLog(found)
  assert.equal(log.state.damage, [], `a false alarm ${told}`)
  const next = await log.append(sampleEvent("goes on"))
  const entries = await allEntries(log)
  assert.equal(
    entries.map((e) => e.seq),
    Array.from({ length: next + 1 }, (_, i) => i),
    told,
  )
  for (let i = 0; i < old; i++) assert.is(entries[i]?.object, `old ${i}`, told)
  for (const [seq, name] of acknowledged) assert.is(entries[seq]?.object, name, `an acknowledged entry is lost ${told}`)
  return entries.slice(old).map((e) => e.event)
}

async function sweep(old: number): Promise<{ runs: number; repaired: number }> {
  const base = await prepared(old)
  const whole = base.powerCut("kept")
  await run(whole, new Map())
  let [runs, repaired, at] = [0, 0, 0]
  for (let cutAt = 1; cutAt <= whole.steps; cutAt++) {
    for (const landed of LANDED) {
      for (const unsynced of UNSYNCED) {
        // Every step, and every way, but not each with each: that is for the storm.
        if (!STORM && at++ % 7 > 0) continue
        const plan: FaultPlan = { cutAt, landed, unsynced }
        const storage = base.powerCut("kept")
        storage.plan = plan
        const acknowledged = new Map<number, string>()
        await run(storage, acknowledged)
        const events = await check(storage.powerCut(), old, acknowledged, JSON.stringify(plan))
        runs++
        if (events.includes("audit.repaired")) repaired++
      }
    }
  }
  return { runs, repaired }
}

test("[CR 2.8] no power cut over appends loses an acknowledged entry or raises a false alarm", async () => {
  const { runs, repaired } = await sweep(3)
  tellStorm("power cut (model)", "audit log: appends", { cuts: runs, repaired })
  assert.ok(runs > (STORM ? 600 : 100), `${runs} runs`)
  assert.ok(repaired > (STORM ? 20 : 3), `${repaired} torn tails: the sweep tears too few`)
})

test("[CR 2.8] nor does one over a rotation from tail to bundle", async () => {
  const { runs, repaired } = await sweep(256 - BURST - 3)
  tellStorm("power cut (model)", "audit log: rotation from tail to bundle", { cuts: runs, repaired })
  assert.ok(runs > (STORM ? 1000 : 150), `${runs} runs`)
})

test("[CR 2.8] nor does a second one while the first is being repaired", async () => {
  const base = await prepared(250)
  const whole = base.powerCut("kept")
  await run(whole, new Map())
  let runs = 0
  for (let cutAt = 1; cutAt <= whole.steps; cutAt += 2) {
    const storage = base.powerCut("kept")
    storage.plan = { cutAt, landed: { prefix: 300 }, unsynced: "lost" }
    const acknowledged = new Map<number, string>()
    await run(storage, acknowledged)
    const torn = storage.powerCut()
    const repair = torn.powerCut("kept")
    await openTestLog(repair)
    for (let second = 1; second <= repair.steps; second++) {
      const again = torn.powerCut("kept")
      again.plan = { cutAt: second, landed: "all", unsynced: second % 2 === 0 ? "lost" : { subset: second } }
      await openTestLog(again).catch(() => null)
      await check(again.powerCut(), 250, acknowledged, `cut ${cutAt}, then ${second}`)
      runs++
    }
  }
  tellStorm("power cut (model)", "audit log: a second cut while the first is repaired", { cuts: runs })
  assert.ok(runs > 100, `${runs} runs`)
})

test.run()
