/** Clients that do not wait for their CONNACK: what the conduit answers by itself comes behind it all the same. */
import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { generate, type Packet } from "mqtt-packet"
import { startRig, type Rig } from "../support/rig.ts"
import { wireClient, type WireClient } from "../support/wire-client.ts"

const test = suite("system/pipelining")

let rig: Rig
test.before(async () => {
  rig = await startRig()
})
test.after(() => rig.stop())

/** Connect as that pump, and say all of it in one write. */
async function says(name: string, version: 4 | 5, packets: readonly object[]): Promise<WireClient> {
  const { cert, key } = rig.tls(rig.peer(name, { uri: `urn:test:pump:${name}` }))
  const tls = { key: readFileSync(key), cert: readFileSync(cert) }
  const client = await wireClient({ port: rig.port, tls }, version, new Map())
  const connect = { cmd: "connect", protocolId: "MQTT", protocolVersion: version, clientId: name, clean: true, keepalive: 0 } // prettier-ignore
  const bytes = [connect, ...packets].map((packet) => generate(packet as Packet, { protocolVersion: version }))
  client.bytes(Buffer.concat(bytes))
  return client
}

for (const version of [4, 5] as const)
  test(`${version === 5 ? "5" : "3.1.1"}: [CR 2.1] refusals of packets behind the CONNECT follow the broker's CONNACK`, async () => {
    const name = `p${version}`
    const refused = version === 5 ? 0x87 : 0x80
    const client = await says(name, version, [
      { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "nowhere/#", qos: 0 }] },
      { cmd: "publish", topic: "nowhere", payload: "x", qos: 1, messageId: 2, retain: false, dup: false },
      { cmd: "subscribe", messageId: 3, subscriptions: [{ topic: "$lockgate/rights", qos: 0 }] },
      { cmd: "subscribe", messageId: 4, subscriptions: [{ topic: "all/x", qos: 0 }] },
      { cmd: "unsubscribe", messageId: 5, unsubscriptions: ["all/x"] },
    ])
    await client.until(() => client.seen.length >= 7, "all the answers")
    const seen = client.seen.map(({ cmd, messageId, granted, topic }) => [cmd, messageId ?? topic ?? "", granted ?? ""].join(" ")) // prettier-ignore
    client.drop()
    assert.is(seen[0], "connack  ")
    const expected = [`suback 1 ${refused}`, "puback 2 ", "suback 3 0", "publish $lockgate/rights ", "suback 4 0"]
    for (const one of expected) assert.ok(seen.includes(one), `${one} among ${seen.join(", ")}`)
    assert.ok(seen.some((one) => one.startsWith("unsuback 5")), seen.join(", ")) // prettier-ignore
    // Ours keep their order among themselves.
    const own = seen.filter((one) => /^(suback [13] |puback|publish)/.test(one))
    assert.equal(
      own,
      [...own].sort((a, b) => expected.indexOf(a) - expected.indexOf(b)),
    )
  })

test.run()
