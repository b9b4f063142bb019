import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { FaultPlan, Landed, StepKind, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { LockgateError } from "../../../policy/base/errors.ts"
import { tellStorm } from "../../storm/figures.ts"
import { plainBundle, PolicyWorld } from "../../support/policy-world.ts"

const test = suite("firmware/bundles/power-cut")

/** What has been answered to the operator so far, and what was under way when the power went. */
interface Told {
  confirmed: number
  confirming: number
  highest: number
}

type Act = (world: PolicyWorld, told: Told) => Promise<void>

const activate =
  (version: number): Act =>
  async (world, told) => {
    await world.activation.activate(plainBundle({ version }), 60_000, null)
    told.highest = version
  }
const confirm =
  (version: number): Act =>
  async (world, told) => {
    told.confirming = version
    await world.activation.confirm(version, null)
    told.confirmed = version
  }
const install =
  (version: number): Act =>
  async (world, told) => {
    told.confirming = version
    if ((await world.activation.installFromFile(plainBundle({ version }))) !== "installed") return
    told.confirmed = version
    told.highest = version
  }
const rollback: Act = (world) => world.activation.rollback("command", null).then(() => undefined)
const expire: Act = (world) => world.advance(60_000)

const SCRIPT: readonly Act[] = [
  activate(1), confirm(1), activate(2), rollback, activate(3), confirm(3), activate(4), expire, install(5), activate(6), confirm(6),
] // prettier-ignore

/** Run until something fails; a power cut makes everything after it fail. */
async function run(world: PolicyWorld, script: readonly Act[]): Promise<Told> {
  const told: Told = { confirmed: 0, confirming: 0, highest: 0 }
  try {
    await world.activation.start()
    for (const act of script) await act(world, told)
  } catch (error) {
    if (!(error instanceof LockgateError)) throw error
  }
  world.activation.stop()
  return told
}

/** What must hold after any boot: old or new, never neither; nothing damaged; nothing on trial; and life goes on. */
async function holds(world: PolicyWorld, told: Told, where: string): Promise<void> {
  const { trial, highest, active } = world.activation.status()
  assert.ok([told.confirmed, told.confirming].includes(world.version), `${where}: ${world.version} in force`)
  assert.is(active ?? 0, world.version, where)
  assert.is(trial, null, where)
  assert.ok(highest >= told.highest, `${where}: version ${told.highest} could come again`)
  assert.equal(world.conditions, world.version === 0 ? ["no-policy"] : [], where)
  assert.is(world.said("policy.damaged").length, 0, where)
  const version = highest + 1
  await world.activation.activate(plainBundle({ version }), 60_000, null)
  await world.activation.confirm(version, null)
  const after = await world.reboot()
  assert.is(after.version, version, `${where}: a new policy after it`)
  after.activation.stop()
}

const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 7 }]
const UNSYNCED: readonly Unsynced[] = ["lost", "kept", { subset: 1 }, { subset: 2 }, { subset: 3 }]

async function steps(script: readonly Act[]): Promise<number> {
  const world = new PolicyWorld()
  const told = await run(world, script)
  assert.is(told.confirmed, 6, "the whole script runs when nothing fails")
  return world.storage.steps
}

test("[CR 7.4] power cut (model) at every step of activation, confirmation, rollback and installation", async () => {
  const total = await steps(SCRIPT)
  let cuts = 0
  for (let cutAt = 1; cutAt <= total; cutAt++) {
    for (const landed of LANDED) {
      for (const unsynced of UNSYNCED) {
        const where = JSON.stringify({ cutAt, landed, unsynced })
        const world = await cutWorld({ cutAt, landed, unsynced })
        const next = await world.world.reboot(unsynced)
        await holds(next, world.told, where)
        cuts++
      }
    }
  }
  tellStorm("power cut (model)", "policy: activation, confirmation, rollback, installation", { steps: total, cuts })
  assert.ok(total > 80 && cuts === total * 20, `${cuts} cuts`)
})

async function cutWorld(plan: FaultPlan): Promise<{ world: PolicyWorld; told: Told }> {
  const world = new PolicyWorld(new MemoryStorage())
  world.storage.plan = plan
  return { told: await run(world, SCRIPT), world }
}

test("[CR 7.4] a second power cut (model) during the boot after the first", async () => {
  const total = await steps(SCRIPT)
  let second = 0
  for (let cutAt = 1; cutAt <= total; cutAt++) {
    for (let cutBootAt = 1; ; cutBootAt++) {
      const unsynced: Unsynced = { subset: cutAt * 100 + cutBootAt }
      const { world, told } = await cutWorld({ cutAt, landed: "all", unsynced })
      const boot = new PolicyWorld(world.storage.powerCut(unsynced))
      boot.storage.plan = { cutAt: cutBootAt, landed: "none", unsynced }
      await run(boot, [])
      if (boot.storage.steps < cutBootAt) break
      await holds(await boot.reboot(unsynced), told, JSON.stringify({ cutAt, cutBootAt }))
      second++
    }
  }
  tellStorm("power cut (model)", "policy: a second cut during the boot after the first", { cuts: second })
  assert.ok(second > 50, `${second} second cuts`)
})

const STEPS: readonly StepKind[] = ["create", "write", "sync", "rename", "unlink", "sync-folder"]

test("[CR 7.4] a failing disk at every step of every command: what is in force is what is told, and the next boot agrees", async () => {
  let faults = 0
  for (let index = 0; index < SCRIPT.length; index++) {
    for (const step of STEPS) {
      for (const path of ["policy/state", "policy/bundles", "policy/trial", "policy"]) {
        for (const unsynced of ["lost", "kept"] as const) {
          const where = JSON.stringify({ index, step, path, unsynced })
          const world = new PolicyWorld()
          const told = await run(world, SCRIPT.slice(0, index))
          world.storage.fail({ step, errno: "EIO", path, times: 1 })
          try {
            await SCRIPT[index]!(world, told)
          } catch (error) {
            assert.ok(error instanceof LockgateError && error.kind !== "invariant", `${where}: ${String(error)}`)
          }
          assert.is(world.version, world.activation.status().inForce?.version ?? 0, where)
          world.storage.heal()
          // A trial that could not be confirmed runs out.
          await world.advance(60_000)
          const next = await world.reboot(unsynced)
          await holds(next, told, where)
          faults++
        }
      }
    }
  }
  tellStorm("failing disk (model)", "policy: every step of every command", { faults })
})

test.run()
