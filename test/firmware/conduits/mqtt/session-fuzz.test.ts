/**
 * Mutated streams of both sides: whatever is forwarded parses by a foreign parser, and every PUBLISH in it, its alias
 * resolved as its receiver resolves it, is one that the rules allow.
 */
import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { STORM, tellStorm } from "../../../storm/figures.ts"
import { chunks, seeded } from "../../../support/hostile.ts"
import { packetsOf, Rig } from "./rig.ts"

interface Stream {
  readonly name: string
  readonly version: 4 | 5
  /** `c` from the client, `b` from the broker; hex. */
  readonly said: readonly (readonly ["c" | "b", string])[]
  readonly expect: string | null
}

const test = suite("firmware/conduits/mqtt/session: mutated streams")
const file = new URL("../../../vectors/mqtt/streams.json", import.meta.url)
const STREAMS = (JSON.parse(readFileSync(file, "utf8")) as { streams: Stream[] }).streams
const ROUNDS = STORM ? 60_000 : 1_500

type Said = readonly { readonly from: "c" | "b"; readonly bytes: Uint8Array }[]
const saidOf = (stream: Stream): Said => stream.said.map(([from, hex]) => ({ from, bytes: Buffer.from(hex, "hex") }))

function say(rig: Rig, said: Said, cut: (bytes: Uint8Array) => Iterable<Uint8Array>): Rig {
  for (const { from, bytes } of said) {
    for (const chunk of cut(bytes)) {
      if (from === "c") rig.client(chunk)
      else rig.broker(chunk)
    }
  }
  return rig
}

test("each stream of the corpus ends as it is written down", () => {
  for (const stream of STREAMS) {
    const rig = say(new Rig({ version: stream.version }), saidOf(stream), (bytes) => [bytes])
    assert.is(rig.closed, stream.expect, stream.name)
    harmless(rig, stream.name)
  }
  assert.ok(STREAMS.length >= 20)
})

/** The bytes up to the last whole packet, and how many PUBLISH packets there are by their headers alone. */
function wholePackets(bytes: Uint8Array): Uint8Array {
  let at = 0
  while (at < bytes.length) {
    let [remaining, size] = [0, 0]
    do {
      if (at + 1 + size >= bytes.length) return bytes.subarray(0, at)
      remaining += (bytes[at + 1 + size]! & 127) * 128 ** size
    } while (bytes[at + 1 + size++]! >= 128)
    assert.ok(size <= 4, "a remaining length of at most four bytes")
    if (at + 1 + size + remaining > bytes.length) {
      // Only an allowed PUBLISH may be cut: its payload streams. Its topic is there.
      assert.is(bytes[at]! >> 4, 3, "nothing else is passed on in pieces")
      return bytes.subarray(0, at)
    }
    at += 1 + size + remaining
  }
  return bytes
}

/** What came out of both ends keeps the invariant; how many packets that were. */
function harmless(rig: Rig, what: string): number {
  let count = 0
  for (const bytes of [rig.upstreamBytes(), rig.clientBytes()]) {
    const meant = new Map<number, string>()
    const packets = packetsOf(wholePackets(bytes), rig.version)
    count += packets.length
    for (const packet of packets) {
      if (packet.cmd !== "publish") continue
      const alias = packet.properties?.topicAlias as number | undefined
      const topic: string = packet.topic === "" ? (meant.get(alias ?? -1) ?? "") : packet.topic
      if (alias !== undefined) meant.set(alias, topic)
      assert.ok(topic !== "" && !/[+#\0]/.test(topic) && topic.isWellFormed(), `${what}: ${JSON.stringify(topic)}`)
      // By the rules of this test, see SECRETS in rig.ts.
      if (topic.includes("form")) assert.is(packet.payload.includes("bad"), false, what)
      else assert.is(topic.includes("secret"), false, what)
    }
  }
  return count
}

/** Bytes that mean something at many places. */
const TELLING = [
  0, 1, 2, 4, 0x23, 0x2b, 0x2f, 0x30, 0x32, 0x34, 0x3a, 0x40, 0x50, 0x62, 0x7f, 0x80, 0x82, 0xc0, 0xe0, 0xff,
]

function mutate(said: Said, donor: Said, random: () => number): Said {
  const pick = (n: number): number => Math.floor(random() * n)
  const out = said.map(({ from, bytes }) => ({ from, bytes: Uint8Array.from(bytes) }))
  for (let left = 1 + pick(3); left > 0; left--) {
    // The CONNECT and its answer are mostly left alone: without them little happens.
    const i = Math.min(out.length - 1, random() < 0.1 ? pick(2) : 2 + pick(Math.max(1, out.length - 2)))
    const one = out[i]!
    const at = pick(Math.min(one.bytes.length, random() < 0.7 ? 12 : one.bytes.length))
    const other = donor[Math.min(donor.length - 1, 2 + pick(donor.length))]!
    switch (pick(9)) {
      case 0:
        one.bytes[at]! ^= 1 << pick(8)
        break
      case 1:
        one.bytes[at] = TELLING[pick(TELLING.length)]!
        break
      case 2:
        one.bytes = joined(one.bytes.subarray(0, at), one.bytes.subarray(at + 1 + pick(4)))
        break
      case 3:
        one.bytes = joined(one.bytes.subarray(0, at), [TELLING[pick(TELLING.length)]!], one.bytes.subarray(at))
        break
      case 4:
        out.splice(i, 0, { ...one })
        break
      case 5:
        out.splice(i, 1)
        break
      case 6:
        out.splice(i, 0, { from: random() < 0.8 ? other.from : other.from === "c" ? "b" : "c", bytes: Uint8Array.from(other.bytes) }) // prettier-ignore
        break
      case 7:
        one.bytes = joined(one.bytes.subarray(0, at), other.bytes)
        break
      case 8:
        out.splice(pick(out.length), 0, ...out.splice(i, 1))
    }
    if (out.length < 3)
      return out.length > 0 ? out : said.map(({ from, bytes }) => ({ from, bytes: Uint8Array.from(bytes) }))
    for (const { bytes } of out) if (bytes.length === 0) return out.filter((each) => each.bytes.length > 0)
  }
  return out
}

function joined(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))))
}

test("[CR 3.5] [NDR 5.2] nothing denied and nothing malformed comes out, whatever goes in on either side", () => {
  const seed = STORM ? Date.now() % 1_000_000 : 7
  const random = seeded(seed)
  const told = { streams: 0, packets: 0, stayedOpen: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const stream = STREAMS[Math.floor(random() * STREAMS.length)]!
    const donors = STREAMS.filter(({ version }) => version === stream.version)
    const said = mutate(saidOf(stream), saidOf(donors[Math.floor(random() * donors.length)]!), random)
    const rig = new Rig({ version: stream.version, enhancedAuth: round % 2 === 0 ? "pass" : "refuse" })
    const what = `seed ${seed}, round ${round}, ${stream.name}`
    try {
      say(rig, said, (bytes) => (random() < 0.3 ? chunks(bytes, 9, random) : [bytes]))
      told.packets += harmless(rig, what)
    } catch (error) {
      const text = said.map(({ from, bytes }) => `["${from}", "${Buffer.from(bytes).toString("hex")}"]`).join(", ")
      throw new assert.Assertion({
        message: `${what}: ${String(error)}\n${text}`,
        operator: "fuzz",
        details: "",
      } as any)
    }
    told.streams++
    if (rig.closed === null) told.stayedOpen++
  }
  assert.ok(told.stayedOpen > ROUNDS / 20, "some of it is near enough to right to go on")
  tellStorm("random cases", "MQTT sessions: mutated streams of both sides", told)
})

test.run()
