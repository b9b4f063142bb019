import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { createKernelFlowCache } from "../../../../policy/filter/cache/create.ts"
import type { KernelFlowCache } from "../../../../policy/filter/cache/kernel-cache.ts"
import { decide } from "../../../../policy/filter/decide.ts"
import type { FilterState } from "../../../../policy/filter/state.ts"
import { isAllowed, ruleOf } from "../../../../policy/filter/verdict.ts"
import { stateFor } from "../../../support/filter-peers.ts"
import { publishPacket } from "../../../support/flow-caches.ts"
import { randomBytes, seeded } from "../../../support/hostile.ts"
import { makePolicy, makeRule } from "../../../support/policies.ts"

const test = suite("policy/filter/cache, packets passed over by the kernel itself")
const text = new TextEncoder()
const seed = Uint32Array.from({ length: 8 }, (_, k) => Math.imul(k + 1, 0x9e3779b1))
const compiled = compilePolicy(
  makePolicy([
    makeRule({ id: "all", topics: ["plant/#"], maxPayloadBytes: 260, maxQos: 2, retain: true }),
    makeRule({ id: "no", topics: ["plant/secret/#"], effect: "deny" }),
    makeRule({ id: "told", topics: ["told/#"], maxPayloadBytes: 200 }),
  ]),
)
const { table } = compiled
const records = Uint8Array.from([0, 0, 1])
const MAX_BYTES = 290

/** What `passChunk` must come to for packets that are all known: the same walk, plainly, with a decision for each packet. */
function reference(state: FilterState, version: 4 | 5, bytes: Uint8Array, start: number, end: number): number[] {
  const ends: number[] = []
  for (let at = start; at < end;) {
    if (bytes[at] !== 0x30 && bytes[at] !== 0x31) break
    let size = 0
    let here = at + 1
    for (let k = 0; here < end; k++) {
      const byte = bytes[here++]!
      size += (byte & 0x7f) * 128 ** k
      if (byte < 0x80 || k === 3) break
    }
    const isPadded = here > at + 2 && bytes[here - 1] === 0
    const stop = here + size
    if (bytes[here - 1]! >= 0x80 || stop > end || stop - at > MAX_BYTES || size < 3) break
    const topicEnd = here + 2 + bytes[here]! * 256 + bytes[here + 1]!
    if (topicEnd > stop || (version === 5 && (isPadded || topicEnd === stop || bytes[topicEnd] !== 0))) break
    const verdict = decide(table, state, bytes, at, stop, 0)
    if (!isAllowed(verdict) || records[ruleOf(verdict)] !== 0) break
    at = stop
    ends.push(at)
  }
  return ends
}

/** Every entry of a chunk remembered and in use. */
function warm(cache: KernelFlowCache, state: FilterState, bytes: Uint8Array): ReturnType<KernelFlowCache["join"]> {
  const flows = cache.join(state, records)
  for (let round = 0; round < 12; round++) {
    for (let at = 0; at < bytes.length;) {
      cache.input.set(bytes)
      const count = cache.decideChunk({ ...flows, rest: 0 }, at, bytes.length, 0)
      at = count === 0 ? at + 1 : cache.results[2 * count - 2]!
    }
  }
  return flows
}

type Shape = Parameters<typeof publishPacket>[1]

/** Packets that pass and, with a chance of `odd` each, some that do not. */
function stream(version: 4 | 5, count: number, odd: number, random: () => number): Uint8Array {
  const pick = <T>(some: readonly T[]): T => some[Math.floor(random() * some.length)]!
  const one = (topic: string, shape: Shape = {}): Uint8Array =>
    publishPacket(text.encode(topic), { payloadBytes: Math.floor(random() * 150), ...shape, version })
  const lengths = [1, 2, 3, 9, 10, 25, 26, 41, 42, 43, 58, 90, 98]
  const packets = Array.from({ length: count }, (_, k) => {
    if (random() >= odd) return one(`plant/${"abc"[k % 3]!.repeat(lengths[k % 13]!)}`, { flags: k % 5 === 0 ? 1 : 0 })
    return pick([
      () => one("plant/secret/a"),
      () => one("told/a"),
      () => one("plant/a", { flags: 2 }),
      () => one("plant/a", { flags: 8 }),
      () => one("plant/a", { payloadBytes: 230 + Math.floor(random() * 70) }),
      () => one("plant/a", { propertyBytes: 3 }),
      () => one(`plant/${"x".repeat(120)}`),
      () => one(""),
      () => Uint8Array.of(0x30, 0x8a, 0, 0, 7, ...text.encode("plant/a"), 0),
      () => Uint8Array.of(0x30, 0x89, 0x80, 0, 0, 7, ...text.encode("plant/a")),
      () => Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 1, 0),
      () => Uint8Array.of(0x30, 9, 0, 8, ...text.encode("plant/a")),
      () => Uint8Array.of(0xc0, 0),
      () => Uint8Array.of(0x30, 2, 0, 0),
    ])()
  })
  return Buffer.concat(packets)
}

test("[CR 2.1] passes over as many as a plain walk with a decision for each, at every place where a read may end", () => {
  for (const version of [4, 5] as const) {
    const state = stateFor(compiled, { version })
    const random = seeded(version)
    for (const odd of [0, 0.1]) {
      const bytes = stream(version, 30, odd, random)
      const cache = createKernelFlowCache({ seed, sets: 64 })
      const flows = warm(cache, state, bytes)
      // What comes later stands there already: nobody may read it.
      cache.input.set(bytes)
      for (let have = 0; have <= bytes.length; have++) {
        const ends = reference(state, version, bytes, 0, have)
        assert.is(cache.passChunk(flows, 0, have, MAX_BYTES), ends.at(-1) ?? 0, `${have} bytes in hand`)
        assert.is(cache.passed, ends.length)
      }
      if (odd === 0) assert.is(cache.passed, 30)
    }
  }
})

test("[CR 3.5] of random chunks, bent at random, no packet is passed over that a plain walk stops at", () => {
  for (const version of [4, 5] as const) {
    const state = stateFor(compiled, { version })
    const random = seeded(10 + version)
    // Few sets: entries and what is remembered of their order are overwritten all the time.
    for (const sets of [1, 8, 256]) {
      const cache = createKernelFlowCache({ seed, sets })
      let [whole, passed, stopped] = [0, 0, 0]
      for (let k = 0; k < 1_500; k++) {
        const bytes = random() < 0.05 ? randomBytes(60, random) : stream(version, 12, 0.08, random)
        const flows = random() < 0.7 ? warm(cache, state, bytes) : cache.join(state, records)
        if (random() < 0.6) bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8)
        const offset = cache.input.length - bytes.length
        const at = random() < 0.5 ? offset : 0
        cache.input.set(bytes, at)
        const have = at + Math.floor(random() * (bytes.length + 1))
        const ends = [at, ...reference(state, version, cache.input, at, have)]
        const stop = cache.passChunk(flows, at, have, MAX_BYTES)
        assert.is(ends.indexOf(stop), cache.passed, `${k}: stopped at ${stop}, may at ${ends.join()}`)
        passed += cache.passed
        if (stop === ends.at(-1)) whole++
        else stopped++
      }
      assert.ok(whole > 300 && passed > 1_000, `${sets} sets: ${whole} ${passed}`)
      assert.ok(sets > 8 || stopped > 0, "nothing was unknown")
    }
  }
})

test("[CR 2.1] what one peer may say is not passed over for another, nor under another policy, nor where it is recorded", () => {
  const cache = createKernelFlowCache({ seed, sets: 64 })
  const bytes = stream(4, 20, 0, seeded(3))
  const state = stateFor(compiled)
  const flows = warm(cache, state, bytes)
  assert.is(cache.passChunk(flows, 0, bytes.length, MAX_BYTES), bytes.length)
  const others = [
    cache.join(stateFor(compiled, { name: "another" }), records),
    cache.join(stateFor(compilePolicy(makePolicy([]))), null),
    cache.open(state),
    cache.join(state, Uint8Array.from([1, 0, 0])),
  ]
  for (const other of others) assert.is(cache.passChunk(other, 0, bytes.length, MAX_BYTES), 0)
  const all = Uint8Array.from([1, 1, 1])
  const told = cache.join(state, all)
  for (let round = 0; round < 4; round++) cache.decideChunk(told, 0, bytes.length, 0)
  assert.is(cache.passChunk(told, 0, bytes.length, MAX_BYTES), 0)
  assert.is(cache.passed, 0)
})

test("[CR 2.1] if all topics of all peers had one hash, none would be taken for another", () => {
  const cache = createKernelFlowCache({ seed: new Uint32Array(8), sets: 1 })
  const packets = ["plant/a", "plant/b", "plant/c"].map((topic) => publishPacket(text.encode(topic)))
  const flows = warm(cache, stateFor(compiled), Buffer.concat(packets))
  const other = cache.join(stateFor(compilePolicy(makePolicy([]))), null)
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
    [1, 1, 0],
  ]) {
    const bytes = Buffer.concat([...order.map((k) => packets[k]!), publishPacket(text.encode("plant/d"))])
    cache.input.set(bytes)
    assert.is(cache.passChunk(flows, 0, bytes.length, MAX_BYTES), bytes.length - packets[0]!.length)
    assert.is(cache.passChunk(other, 0, bytes.length, MAX_BYTES), 0)
  }
})

test("nothing outside the room for received bytes is passed over, and nothing by a peer that floods", () => {
  const cache = createKernelFlowCache({ seed, sets: 64 })
  const bytes = stream(4, 5, 0, seeded(3))
  const flows = warm(cache, stateFor(compiled), bytes)
  const { length } = cache.input
  assert.is(cache.passChunk(flows, -1, bytes.length, MAX_BYTES), -1)
  assert.is(cache.passChunk(flows, 0, length + 1, MAX_BYTES), 0)
  assert.is(cache.passChunk(flows, length, length, MAX_BYTES), length)
  assert.is(cache.passChunk(flows, 0, bytes.length, 3), 0)
  flows.rest = 1
  assert.is(cache.passChunk(flows, 0, bytes.length, MAX_BYTES), 0)
})

test.run()
