/**
 * What is on the wire of an encrypted conduit: a byte tap between client and gateway, another between gateway and broker, and
 * tshark beside both where it may capture. Nothing that the two ends say to each other is found in it.
 */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { connect, createServer, type AddressInfo, type Socket } from "node:net"
import { freePorts } from "../peers/ports.ts"
import { capture, type Capture } from "../peers/tshark.ts"
import { deskPeer, mqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/wire")

const POLICY = `
lockgate-policy: 1
name: tapped
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles:
  pump: reports and obeys
subjects:
  - { zone: field, match: { san-uri: "urn:test:pump:{name}" }, roles: [pump], client-id: "%u*" }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt, upstream-identity: subject }
  tapped: { from: field, to: control, protocol: mqtt, upstream-identity: subject }
rules:
  - { id: report, allow: publish, roles: [pump], topics: ["plant/%u/#"], qos: 2, retain: true, payload: 1MiB }
  - { id: obey, allow: [subscribe, receive], roles: [pump], topics: ["plant/%u/set/#"], qos: 2 }
`

/** Passes bytes on to `to` and keeps all of both ways. */
interface Tap {
  readonly port: number
  bytes(): Buffer
  stop(): Promise<void>
}

async function tap(port: number, to: () => number): Promise<Tap> {
  const kept: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(to(), "127.0.0.1")
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on("error", () => from.destroy())
      from.on("close", () => into.end())
      from.on("data", (chunk: Buffer) => {
        kept.push(chunk)
        into.write(chunk)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => Buffer.concat(kept),
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

let rig: Rig
let near: Tap
let far: Tap
let listen = 0
let shark: Capture | null
test.before(async () => {
  const [conduit = 0, upstream = 0, outer = 0] = await freePorts(3)
  listen = conduit
  far = await tap(upstream, () => rig.broker.tlsPort)
  near = await tap(outer, () => listen)
  rig = await startRig({
    policy: POLICY,
    conduits: [
      "tapped:",
      `  listen: { address: 127.0.0.1, port: ${conduit}, credential: field-end }`,
      `  upstream: { url: "mqtts://127.0.0.1:${upstream}", credential: control-end, authority: control-ca }`,
    ],
  })
  shark = await capture([conduit, upstream, outer, rig.broker.tlsPort])
})
test.after(async () => {
  await rig.stop()
  await near.stop()
  await far.stop()
})

const CLEAR = "this-one-is-in-clear"
const NAME = "marked-subject"
const MARKS = {
  "client id": `${NAME}-the-client-id`,
  subject: NAME,
  topic: "marked-topic",
  payload: "marked-payload",
  "user property": "marked-property",
  "will topic": "marked-last-topic",
  "will payload": "marked-last-will",
  command: "marked-command",
  user: "marked-user",
  password: "marked-password",
} as const

test("[CR 4.1] no client id, topic, payload, property, will or password is on the wire, on either side of the gateway", async () => {
  for (const protocolVersion of [4, 5] as const) {
    const peer = await mqttPeer(rig, {
      name: NAME,
      kind: "pump",
      port: near.port,
      clientId: MARKS["client id"],
      protocolVersion,
      username: MARKS.user,
      password: MARKS.password,
      will: { topic: `plant/${NAME}/${MARKS["will topic"]}`, payload: Buffer.from(MARKS["will payload"]), qos: 1, retain: false }, // prettier-ignore
    })
    const desk = await deskPeer(rig)
    await desk.subscribe([`plant/${NAME}/${MARKS.topic}/#`])
    await peer.subscribe([`plant/${NAME}/set/#`])
    for (const qos of [0, 1, 2] as const)
      await peer.client.publishAsync(`plant/${NAME}/${MARKS.topic}/${qos}`, MARKS.payload.repeat(2_000), {
        qos,
        ...(protocolVersion === 5 ? { properties: { userProperties: { [MARKS["user property"]]: "x" } } } : {}),
      })
    await desk.publish(`plant/${NAME}/set/x`, MARKS.command, { qos: 2 })
    await peer.until(() => peer.received.length > 0, "the command")
    await desk.until(() => desk.received.length === 3, "all three")
    // Its will is published, and so goes over the wire too.
    await peer.end(true)
    await desk.end()
  }
  // One in clear, or a tap that sees nothing would show nothing.
  const open = connect(near.port, "127.0.0.1")
  open.on("error", () => undefined)
  const closed = new Promise((resolve) => open.once("close", resolve))
  open.write(CLEAR)
  open.end()
  open.resume()
  await closed
  const seen: [string, Buffer][] = [
    ["before the gateway", near.bytes()],
    ["behind the gateway", far.bytes()],
  ]
  if (shark !== null) seen.push(["tshark", await shark.stop(CLEAR)])
  for (const [where, bytes] of seen) {
    assert.ok(bytes.length > 100_000, `${where}: ${bytes.length} bytes`)
    for (const [what, mark] of Object.entries(MARKS)) assert.not(bytes.includes(mark), `${what} ${where}`)
    assert.is(bytes.includes(CLEAR), where !== "behind the gateway", where)
  }
})

test.run()
