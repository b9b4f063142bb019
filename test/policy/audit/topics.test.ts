import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { answerTopic, gatewayTopic, joinParts, partsOf, pieceAt, pieceTopic } from "../../../policy/audit/topics.ts"
import { randomBytes, seeded } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/audit/topics")
const numbered = (messages: readonly { topic: string; payload: Uint8Array }[]): Map<number, Uint8Array> =>
  new Map(messages.map(({ topic, payload }) => [pieceAt("gw", topic)?.part ?? -1, payload]))

test("a piece's topic is read back, whole or in parts", () => {
  const topic = pieceTopic("gw", "tile/entries/x001/x234/067")
  assert.is(topic, "lockgate/gw/log/tile/entries/x001/x234/067")
  assert.equal(pieceAt("gw", topic), { path: "tile/entries/x001/x234/067", part: null })
  assert.equal(pieceAt("gw", `${topic}/part/0`), { path: "tile/entries/x001/x234/067", part: 0 })
  assert.equal(pieceAt("gw", "lockgate/gw/log/tile/1/000"), { path: "tile/1/000", part: null })
})

test("[CR 3.5] what is not exactly a place of a full piece of this log is none", () => {
  const others = [
    gatewayTopic("gw", "log/edge"),
    "lockgate/gw2/log/tile/0/000",
    "lockgate/gw/log/tile/0/000.p/7",
    "lockgate/gw/log/tile/0/1",
    "lockgate/gw/log/tile/6/000",
    "lockgate/gw/log/tile/0/000/part/",
    "lockgate/gw/log/tile/0/000/part/01",
    "lockgate/gw/log/tile/0/000/part/255",
    "lockgate/gw/log/tile/0/000/part/1/part/1",
    "lockgate/gw/log/tile/0/000/part/-1",
    "lockgate/gw/log/../tile/0/000",
    `lockgate/gw/log/${"x000/".repeat(1000)}`,
    "",
  ]
  for (const topic of others) assert.is(pieceAt("gw", topic), null, topic)
  fc.assert(fc.property(fc.string(), (text) => pieceAt("gw", `lockgate/gw/log/${text}`) === null || text.startsWith("tile/"))) // prettier-ignore
})

test("what is cut is put together again, at every length around the limits", () => {
  const random = seeded(3)
  for (const length of [0, 1, 99, 100, 101, 198, 199, 297, 298, 254 * 99, 255 * 99]) {
    const payload = randomBytes(length, random)
    const messages = partsOf(pieceTopic("gw", "tile/entries/000"), payload, 100)
    assert.ok(messages.every((message) => message.payload.length <= 100))
    if (length <= 100) assert.equal(messages, [{ topic: "lockgate/gw/log/tile/entries/000", payload }])
    else assert.equal(joinParts(numbered(messages)), payload, `${length}`)
  }
})

test("a piece that would take more than 255 parts is refused", async () => {
  await rejects(() => partsOf("t", new Uint8Array(255 * 99 + 1), 100), "ERR_LOG_PARTS")
  await rejects(() => partsOf("t", new Uint8Array(2), 1), "ERR_LOG_PARTS")
  await rejects(() => partsOf("t", new Uint8Array(2), 0), "ERR_LOG_PARTS")
})

test("[CR 3.5] parts that are missing, foreign or empty give nothing, and never throw", () => {
  const whole = numbered(partsOf(pieceTopic("gw", "tile/0/000"), new Uint8Array(250).fill(1), 100))
  assert.is(whole.size, 3)
  for (const n of [0, 1, 2]) {
    const missing = new Map(whole)
    missing.delete(n)
    assert.is(joinParts(missing), null)
    for (const wrong of [new Uint8Array(), Uint8Array.of(3), Uint8Array.of(2, 1, 1), Uint8Array.of(0, 1)])
      assert.is(joinParts(new Map(whole).set(n, wrong)), null)
  }
  assert.is(joinParts(new Map([[0, Uint8Array.of(1, 5)]])), null)
  assert.is(joinParts(new Map()), null)
})

test("an answer's topic takes a nonce and nothing that means something in a topic", async () => {
  assert.is(answerTopic("gw", "abcdefghijklmnop"), "lockgate/gw/log/answer/abcdefghijklmnop")
  for (const nonce of ["", "short", "abcdefghijklmno/", "abcdefghijklmno#", "+".repeat(16), "a".repeat(65)])
    await rejects(() => answerTopic("gw", nonce), "ERR_LOG_NONCE")
})

test.run()
