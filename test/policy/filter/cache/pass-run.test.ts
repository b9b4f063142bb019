import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { createKernelFlowCache } from "../../../../policy/filter/cache/create.ts"
import type { KernelFlowCache } from "../../../../policy/filter/cache/kernel-cache.ts"
import { decide } from "../../../../policy/filter/decide.ts"
import type { FilterState } from "../../../../policy/filter/state.ts"
import { isAllowed } from "../../../../policy/filter/verdict.ts"
import { stateFor } from "../../../support/filter-peers.ts"
import { publishPacket } from "../../../support/flow-caches.ts"
import { seeded } from "../../../support/hostile.ts"
import { makePolicy, makeRule } from "../../../support/policies.ts"

const test = suite("policy/filter/cache, runs of messages that are all of one size")
const text = new TextEncoder()
const seed = Uint32Array.from({ length: 8 }, (_, k) => Math.imul(k + 1, 0x9e3779b1))
const compiled = compilePolicy(
  makePolicy([
    makeRule({ id: "all", topics: ["plant/#"], maxPayloadBytes: 300, retain: true }),
    makeRule({ id: "small", topics: ["small/#"], maxPayloadBytes: 20 }),
  ]),
)
const narrow = compilePolicy(makePolicy([makeRule({ id: "some", topics: ["plant/a/#"] })]))

type Flows = ReturnType<KernelFlowCache["join"]>

/** Everything in `bytes` remembered as far as there is room, and what follows on what. */
function warm(cache: KernelFlowCache, flows: Flows, bytes: Uint8Array): void {
  for (let round = 0; round < 6; round++) {
    cache.input.set(bytes)
    for (let at = 0; at < bytes.length;) {
      const stop = cache.passChunk(flows, at, bytes.length, 1_000)
      at = stop
      if (at === bytes.length) break
      const count = cache.decideChunk(flows, at, bytes.length, 0)
      if (count === 0) break
      // One packet further only, so that the next is met as what follows it.
      at = cache.results[0]!
    }
  }
}

/** Packets of one size, `topics` in turn. */
function run(version: 4 | 5, topics: readonly string[], count: number, payloadBytes = 40): Uint8Array {
  const packets = Array.from({ length: count }, (_, k) =>
    publishPacket(text.encode(topics[k % topics.length]), { payloadBytes, version }),
  )
  return Buffer.concat(packets)
}

/** Where the packets of `bytes` end that are of QoS 0, without properties, in order, and pass; all are `size` long. */
function passing(state: FilterState, version: 4 | 5, bytes: Uint8Array, size: number): number[] {
  const ends = [0]
  for (let at = 0; at + size <= bytes.length; at += size) {
    if ((bytes[at]! & 0xfe) !== 0x30) break
    const topicEnd = at + 4 + bytes[at + 2]! * 256 + bytes[at + 3]!
    if (bytes[at + 1] !== size - 2 || topicEnd > at + size) break
    if (version === 5 && (topicEnd === at + size || bytes[topicEnd] !== 0)) break
    if (!isAllowed(decide(state.table, state, bytes, at, at + size, 0))) break
    ends.push(at + size)
  }
  return ends
}

test("[CR 2.1] a byte of one of them that is another ends the run there, whichever byte, unless it is payload", () => {
  for (const version of [4, 5] as const) {
    const state = stateFor(compiled, { version })
    for (const length of [14, 15, 16, 17, 24, 31, 32, 33, 38, 47, 48, 49, 50, 70]) {
      const topics = ["a", "b", "c"].map((letter) => `plant/${letter.repeat(length - 7)}z`)
      const clean = run(version, topics, 9)
      const size = clean.length / 9
      const cache = createKernelFlowCache({ seed, sets: 64 })
      const flows = cache.join(state, null)
      warm(cache, flows, clean)
      assert.is(cache.passChunk(flows, 0, clean.length, 1_000), clean.length)
      assert.is(cache.passed, 9)
      const payloadAt = 4 + length + (version === 5 ? 1 : 0)
      for (let k = 0; k < size; k++) {
        // Of another length it is another packet, and the next begins elsewhere.
        if (k === 1) continue
        const bent = Uint8Array.from(clean)
        bent[5 * size + k]! ^= 1
        cache.input.set(bent)
        const stop = cache.passChunk(flows, 0, bent.length, 1_000)
        assert.is(stop, k < payloadAt ? 5 * size : bent.length, `${length} bytes of topic, byte ${k}`)
        assert.is(cache.passed, stop / size)
      }
    }
  }
})

test("[CR 3.5] it ends before a packet of which not all is in hand, though what comes later stands there already", () => {
  for (const version of [4, 5] as const) {
    const bytes = run(version, ["plant/line-1/sensor-00", "plant/line-1/sensor-01"], 8)
    const size = bytes.length / 8
    const cache = createKernelFlowCache({ seed, sets: 64 })
    const flows = cache.join(stateFor(compiled, { version }), null)
    warm(cache, flows, bytes)
    for (let have = 0; have <= bytes.length; have++) {
      assert.is(cache.passChunk(flows, 0, have, 1_000), have - (have % size))
      assert.is(cache.passed, Math.floor(have / size))
    }
    assert.is(cache.passChunk(flows, 0, bytes.length, size - 1), 0)
  }
})

test("[CR 2.1] what a rule allows for small payloads only is not passed over with a large one", () => {
  const [large, small] = ["plant/line-01/sensor", "small/line-01/sensor"] as const
  const cache = createKernelFlowCache({ seed, sets: 64 })
  const flows = cache.join(stateFor(compiled), null)
  const known = Buffer.concat([run(4, [large], 1, 100), run(4, [small], 1, 10)])
  warm(cache, flows, known)
  assert.is(cache.passChunk(flows, 0, known.length, 1_000), known.length)
  const bytes = run(4, [large, small], 4, 100)
  cache.input.set(bytes)
  assert.is(cache.passChunk(flows, 0, bytes.length, 1_000), bytes.length / 4)
})

test("[CR 2.1] in a table that is too small for two peers, nobody's entry is taken for the other's", () => {
  const states = [stateFor(narrow), stateFor(compiled)]
  const random = seeded(5)
  const topics = "aaaabcde".split("").map((letter, k) => `plant/${letter}/sensor-000${k}`)
  const size = run(4, topics, 1).length
  const cache = createKernelFlowCache({ seed, sets: 1 })
  const flows = states.map((state) => cache.join(state, null))
  let passed = 0
  for (let k = 0; k < 6_000; k++) {
    const who = k % 2
    const order = Array.from({ length: 8 }, () => topics[Math.floor(random() * topics.length)]!)
    const bytes = run(4, order, 16)
    cache.input.set(bytes)
    const ends = passing(states[who]!, 4, bytes, size)
    const stop = cache.passChunk(flows[who]!, 0, bytes.length, 1_000)
    assert.is(ends.indexOf(stop), cache.passed, `${k}: stopped at ${stop}, may at ${ends.join()}`)
    passed += cache.passed
    flows[who]!.rest = 0
    cache.decideChunk(flows[who]!, stop, bytes.length, 0)
  }
  assert.ok(passed > 1_000, `${passed}`)
})

test.run()
