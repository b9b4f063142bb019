import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { encodeEntry } from "../../../policy/audit/entry.ts"
import { bundlePath, encodeBundle, parseBundle, scanBundle } from "../../../policy/audit/entry-bundle.ts"
import { LockgateError } from "../../../policy/base/errors.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/audit/entry-bundle")

function entry(seq: number): Uint8Array {
  return encodeEntry({
    seq,
    wallAt: 0,
    time: { earliestAt: 0, latestAt: Infinity },
    boot: "b",
    monotonicMs: seq,
    gateway: "g",
    event: { id: "gateway.started", outcome: "success", source: "test" },
  })
}
const run = (from: number, count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => entry(from + i))

test("paths are those of tlog-tiles", () => {
  const cases = [
    [0, 256, "tile/entries/000"],
    [67, 256, "tile/entries/067"],
    [999, 256, "tile/entries/999"],
    [1000, 256, "tile/entries/x001/000"],
    [1234067, 256, "tile/entries/x001/x234/067"],
    [1234567, 8, "tile/entries/x001/x234/567.p/8"],
    [0, 1, "tile/entries/000.p/1"],
  ] as const
  for (const [index, width, path] of cases) assert.is(bundlePath(index, width), path)
})

test("an index or width that cannot be is our fault", async () => {
  for (const [index, width] of [
    [-1, 256],
    [0.5, 256],
    [NaN, 256],
    [0, 0],
    [0, 257],
  ] as const) {
    await rejects(() => bundlePath(index, width), "ERR_AUDIT_BUNDLE_INDEX")
  }
})

test("a bundle is big-endian lengths and bytes", async () => {
  const bytes = encodeBundle([new Uint8Array([7, 8]), new Uint8Array(258)])
  assert.equal(bytes.slice(0, 6), new Uint8Array([0, 2, 7, 8, 1, 2]))
  assert.equal(parseBundle(bytes), [new Uint8Array([7, 8]), new Uint8Array(258)])
  await rejects(() => encodeBundle([new Uint8Array()]), "ERR_AUDIT_BUNDLE_ENTRY")
  await rejects(() => encodeBundle([new Uint8Array(1025)]), "ERR_AUDIT_BUNDLE_ENTRY")
})

test("[CR 3.5] a bundle that is short, zero, too long or too full is refused", async () => {
  const full = encodeBundle(run(0, 256))
  assert.is(parseBundle(full).length, 256)
  await rejects(() => parseBundle(encodeBundle(run(0, 257))), "ERR_AUDIT_BUNDLE")
  await rejects(() => parseBundle(new Uint8Array([0])), "ERR_AUDIT_BUNDLE")
  await rejects(() => parseBundle(new Uint8Array([0, 0])), "ERR_AUDIT_BUNDLE")
  await rejects(() => parseBundle(new Uint8Array(2 + 1025).fill(4, 0, 1).fill(1, 1, 2)), "ERR_AUDIT_BUNDLE")
})

test("a scan of a torn bundle gives exactly the whole entries before the tear", () => {
  const entries = run(512, 3)
  const bytes = encodeBundle(entries)
  const ends = entries.map((_, i) => encodeBundle(entries.slice(0, i + 1)).length)
  for (const torn of truncations(bytes)) {
    const whole = ends.filter((end) => end <= torn.length).length
    const scan = scanBundle(torn, 512)
    assert.is(scan.entries.length, whole)
    assert.is(scan.goodBytes, ends[whole - 1] ?? 0)
    assert.is(scan.firstSeq, whole === 0 ? null : 512)
  }
})

test("zeros, garbage and entries out of turn end the log where they begin", () => {
  const good = encodeBundle(run(0, 4))
  const random = seeded(7)
  const tails = [
    new Uint8Array(4096),
    new Uint8Array(1),
    randomBytes(500, random),
    encodeBundle([new Uint8Array([0x7b, 0x7d])]),
    encodeBundle([entry(5)]),
    encodeBundle([entry(3)]),
  ]
  for (const tail of tails) {
    const scan = scanBundle(new Uint8Array([...good, ...tail]), null)
    assert.is(scan.entries.length, 4)
    assert.is(scan.goodBytes, good.length)
  }
  assert.is(scanBundle(good, 1).entries.length, 0)
})

test("a scan stops after 256 entries", () => {
  const scan = scanBundle(encodeBundle(run(0, 258)), 0)
  assert.is(scan.entries.length, 256)
  assert.is(scan.goodBytes, encodeBundle(run(0, 256)).length)
})

test("[CR 3.5] no bytes make a scan throw, and what it gives is always a prefix that reads back", () => {
  const check = (bytes: Uint8Array): void => {
    const scan = scanBundle(bytes, null)
    assert.ok(scan.goodBytes <= bytes.length)
    assert.equal(encodeBundle(scan.entries), bytes.slice(0, scan.goodBytes))
    try {
      parseBundle(bytes)
    } catch (error) {
      assert.ok(error instanceof LockgateError && error.kind === "input", String(error))
    }
  }
  for (const bytes of bitFlips(encodeBundle(run(0, 2)))) check(bytes)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), check), { numRuns: 500 })
})

test.run()
