/** A running gateway hands its log over to a new key: its next sign of life bears that key, and a viewer who has the first one follows. */
import { connect } from "node:tls"
import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialReader } from "../../firmware/audit/mqtt-link.ts"
import { createMqttSource } from "../../firmware/audit/mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { verifyHeartbeat } from "../../firmware/console/page/heartbeat.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { followHandovers } from "../../policy/audit/key-chain.ts"
import { FaultList } from "../../policy/audit/tlog/log-verdict.ts"
import { parseNoteKey } from "../../policy/audit/tlog/note.ts"
import { rejects } from "../support/rejects.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/key-rotation")
const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }
let rig: Rig | null = null
test.after(async () => {
  await rig?.stop()
})

test("[CR 6.2] [CR 3.9] after a change of the log's key the next sign of life bears the new one, and a viewer with the old one follows", async () => {
  rig = await startRig({ brokerKeeps: true })
  const old = parseNoteKey(nodeSha256, (await rig.lockgate("audit", "key")).out.trim())
  const before = await rig.watch("lockgate/gw-test/heartbeat")
  const [first] = await before.take(1)
  await before.stop()
  assert.is((await verifyHeartbeat({ ...FUNCTIONS, keys: [old] }, "gw-test", first!.payload)).gateway, "gw-test")

  const ran = await rig.lockgate("audit", "key", "--rotate")
  assert.is(ran.code, 0, ran.err)
  const next = parseNoteKey(nodeSha256, ran.out.trim())
  // A sign of life comes every 30 s, and with each new connection.
  await rig.broker.stop()
  await rig.brokerBack()
  const after = await rig.watch("lockgate/gw-test/heartbeat")
  const isNew = async (payload: Uint8Array): Promise<boolean> =>
    verifyHeartbeat({ ...FUNCTIONS, keys: [next] }, "gw-test", payload).then(
      () => true,
      () => false,
    )
  const endMs = performance.now() + 20_000
  let payload: Uint8Array | null = null
  while (payload === null) {
    assert.ok(performance.now() < endMs, "the next sign of life bears the new key")
    for (const message of after.messages) if (await isNew(message.payload)) payload = message.payload
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await after.stop()
  await rejects(
    () => verifyHeartbeat({ ...FUNCTIONS, keys: [old] }, "gw-test", payload ?? new Uint8Array()),
    "ERR_NOTE_SIGNATURE",
  )

  const { controlCa, desk, broker } = rig
  const [ca, cert, key] = [controlCa.cert, desk.cert, desk.key].map((file) => readFileSync(file, "utf8"))
  const link = await dialReader({
    clientId: "viewer",
    openStream: () =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: "127.0.0.1", port: broker.tlsPort, ca, cert, key }, () => resolve(socket))
        socket.once("error", reject)
      }),
  })
  const source = createMqttSource({ link, gateway: "gw-test", clock: createLinuxClock() })
  const { keys } = await (async () => {
    for (;;) {
      const chain = await followHandovers({ ...FUNCTIONS, keys: [old] }, await source.handovers(), new FaultList())
      if (chain.retired.length > 0 || performance.now() > endMs + 5_000) return chain
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  })()
  await link.close()
  const heard = await verifyHeartbeat({ ...FUNCTIONS, keys }, "gw-test", payload)
  assert.ok(heard.size > 0)
})

test.run()
