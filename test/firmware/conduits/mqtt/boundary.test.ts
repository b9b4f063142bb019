import { suite } from "uvu"
import * as assert from "uvu/assert"
import { Lane, OUTCOME, type Outcome, type PacketHandler } from "../../../../firmware/conduits/mqtt/boundary.ts"
import { Carry } from "../../../../firmware/conduits/mqtt/carry.ts"
import { MAX_WAITING_BYTES, Outbox } from "../../../../firmware/conduits/mqtt/outbox.ts"
import { ID_STATE, PacketIds, stepOf } from "../../../../firmware/conduits/mqtt/packet-ids.ts"
import { FROM_CLIENT } from "../../../../firmware/conduits/mqtt/packet-type.ts"
import { PacketScan } from "../../../../firmware/conduits/mqtt/packet-scan.ts"
import { bytesOf, concat, publishPacket } from "./rig.ts"
import { clientFlood } from "./transcripts.ts"
import { chunks } from "../../../support/hostile.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("firmware/conduits/mqtt/boundary")

const BOUNDS = { maxPacketBytes: 1 << 20, maxControlBytes: 128 * 1024 }

const UNWATCHED = { active: false, payload: () => undefined, end: () => undefined }

/** No packet is passed over: each is decided by itself. */
const ONE_BY_ONE = { begin: () => undefined, passOver: (_bytes: Uint8Array, start: number) => start }

interface Bench {
  readonly lane: Lane
  readonly writes: Uint8Array[]
  readonly seen: string[]
}

function bench(decide: (topic: string) => Outcome = (topic) => (topic.includes("secret") ? 1 : 0)): Bench {
  const writes: Uint8Array[] = []
  const seen: string[] = []
  const handler: PacketHandler = {
    ...ONE_BY_ONE,
    publish(bytes, _start, _end, scan) {
      const topic = Buffer.from(bytes.slice(scan.topicStart, scan.topicEnd)).toString()
      seen.push(topic)
      return decide(topic)
    },
    control(_bytes, _start, _end, scan) {
      seen.push(`type ${scan.type}`)
      return OUTCOME.pass
    },
  }
  const lane = new Lane(new PacketScan(FROM_CLIENT, true, BOUNDS), handler, UNWATCHED, (bytes) =>
    writes.push(bytes.slice()),
  )
  return { lane, writes, seen }
}

const packet = (topic: string, payload: string | Buffer = "x"): Uint8Array =>
  bytesOf(publishPacket(topic, { payload }), 4)

test("a chunk of allowed packets is written as the very view that came in, without a copy", () => {
  const chunk = concat([packet("a"), packet("b"), packet("c")])
  const views: Uint8Array[] = []
  const handler: PacketHandler = { ...ONE_BY_ONE, publish: () => OUTCOME.pass, control: () => OUTCOME.pass }
  const lane = new Lane(new PacketScan(FROM_CLIENT, true, BOUNDS), handler, UNWATCHED, (bytes) => views.push(bytes))
  lane.feed(chunk)
  assert.is(views.length, 1)
  assert.is(views[0]!.buffer, chunk.buffer)
  assert.is(views[0]!.byteOffset, chunk.byteOffset)
  assert.is(views[0]!.length, chunk.length)
  assert.is(lane.movedBytes + lane.carry.copied, 0)
})

test("denied packets are closed up in place: one write, each byte moved at most once", () => {
  for (const order of ["aSa", "SaSa", "aSSaSaS", "SSS", "Saaa", "aaaS"]) {
    const { lane, writes } = bench()
    const packets = Array.from(order, (kind, i) => packet(kind === "S" ? `secret/${i}` : `a/${i}`, `payload ${i}`))
    const allowed = packets.filter((_, i) => order[i] === "a")
    const chunk = concat(packets)
    lane.feed(chunk)
    assert.is(writes.length, allowed.length > 0 ? 1 : 0)
    assert.equal(concat(writes), concat(allowed))
    assert.ok(lane.movedBytes <= chunk.length)
    assert.is(lane.droppedPackets, order.replaceAll("a", "").length)
    assert.is(lane.passedBytes, concat(allowed).length)
  }
  const { lane } = bench()
  lane.feed(concat([packet("secret"), packet("a"), packet("b")]))
  assert.is(lane.movedBytes, 0, "what is dropped at the front leaves nothing to move")
})

test("[CR 7.1] input byte by byte costs a fixed number of copied bytes for each", () => {
  for (const length of [100, 10_000, 100_000]) {
    const { lane, writes } = bench()
    const topic = "t".repeat(Math.min(length, 65_000))
    const bytes = concat([
      packet(topic, Buffer.alloc(10)),
      bytesOf(
        {
          cmd: "unsubscribe",
          messageId: 1,
          unsubscriptions: Array<string>(Math.ceil(length / 52)).fill("u".repeat(50)),
        },
        4,
      ),
    ])
    for (const chunk of chunks(bytes, 1, () => 0)) lane.feed(chunk)
    assert.equal(concat(writes), bytes)
    assert.ok(lane.carry.copied < 3 * bytes.length + 200, `${lane.carry.copied} bytes copied for ${bytes.length}`)
  }
})

test("in bulk next to nothing is copied: only the packet that a chunk's end cuts", () => {
  const stream = concat(clientFlood(4, 3000, 1).map((bytes) => bytes))
  const { lane } = bench(() => OUTCOME.pass)
  for (let at = 0; at < stream.length; at += 65_536) lane.feed(stream.slice(at, at + 65_536))
  assert.ok(lane.carry.copied < (stream.length / 65_536) * 400)
  assert.is(lane.movedBytes, 0)
})

test("[CR 3.5] the scan reads nothing at or beyond the end it is given", () => {
  // A packet, then bytes that would change the result if they were read.
  for (const version of [4, 5] as const) {
    for (const bytes of clientFlood(version, 60, 4)) {
      const control = new PacketScan(FROM_CLIENT, true, BOUNDS)
      control.version = version
      assert.is(control.read(bytes, 0, bytes.length), 0)
      for (let end = 1; end < Math.min(bytes.length, 300); end++) {
        const results = [0x00, 0xff, 0x80].map((filler) => {
          const padded = new Uint8Array(bytes.length + 8).fill(filler)
          padded.set(bytes.subarray(0, end), 3)
          const scan = new PacketScan(FROM_CLIENT, true, BOUNDS)
          scan.version = version
          return scan.read(padded, 3, 3 + end)
        })
        assert.is(new Set(results).size, 1)
        const enough = end >= control.controlLength
        assert.is(results[0] === 0, enough)
        if (!enough) assert.ok(results[0]! > end && results[0]! <= control.controlLength)
      }
    }
  }
})

test("what a handler replaces is written in its place, its payload behind it", () => {
  const writes: Uint8Array[] = []
  const handler: PacketHandler = {
    ...ONE_BY_ONE,
    publish(_bytes, _start, _end, scan) {
      if (scan.topicEnd - scan.topicStart > 1) return OUTCOME.pass
      lane.replace(Uint8Array.of(1, 2, 3))
      return OUTCOME.replaced
    },
    control: () => OUTCOME.pass,
  }
  const lane = new Lane(new PacketScan(FROM_CLIENT, true, BOUNDS), handler, UNWATCHED, (bytes) =>
    writes.push(bytes.slice()),
  )
  lane.feed(concat([packet("aa"), packet("b", "payload"), packet("cc")]))
  assert.equal(concat(writes), concat([packet("aa"), Uint8Array.of(1, 2, 3), Buffer.from("payload"), packet("cc")]))
})

test("after the last packet nothing is looked at", () => {
  const { lane, writes, seen } = bench((topic) => (topic === "b" ? OUTCOME.last : OUTCOME.pass))
  lane.feed(concat([packet("a"), packet("b", ""), packet("c"), Uint8Array.of(0xff)]))
  lane.feed(packet("d"))
  assert.equal(seen, ["a", "b"])
  assert.equal(concat(writes), concat([packet("a"), packet("b", "")]))
})

test("answers wait for a boundary and no longer", () => {
  const { lane, writes } = bench()
  const large = packet("a", Buffer.alloc(50))
  lane.inject(Uint8Array.of(0xd0, 0))
  assert.is(writes.length, 0, "until the end of the call")
  lane.pump()
  assert.equal(writes, [Uint8Array.of(0xd0, 0)])
  lane.feed(large.subarray(0, 20))
  assert.is(lane.insidePacket, true)
  lane.inject(Uint8Array.of(0xd0, 0))
  lane.pump()
  assert.is(writes.length, 2)
  lane.feed(concat([large.subarray(20), packet("b").subarray(0, 3)]))
  assert.equal(concat(writes.slice(2)), concat([large.subarray(20), Uint8Array.of(0xd0, 0)]))
  assert.is(lane.insidePacket, false, "a header that is held here is no packet to the receiver")
})

test("an outbox is bounded and gives away what it held", async () => {
  const outbox = new Outbox()
  const whole = new Uint8Array(MAX_WAITING_BYTES - 3)
  outbox.add(whole)
  await rejects(() => outbox.add(new Uint8Array(4)), "ERR_MQTT_QUOTA")
  outbox.add(Uint8Array.of(1, 2, 3))
  assert.equal(outbox.take().slice(-3), Uint8Array.of(1, 2, 3))
  assert.equal([outbox.length, outbox.capacity, outbox.take().length], [0, 0, 0])
})

test("a carry grows with what came and gives away what it held", () => {
  const carry = new Carry()
  carry.needed = 100_000
  assert.is(carry.add(Uint8Array.of(1, 2, 3), 1, 3), 2)
  assert.is(carry.capacity, 64)
  for (let i = 0; i < 100; i++) carry.add(Uint8Array.of(i), 0, 1)
  assert.is(carry.capacity, 128)
  assert.is(carry.take().length, 102)
  assert.equal([carry.capacity, carry.length], [0, 0])
})

test("the steps of a packet identifier are those of the table", () => {
  const { free, forwarded, refused, settled } = ID_STATE
  for (const qos of [1, 2]) {
    for (const dup of [false, true]) {
      for (const state of [free, settled]) {
        assert.is(stepOf(state, true, qos, dup), "forward")
        assert.is(stepOf(state, false, qos, dup), "refuse")
      }
      assert.is(stepOf(forwarded, true, qos, dup), "forward")
      assert.is(stepOf(forwarded, false, qos, dup), "silent")
      for (const allowed of [false, true]) {
        assert.is(stepOf(refused, allowed, qos, dup), qos === 2 && dup ? "refuse" : "in-use")
      }
    }
  }
})

test("identifiers: a page is made when first written; all of them take 16 KiB", () => {
  const ids = new PacketIds()
  ids.set(5, ID_STATE.free)
  assert.is(ids.get(65_535), ID_STATE.free)
  assert.is(ids.heldBytes, 0)
  ids.set(65_535, ID_STATE.settled)
  assert.is(ids.heldBytes, 256)
  for (let id = 1; id < 65_536; id++) ids.set(id, (id % 4) as 0 | 1 | 2 | 3)
  for (let id = 1; id < 65_536; id++) if (ids.get(id) !== id % 4) assert.unreachable(`${id}`)
  assert.is(ids.heldBytes, 16_384)
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      ids.set(9, from as 0 | 1 | 2 | 3)
      ids.set(9, to as 0 | 1 | 2 | 3)
      assert.equal([ids.get(8), ids.get(9), ids.get(10)], [0, to, 2])
    }
  }
})

test.run()
