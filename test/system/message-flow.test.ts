import { suite } from "uvu"
import * as assert from "uvu/assert"
import { randomBytes } from "node:crypto"
import { mosquittoPub, mosquittoSub } from "../peers/mosquitto-clients.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/message-flow")
let rig: Rig

test.before(async () => {
  rig = await startRig()
})
test.after(() => rig.stop())

const as = (name: string, version: "311" | "5", uri?: string) => ({
  host: "127.0.0.1",
  port: rig.port,
  id: name,
  version,
  tls: rig.tls(rig.peer(name, uri === undefined ? {} : { uri })),
})
const pump = (name: string, version: "311" | "5") => as(name, version, `urn:test:pump:${name}`)

for (const version of ["311", "5"] as const) {
  test(`[NDR 5.2] what policy allows arrives unchanged: MQTT ${version}, QoS 0, 1 and 2`, async () => {
    const seen = await rig.watch("plant/#")
    for (const qos of [0, 1, 2] as const) {
      const sent = await mosquittoPub({ ...as("s1", version), topic: "plant/s1/a/b", message: `qos ${qos}`, qos })
      assert.equal(sent, { code: 0, output: "" })
    }
    const arrived = await seen.take(3)
    await seen.stop()
    assert.equal(
      arrived.map((m) => `${m.topic} ${m.qos} ${m.payload.toString()}`),
      ["plant/s1/a/b 0 qos 0", "plant/s1/a/b 1 qos 1", "plant/s1/a/b 2 qos 2"],
    )
  })

  test(`[NDR 5.2] a payload of 1 MiB arrives byte for byte: MQTT ${version}`, async () => {
    const seen = await rig.watch("plant/s1/big")
    const message = randomBytes(1024 * 1024)
    await mosquittoPub({ ...as("s1", version), topic: "plant/s1/big", message, qos: 1 })
    const [arrived] = await seen.take(1)
    await seen.stop()
    assert.ok(arrived!.payload.equals(message))
  })

  test(`[NDR 5.2] retained messages are retained, and cleared: MQTT ${version}`, async () => {
    const topic = `plant/s1/kept${version}`
    await mosquittoPub({ ...as("s1", version), topic, message: "stays", retain: true, qos: 1 })
    const first = await rig.watch(topic)
    assert.equal(
      (await first.take(1)).map((m) => [m.payload.toString(), m.retain]),
      [["stays", true]],
    )
    await first.stop()
    await mosquittoPub({ ...as("s1", version), topic, message: "", retain: true, qos: 1 })
    const second = await rig.watch(topic)
    await mosquittoPub({ ...as("s1", version), topic, message: "live", qos: 1 })
    assert.is((await second.take(1))[0]!.retain, false)
    await second.stop()
  })

  test(`[NDR 5.2] what policy denies never reaches the broker: MQTT ${version}`, async () => {
    const seen = await rig.watch("#", "$SYS/broker/version", "lockgate/gw-test/forged")
    const denied = [
      "plant/s2/a",
      "plant/s2/../s1",
      "plant",
      "plants/s1/a",
      "other",
      "all/x",
      "plant/s1/secret",
      "lockgate/gw-test/forged",
      "$lockgate/x",
      "$SYS/x",
    ]
    for (const topic of denied) {
      for (const qos of [0, 1, 2] as const) {
        const { output } = await mosquittoPub({ ...as("s1", version), topic, message: "denied", qos })
        if (version === "5" && qos > 0) assert.match(output, /Not authorized/i, topic)
      }
    }
    await mosquittoPub({ ...as("s1", version), topic: "plant/s1/end", message: "end", qos: 1 })
    const until = performance.now() + 5_000
    while (!seen.messages.some((m) => m.topic === "plant/s1/end") && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20))
    await seen.stop()
    const leaked = seen.messages.filter((m) => m.payload.toString() === "denied")
    assert.equal(leaked, [])
    assert.ok(seen.messages.some((m) => m.topic === "plant/s1/end"))
  })

  test(`[CR 2.1] a subscriber gets what it may, and a refused filter its failure code in its place: MQTT ${version}`, async () => {
    const name = `p${version}`
    const sub = await mosquittoSub({
      ...pump(name, version),
      qos: 2,
      topics: ["#", `plant/${name}/set/+`, "all/x", "plant/other/set/x", `$share/g/plant/${name}/set/x`],
    })
    const refused = version === "5" ? 135 : 128
    assert.equal(sub.granted.slice(0, 4), [refused, 2, 2, refused])
    assert.ok(sub.granted[4]! >= 128, "a shared subscription needs a rule of its own")
    const watcher = await rig.watch("nothing")
    await watcher.stop()
    const send = (topic: string, message: string) => publishAtBroker(rig, topic, message)
    await send("plant/other/set/x", "not for you")
    await send(`plant/${name}/set/speed`, "7")
    await send("all/x", "hello")
    const got = await sub.take(2)
    await sub.stop()
    assert.equal(
      got.map((m) => `${m.topic}=${m.payload.toString()}`),
      [`plant/${name}/set/speed=7`, "all/x=hello"],
    )
  })

  test(`[NDR 5.2] a will that is allowed is published when its client is lost; a forbidden one refuses the CONNECT: MQTT ${version}`, async () => {
    const seen = await rig.watch("plant/s1/will", "plant/s9/will")
    const sub = await mosquittoSub({
      ...pump(`w${version}`, version),
      topics: ["all/x"],
      args: ["--will-topic", `plant/w${version}/gone`, "--will-payload", "lost", "--will-qos", "1"],
    })
    const wills = await rig.watch(`plant/w${version}/gone`)
    await sub.kill9()
    const [will] = await wills.take(1)
    assert.is(will!.payload.toString(), "lost")
    await wills.stop()
    const forbidden = await mosquittoPub({
      ...as("s1", version),
      topic: "plant/s1/x",
      message: "x",
      args: ["--will-topic", "plant/s9/will", "--will-payload", "forged"],
    })
    assert.is.not(forbidden.code, 0)
    assert.equal(seen.messages, [])
    await seen.stop()
    await rig.entry((e) => e.event === "conduit.denied" && e.subject === "s1" && e.detail?.["action"] === "will")
  })
}

test("[CR 1.2] a client id that is not the subject's own is refused, and so is one of the gateway's", async () => {
  for (const id of ["s2", "lockgate-gw-test", "s1/x", ""]) {
    const { code } = await mosquittoPub({
      ...as("s1", "5"),
      ...(id === "" ? {} : { id }),
      args: id === "" ? ["-c"] : [],
      topic: "plant/s1/x",
      message: "x",
      qos: 1,
    }).catch(() => ({ code: -1 }))
    if (id !== "") assert.is.not(code, 0, id)
  }
  await rig.entry((e) => e.event === "conduit.connect-refused" && e.subject === "s1")
})

test("[CR 7.1] a rate is held to: the burst passes, the rest is denied and counted", async () => {
  const seen = await rig.watch("slow/#")
  const codes: string[] = []
  for (let i = 0; i < 6; i++) {
    const { output } = await mosquittoPub({ ...pump("r1", "5"), topic: "slow/r1", message: String(i), qos: 1 })
    codes.push(output)
  }
  const passed = codes.filter((output) => output === "").length
  assert.ok(passed >= 2 && passed <= 4, JSON.stringify(codes))
  assert.is((await seen.take(passed)).length, passed)
  await seen.stop()
  const entry = await rig.entry((e) => e.event === "conduit.denied" && e.reason === "rate")
  assert.equal([entry.subject, entry.rule, entry.conduit], ["r1", "slow", "telemetry"])
})

test("[CR 2.8] a denial is in the log within two seconds, with subject, rule, reason, object and count", async () => {
  await mosquittoPub({ ...as("s1", "311"), topic: "plant/s1/secret", message: "x", qos: 1 })
  const entry = await rig.entry((e) => e.event === "conduit.denied" && e.rule === "no-secrets", 2_000)
  assert.equal(
    [entry.category, entry.outcome, entry.subject, entry.reason, entry.object],
    ["access-control", "denied", "s1", "deny-rule", "plant/s1/secret"],
  )
  assert.ok(entry.count! >= 1)
})

async function publishAtBroker(rig: Rig, topic: string, message: string): Promise<void> {
  const { code, output } = await mosquittoPub({
    host: "127.0.0.1",
    port: rig.broker.tlsPort,
    id: "desk",
    version: "5",
    topic,
    message,
    qos: 1,
    tls: { ca: rig.controlCa.cert, ...rig.desk },
  })
  assert.is(code, 0, output)
}

test.run()
