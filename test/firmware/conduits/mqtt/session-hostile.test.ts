import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import { concat, Rig, VERSIONS } from "./rig.ts"
import { conversation } from "./transcripts.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../../support/hostile.ts"

const test = suite("firmware/conduits/mqtt/session: hostile input")

const CLOSED = /^(client|broker|protocol-client|protocol-broker|refused|limit) \S/

/** Any ending but a thrown error is fine; nothing denied may ever have reached the other side. */
function survives(rig: Rig): void {
  assert.ok(rig.closed === null || CLOSED.test(rig.closed), rig.closed ?? "")
  assert.is(Buffer.from(rig.upstreamBytes()).includes("secret"), false)
  assert.is(Buffer.from(rig.clientBytes()).includes("secret"), false)
}

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"
  const steps = conversation(version)
  const connect = steps[0]!.bytes
  const connack = steps[1]!.bytes

  const opened = (): Rig => new Rig({ version }).client(connect).broker(connack)

  test(`${v}: [CR 3.5] every truncation of every packet is survived, and nothing of a cut control packet passes`, () => {
    for (const { from, bytes } of steps.slice(2)) {
      for (const cut of truncations(bytes)) {
        const rig = opened()
        const before = [rig.upstreamBytes().length, rig.clientBytes().length]
        if (from === "client") rig.client(cut)
        else rig.broker(cut)
        survives(rig)
        // An alias that this fresh session was never told is an error as soon as the header is whole.
        if (rig.closed?.endsWith("ERR_MQTT_TOPIC_ALIAS_UNKNOWN") === true) continue
        assert.is(rig.closed, null, "a packet that is not there yet is no error")
        if (bytes[0]! >> 4 !== 3) assert.equal([rig.upstreamBytes().length, rig.clientBytes().length], before)
        rig.session.clientEnded()
      }
    }
    for (const cut of truncations(connect)) {
      const rig = new Rig({ version }).client(cut)
      assert.is(rig.dialled, 0)
      assert.is(rig.closed, null)
    }
  })

  test(`${v}: [CR 3.5] every bit flip of every packet is survived`, () => {
    for (const { from, bytes } of steps) {
      for (const flipped of bitFlips(bytes.subarray(0, 80))) {
        const rig = bytes === connect || bytes === connack ? new Rig({ version }) : opened()
        if (bytes === connack) rig.client(connect)
        if (from === "client") rig.client(concat([flipped, bytes.subarray(80)]))
        else rig.broker(concat([flipped, bytes.subarray(80)]))
        assert.ok(rig.closed === null || CLOSED.test(rig.closed) || rig.closed === "denied ERR_MQTT_DENIED")
      }
    }
  })

  test(`${v}: [CR 3.5] random bytes raise nothing, from either side`, () => {
    const random = seeded(version)
    for (let round = 0; round < 1200; round++) {
      const bytes = randomBytes(1 + Math.floor(random() * 60), random)
      // Likely packet types, else nearly all of it ends at the first byte.
      if (round % 2 === 0) bytes[0] = [0x30, 0x32, 0x34, 0x82, 0xa2, 0x40, 0x62, 0x90, 0xe0][round % 9]!
      survives(new Rig({ version }).client(bytes))
      survives(opened().client(bytes))
      survives(opened().broker(bytes))
    }
  })

  test(`${v}: any bytes as the body of any packet type raise nothing`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 100 }), (first, body) => {
        const packet = concat([Uint8Array.of(first, body.length), body])
        survives(opened().client(packet))
        survives(opened().broker(packet))
      }),
      { numRuns: 300, seed: 42 },
    )
  })
}

test("[CR 3.5] what is announced is not held: memory follows what came", () => {
  for (const version of VERSIONS) {
    const limits = { maxControlBytes: 100_000 }
    const rig = new Rig({ version, limits }).open()
    // A SUBSCRIBE that says 99,990 bytes will follow.
    rig.client(Uint8Array.of(0x82, 0x96, 0x8d, 0x06, 0, 1))
    assert.ok(rig.session.heldBytes <= 64)
    for (let sent = 6; sent < 90_000; sent += 1000) {
      rig.client(new Uint8Array(1000))
      assert.ok(rig.session.heldBytes <= 2 * sent + 3000)
      assert.ok(rig.session.heldBytes <= 100_000)
    }
    assert.is(rig.closed, null)
  }
})

test("[CR 7.1] a fresh session and an idle one hold nothing", () => {
  const rig = new Rig()
  assert.is(rig.session.heldBytes, 0)
  assert.is(rig.open().session.heldBytes, 0)
})

test.run()
