import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Reason } from "../../../../policy/filter/verdict.ts"
import { bytesOf, no, packetsOf, publishPacket, Rig, VERSIONS, type Version } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: SUBSCRIBE and UNSUBSCRIBE")

function subscribe(messageId: number, filters: readonly string[], more: Record<string, unknown> = {}): any {
  return { cmd: "subscribe", messageId, subscriptions: filters.map((topic, i) => ({ topic, qos: i % 3 })), ...more }
}

function suback(messageId: number, granted: readonly number[]): any {
  return { cmd: "suback", messageId, granted }
}

const refusal = (version: Version): number => (version === 5 ? 0x87 : 0x80)

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: a SUBSCRIBE whose filters are all allowed passes, and its SUBACK (S1)`, () => {
    const rig = new Rig({ version }).open()
    const before = rig.upstreamBytes().length
    const packet = subscribe(3, ["a/+/b", "#", "$share/g/c/#"])
    rig.client(packet)
    assert.equal(rig.upstreamBytes().subarray(before), bytesOf(packet, version))
    assert.equal(
      rig.asked.map((asked) => `${asked.action} ${asked.topic} ${asked.qos}`),
      ["subscribe a/+/b 0", "subscribe # 1", "subscribe $share/g/c/# 2"],
    )
    rig.broker(suback(3, [0, 1, 0x80]))
    assert.equal(rig.takeClient(), [suback(3, [0, 1, 0x80])])
  })

  test(`${v}: [CR 2.1] refused filters are taken out, their codes put back in their positions (S2)`, () => {
    const filters = ["secret/1", "a", "secret/2", "secret/3", "b/#", "secret/#"]
    const properties =
      version === 5 ? { properties: { subscriptionIdentifier: 70000, userProperties: { k: "v" } } } : {}
    const rig = new Rig({ version }).open()
    rig.client(subscribe(300, filters, properties))
    const [sent] = rig.takeUpstream()
    assert.is(sent.messageId, 300)
    assert.equal(
      sent.subscriptions.map((subscription: any) => `${subscription.topic} ${subscription.qos}`),
      ["a 1", "b/# 1"],
    )
    assert.equal(sent.properties, properties.properties)
    assert.equal(rig.takeClient(), [])
    rig.broker(suback(300, [2, 0x80]))
    const no_ = refusal(version)
    assert.equal(rig.takeClient(), [suback(300, [no_, 2, no_, no_, 0x80, no_])])
    assert.is(rig.denied.length, 4)
    assert.is(rig.session.heldBytes, 0)
    // The identifier is free again.
    rig.client(subscribe(300, ["a"])).broker(suback(300, [0]))
    assert.equal(rig.takeClient(), [suback(300, [0])])
  })

  test(`${v}: a SUBSCRIBE whose filters are all refused is answered by us (S3)`, () => {
    const rig = new Rig({ version }).open().client(subscribe(9, ["secret/1", "secret/2"]))
    assert.equal(rig.takeClient(), [suback(9, [refusal(version), refusal(version)])])
    assert.equal(rig.takeUpstream(), [])
    assert.equal(rig.denied, ["subscribe secret/1 no-rule", "subscribe secret/2 no-rule"])
    rig.client(subscribe(9, ["a"]))
    assert.is(rig.takeUpstream().length, 1)
  })

  test(`${v}: each reason has its code (S4)`, () => {
    const codes: Partial<Record<Reason, number>> = {
      "no-rule": 0x87,
      "deny-rule": 0x87,
      qos: 0x87,
      reserved: 0x87,
      "not-contained": 0x87,
      "shared-subscription": 0x9e,
      "bad-topic": 0x8f,
      rate: 0x97,
      "too-complex": 0x83,
    }
    const filters = Object.keys(codes).map((reason) => `secret/reason=${reason}`)
    const rig = new Rig({ version }).open().client(subscribe(9, filters))
    const expected = version === 5 ? Object.values(codes) : filters.map(() => 0x80)
    assert.equal(rig.takeClient(), [suback(9, expected)])
  })

  test(`${v}: shared subscriptions reach the filter whole (S5)`, () => {
    const rig = new Rig({ version }).open().client(subscribe(9, ["$share/g/a/#", "$share/secret/a", "$shared/x"]))
    assert.equal(
      rig.asked.map((asked) => asked.topic),
      ["$share/g/a/#", "$share/secret/a", "$shared/x"],
    )
    assert.is(rig.takeUpstream()[0].subscriptions.length, 2)
    for (const filter of ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a"]) {
      const odd = new Rig({ version }).open().client(subscribe(9, [filter]))
      assert.is(odd.closed, version === 5 ? "protocol-client ERR_MQTT_TOPIC_FILTER" : null, filter)
      if (version === 4) assert.is(odd.asked[0]?.topic, filter)
    }
  })

  test(`${v}: an identifier cannot be used twice at once (S6)`, () => {
    for (const filters of [["a"], ["a", "secret"]]) {
      const rig = new Rig({ version }).open().client(subscribe(9, filters), subscribe(9, ["b"]))
      assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_ID_IN_USE")
      assert.is(rig.takeUpstream().length, 1)
      assert.equal(rig.takeClient(), version === 5 ? [{ cmd: "disconnect", reasonCode: 0x82 }] : [])
    }
  })

  test(`${v}: what may wait for a SUBACK is bounded, in packets and in bytes (S7)`, () => {
    const many = new Rig({ version }).open()
    for (let id = 1; id <= 1024; id++) many.client(subscribe(id, ["a", "secret"]))
    assert.is(many.closed, null)
    many.client(subscribe(1025, ["a"]))
    assert.is(many.closed, "limit ERR_MQTT_QUOTA")
    assert.equal(many.takeClient(), version === 5 ? [{ cmd: "disconnect", reasonCode: 0x97 }] : [])
    const large = new Rig({ version, limits: { maxControlBytes: 500 } }).open()
    const filters = ["a", ...Array<string>(30).fill("secret")]
    for (let id = 1; large.closed === null; id++) {
      large.client(subscribe(id, filters))
      assert.ok(large.session.heldBytes <= 600)
    }
    assert.is(large.closed, "limit ERR_MQTT_QUOTA")
  })

  test(`${v}: a SUBACK that does not match what was asked is the broker's fault (S8)`, () => {
    for (const granted of [[0], [0, 0, 0]]) {
      const rig = new Rig({ version })
        .open()
        .client(subscribe(9, ["a", "secret", "b"]))
        .broker(suback(9, granted))
      assert.is(rig.closed, "protocol-broker ERR_MQTT_SUBACK_COUNT")
      assert.equal(rig.takeClient(), version === 5 ? [{ cmd: "disconnect", reasonCode: 0x80 }] : [])
    }
  })

  test(`${v}: the subject's own rights are granted by us, told once, and never asked of the broker (S11)`, () => {
    let asked = 0
    const rig = new Rig({ version, askRights: () => asked++ }).open()
    rig.client(subscribe(9, ["a", "$lockgate/rights", "secret/#"]))
    assert.equal(rig.takeUpstream(), packetsOf(bytesOf(subscribe(9, ["a"]), version), version))
    rig.broker(suback(9, [1]))
    const refused = version === 5 ? 0x87 : 0x80
    assert.equal(rig.takeClient()[0].granted, [1, 0, refused])
    rig.client(subscribe(10, ["$lockgate/rights"]))
    assert.equal([rig.takeUpstream(), rig.takeClient()[0].granted, asked], [[], [0], 2])
    rig.session.tell("$lockgate/rights", Buffer.from("{}"))
    const [told] = rig.takeClient()
    assert.equal([told.cmd, told.topic, told.payload, told.qos], ["publish", "$lockgate/rights", "{}", 0])
    const without = new Rig({ version }).open().client(subscribe(9, ["$lockgate/rights"]))
    assert.is(without.takeUpstream().length, 1, "where nobody answers, it is a topic like any other")
    const before = new Rig({ version })
    before.session.tell("$lockgate/rights", Buffer.from("{}"))
    assert.equal(before.takeClient(), [])
  })

  test(`${v}: UNSUBSCRIBE and UNSUBACK pass, of refused filters too (S9)`, () => {
    const rig = new Rig({ version }).open()
    const packet = { cmd: "unsubscribe", messageId: 9, unsubscriptions: ["a", "secret/#"] }
    rig.client(packet)
    assert.equal(rig.takeUpstream(), packetsOf(bytesOf(packet, version), version))
    rig.broker({ cmd: "unsuback", messageId: 9, granted: [0, 0x11] })
    const granted = version === 5 ? { granted: [0, 0x11] } : {}
    assert.equal(rig.takeClient(), [{ cmd: "unsuback", messageId: 9, ...granted }])
  })

  test(`${v}: a subscription outlives a stricter policy, its messages do not (S10 W1)`, () => {
    const rig = new Rig({ version })
      .open()
      .client(subscribe(9, ["a"]))
      .broker(suback(9, [0]))
    rig.takeUpstream()
    rig.takeClient()
    rig.broker(publishPacket("a", { payload: "1" })).rejudge(() => no())
    rig.broker(publishPacket("a", { payload: "2" }))
    assert.equal(rig.takeUpstream(), [])
    assert.equal(
      rig.takeClient().map((packet) => packet.payload),
      ["1"],
    )
  })

  test(`${v}: several SUBSCRIBEs may be under way, and be answered in any order`, () => {
    const rig = new Rig({ version }).open()
    rig.client(subscribe(1, ["a", "secret"]), subscribe(2, ["secret", "b"]), subscribe(3, ["c"]))
    rig.broker(suback(3, [0]), suback(2, [1]), suback(1, [2]))
    const code = refusal(version)
    assert.equal(rig.takeClient(), [suback(3, [0]), suback(2, [code, 1]), suback(1, [2, code])])
  })
}

test("5: the options of the allowed rest stay, no-local on a shared subscription is an error (S2 S5)", () => {
  const rig = new Rig({ version: 5 }).open()
  const options = { qos: 2, nl: true, rap: true, rh: 2 }
  rig.client({
    cmd: "subscribe",
    messageId: 1,
    subscriptions: [
      { topic: "secret", qos: 0 },
      { topic: "a", ...options },
    ],
  })
  assert.equal(rig.takeUpstream()[0].subscriptions, [{ topic: "a", ...options }])
  rig.client({ cmd: "subscribe", messageId: 2, subscriptions: [{ topic: "$share/g/a", qos: 0, nl: true }] })
  assert.is(rig.closed, "protocol-client ERR_MQTT_SUBSCRIPTION_OPTIONS")
})

test.run()
