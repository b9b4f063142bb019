import { readFileSync } from "node:fs"
import { Worker } from "node:worker_threads"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { createKernelFlowCache } from "../../../../policy/filter/cache/create.ts"
import { KernelFlowCache } from "../../../../policy/filter/cache/kernel-cache.ts"
import { decide } from "../../../../policy/filter/decide.ts"
import { say, stateFor } from "../../../support/filter-peers.ts"
import { publishPacket } from "../../../support/flow-caches.ts"
import { randomBytes, seeded } from "../../../support/hostile.ts"
import { makePolicy, makeRule } from "../../../support/policies.ts"
import { buildKernel, KERNEL_MODULE } from "../../../support/build-kernel.ts"

const test = suite("policy/filter/cache, the kernel")
const text = new TextEncoder()
const seed = Uint32Array.from({ length: 8 }, (_, k) => Math.imul(k + 1, 0x9e3779b1))
const compiled = compilePolicy(
  makePolicy([
    makeRule({ id: "small", topics: ["plant/+/temperature"], maxPayloadBytes: 100, maxQos: 1 }),
    makeRule({ id: "no", topics: ["plant/secret/#"], effect: "deny" }),
  ]),
)
const { table } = compiled

/** Valid packets of every shape, and some that are not, one behind the other. */
function stream(version: 4 | 5): { readonly bytes: Uint8Array; readonly ends: readonly number[] } {
  const topic = (name: string, shape: Parameters<typeof publishPacket>[1] = {}) =>
    publishPacket(text.encode(name), { ...shape, version })
  const packets = [
    topic("plant/a/temperature", { payloadBytes: 20 }),
    topic("plant/secret/temperature", { flags: 2, payloadBytes: 3 }),
    topic("", { payloadBytes: 2 }),
    topic("plant/a/temperature", { flags: 4, payloadBytes: 150, propertyBytes: 140 }),
    topic(`plant/${"b".repeat(120)}/temperature`),
    topic("plant/a/temperature", { flags: 6 }),
    Uint8Array.of(0x30, 0),
    Uint8Array.of(0x30, 1, 0),
    Uint8Array.of(0x30, 4, 0, 9, 0x61, 0x62),
    topic("plant/a/temperature", { flags: 1, payloadBytes: 20 }),
    topic("x"),
  ]
  const ends: number[] = []
  let at = 0
  for (const packet of packets) ends.push((at += packet.length))
  return { bytes: Buffer.concat(packets), ends }
}

test("the committed module is what the pinned compiler makes of the committed source", async () => {
  assert.is(await buildKernel(), readFileSync(KERNEL_MODULE, "utf8"))
})

test("[CR 2.1] a chunk is judged packet by packet as by decide, at every place where a read may end", () => {
  for (const version of [4, 5] as const) {
    const { bytes, ends } = stream(version)
    const state = stateFor(compiled, { version })
    const cache = createKernelFlowCache({ seed, sets: 4 })
    const flows = cache.open(state)
    for (let round = 0; round < 4; round++) {
      for (let have = 0; have <= bytes.length; have++) {
        // What comes later stands there already: nobody may read it.
        cache.input.set(bytes, 5)
        const count = cache.decideChunk(flows, 5, 5 + have, 0)
        assert.is(count, ends.filter((end) => end <= have).length)
        for (let k = 0; k < count; k++) {
          assert.is(cache.results[2 * k], 5 + ends[k]!)
          const wanted = decide(table, state, bytes, ends[k - 1] ?? 0, ends[k]!, 0)
          assert.is(say(compiled, cache.results[2 * k + 1]!), say(compiled, wanted))
        }
      }
    }
  }
})

test("[CR 3.5] a packet cut anywhere is judged by the bytes in hand alone, in place too", () => {
  for (const version of [4, 5] as const) {
    const { bytes, ends } = stream(version)
    const state = stateFor(compiled, { version })
    const cache = createKernelFlowCache({ seed, sets: 4 })
    for (let round = 0; round < 3; round++) {
      ends.forEach((_, k) => {
        const flows = cache.open(state)
        const start = ends[k - 1] ?? 0
        for (let have = ends[k]!; have >= start; have--) {
          cache.input.set(bytes, 0)
          const wanted = decide(table, state, bytes, start, have, 0)
          assert.is(cache.decideInput(flows, start, have, 0), wanted)
          assert.is(cache.decide(flows, bytes, start, have, 0), wanted)
        }
      })
    }
  }
})

test("[CR 3.5] random bytes, and packets with random bytes in them, are judged as by decide", () => {
  const random = seeded(5)
  const { bytes, ends } = stream(5)
  const state = stateFor(compiled, { version: 5 })
  const cache = createKernelFlowCache({ seed, sets: 1 })
  const flows = cache.open(state)
  for (let k = 0; k < 20_000; k++) {
    const bent = random() < 0.1 ? randomBytes(1 + Math.floor(random() * 40), random) : bytes.slice()
    if (random() < 0.8) bent[Math.floor(random() * bent.length)] = Math.floor(random() * 256)
    cache.input.set(bent)
    const count = cache.decideChunk(flows, 0, bent.length, 0)
    let at = 0
    for (let n = 0; n < count; n++) {
      const end = cache.results[2 * n]!
      assert.ok(end > at && end <= bent.length)
      assert.is(cache.results[2 * n + 1], decide(table, state, bent, at, end, 0))
      at = end
    }
    const start = random() < 0.5 ? at : (ends[Math.floor(random() * ends.length)] ?? 0)
    if (start < bent.length) {
      const have = start + Math.floor(random() * (bent.length - start + 1))
      assert.is(cache.decideInput(flows, start, have, 0), decide(table, state, bent, start, have, 0))
    }
  }
})

test("a chunk stops before what is no PUBLISH, and gives as many verdicts as there is room for", () => {
  const state = stateFor(compiled)
  const cache = createKernelFlowCache({ seed, inputBytes: 0x20000 })
  const flows = cache.open(state)
  const packet = publishPacket(text.encode("plant/a/temperature"))
  cache.input.set(packet)
  cache.input.set([0xc0, 0], packet.length)
  cache.input.set(packet, packet.length + 2)
  assert.is(cache.decideChunk(flows, 0, packet.length * 2 + 2, 0), 1)
  assert.is(cache.decideChunk(flows, packet.length, packet.length * 2 + 2, 0), 0)
  for (let k = 0; k < 5000; k++) cache.input.set(packet, k * packet.length)
  for (let round = 0; round < 3; round++) {
    assert.is(cache.decideChunk(flows, 0, 5000 * packet.length, 0), 4096)
    for (let k = 0; k < 4096; k++) assert.is(say(compiled, cache.results[2 * k + 1]!), "allowed small")
    assert.is(cache.results[2 * 4096 - 2], 4096 * packet.length)
  }
})

test("nothing outside the room for received bytes is judged", () => {
  const state = stateFor(compiled)
  const cache = createKernelFlowCache({ seed, sets: 1 })
  const flows = cache.open(state)
  const { length } = cache.input
  assert.is(cache.decideChunk(flows, -64, 10, 0), 0)
  assert.is(cache.decideChunk(flows, 0, length + 1, 0), 0)
  assert.is(say(compiled, cache.decideInput(flows, -64, 10, 0)), "bad-topic")
  assert.is(say(compiled, cache.decideInput(flows, length - 2, length + 8, 0)), "bad-topic")
  cache.input.set([0x30, 0xff, 0xff, 0xff, 0x7f], length - 5)
  assert.is(cache.decideChunk(flows, length - 5, length, 0), 0)
})

test("it runs in a worker thread", async () => {
  const url = new URL("../../../../policy/filter/cache/create.ts", import.meta.url).href
  const source = `import { createKernelFlowCache } from "${url}"
    import { parentPort } from "node:worker_threads"
    parentPort.postMessage(createKernelFlowCache({ seed: new Uint32Array(8) }).constructor.name)`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
  const said = await new Promise((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", reject)
  })
  assert.is(said, KernelFlowCache.name)
})

test.run()
