import { suite } from "uvu"
import * as assert from "uvu/assert"
import { enginePolicyOf } from "../../../../firmware/conduits/engine-policy.ts"
import type { ConnectFacts, Judge } from "../../../../firmware/conduits/mqtt/judge.ts"
import { createJudge } from "../../../../firmware/conduits/mqtt/rights.ts"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { createFlowCache, createKernelFlowCache } from "../../../../policy/filter/cache/create.ts"
import type { FlowCache } from "../../../../policy/filter/cache/flow.ts"
import { KernelFlowCache } from "../../../../policy/filter/cache/kernel-cache.ts"
import { classOf, createBuckets } from "../../../../policy/filter/decide.ts"
import { parsePolicy } from "../../../../policy/language/parse-policy.ts"
import { chunks, randomBytes, seeded } from "../../../support/hostile.ts"
import { ack, bytesOf, concat, publishPacket, Rig, type Version, VERSIONS } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/publish-run")

const ROOM = 64 * 1024

const parsed = parsePolicy(
  JSON.stringify({
    "lockgate-policy": 1,
    name: "runs",
    zones: { field: { level: 2, authorities: ["ca"] }, control: { level: 3, authorities: ["ca"] } },
    roles: { sensor: "measures" },
    subjects: [{ zone: "field", match: { cn: "{name}" }, roles: ["sensor"] }],
    conduits: { telemetry: { from: "field", to: "control", protocol: "mqtt" } },
    rules: [
      { id: "no", deny: ["publish", "receive"], roles: ["sensor"], topics: ["plant/secret/#"] },
      { id: "both", allow: ["publish", "receive"], roles: ["sensor"], topics: ["plant/a/#"], qos: 2, payload: "64B" },
      { id: "rate", allow: ["publish"], roles: ["sensor"], topics: ["plant/rate/#"], qos: 1, rate: "5/s burst 9" },
      { id: "told", allow: ["publish", "receive"], roles: ["sensor"], topics: ["plant/told/#"], record: "changes" },
      { id: "form", allow: ["publish"], roles: ["sensor"], topics: ["plant/form/#"], form: "utf8" },
      { id: "kept", allow: ["publish"], roles: ["sensor"], topics: ["plant/kept/#"], retain: true, qos: 1 },
    ],
  }),
  "runs.yaml",
)
if (!parsed.ok) throw new Error(JSON.stringify(parsed))
const { compiled } = enginePolicyOf(parsed.value, compilePolicy(parsed.value))

function judgeWith(cache: FlowCache): (facts: ConnectFacts) => Judge {
  const classIndex = classOf(compiled, "telemetry", ["sensor"])
  const rights = { compiled, classIndex, name: "s1", buckets: createBuckets(compiled.table), essentialOnly: false }
  return (facts) => createJudge(rights, facts, cache)
}

const seed = Uint32Array.from({ length: 8 }, (_, k) => k + 1)
const oneByOne = (): FlowCache => createFlowCache({ seed, sets: 64 })
const inRuns = (inputBytes: number): FlowCache => createKernelFlowCache({ seed, sets: 64, inputBytes })

const TOPICS = [
  "plant/a/1",
  "plant/a/1",
  "plant/a/1",
  "plant/a/1",
  "plant/a/2",
  "plant/secret/1",
  "plant/rate/1",
  "plant/told/1",
]
const RARE = ["plant/form/1", "plant/kept/1", "nowhere", "plant/a/" + "x".repeat(120), "plant/\u00e4/1"]

/** A PUBLISH to a known topic, with a first byte and an identifier of one's choice. */
function wrong(first: number, id: string, version: Version): Uint8Array {
  const body = Buffer.from(`\x00\x09plant/a/1${id}${version === 5 ? "\x00" : ""}`, "latin1")
  return Uint8Array.of(first, body.length, ...body)
}

/** A packet of either side: mostly PUBLISHes that pass, now and then anything; one in 400 is wrong. */
function anyPacket(version: Version, up: boolean, random: () => number): Uint8Array {
  const pick = <T>(some: readonly T[]): T => some[Math.floor(random() * some.length)]!
  const kind = random()
  if (kind < 0.07)
    return bytesOf(ack(pick(["puback", "pubrec", "pubcomp", "pubrel"]), 1 + Math.floor(random() * 6), version), version)
  if (kind < 0.09) return bytesOf({ cmd: up ? "pingreq" : "pingresp" }, version)
  if (kind < 0.0925) {
    return pick([
      wrong(0x38, "", version),
      wrong(0x36, "\x00\x01", version),
      wrong(0x32, "\x00\x00", version),
      Uint8Array.of(0x30, 5, 0, 3, 97, 0x2b, 97),
      Uint8Array.of(0x30, 4, 0, 9, 97, 97),
      Uint8Array.of(0xf0, 0),
    ])
  }
  const qos = pick([0, 0, 0, 0, 1, 2])
  const isAlias = version === 5 && random() < 0.15
  const properties = isAlias
    ? { properties: { topicAlias: 1 + Math.floor(random() * 2) } }
    : version === 5 && random() < 0.15
      ? { properties: { contentType: "x" } }
      : {}
  const bytes = bytesOf(
    publishPacket(isAlias && random() < 0.4 ? "" : random() < 0.9 ? pick(TOPICS) : pick(RARE), {
      qos,
      ...(qos === 0 ? {} : { messageId: 1 + Math.floor(random() * 6), dup: random() < 0.3 }),
      retain: random() < 0.1,
      payload: Buffer.alloc(Math.floor(random() * (random() < 0.05 ? 300 : 70)), pick(["a", "b"])),
      ...properties,
    }),
    version,
  )
  // A remaining length with a byte too many: allowed by 3.1.1 alone.
  if (random() > 0.005 || bytes[1]! > 0x7f) return bytes
  return Uint8Array.of(bytes[0]!, bytes[1]! | 0x80, 0, ...bytes.subarray(2))
}

function transcript(cache: FlowCache, version: Version, seedOf: number, more: object = {}) {
  const random = seeded(seedOf)
  const rig = new Rig({ version, admit: judgeWith(cache), clientIdPattern: "%u*", ...more })
  rig.open({ clientId: "s1-a", properties: { topicAliasMaximum: 8 } }, { properties: { topicAliasMaximum: 8 } })
  // So that flows and aliases are known before anything odd comes.
  for (const topicAlias of version === 5 ? [1, 2] : []) {
    const named = publishPacket("plant/a/1", { properties: { topicAlias } })
    rig.client(named).broker(named)
  }
  const usual = [0, 1, 2].map((qos) => bytesOf(publishPacket("plant/a/1", { qos, messageId: 900 + qos }), version))
  for (let k = 0; k < 3; k++) rig.client(concat(usual)).broker(concat(usual))
  for (let turn = 0; turn < 12 && rig.closed === null; turn++) {
    rig.now += Math.floor(random() * 700)
    const up = random() < 0.6
    const count = 1 + Math.floor(random() * 40)
    const stream = concat(Array.from({ length: count }, () => anyPacket(version, up, random)))
    for (const chunk of chunks(stream, random() < 0.5 ? 2_000 : 90, random)) {
      if (up) rig.client(chunk)
      else rig.broker(chunk)
    }
  }
  return { ...rig.outcome(), upstream: Buffer.from(rig.upstreamBytes()), client: Buffer.from(rig.clientBytes()) }
}

for (const version of VERSIONS) {
  test(`[CR 2.1] ${version === 4 ? "3.1.1" : "5"}: packets judged in runs and one by one give the same bytes, denials, counts`, () => {
    const ends = new Set<string>()
    let denied = 0
    let recorded = 0
    let passed = 0
    for (const room of [ROOM, 200]) {
      // Caches live over many sessions, as in a gateway.
      const [runs, single] = [inRuns(room), oneByOne()]
      for (let seedOf = 1; seedOf <= 100; seedOf++) {
        const [a, b] = [transcript(runs, version, seedOf), transcript(single, version, seedOf)]
        const bytesAgree = a.upstream.equals(b.upstream) && a.client.equals(b.client)
        assert.ok(bytesAgree, `seed ${seedOf}, room ${room}: other bytes`)
        const none = Buffer.alloc(0)
        assert.equal({ ...a, upstream: none, client: none }, { ...b, upstream: none, client: none }, `seed ${seedOf}`)
        ends.add(a.closed ?? "open")
        denied += a.denied.length
        recorded += a.recorded.length
        passed += a.messages.up + a.messages.down
      }
    }
    assert.ok(ends.size >= 4 && ends.has("open"), `ends: ${[...ends].join(", ")}`)
    assert.ok(denied > 1_000 && recorded > 300 && passed > 3_000, `${denied} ${recorded} ${passed}`)
  })
}

test("[CR 2.1] 3.1.1: with `on-deny: close` a run ends where the denied packet stands", () => {
  const [runs, single] = [inRuns(ROOM), oneByOne()]
  for (let seedOf = 1; seedOf <= 40; seedOf++) {
    const [a, b] = [runs, single].map((cache) => transcript(cache, 4, seedOf, { onDeny: "close" }))
    assert.equal(a, b)
  }
})

/** Counts the packets that are asked for one by one. */
class Counting extends KernelFlowCache {
  asked = 0
  override decide(...args: Parameters<KernelFlowCache["decide"]>): number {
    this.asked++
    return super.decide(...args)
  }
  override settle(...args: Parameters<KernelFlowCache["settle"]>): number {
    this.asked++
    return super.settle(...args)
  }
}

async function countingRig(version: Version): Promise<{ rig: Rig; cache: Counting }> {
  const { kernelBytes } = await import("../../../../policy/filter/cache/kernel-module.ts")
  const cache = new Counting(kernelBytes(), { seed, sets: 64 })
  const rig = new Rig({ version, admit: judgeWith(cache), clientIdPattern: "%u*" }).open({ clientId: "s1-a" })
  return { rig, cache }
}

for (const version of VERSIONS) {
  const stream = concat(
    Array.from({ length: 100 }, (_, k) =>
      bytesOf(publishPacket("plant/a/1", { qos: k % 2, ...(k % 2 === 0 ? {} : { messageId: k }) }), version),
    ),
  )
  test(`${version === 4 ? "3.1.1" : "5"}: a known flow is passed over whole, in one write that is a view of the chunk`, async () => {
    const { rig, cache } = await countingRig(version)
    rig.client(stream).client(stream)
    cache.asked = 0
    rig.client(stream)
    assert.is(cache.asked, 0)
    assert.equal(
      rig.writes.map(({ copy }) => copy.length),
      [stream.length],
    )
    assert.is(rig.messages.up, 300)
  })

  test(`${version === 4 ? "3.1.1" : "5"}: a packet that two chunks share costs no second write`, async () => {
    const { rig } = await countingRig(version)
    rig.client(stream)
    for (const cut of [1, 3, 9]) {
      const at = stream.length - cut
      rig.client(stream.subarray(0, at))
      rig.client(concat([stream.subarray(at), stream]))
      assert.is(rig.writes.length, 1, `cut ${cut} bytes before the end`)
    }
  })
}

test("a chunk of alternating packets is brought over once, however often its run is broken", async () => {
  const { rig, cache } = await countingRig(4)
  let loaded = 0
  const set = cache.input.set.bind(cache.input)
  const counted = (bytes: Uint8Array): void => {
    loaded += bytes.length
    set(bytes)
  }
  Object.defineProperty(cache.input, "set", { value: counted })
  const pair = concat([bytesOf({ cmd: "pingreq" }, 4), bytesOf(publishPacket("plant/a/1"), 4)])
  const stream = concat(Array.from({ length: 2_000 }, () => pair))
  rig.client(stream)
  assert.is(rig.messages.up, 2_000)
  assert.ok(loaded <= stream.length, `${loaded} bytes for ${stream.length}`)
})

test("R11: a packet of the broker over the client's Maximum Packet Size ends a run of known flows as it does one by one", () => {
  const outcomes = [inRuns(ROOM), oneByOne()].map((cache) => {
    const rig = new Rig({ version: 5, admit: judgeWith(cache), clientIdPattern: "%u*" })
    rig.open({ clientId: "s1-a", properties: { maximumPacketSize: 60 } })
    const fits = bytesOf(publishPacket("plant/a/1", { payload: Buffer.alloc(40) }), 5)
    for (let k = 0; k < 3; k++) rig.broker(concat([fits, fits]))
    rig.broker(concat([fits, bytesOf(publishPacket("plant/a/1", { payload: Buffer.alloc(60) }), 5), fits]))
    return rig.outcome()
  })
  assert.equal(outcomes[0], outcomes[1])
  assert.match(String(outcomes[0]?.closed), /limit/)
  assert.is(outcomes[0]?.messages.down, 7)
})

test("[CR 3.5] garbage in runs ends the session as it does packet by packet", () => {
  const [runs, single] = [inRuns(ROOM), oneByOne()]
  for (let seedOf = 1; seedOf <= 200; seedOf++) {
    const outcomes = [runs, single].map((cache) => {
      const random = seeded(seedOf)
      const rig = new Rig({ version: 5, admit: judgeWith(cache), clientIdPattern: "%u*" }).open({ clientId: "s1-a" })
      const good = bytesOf(publishPacket("plant/a/1"), 5)
      const bad = randomBytes(40, random)
      bad[0] = 0x30 | (bad[0]! & 15)
      const stream = concat([good, good, good, bad])
      for (const chunk of chunks(stream, 200, random)) rig.client(chunk)
      return rig.outcome()
    })
    assert.equal(outcomes[0], outcomes[1], `seed ${seedOf}`)
  }
})

test.run()
