import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { aedes, lockgateAndMosquitto, mosquitto } from "../../bench/broker/contenders.ts"
import { checkRefusal } from "../../bench/broker/refusal.ts"
import { aclText, rulesOf } from "../../bench/broker/rules.ts"
import { makeMaterial } from "../../bench/conduit/material.ts"
import type { Material } from "../../bench/conduit/material.ts"
import { topicOf } from "../../bench/conduit/message.ts"
import { startRig } from "../../bench/conduit/rig.ts"
import type { Rig } from "../../bench/conduit/rig.ts"

const test = suite("broker bench")
const folder = mkdtempSync(join(tmpdir(), "lockgate-broker-bench-"))
let material: Material
let rig: Rig

test.before(async () => {
  material = await makeMaterial(folder)
  rig = await startRig(material, null, 5_000)
})

test.after(async () => {
  await rig.stop()
  rmSync(folder, { recursive: true, force: true })
})

for (const proxy of [
  mosquitto("tcp", 1_000),
  mosquitto("tls", 1_000),
  aedes(1_000, "regexes"),
  lockgateAndMosquitto("tls", 1_000)!,
]) {
  test(`${proxy.name} refuses what it has no rule for and delivers all else, over ${proxy.transport}`, async () => {
    const running = await proxy.start({ upstreamPort: 0, material, core: null })
    const { pid, port, brokerPid = null, subscribeAt = null } = running
    try {
      await checkRefusal(proxy.name, running, proxy.transport, material, true)
      await rig.connected(
        port,
        proxy.transport,
        async () => {
          const eager = await rig.run(pid, { mode: "eager", count: 2_000, brokerPid })
          assert.is(eager.messages, 2_000)
          assert.ok(eager.proxyMs > 0)
          assert.is(eager.brokerMs > 0, brokerPid !== null)
          const single = await rig.run(pid, { mode: "single", count: 200, brokerPid })
          assert.is(single.messages, 200)
        },
        { subscribeAt },
      )
    } finally {
      await running.stop()
    }
  })
}

test("a broker that judges nothing is found out", async () => {
  const running = await mosquitto("tcp", 0).start({ upstreamPort: 0, material, core: null })
  let failure = ""
  try {
    await checkRefusal("mosquitto", running, "tcp", material, true)
  } catch (error) {
    failure = (error as Error).message
  } finally {
    await running.stop()
  }
  assert.match(failure, /delivered .*cell-99980/)
})

test("rules are spread over all users, each topic in use has one, and they lie evenly in each list", () => {
  const rules = rulesOf(10_000)
  assert.is(new Set(rules.map(({ filter }) => filter)).size, 10_000)
  const mine = rules.filter(({ role }) => role === 7)
  assert.is(mine.length, 500)
  const used = mine.flatMap(({ filter }, at) => (Number(/cell-(\d+)/.exec(filter)![1]) < 1_000 ? [at] : []))
  assert.is(used.length, 50)
  const mean = used.reduce((sum, at) => sum + at, 0) / used.length
  assert.ok(mean > 200 && mean < 300, `${mean}`)
  assert.is(
    aclText(1_000)
      .split("\n")
      .filter((line) => line.startsWith("topic write ")).length,
    1_000,
  )
  assert.ok(aclText(1_000).includes(`topic write ${topicOf(0)}\n`))
})

test.run()
