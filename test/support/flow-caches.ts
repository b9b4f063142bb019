import * as assert from "uvu/assert"
import { createKernelFlowCache } from "../../policy/filter/cache/create.ts"
import type { KernelFlowCache } from "../../policy/filter/cache/kernel-cache.ts"
import { ScriptFlowCache } from "../../policy/filter/cache/script-cache.ts"
import type { FlowCache, FlowCacheOptions, Flows } from "../../policy/filter/cache/flow.ts"
import { classOf, createBuckets, createFilterState, decide } from "../../policy/filter/decide.ts"
import type { FilterStateInput } from "../../policy/filter/table.ts"
import { isAllowed, reasonName } from "../../policy/filter/verdict.ts"
import {
  chooser,
  compiledIfSimple,
  CONDUITS,
  NAMES,
  randomPolicy,
  randomTopic,
  ROLE_SETS,
  WORDS,
  type Chooser,
} from "./filter-cases.ts"

/** Every flow cache that there is, by name. */
export const FLOW_CACHES: readonly (readonly [name: string, make: (options: FlowCacheOptions) => FlowCache])[] = [
  ["kernel", createKernelFlowCache],
  ["script", (options) => new ScriptFlowCache(options)],
  ["kernel, in its own memory", (options) => inPlace(createKernelFlowCache({ ...options, inputBytes: 0x20000 }))],
  ["kernel, a chunk at a time", (options) => byChunk(createKernelFlowCache(options))],
]

/** Judges each packet where a read would have put it: at the very end of the room there is. */
function inPlace(cache: KernelFlowCache): FlowCache {
  return {
    open: (state) => cache.open(state),
    join: (state) => cache.join(state),
    decide: (flows, bytes, start, end, nowMs) => {
      const at = cache.input.length - (end - start)
      cache.input.fill(0x2f, 0, 8)
      cache.input.set(bytes.subarray(start, end), at)
      return cache.decideInput(flows, at, cache.input.length, nowMs)
    },
  }
}

/** Judges each packet as a chunk of its own, unless it is cut short or so bent that it ends elsewhere; what it passes over is allowed. */
function byChunk(cache: KernelFlowCache): FlowCache {
  return {
    open: (state) => cache.open(state),
    join: (state) => cache.join(state),
    decide: (flows, bytes, start, end, nowMs) => {
      const last = end - start + 3
      cache.input.set(bytes.subarray(start, end), 3)
      if (wholeBytes(bytes, start, end) !== end - start || bytes[start]! >> 4 !== 3)
        return decide(flows.state.table, flows.state, bytes, start, end, nowMs)
      const stop = cache.passChunk(flows, 3, last, end - start)
      const passed = cache.passed
      assert.is(cache.decideChunk(flows, 3, last, nowMs), 1)
      assert.is(cache.results[0], last)
      const verdict = cache.results[1]!
      if (stop !== 3) assert.ok(stop === last && passed === 1 && isAllowed(verdict), "passed over what is denied")
      return verdict
    },
  }
}

/** How long the packet says that it is; -1 if that is not in hand. */
function wholeBytes(bytes: Uint8Array, start: number, end: number): number {
  let size = 0
  for (let k = 1; k <= 4 && start + k < end; k++) {
    size += (bytes[start + k]! & 0x7f) * 128 ** (k - 1)
    if (bytes[start + k]! < 0x80) return size + k + 1
  }
  return -1
}

const text = new TextEncoder()

/** A PUBLISH as it stands on the wire; `flags` is the low nibble of its first byte, properties are `propertyBytes` of zeros. */
export function publishPacket(
  topic: Uint8Array,
  { flags = 0, payloadBytes = 0, version = 4, propertyBytes = 0 }: Partial<PacketShape> = {},
): Uint8Array {
  const id = (flags & 6) === 0 ? [] : [1, 2]
  const properties = version === 5 ? [...variable(propertyBytes), ...new Uint8Array(propertyBytes)] : []
  const head = [topic.length >> 8, topic.length & 0xff]
  const size = 2 + topic.length + id.length + properties.length + payloadBytes
  return Uint8Array.from([
    0x30 | flags,
    ...variable(size),
    ...head,
    ...topic,
    ...id,
    ...properties,
    ...new Uint8Array(payloadBytes),
  ])
}

interface PacketShape {
  readonly flags: number
  readonly payloadBytes: number
  readonly version: 4 | 5
  readonly propertyBytes: number
}

function variable(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...variable(value >> 7)]
}

/** What comparing a cache with the uncached filter found. */
export interface CacheComparison {
  cases: number
  readonly reasons: Map<string, number>
  readonly differences: string[]
}

/**
 * Hold a cache against `decide` on at least `cases` packets: random policies that follow one another in one cache, several
 * peers at a time, a small stock of packets that come again and again, whole, cut short and bent.
 */
export function compareCache(cache: FlowCache, cases: number, seed: number): CacheComparison {
  const choose = chooser(seed)
  const comparison: CacheComparison = { cases: 0, reasons: new Map(), differences: [] }
  while (comparison.cases < cases) {
    const words = WORDS.filter(() => choose.chance(0.6))
    if (words.length === 0) continue
    const compiled = compiledIfSimple(randomPolicy(choose, words))
    if (compiled === null) continue
    const peers = Array.from({ length: 3 }, () => {
      const input: Omit<FilterStateInput, "buckets"> = {
        classIndex: classOf(compiled, choose.pick([...CONDUITS, ...CONDUITS, "none"]), choose.pick(ROLE_SETS)),
        action: choose.pick(["publish", "receive"]),
        protocolVersion: choose.pick([4, 5]),
        name: text.encode(choose.pick(NAMES)),
        clientId: text.encode(choose.pick(NAMES)),
        essentialOnly: choose.chance(0.15),
      }
      const state = () => createFilterState(compiled.table, { ...input, buckets: createBuckets(compiled.table) })
      return { flows: cache.open(state()), plain: state(), version: input.protocolVersion }
    })
    const stock = Array.from({ length: 6 }, () => {
      const packet = randomPacket(choose, words, choose.pick(peers).version)
      const retained = packet.slice()
      if (retained.length > 0) retained[0]! ^= 1
      return [packet, retained]
    }).flat()
    let nowMs = 0
    for (let k = 0; k < 120; k++) {
      const peer = choose.pick(peers)
      const packet = choose.pick(stock)
      nowMs += choose.below(40)
      const from = choose.below(9)
      const buffer = new Uint8Array(from + packet.length + 5).fill(0x2f)
      buffer.set(packet, from)
      const end = from + (choose.chance(0.9) ? packet.length : choose.below(packet.length + 1))
      const mine = cache.decide(peer.flows, buffer, from, end, nowMs)
      const wanted = decide(compiled.table, peer.plain, buffer, from, end, nowMs)
      const reason = reasonName(wanted)
      comparison.cases++
      comparison.reasons.set(reason, (comparison.reasons.get(reason) ?? 0) + 1)
      if (mine !== wanted && comparison.differences.length < 3)
        comparison.differences.push(`${mine} for ${wanted} (${reason}): ${packet.join(" ")}, ${end - from} in hand`)
    }
  }
  return comparison
}

function randomPacket(choose: Chooser, words: readonly string[], version: 4 | 5): Uint8Array {
  const deep = choose.chance(0.1) ? `/${"deep/".repeat(choose.below(24))}x` : ""
  const packet = publishPacket(text.encode(randomTopic(choose, words) + deep), {
    flags: choose.pick([0, 0, 1, 2, 3, 4, 5, 8, 10]),
    payloadBytes: choose.pick([0, 10, 11, 200, 1001]),
    version,
    propertyBytes: choose.pick([0, 0, 3, 130]),
  })
  if (choose.chance(0.1)) packet[choose.below(Math.min(packet.length, 12))] = choose.below(256)
  return packet
}

/** Ask until the cache answers by itself: from then on the tables are not read for this packet. */
export function warm(cache: FlowCache, flows: Flows, packet: Uint8Array): number {
  let verdict = 0
  for (let k = 0; k < 4; k++) verdict = cache.decide(flows, packet, 0, packet.length, 0)
  return verdict
}
