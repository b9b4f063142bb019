/** A broker that goes down and comes back, with one worker and with two: clients are told, come back, and nothing acknowledged is lost. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { IConnackPacket } from "mqtt"
import { deskPeer, mqttPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/broker-lost")
/** Quality of service and version of each client. */
const CLIENTS = [
  { name: "q1v4", qos: 1, version: 4 },
  { name: "q1v5", qos: 1, version: 5 },
  { name: "q2v4", qos: 2, version: 4 },
  { name: "q2v5", qos: 2, version: 5 },
] as const
type Client = (typeof CLIENTS)[number]

interface Session {
  readonly peer: MqttPeer
  /** Whether each CONNACK said that the session was still there. */
  readonly resumed: boolean[]
  /** Codes by which it was told that the broker is gone. */
  readonly codes: number[]
}

async function session(rig: Rig, { name, version }: Pick<Client, "name" | "version">): Promise<Session> {
  const keeps = version === 5 ? { properties: { sessionExpiryInterval: 600 } } : {}
  const options = {
    kind: "pump",
    protocolVersion: version,
    clean: false,
    reconnectPeriod: 150,
    reconnectOnConnackError: true,
    ...keeps,
  } as const
  const peer = await mqttPeer(rig, { name, ...options, resubscribe: false })
  const resumed: boolean[] = []
  const codes: number[] = []
  peer.client.on("connect", (packet: IConnackPacket) => resumed.push(packet.sessionPresent))
  peer.client.on("disconnect", ({ reasonCode }) => codes.push(reasonCode ?? 0))
  peer.client.on("error", (error) => {
    if ("code" in error && typeof error.code === "number") codes.push(error.code)
  })
  return { peer, resumed, codes }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

for (const workers of [1, 2]) {
  test(`[CR 7.1] with ${workers} worker${workers === 1 ? "" : "s"} nothing that was acknowledged is lost when the broker goes and comes back`, async () => {
    const rig = await startRig({ board: `workers: ${workers}`, brokerKeeps: true })
    try {
      const keeps = { clean: false, reconnectPeriod: 150, properties: { sessionExpiryInterval: 600 } } as const
      const desk = await deskPeer(rig, { ...keeps, clientId: "desk-kept", resubscribe: false })
      assert.equal(await desk.subscribe(["plant/#"], 2), [2])
      const sessions = await Promise.all(CLIENTS.map((client) => session(rig, client)))
      for (const { peer } of sessions) assert.equal(await peer.subscribe(["all/+"], 2), [2])

      const acknowledged: string[] = []
      const sent: Promise<void>[] = []
      let publishing = true
      const work = CLIENTS.map(async ({ name, qos }, k) => {
        const { peer } = sessions[k]!
        for (let n = 0; publishing; n++) {
          const payload = `${name} ${n}`
          sent.push(peer.publish(`plant/${name}/v`, payload, { qos }).then(() => void acknowledged.push(payload)))
          await pause(15)
        }
      })
      const orders = Array.from({ length: 20 }, (_, n) => `order ${n}`)
      await pause(200)
      const ordered = orders.map((order, n) => desk.publish("all/x", order, { qos: n % 2 === 0 ? 1 : 2 }))
      await pause(100)
      await rig.broker.stop()
      // What the broker had acknowledged may still be on its way.
      await pause(250)
      const before = acknowledged.length
      assert.ok(before > 20, `${before} were acknowledged while the broker was there`)
      await pause(700)
      // What is not at the broker is not acknowledged.
      assert.ok(acknowledged.length <= before + 4, "nobody is told that a message arrived which did not")
      for (const [k, { codes }] of sessions.entries()) {
        assert.ok(
          codes.includes(CLIENTS[k]!.version === 5 ? 0x88 : 3),
          `${CLIENTS[k]!.name} was told ${codes.join(" ")}`,
        )
      }
      publishing = false
      await Promise.all(work)
      await rig.brokerBack()
      await Promise.all([...sent, ...ordered])
      for (const { peer, resumed } of sessions) {
        await peer.until(() => resumed.at(-1) === true, "the session")
        await peer.until(() => orders.every((order) => peer.received.some(({ payload }) => String(payload) === order)), "every order") // prettier-ignore
      }
      const arrived = (): string[] => desk.received.map(({ payload }) => String(payload))
      assert.is(acknowledged.length, sent.length)
      await desk.until(() => acknowledged.every((payload) => arrived().includes(payload)), "everything acknowledged")
      const twice = arrived().filter((payload, at, all) => payload.startsWith("q2") && all.indexOf(payload) !== at)
      assert.equal(twice, [], "QoS 2 arrives once")
      await Promise.all([desk, ...sessions.map(({ peer }) => peer)].map((peer) => peer.end(true)))
    } finally {
      await rig.stop()
    }
  })
}

test.run()
