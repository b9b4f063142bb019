import { suite } from "uvu"
import * as assert from "uvu/assert"
import { pooledReads } from "../../../firmware/conduits/byte-source.ts"
import { ALL_LANDING_BYTES, BufferPool, createReadPools, LARGE_BYTES } from "../../../firmware/conduits/read-pools.ts"

const test = suite("firmware/conduits/read-pools")

test("buffers where the filter looks are lent first, never two that overlap, and taken back whatever else is free", () => {
  const landing = new Uint8Array(ALL_LANDING_BYTES + 100).subarray(100)
  const pools = createReadPools(landing)
  const taken: Uint8Array<ArrayBuffer>[] = []
  for (const pool of [pools.tls, pools.clear]) for (let k = pool.free; k > 0; k--) taken.push(pool.take())
  assert.is(
    taken.reduce((sum, { length }) => sum + length, 0),
    ALL_LANDING_BYTES,
  )
  const spans = taken.map(({ byteOffset, length }) => [byteOffset, byteOffset + length] as const)
  spans.sort(([a], [b]) => a - b)
  assert.is(spans[0]?.[0], 100)
  spans.forEach(([, end], k) => assert.ok(end <= (spans[k + 1]?.[0] ?? landing.buffer.byteLength)))
  for (const buffer of taken) assert.is(buffer.buffer, landing.buffer)
  assert.is.not(pools.tls.take().buffer, landing.buffer, "then others")
  for (const buffer of taken) (buffer.length === LARGE_BYTES ? pools.tls : pools.clear).give(buffer)
  assert.is(pools.tls.take().buffer, landing.buffer)
})

test("without such memory there are others", () => {
  const { tls, clear } = createReadPools(null)
  assert.is(tls.free + clear.free, 0)
  assert.is(tls.take().length, LARGE_BYTES)
})

test("[CR 7.1] a closed socket gives back what it held: at once what it read into, the rest once it was written", () => {
  const memory = new ArrayBuffer(3 * LARGE_BYTES)
  const landing = [0, 1, 2].map((k) => new Uint8Array(memory, k * LARGE_BYTES, LARGE_BYTES))
  const pool = new BufferPool(0, LARGE_BYTES, landing)
  let written = false
  const reads = pooledReads(
    pool,
    () => undefined,
    () => written,
  )
  for (let k = 0; k < 3; k++) reads.take(LARGE_BYTES, reads.buffer())
  reads.buffer()
  assert.is(pool.free, 0, "two wait to be written, one is read into")
  reads.end()
  assert.is(pool.free, 1)
  const own = pool.take()
  assert.is.not(pool.take().buffer, memory, "what waits is lent to nobody")
  written = true
  const rest = [pool.take(), pool.take()]
  for (const buffer of rest) assert.is(buffer.buffer, memory)
  assert.is(new Set([own, ...rest].map(({ byteOffset }) => byteOffset)).size, 3)
})

test.run()
