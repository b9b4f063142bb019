import { createHash } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { bytesOf, concat, publishPacket, Rig, type Outcome, VERSIONS } from "./rig.ts"
import { clientFlood, conversation, type Sent } from "./transcripts.ts"
import { chunks, seeded } from "../../../support/hostile.ts"

const test = suite("firmware/conduits/mqtt/session: chunks")

/** As `assert.equal`, quick where nothing differs. */
function same(actual: Outcome, expected: Outcome, message?: string): void {
  const bytesAgree =
    Buffer.compare(actual.upstream, expected.upstream) === 0 && Buffer.compare(actual.client, expected.client) === 0
  const none = new Uint8Array(0)
  if (bytesAgree) {
    assert.equal({ ...actual, upstream: none, client: none }, { ...expected, upstream: none, client: none }, message)
  } else assert.equal(actual, expected, message)
}

function feed(rig: Rig, from: Sent["from"], bytes: Uint8Array): void {
  if (from === "client") rig.client(bytes)
  else rig.broker(bytes)
}

function run(
  steps: readonly Sent[],
  version: 4 | 5,
  cut: (step: Sent, index: number) => Iterable<Uint8Array>,
): Outcome {
  const rig = new Rig({ version, record: { rule: "r", changesOnly: true } })
  steps.forEach((step, index) => {
    for (const chunk of cut(step, index)) feed(rig, step.from, chunk)
  })
  return rig.outcome()
}

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"
  const steps = conversation(version)
  const whole = run(steps, version, ({ bytes }) => [bytes])

  test(`${v}: the conversation is one, and has every packet type`, () => {
    assert.is(whole.closed, version === 5 ? "client disconnect 4" : "client disconnect")
    const types = new Set(steps.map(({ bytes }) => bytes[0]! >> 4))
    assert.equal(
      [...types].sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    )
    assert.is(whole.denied.length, version === 5 ? 21 : 13)
  })

  test(`${v}: [CR 3.5] each packet split at each byte boundary decides as the whole does`, () => {
    let splits = 0
    for (const [index, { bytes }] of steps.entries()) {
      for (let at = 1; at < bytes.length; at++) {
        const split = run(steps, version, (step, i) =>
          i === index ? [bytes.subarray(0, at), bytes.subarray(at)] : [step.bytes],
        )
        same(split, whole, `packet ${index} split at ${at}`)
        splits++
      }
    }
    assert.ok(splits > 1000)
  })

  test(`${v}: byte by byte, and in chunks of random length, it is decided the same`, () => {
    assert.equal(
      run(steps, version, ({ bytes }) => chunks(bytes, 1, () => 0)),
      whole,
    )
    const random = seeded(version)
    for (let round = 0; round < 30; round++) {
      assert.equal(
        run(steps, version, ({ bytes }) => chunks(bytes, 1 + round, random)),
        whole,
      )
    }
  })

  test(`${v}: a long mixed stream in chunks of any length gives the same bytes`, () => {
    const stream = concat(clientFlood(version, 600, 11))
    const result = (cut: Iterable<Uint8Array>): Outcome => {
      const rig = new Rig({ version }).open()
      for (const chunk of cut) rig.client(chunk)
      assert.is(rig.closed, null)
      return rig.outcome()
    }
    const expected = result([stream])
    assert.ok(expected.denied.length > 100 && expected.messages.up > 200)
    assert.ok(expected.denied.filter((said) => said.includes("payload-form")).length > 30)
    const random = seeded(5)
    for (const max of [7, 100, 1000, 5000, 65_536]) {
      same(result(chunks(stream, max, random)), expected, `chunks of up to ${max}`)
    }
  })

  test(`${v}: an error is the same at the same place however the stream is cut`, () => {
    const prefix = concat(clientFlood(version, 10, 3))
    let errors = 0
    for (const bad of [
      Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 1),
      Uint8Array.of(0x32, 5, 0, 1, 0x61, 0, 0),
      Uint8Array.of(0x30, 4, 0, 9, 0x61, 0),
      Uint8Array.of(0x30, 5, 0, 1, 0x61, 9, 0x26),
      Uint8Array.of(0x82, 8, 0, 1, 0, 0, 3, 0x61, 0x23, 0),
      Uint8Array.of(0xff),
      // The length of the properties goes on behind the end of the packet.
      Uint8Array.of(0x30, 4, 0, 1, 0x61, 0x80, 0x80, 0x80, 0x80, 0x80),
    ]) {
      const stream = concat([prefix, bad, prefix])
      const result = (cut: Iterable<Uint8Array>): Outcome => {
        const rig = new Rig({ version }).open()
        for (const chunk of cut) rig.client(chunk)
        return rig.outcome()
      }
      const expected = result([stream])
      if (expected.closed === null) continue
      errors++
      for (let at = prefix.length - 1; at <= prefix.length + bad.length; at++) {
        assert.equal(result([stream.subarray(0, at), stream.subarray(at)]), expected)
      }
      assert.equal(result(chunks(stream, 1, () => 0)), expected)
    }
    assert.ok(errors >= 5)
  })

  test(`${v}: a payload of 1 MiB in small chunks arrives as it was sent, and is never held`, () => {
    const random = seeded(9)
    const payload = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) ^ (i >> 8)))
    const bytes = bytesOf(publishPacket("a/large", { qos: 1, messageId: 1, payload }), version)
    const rig = new Rig({ version, record: { rule: "r", changesOnly: true } }).open()
    const before = rig.upstreamBytes().length
    let most = 0
    for (const chunk of chunks(bytes, 3000, random)) {
      assert.equal(rig.recorded, [])
      rig.client(chunk)
      most = Math.max(most, rig.session.heldBytes)
    }
    assert.ok(Buffer.from(rig.upstreamBytes().subarray(before)).equals(bytes))
    assert.ok(most <= 1024, `${most} bytes held`)
    assert.is(rig.messages.up, 1)
    // Recorded all the same, by the hash of what passed.
    assert.is(rig.recorded[0]?.change?.payload, createHash("sha256").update(payload).digest("base64"))
    assert.is(rig.recorded.length, 1)
  })
}

test.run()
