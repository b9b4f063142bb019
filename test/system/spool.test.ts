import { suite } from "uvu"
import * as assert from "uvu/assert"
import { readdirSync, readFileSync } from "node:fs"
import { connect, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { startMosquitto, type Mosquitto } from "../peers/mosquitto.ts"
import { mosquittoSub, type Subscription } from "../peers/mosquitto-clients.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/spool")

const BUFFERED = POLICY.replace("protocol: mqtt }", "protocol: mqtt, buffer: { size: 1MiB } }")
const MARK = "what-the-sensor-saw-while-nobody-listened"

let rig: Rig
let broker: Mosquitto
let seen: Subscription
/** Stands where the gateway looks for its broker; while it is gone, the broker is. */
let relay: Server | null = null
const open = new Set<Socket>()

test.before(async () => {
  rig = await startRig({ policy: BUFFERED })
  await rig.broker.stop()
  const pki = (name: string): string => join(rig.folder, "pki", name)
  broker = await startMosquitto({
    tls: { ca: rig.controlCa.cert, cert: pki("broker.crt"), key: pki("broker.key"), requireCert: true },
    config: ["message_size_limit 0", "max_inflight_messages 100"],
  })
  const { cert, key } = rig.desk
  const tls = { ca: rig.controlCa.cert, cert, key }
  seen = await mosquittoSub({ port: broker.tlsPort, topics: ["plant/#"], qos: 2, tls, timeoutMs: 120_000 })
})
test.after(async () => {
  brokerLost()
  await seen.stop()
  await broker.stop()
  await rig.stop()
})

async function brokerBack(): Promise<void> {
  relay = createServer((from) => {
    const to = connect(broker.tlsPort, "127.0.0.1")
    for (const socket of [from, to]) {
      open.add(socket)
      socket.on("error", () => undefined)
      socket.on("close", () => {
        open.delete(socket)
        from.destroy()
        to.destroy()
      })
    }
    from.pipe(to).pipe(from)
  })
  await new Promise<void>((resolve) => relay?.listen(rig.broker.tlsPort, "127.0.0.1", resolve))
}

function brokerLost(): void {
  relay?.close()
  relay = null
  for (const socket of open) socket.destroy()
}

const payloads = (from: string): string[] =>
  seen.messages.filter(({ topic }) => topic.startsWith(from)).map(({ payload }) => payload.toString())

async function until(fits: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!fits()) {
    if (performance.now() > end) throw new Error(`${what} did not come in ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** All files below a folder, by path. */
function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

test("[CR 7.1] a sensor publishes while the broker is lost: acknowledged, kept over kill -9, brought to the broker in order, once", async () => {
  brokerLost()
  assert.is((await rig.lockgate("record", "start", "--minutes", "5")).code, 0)
  const sensor = await mqttPeer(rig, { name: "s1", clean: true })
  for (let k = 0; k < 30; k++) {
    assert.is(await sensor.publish("plant/s1/x", `${MARK} ${k}`, { qos: k % 2 === 0 ? 1 : 2 }), 0)
  }
  assert.is(await sensor.publish("plant/s2/x", `${MARK} no`), 0x87, "policy holds meanwhile")
  assert.equal(await sensor.subscribe(["plant/s1/#"]), [0x87], "a sensor may not subscribe anyway")
  await rig.entry(({ event, subject }) => event === "spool.holding" && subject === "s1")
  assert.match((await rig.lockgate("status")).out, /buffered +telemetry +30 messages of 1 subjects/)

  // [CR 4.1] Nothing of it stands anywhere in the raw state folder, the recording of all that included.
  assert.is((await rig.lockgate("record", "stop")).code, 0)
  const all = files(rig.stateFolder)
  assert.ok(
    all.some((file) => readFileSync(file).includes("plant/s1/x") && /record/.test(file)),
    all.join(" "),
  )
  assert.ok(all.some((file) => file.includes("/spool/") && readFileSync(file).length > 1000))
  for (const file of all) assert.not.ok(readFileSync(file).includes(MARK), file)

  await rig.gateway.kill9()
  await sensor.end(true)
  await rig.gateway.start()
  const again = await mqttPeer(rig, { name: "s1", clean: true })
  assert.is(await again.publish("plant/s1/x", `${MARK} 30`), 0)

  await brokerBack()
  await until(() => payloads("plant/s1").length >= 31, "31 messages")
  assert.equal(payloads("plant/s1"), Array.from({ length: 31 }, (_, k) => `${MARK} ${k}`)) // prettier-ignore
  await again.until(() => again.closed === 1, "the way back to the true broker")
  await rig.entry(({ event, subject }) => event === "spool.forwarded" && subject === "s1")
  assert.equal((await rig.status()).buffered, [])

  const direct = await mqttPeer(rig, { name: "s1", clean: true })
  assert.is(await direct.publish("plant/s1/x", "direct"), 0)
  await until(() => payloads("plant/s1").includes("direct"), "a message straight through")
  await direct.end()
})

test("[CR 7.1] what waits is judged anew: a policy that forbids it meanwhile has it dropped and logged", async () => {
  brokerLost()
  const sensor = await mqttPeer(rig, { name: "s3", clean: true, protocolVersion: 4 })
  assert.is(await sensor.publish("plant/s3/ok", "before"), 0)
  assert.is(await sensor.publish("plant/s3/later-forbidden", "forbidden"), 0)
  await sensor.end()
  const stricter = BUFFERED.replace("plant/+/secret", "plant/+/later-forbidden")
  const answer = await rig.command("policy.activate", { bundle: await rig.bundle(2, stricter) })
  assert.ok(answer.ok, JSON.stringify(answer))
  await rig.command("policy.confirm", { version: 2 })
  await brokerBack()
  await until(() => payloads("plant/s3").includes("before"), "what may still go")
  const denied = await rig.entry(
    ({ event, object }) => event.endsWith("denied") && object === "plant/s3/later-forbidden",
  )
  assert.is(denied.rule, "no-secrets")
  assert.equal(payloads("plant/s3"), ["before"])
})

test("[CR 7.1] who may hear, or wants a session, is told that the server is not there, as ever", async () => {
  brokerLost()
  for (const options of [
    { name: "p1", kind: "pump" as const, clean: true },
    { name: "s4", clean: false, properties: { sessionExpiryInterval: 60 } },
  ]) {
    const failed = await mqttPeer(rig, options).then(
      () => "",
      (error: unknown) => String(error),
    )
    assert.match(failed, /not connected/, options.name)
  }
  await brokerBack()
})

test("[CR 7.2] a buffer that is full refuses, and takes again when there is room", async () => {
  brokerLost()
  const sensor = await mqttPeer(rig, { name: "s5", clean: true })
  const big = "z".repeat(300 * 1024)
  const codes: number[] = []
  for (let k = 0; k < 4; k++) codes.push(await sensor.publish("plant/s5/big", big))
  assert.equal(codes, [0, 0, 0, 0x97])
  await brokerBack()
  await sensor.until(() => sensor.closed === 1, "the way back", 20_000)
  await until(() => payloads("plant/s5").length === 3, "three large ones")
})

test.run()
