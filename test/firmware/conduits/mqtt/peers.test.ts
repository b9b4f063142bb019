import { type EventEmitter, once } from "node:events"
import { type Duplex, duplexPair } from "node:stream"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { Aedes } from "aedes"
import { type IClientOptions, MqttClient } from "mqtt"
import { createSession, type Session } from "../../../../firmware/conduits/mqtt/session.ts"
import { DEFAULT_LIMITS } from "../../../../firmware/config/gateway-config.ts"
import { fakeJudge, SECRETS } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session between a real client and a real broker, in memory")

/** The next event of a client, whose own emitter type `once` does not take. */
const next = (client: MqttClient, event: string): Promise<any[]> => once(client as unknown as EventEmitter, event)

/** The thinnest shell there can be: no backpressure, no TLS. */
function conduit(broker: Aedes, closed: string[]): Duplex {
  const [outer, clientEnd] = duplexPair()
  const [brokerEnd, upstream] = duplexPair()
  const session: Session = createSession(
    {
      dial: () => {
        broker.handle(brokerEnd)
        upstream.on("data", (chunk: Buffer) => session.fromUpstream(chunk, performance.now()))
        brokerEnd.on("close", () => session.upstreamEnded())
      },
      toUpstream: (bytes) => upstream.write(Buffer.from(bytes)),
      toClient: (bytes) => clientEnd.write(Buffer.from(bytes)),
      denied: () => undefined,
      recorded: () => undefined,
      passed: () => undefined,
      requested: () => undefined,
      connected: () => undefined,
      close: (reason, detail) => {
        closed.push(`${reason} ${detail}`)
        upstream.end()
        clientEnd.end()
      },
    },
    {
      limits: DEFAULT_LIMITS,
      conduit: { onDeny: "ack", upstreamIdentity: "strip", enhancedAuth: "refuse", direction: "both" },
      subject: "s",
      clientIdPattern: "%u-*",
      randomSuffix: () => "x",
      newHash: () => ({ update: () => undefined, digest: () => "" }),
      admit: ({ version }) => fakeJudge(version, SECRETS),
    },
  )
  clientEnd.on("data", (chunk: Buffer) => session.fromClient(chunk, performance.now()))
  // Destroying one end of a pair says nothing to the other.
  outer.on("close", () => session.clientEnded())
  return outer
}

async function connect(broker: Aedes, closed: string[], options: IClientOptions): Promise<MqttClient> {
  const client = new MqttClient(() => conduit(broker, closed), { reconnectPeriod: 0, ...options })
  await next(client, "connect")
  return client
}

test("[NDR 5.2] MQTT.js publishes and subscribes through a session to Aedes; what is denied never gets there", async () => {
  const broker = await Aedes.createBroker()
  const seen: string[] = []
  broker.on("publish", (packet, client) => {
    if (client) seen.push(`${packet.topic} ${packet.payload.length}`)
  })
  const closed: string[] = []
  const will = { topic: "s/will", payload: Buffer.from("gone"), qos: 1 as const, retain: false }
  const publisher = await connect(broker, closed, { clientId: "s-p", will })
  const reader = await connect(broker, closed, { clientId: "s-r" })
  const got: string[] = []
  reader.on("message", (topic, payload) => got.push(`${topic} ${payload.length}`))
  const refused: unknown = await reader.subscribeAsync(["s/#", "secret/#"], { qos: 2 }).catch((error: unknown) => error)
  assert.ok(refused instanceof Error, "MQTT.js reports the refused filter as an error")

  const large = Buffer.alloc(1 << 20, 5)
  const expected: string[] = []
  for (const qos of [0, 1, 2] as const) {
    for (const [topic, payload] of [
      [`s/${qos}`, Buffer.alloc(100)],
      [`s/large/${qos}`, large],
    ] as const) {
      await publisher.publishAsync(topic, payload, { qos })
      await publisher.publishAsync(`secret/${qos}`, payload, { qos })
      expected.push(`${topic} ${payload.length}`)
    }
  }
  // Aedes orders messages within a QoS, not across.
  while (got.length < expected.length) await next(reader, "message")
  assert.equal(got.toSorted(), expected.toSorted())
  assert.equal(seen.toSorted(), expected.toSorted())

  const willArrives = next(reader, "message")
  publisher.stream.destroy()
  assert.is((await willArrives)[0], "s/will")
  await reader.endAsync()
  assert.equal(closed.toSorted(), ["client disconnect", "client lost"])
  await new Promise<void>((resolve) => broker.close(resolve))
})

test("a client whose id is not its own is refused by return code", async () => {
  const broker = await Aedes.createBroker()
  const client = new MqttClient(() => conduit(broker, []), { reconnectPeriod: 0, clientId: "t-1" })
  const error = await new Promise<any>((resolve) => client.on("error", resolve))
  assert.is(error.code, 2)
  await client.endAsync(true)
  await new Promise<void>((resolve) => broker.close(resolve))
})

test.run()
