import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createHash } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { callLocal } from "../../firmware/management/local-client.ts"
import type { CommandAnswer } from "../../policy/command/port.ts"
import { CHUNK_BYTES } from "../../policy/command/transfer.ts"
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

test("[CR 3.4] [CR 7.1] a bundle too large for one command is sent in pieces; after kill -9 in the middle the rest is enough", async () => {
  const bundle = await rig.bundle(3, largePolicy(25_000))
  assert.ok(bundle.length > 3 * 1024 * 1024)
  const file = join(rig.folder, "large.jws")
  writeFileSync(file, bundle)
  const bytes = Buffer.from(bundle)
  const hash = createHash("sha256").update(bytes).digest("hex")
  const part = join(rig.stateFolder, "incoming", `${hash}.part`)
  const piece = (offset: number): Promise<CommandAnswer> =>
    rig.command("bundle.chunk", { hash, offset, data: bytes.subarray(offset, offset + CHUNK_BYTES).toString("base64") })
  assert.ok((await rig.command("bundle.offer", { hash, length: bytes.length })).ok)
  for (let n = 0; n < 4; n++) assert.ok((await piece(n * CHUNK_BYTES)).ok)
  const sixth = piece(4 * CHUNK_BYTES).catch(() => null)
  await rig.gateway.kill9()
  await sixth
  assert.ok(existsSync(part))
  await rig.gateway.start()
  assert.equal(await rig.command("policy.activate", { hash }).then((a) => !a.ok && a.code), "ERR_COMMAND_STATE")
  const { code, out, err } = await rig.lockgate("policy", "activate", file)
  assert.is(code, 0, err)
  assert.match(err, /^1\.[0-9] MiB of \d\.\d MiB are there already; going on\n/)
  assert.match(out, "policy 3 (25000 rules) is in force, on trial")
  assert.not(existsSync(part), "what was used is gone")
  assert.is((await rig.status()).policy.inForce?.version, 3)
  const refused = await rig.lockgate("policy", "activate", file)
  assert.is(refused.code, 1)
  assert.match(refused.err, /sending \d\.\d MiB\nsent 2\.0 MiB/)
  assert.match(refused.err, "ERR_COMMAND_STATE")
})

test("[CR 3.5] a bundle and a hash together, or neither, activate nothing", async () => {
  for (const given of [{}, { bundle: "x", hash: "0".repeat(64) }]) {
    assert.equal(await rig.command("policy.activate", given).then((a) => !a.ok && a.code), "ERR_COMMAND_ARGUMENT")
  }
  assert.is((await rig.status()).policy.inForce?.version, 3)
})

test.run()
