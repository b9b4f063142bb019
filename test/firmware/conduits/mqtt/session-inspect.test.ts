import { createHash } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MAX_INSPECTED_BYTES } from "../../../../policy/language/payload-form.ts"
import { chunks, seeded } from "../../../support/hostile.ts"
import { ack, bytesOf, concat, connectPacket, no, publishPacket, Rig, type Rules, VERSIONS } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: payloads looked into, and recorded")

const sha = (text: string | Uint8Array): string => createHash("sha256").update(text).digest("base64")
const DIRECTIONS = ["up", "down"] as const

/** Feeds the sender's side, and takes what reached the receiver. */
function side(rig: Rig, direction: (typeof DIRECTIONS)[number]) {
  const up = direction === "up"
  return {
    say: (...given: unknown[]) => (up ? rig.client(...given) : rig.broker(...given)),
    received: () => (up ? rig.takeUpstream() : rig.takeClient()),
    answered: () => (up ? rig.takeClient() : rig.takeUpstream()),
    raw: () => (up ? rig.upstreamBytes() : rig.clientBytes()),
  }
}

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  for (const direction of DIRECTIONS) {
    test(`${v}: [CR 3.5] ${direction}: nothing passes before the payload was judged whole; then all of it, or nothing (F1)`, () => {
      for (const [payload, passes] of [
        ["good ".repeat(300), true],
        ["good ".repeat(300) + "bad", false],
      ] as const) {
        const rig = new Rig({ version }).open()
        const { say, received, raw } = side(rig, direction)
        const before = raw().length
        const counted = rig.bytes[direction]
        const bytes = bytesOf(publishPacket("form/a", { payload }), version)
        say(bytes.subarray(0, bytes.length - 1))
        assert.is(raw().length, before)
        assert.ok(rig.session.heldBytes >= bytes.length - 1)
        assert.equal(rig.messages, { up: 0, down: 0 })
        say(bytes.subarray(bytes.length - 1))
        assert.equal(
          received().map((packet) => packet.payload),
          passes ? [payload] : [],
        )
        assert.is(rig.messages[direction], passes ? 1 : 0)
        assert.is(rig.bytes[direction] - counted, passes ? bytes.length : 0)
        assert.is(rig.denied.length, passes ? 0 : 1)
        assert.ok(rig.session.heldBytes < 64)
      }
    })

    test(`${v}: ${direction}: what does not fit is refused as any other denial, at QoS 0, 1 and 2 (F2)`, () => {
      const rig = new Rig({ version }).open()
      const { say, received, answered } = side(rig, direction)
      say(
        publishPacket("form/a", { payload: "bad" }),
        publishPacket("form/a", { payload: "bad", qos: 1, messageId: 5 }),
        publishPacket("form/a", { payload: "bad", qos: 2, messageId: 6 }),
      )
      assert.equal(received(), [])
      const code = direction === "up" && version === 5 ? 0x99 : 0
      assert.equal(answered(), [ack("puback", 5, version, code), ack("pubrec", 6, version, code)])
      const action = direction === "up" ? "publish" : "receive"
      assert.equal(
        rig.denied,
        Array.from({ length: 3 }, () => `${action} form/a payload-form`),
      )
      say(publishPacket("form/a", { payload: "good", qos: 1, messageId: 7 }))
      assert.is(received().length, 1)
    })

    test(`${v}: ${direction}: a payload that is larger than what is looked into is denied by its length alone (F3)`, () => {
      const rig = new Rig({ version }).open()
      const { say, received, raw } = side(rig, direction)
      const at = Buffer.alloc(MAX_INSPECTED_BYTES, 0x20)
      for (const chunk of chunks(bytesOf(publishPacket("form/a", { payload: at }), version), 60_000, seeded(3)))
        say(chunk)
      assert.is(received().length, 1)
      const before = raw().length
      const over = bytesOf(publishPacket("form/a", { payload: Buffer.alloc(MAX_INSPECTED_BYTES + 1, 0x20) }), version)
      say(over.subarray(0, 40))
      assert.equal(rig.denied, [`${direction === "up" ? "publish" : "receive"} form/a payload-size`])
      let most = 0
      for (const chunk of chunks(over.subarray(40), 60_000, seeded(4))) {
        say(chunk)
        most = Math.max(most, rig.session.heldBytes)
      }
      assert.ok(most < 64, `${most} bytes held`)
      assert.is(raw().length, before)
      say(publishPacket("form/a", { payload: "good" }))
      assert.is(received().length, 1)
    })

    test(`${v}: ${direction}: a policy that comes while a packet is held is the one that judges it (F4)`, () => {
      const rig = new Rig({ version }).open()
      const { say, received } = side(rig, direction)
      const bytes = bytesOf(publishPacket("form/a", { payload: "bad but now it is fine" }), version)
      say(bytes.subarray(0, 14))
      rig.rejudge(() => 0)
      say(bytes.subarray(14))
      assert.is(received().length, 1)
      rig.rejudge(({ payload }) => (payload === null ? no("incomplete") : 0))
      say(bytes.subarray(0, 14))
      rig.rejudge(() => no("no-rule"))
      say(bytes.subarray(14))
      assert.equal(received(), [])
      assert.is(rig.closed, null)
    })

    test(`${v}: ${direction}: a judge that never makes up its mind lets nothing pass`, () => {
      const rig = new Rig({ version, rules: () => no("incomplete") }).open()
      const { say, received } = side(rig, direction)
      say(publishPacket("a", { payload: "x" }))
      assert.equal(received(), [])
      assert.is(rig.denied[0], `${direction === "up" ? "publish" : "receive"} a payload-form`)
    })

    test(`${v}: ${direction}: what is looked into costs no more than twice its bytes to hold, byte by byte`, () => {
      const rig = new Rig({ version }).open()
      const { say, received } = side(rig, direction)
      const bytes = bytesOf(publishPacket("form/a", { payload: Buffer.alloc(20_000, 0x61) }), version)
      let most = 0
      for (let at = 0; at < bytes.length; at++) {
        say(bytes.subarray(at, at + 1))
        most = Math.max(most, rig.session.heldBytes)
      }
      assert.is(received().length, 1)
      assert.ok(most <= bytes.length * 2, `${most}`)
      // Asked when its control part was there, and once more at its end.
      assert.is(rig.asked.length, 2)
    })
  }

  test(`${v}: answers of our own do not wait for a packet that is held (F5)`, () => {
    const rig = new Rig({ version }).open()
    const held = bytesOf(publishPacket("form/a", { payload: "good" }), version)
    rig.broker(held.subarray(0, held.length - 1))
    rig.client(publishPacket("secret/a", { qos: 1, messageId: 9 }))
    assert.equal(rig.takeClient(), [ack("puback", 9, version, version === 5 ? 0x87 : 0)])
    rig.broker(held.subarray(held.length - 1))
    assert.is(rig.takeClient().length, 1)
  })

  test(`${v}: a session that is withdrawn while a packet is held leaves at once, for none of it has passed (F6)`, () => {
    const rig = new Rig({ version }).open()
    const held = bytesOf(publishPacket("form/a", { payload: "good" }), version)
    rig.client(held.subarray(0, held.length - 1))
    rig.session.withdraw("closed")
    assert.is(rig.closed, "withdrawn closed")
    assert.equal(rig.takeUpstream(), [{ cmd: "disconnect", ...(version === 5 ? { reasonCode: 0 } : {}) }])
  })

  test(`${v}: [CR 2.1] the payload of a will is judged at the CONNECT, and again by every new policy (F7)`, () => {
    const will = (payload: string): Record<string, unknown> => ({
      will: { topic: "form/w", payload: Buffer.from(payload), qos: 1, retain: false },
    })
    const bad = new Rig({ version }).client(connectPacket(version, will("bad")))
    assert.is(bad.closed, "refused ERR_MQTT_WILL_DENIED")
    assert.equal(bad.denied, ["will form/w payload-form"])
    assert.equal(
      bad.takeClient().map((packet) => packet.reasonCode ?? packet.returnCode),
      [version === 5 ? 0x99 : 5],
    )
    const good = new Rig({ version }).open(will("good"))
    const stricter: Rules = ({ payload }) =>
      payload === null ? no("incomplete") : payload === "good" ? no("payload-form") : 0
    good.rejudge(({ payload }) => (payload === "good" ? 0 : no("payload-form")))
    assert.is(good.closed, null)
    good.rejudge(stricter)
    assert.is(good.closed, "withdrawn ERR_MQTT_WILL_DENIED")
  })

  test(`${v}: [CR 2.12 RE(1)] what a rule wants recorded is told when all of it has passed, and nothing else is (L1)`, () => {
    for (const direction of DIRECTIONS) {
      const rig = new Rig({ version, record: { rule: "r", changesOnly: false } }).open()
      const { say } = side(rig, direction)
      const bytes = bytesOf(publishPacket("a/b", { payload: "12345" }), version)
      say(bytes.subarray(0, bytes.length - 1))
      assert.equal(rig.recorded, [])
      say(
        bytes.subarray(bytes.length - 1),
        publishPacket("secret/x", { payload: "1" }),
        publishPacket("a", { payload: "" }),
      )
      const action = direction === "up" ? "publish" : "receive"
      assert.equal(rig.recorded, [
        { action, rule: "r", object: "a/b", payloadBytes: 5, change: null },
        { action, rule: "r", object: "a", payloadBytes: 0, change: null },
      ])
    }
    const none = new Rig({ version }).open().client(publishPacket("a/b"))
    assert.equal(none.recorded, [])
  })

  test(`${v}: [CR 2.12 RE(1)] for changes, topic and payload are told as hashes, held or streamed, in pieces or not (L2)`, () => {
    const random = seeded(version)
    for (const topic of ["a/b", "form/b"]) {
      for (const size of [0, 1, 5000]) {
        for (const most of [1, 700, 100_000]) {
          const payload = Buffer.alloc(size, 0x41)
          const rig = new Rig({ version, record: { rule: "r", changesOnly: true } }).open()
          const bytes = bytesOf(publishPacket(topic, { payload, qos: 1, messageId: 3 }), version)
          for (const chunk of chunks(bytes, most, random)) rig.client(chunk)
          const change = { topic: sha(topic), payload: sha(payload) }
          assert.equal(rig.recorded, [{ action: "publish", rule: "r", object: topic, payloadBytes: size, change }])
        }
      }
    }
  })

  test(`${v}: [CR 2.12 RE(1)] a will that is accepted is recorded (L3)`, () => {
    const will = { topic: "a/w", payload: Buffer.from("gone"), qos: 0, retain: false }
    const rig = new Rig({ version, record: { rule: "r", changesOnly: true } }).open({ will })
    const change = { topic: sha("a/w"), payload: sha("gone") }
    assert.equal(rig.recorded, [{ action: "will", rule: "r", object: "a/w", payloadBytes: 4, change }])
  })

  test(`${v}: a message whose end never comes is not recorded`, () => {
    const rig = new Rig({ version, record: { rule: "r", changesOnly: true } }).open()
    const bytes = bytesOf(publishPacket("a/b", { payload: "12345" }), version)
    rig.client(bytes.subarray(0, bytes.length - 1))
    rig.session.clientEnded()
    assert.equal(rig.recorded, [])
  })
}

test("5: an alias whose topic is looked into: judged whole by the topic it stands for, rewritten with its payload (F8)", () => {
  const properties = { topicAliasMaximum: 10 }
  for (const direction of DIRECTIONS) {
    const rig = new Rig({ version: 5 }).open({ properties }, { properties })
    const { say, received } = side(rig, direction)
    const set = (topic: string, payload: string): Uint8Array =>
      bytesOf(publishPacket(topic, { payload, properties: { topicAlias: 1 } }), 5)
    say(set("form/a", "bad"))
    assert.equal(received(), [])
    // The receiver has not heard of the alias. Cut at every place, in one chunk with others or alone.
    const next = set("", "good and rewritten")
    for (let at = 1; at < next.length; at++) say(next.subarray(0, at), next.subarray(at))
    say(concat([set("", "bad"), next, set("", "bad again")]))
    const got = received().map(({ topic, payload }) => `${topic}: ${payload}`)
    assert.is(got[0], "form/a: good and rewritten")
    assert.equal(new Set(got.slice(1)), new Set([": good and rewritten"]))
    assert.is(got.length, next.length)
    assert.is(rig.denied.length, 3)
  }
})

test.run()
