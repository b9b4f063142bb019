import { suite } from "uvu"
import * as assert from "uvu/assert"
import { join } from "node:path"
import { callLocal } from "../../firmware/management/local-client.ts"
import { largePolicy } from "../support/large-policy.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/large-policy")

let rig: Rig
test.before(async () => {
  rig = await startRig()
})
test.after(() => rig.stop())

test("[CR 7.1] while a policy of 20,000 rules is read and compiled the gateway answers, and messages pass", async () => {
  const socket = join(rig.folder, "run", "command.sock")
  const bundle = await rig.bundle(2, largePolicy(20_000))
  const peer = await mqttPeer(rig, { name: "s1" })
  let done = false
  const activation = callLocal(socket, { command: "policy.activate", arguments: { bundle } }, 60_000).finally(() => {
    done = true
  })
  let answered = 0
  let passed = 0
  while (!done) {
    const { inForce } = (await rig.status()).policy
    if (inForce?.version === 1) answered++
    const code = await peer.publish("plant/s1/x", "x")
    if (!done && code === 0) passed++
  }
  const answer = await activation
  assert.ok(answer.ok, JSON.stringify(answer))
  // Were it compiled in the gateway's own thread, about ten would come through around it; beside it, hundreds do.
  assert.ok(answered > 40, `the status was answered ${answered} times before the activation finished`)
  assert.ok(passed > 40, `${passed} messages passed before the activation finished`)
  assert.is((await rig.status()).policy.inForce?.version, 2)
  assert.equal(
    [await peer.publish("site/cell-7/machine-7/x", "x"), await peer.publish("site/cell-7/x", "x")],
    [0, 0x87],
  )
  await peer.end()
  await rig.gateway.kill9()
  await rig.gateway.start()
  assert.is((await rig.status()).policy.inForce?.version, 1, "a trial survives no restart")
})

test.run()
