import { createHash } from "node:crypto"
import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LockgateError } from "../../../policy/base/errors.ts"
import { MAX_EDGE_BYTES } from "../../../policy/audit/edge-message.ts"
import { createEdgeInbox, edgeMessages, edgePartAt } from "../../../policy/audit/edge-parts.ts"
import type { PieceMessage } from "../../../policy/audit/topics.ts"
import { bitFlips, seeded, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/audit/edge-parts")
const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest()
/** Begins as gzip does. */
const packed = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill).fill(0x1f, 0, 1)
const sent = (bytes: Uint8Array, max = 100): readonly PieceMessage[] => {
  const { parts, head } = edgeMessages(sha256, "gw", bytes, max)
  return [...parts, head]
}
const inbox = () => createEdgeInbox(sha256, "gw")

test("an edge that fits goes as one message, a larger one in parts under a name of its own, none over the limit", () => {
  assert.equal(sent(packed(100, 1)), [{ topic: "lockgate/gw/log/edge", payload: packed(100, 1) }])
  const messages = sent(packed(101, 1))
  assert.is(messages.length, 3)
  assert.ok(messages.every(({ payload }) => payload.length <= 100))
  const [one, other] = [packed(300, 1), packed(300, 2)].map((bytes) => new Set(sent(bytes).map(({ topic }) => topic)))
  assert.equal(
    [...one!].filter((topic) => other!.has(topic)),
    ["lockgate/gw/log/edge"],
  )
})

test("messages of two edges in any order, some twice: what comes out is one of them, whole, and in the end the one named last", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), (seed) => {
      const random = seeded(seed)
      const edges = [packed(950, 1), packed(1_050, 2)]
      const all = edges.flatMap((edge) => sent(edge))
      const mixed = [...all, ...all.filter(() => random() < 0.3)].sort(() => random() - 0.5)
      const box = inbox()
      let last: Uint8Array | null = null
      let named = -1
      for (const { topic, payload } of mixed) {
        if (topic === "lockgate/gw/log/edge")
          named = edges.findIndex((edge) => sent(edge).at(-1)!.payload.toString() === payload.toString())
        const found = box.take(topic, payload)
        if (found === null) continue
        assert.ok(edges.some((edge) => Buffer.compare(edge, found) === 0))
        last = found
      }
      assert.equal(last, edges[named])
    }),
    { numRuns: 100 },
  )
})

test("an edge that is named and of which parts are missing or changed never comes out; the next one does", () => {
  const messages = sent(packed(300, 1))
  for (let n = 0; n < messages.length - 1; n++)
    for (const payload of [new Uint8Array(), Uint8Array.of(4), ...[...bitFlips(messages[n]!.payload)].slice(0, 24)]) {
      const box = inbox()
      const found = messages.map((message, k) => box.take(message.topic, k === n ? payload : message.payload))
      assert.equal(
        found,
        messages.map(() => null),
        `part ${n}`,
      )
      assert.equal(box.take(messages[n]!.topic, messages[n]!.payload), packed(300, 1))
      assert.equal(
        sent(packed(90, 2)).map(({ topic, payload: bytes }) => box.take(topic, bytes)),
        [packed(90, 2)],
      )
    }
})

test("what was cleared comes out empty", () => {
  const box = inbox()
  assert.equal(box.take("lockgate/gw/log/edge", new Uint8Array()), new Uint8Array())
})

test("[CR 3.5] what only looks like the place of an edge is refused, and the next message is taken", async () => {
  const name = "a".repeat(32)
  const place = `{"format":2,"edge":"${name}","parts":3}`
  const wrong = [
    "{", "{}", place.replace("2", "3"), place.replace("a", "A"), place.replace("a", ""), place.replace(":3}", ":1}"),
    place.replace(":3}", ":256}"), place.replace(":3}", ":03}"), place.replace(":3}", ":3,\"x\":1}"), `${place}\n`, `{${" ".repeat(100_000)}`,
  ] // prettier-ignore
  const box = inbox()
  for (const text of wrong) await rejects(() => box.take("lockgate/gw/log/edge", Buffer.from(text)), "ERR_EDGE")
  for (const cut of truncations(Buffer.from(place)).filter((bytes) => bytes.length > 0))
    await rejects(() => box.take("lockgate/gw/log/edge", cut), "ERR_EDGE")
  for (const flipped of bitFlips(Buffer.from(place)))
    try {
      box.take("lockgate/gw/log/edge", flipped)
    } catch (error) {
      assert.ok(error instanceof LockgateError && error.code === "ERR_EDGE", String(error))
    }
  for (const { topic, payload } of sent(packed(200, 1)).slice(0, -1)) box.take(topic, payload)
  assert.equal(box.take("lockgate/gw/log/edge", sent(packed(200, 1)).at(-1)!.payload), packed(200, 1))
})

test("[CR 7.1] whoever floods it with parts fills no memory: three edges, none over its bound", () => {
  const box = inbox()
  for (let k = 0; k < 64; k++) {
    const payload = new Uint8Array(MAX_EDGE_BYTES)
    box.take(`lockgate/gw/log/edge/${k.toString(16).padStart(32, "0")}/part/0`, payload)
  }
  // The one that is wanted outlives the flood.
  const messages = sent(packed(300, 1))
  box.take(messages.at(-1)!.topic, messages.at(-1)!.payload)
  box.take(messages[0]!.topic, messages[0]!.payload)
  for (let k = 0; k < 64; k++) box.take(`lockgate/gw/log/edge/${k.toString(16).padStart(32, "0")}/part/0`, packed(9, 9))
  const rest = messages.slice(1, -1).map(({ topic, payload }) => box.take(topic, payload))
  assert.equal(rest.at(-1), packed(300, 1))
})

test("only places of parts of this gateway's edge are taken for one", () => {
  const name = "0123456789abcdef0123456789abcdef"
  assert.equal(edgePartAt("gw", `lockgate/gw/log/edge/${name}/part/254`), { edge: name, part: 254 })
  for (const topic of [
    `lockgate/other/log/edge/${name}/part/0`,
    `lockgate/gw/log/edge/${name}/part/255`,
    `lockgate/gw/log/edge/${name}/part/01`,
    `lockgate/gw/log/edge/${name}0/part/0`,
    `lockgate/gw/log/edge/${name.toUpperCase()}/part/0`,
    `lockgate/gw/log/edge/${name}/part/0/part/0`,
    "lockgate/gw/log/edge",
  ])
    assert.is(edgePartAt("gw", topic), null, topic)
})

test.run()
