import { suite } from "uvu"
import * as assert from "uvu/assert"
import { connackPacket, connectPacket, publishPacket, Rig, type RigOptions } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: enhanced authentication")

const METHOD = "SCRAM-SHA-256"

/** AUTH by hand: code, method (null for none) and data. */
function auth(code: number, method: string | null = METHOD, data = ""): Uint8Array {
  const list = method === null ? [] : [21, 0, method.length, ...Buffer.from(method)]
  if (data !== "") list.push(22, 0, data.length, ...Buffer.from(data))
  return Uint8Array.of(0xf0, 2 + list.length, code, list.length, ...list)
}

const ASKED = { properties: { authenticationMethod: METHOD, authenticationData: Buffer.from("n,,") } }
const asking = (options: RigOptions = {}): Rig =>
  new Rig({ version: 5, enhancedAuth: "pass", ...options }).client(connectPacket(5, ASKED))
const ACCEPTED = connackPacket(5, { properties: { authenticationMethod: METHOD } })

/** Connected, by an exchange of one challenge. */
function authenticated(): Rig {
  const rig = asking()
    .broker(auth(0x18, METHOD, "r=1"))
    .client(auth(0x18, METHOD, "p=1"))
    .broker(ACCEPTED)
  assert.is(rig.closed, null)
  rig.takeUpstream()
  rig.takeClient()
  return rig
}

test("where policy lets it pass, the broker is asked with method and data, and user name and password are not passed (H1)", () => {
  const rig = new Rig({ version: 5, enhancedAuth: "pass" })
  rig.client(connectPacket(5, { ...ASKED, username: "u", password: Buffer.from("p") }))
  const [connect] = rig.takeUpstream()
  assert.is(connect.properties.authenticationMethod, METHOD)
  assert.is(connect.properties.authenticationData, "n,,")
  assert.equal([connect.username, connect.password], [undefined, undefined])
  assert.is(rig.broker(ACCEPTED).closed, null)
  assert.is(rig.takeClient()[0].properties.authenticationMethod, METHOD)
  assert.is(rig.connected, "s1 5")
})

test("a client that asks to authenticate has its id and its will judged as any other (H1)", () => {
  const stranger = new Rig({ version: 5, enhancedAuth: "pass" })
  stranger.client(connectPacket(5, { ...ASKED, clientId: "s2" }))
  assert.is(stranger.closed, "refused ERR_MQTT_CLIENT_ID")
  const will = { topic: "secret", payload: Buffer.from("x"), qos: 0, retain: false }
  const rig = new Rig({ version: 5, enhancedAuth: "pass" }).client(connectPacket(5, { ...ASKED, will }))
  assert.is(rig.closed, "refused ERR_MQTT_WILL_DENIED")
  assert.is(rig.dialled, 0)
})

test("challenge and answer pass byte for byte, as many as it takes (H2)", () => {
  const rig = asking()
  rig.takeUpstream()
  for (const round of ["1", "2", "3"]) {
    const [challenge, answer] = [auth(0x18, METHOD, `r${round}`), auth(0x18, METHOD, `p${round}`)]
    const [before, at] = [rig.clientBytes().length, rig.upstreamBytes().length]
    rig.broker(challenge).client(answer)
    assert.equal(rig.clientBytes().subarray(before), challenge)
    assert.equal(rig.upstreamBytes().subarray(at), answer)
  }
  rig.broker(ACCEPTED)
  assert.is(rig.connected, "s1 5")
  assert.is(rig.client(publishPacket("a")).takeUpstream().at(-1).topic, "a")
})

test("a broker's refusal in the middle of it passes and ends the session (H2)", () => {
  const rig = asking().broker(auth(0x18), connackPacket(5, { reasonCode: 0x87 }))
  assert.is(rig.closed, "broker connack 135")
  assert.is(rig.takeClient().at(-1).reasonCode, 0x87)
})

test("[CR 3.5] before the CONNACK such a client may say AUTH and DISCONNECT and nothing else (H3)", () => {
  const rig = asking()
  const before = rig.upstreamBytes().length
  rig.client(publishPacket("a"))
  assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_TYPE")
  assert.is(rig.upstreamBytes().length, before)
  assert.is(asking().client({ cmd: "disconnect" }).closed, "client disconnect")
})

test("an authentication is renewed while the session goes on (H4)", () => {
  const rig = authenticated()
  rig.client(auth(0x19, METHOD, "n,,"), publishPacket("a"))
  rig.broker(auth(0x18, METHOD, "r"), publishPacket("b"))
  rig.client(auth(0x18, METHOD, "p")).broker(auth(0x00, METHOD, "v"))
  rig.client(auth(0x19)).broker(Uint8Array.of(0xf0, 0)).client(auth(0x19)).broker(auth(0x18))
  assert.is(rig.closed, null)
  assert.equal(
    rig.takeUpstream().map((p) => `${p.cmd} ${p.reasonCode ?? p.topic}`),
    ["auth 25", "publish a", "auth 24", "auth 25", "auth 25"],
  )
  assert.is(rig.broker({ cmd: "disconnect", reasonCode: 0x87 }).closed, "broker disconnect 135")
})

test("[CR 3.5] out of turn, by another method or by none, an AUTH passes neither way (H5)", () => {
  const cases: readonly (readonly [string, () => Rig, Uint8Array, "client" | "broker"])[] = [
    ["the client answers before it is asked", asking, auth(0x18), "client"],
    ["it begins anew before it is connected", asking, auth(0x19), "client"],
    ["it says success", asking, auth(0x00), "client"],
    ["the broker says success before the CONNACK", asking, auth(0x00), "broker"],
    ["the broker says nothing at all before the CONNACK", asking, Uint8Array.of(0xf0, 0), "broker"],
    ["the broker asks twice", () => asking().broker(auth(0x18)), auth(0x18), "broker"],
    ["the broker asks to begin anew", authenticated, auth(0x19), "broker"],
    ["the broker asks a client that did not begin", authenticated, auth(0x18), "broker"],
    ["the broker's success answers nothing", authenticated, auth(0x00), "broker"],
    ["the client answers twice", () => asking().broker(auth(0x18)).client(auth(0x18)), auth(0x18), "client"],
    ["the client says nothing at all", authenticated, Uint8Array.of(0xf0, 0), "client"],
    ["another method, client", authenticated, auth(0x19, "SCRAM-SHA-255"), "client"],
    ["another method, broker", asking, auth(0x18, "SCRAM-SHA-25"), "broker"],
    ["no method, client", authenticated, auth(0x19, null), "client"],
    ["no method, broker", asking, auth(0x18, null), "broker"],
    ["no method but data, broker", asking, Uint8Array.of(0xf0, 6, 0x18, 4, 22, 0, 1, 65), "broker"],
    ["bytes behind its fields", authenticated, Uint8Array.of(0xf0, 3, 0x19, 0, 0), "client"],
  ]
  for (const [what, make, packet, side] of cases) {
    const rig = make()
    const lengths = (): number[] => [rig.upstreamBytes().length, rig.clientBytes().length]
    const [upstream, client] = lengths()
    if (side === "client") rig.client(packet)
    else rig.broker(packet)
    assert.match(rig.closed ?? "", new RegExp(`^protocol-${side} ERR_MQTT_`), what)
    for (const bytes of [rig.upstreamBytes().subarray(upstream), rig.clientBytes().subarray(client)])
      assert.is(Buffer.from(bytes).includes(Buffer.from(packet)), false, what)
    assert.ok(lengths()[0]! - upstream! <= 3 && lengths()[1]! - client! <= 3, `${what}: but a DISCONNECT`)
  }
})

test("[CR 3.5] a success by another method than was asked for, or by none, is the broker's fault (H5)", () => {
  for (const properties of [{}, { authenticationMethod: "PLAIN" }, { authenticationMethod: "" }]) {
    const rig = asking().broker(connackPacket(5, { properties }))
    assert.is(rig.closed, "protocol-broker ERR_MQTT_AUTH")
    assert.is(rig.connected, null)
    assert.is(rig.clientBytes().length, 0)
  }
})

test("who did not ask for it may not say AUTH, whatever the conduit lets pass (H5)", () => {
  for (const packet of [auth(0x19), auth(0x18)]) {
    const rig = new Rig({ version: 5, enhancedAuth: "pass" }).open().client(packet)
    assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_TYPE")
  }
  const rig = new Rig({ version: 5, enhancedAuth: "pass" }).open().broker(auth(0x18))
  assert.is(rig.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
})

test("its shell is told with the CONNECT who authenticates, for a policy that takes that back (H6)", () => {
  assert.is(asking().admitted[0]!.authenticates, true)
  assert.is(new Rig({ version: 5, enhancedAuth: "pass" }).open().admitted[0]!.authenticates, false)
})

test.run()
