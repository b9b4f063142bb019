import * as fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createFinder, RowSearch } from "../../../firmware/console/page/row-search.ts"
import { BLOCK_ROWS, RowStore } from "../../../firmware/console/page/row-store.ts"
import { ALL, FACETS, wanting, type Row } from "../../../firmware/console/page/rows.ts"

const test = suite("firmware/console/row-search")
const ENTRIES = 100_000

function row(seq: number, change: Partial<Row> = {}): Row {
  const rest = { severity: "information", event: "audit.checked", outcome: "success", conduit: "-", about: "" }
  return { ...{ seq, at: seq * 1_000, subject: `pump-${seq % 97}`, proven: true }, ...rest, ...change }
}

/** A long log that counts how often its rows are looked at. */
function longLog(): { readonly store: RowStore; readonly looks: () => number } {
  let looks = 0
  const store = new RowStore()
  const counting = (seq: number): Row =>
    Object.defineProperty(row(seq), "about", { enumerable: true, get: () => (looks++, `valve ${seq % 10}`) })
  store.keep(Array.from({ length: ENTRIES }, (_, seq) => counting(seq)))
  return { store, looks: () => looks }
}

/** Slices wait here until they are asked for; the clock goes on by a millisecond each time that it is read. */
function pace() {
  const waiting: (() => void)[] = []
  let nowMs = 0
  return {
    waiting,
    ...createFinder({
      nowMs: () => nowMs++,
      later: (act) => {
        waiting.push(act)
        return () => void waiting.splice(waiting.indexOf(act) >>> 0, 1)
      },
    }),
  }
}

test("[CR 6.1] a search of 100,000 entries takes many slices, none of which looks at more than its time allows", () => {
  const { store, looks } = longLog()
  const { find, waiting } = pace()
  let found: readonly Row[] | null = null
  let waits = 0
  const wanted = { ...ALL, text: "pump-7 VALVE 3" }
  const begin = looks()
  find(store, wanted, (rows) => (found = rows), () => waits++) // prettier-ignore
  assert.equal([found, waits, waiting.length], [null, 1, 1])
  let most = looks() - begin
  let slices = 1
  for (let act = waiting.shift(); act !== undefined; act = waiting.shift()) {
    const before = looks()
    act()
    most = Math.max(most, looks() - before)
    slices++
  }
  // A slice reads the clock once a block, and it may take 8 ms of it.
  assert.ok(most <= 9 * BLOCK_ROWS, `${most} rows in a slice`)
  assert.ok(slices >= ENTRIES / BLOCK_ROWS / 9, `${slices} slices`)
  const all = store.blocks().flatMap(({ rows }) => [...rows].reverse()) as Row[]
  const naive = all.filter(wanting(wanted)).map(({ seq }) => seq)
  assert.ok(naive.length > 100)
  assert.equal(found!.map(({ seq }: Row) => seq), naive) // prettier-ignore
})

test("what was looked at is not looked at again: a new entry costs one block, another word all of them", () => {
  const { store, looks } = longLog()
  const search = new RowSearch(store, { ...ALL, text: "valve" })
  assert.is(search.step(() => false), true) // prettier-ignore
  const before = looks()
  store.keep([row(ENTRIES, { about: "valve new" })])
  assert.is(search.step(() => false), true) // prettier-ignore
  assert.ok(looks() - before <= BLOCK_ROWS, `${looks() - before}`)
  assert.equal([search.rows().length, search.rows()[0]!.seq], [ENTRIES + 1, ENTRIES])
})

test("a search that is under way gives way to another, goes on for the same, and takes in what came meanwhile", () => {
  const { store } = longLog()
  const { find, waiting } = pace()
  const told: string[] = []
  const look = (text: string): void =>
    find(store, { ...ALL, text }, (rows) => told.push(`${text} ${rows.length}`), () => told.push(`${text}...`)) // prettier-ignore
  const run = (): void => {
    for (let act = waiting.shift(); act !== undefined; act = waiting.shift()) act()
  }
  const wanted = Array.from({ length: ENTRIES }, (_, seq) => seq % 97).filter((rest) => rest === 96).length + 1
  look("pump-95")
  waiting.shift()?.()
  look("pump-96")
  assert.is(waiting.length, 1, "the first search is called off")
  store.keep([row(ENTRIES + 5_000, { subject: "pump-96" })])
  look("pump-96")
  assert.is(waiting.length, 1)
  run()
  assert.equal(told, ["pump-95...", "pump-96...", `pump-96 ${wanted}`])
  look("pump-96")
  assert.equal(told.slice(3), [`pump-96 ${wanted}`], "at once: nothing is new")
})

test("whatever comes in whatever order, once told and once proven, rows and counts are those of a plain table", () => {
  const some = fc.record({
    seq: fc.nat(2_000),
    outcome: fc.constantFrom("success", "denied", "failure"),
    subject: fc.constantFrom("a", "b", "__proto__", "-"),
    proven: fc.boolean(),
  })
  const property = fc.property(fc.array(fc.array(some, { maxLength: 20 }), { maxLength: 20 }), (messages) => {
    const store = new RowStore()
    const plain = new Map<number, Row>()
    const search = new RowSearch(store, { ...ALL, facets: { ...ALL.facets, outcome: "denied" } })
    for (const message of messages) {
      const rows = message.map(({ seq, ...rest }) => row(seq, rest))
      store.keep(rows)
      for (const one of rows) if (plain.get(one.seq)?.proven !== true) plain.set(one.seq, one)
      search.step(() => true)
    }
    while (!search.step(() => true));
    const newestFirst = [...plain.values()].sort((one, other) => other.seq - one.seq)
    assert.equal(search.rows(), newestFirst.filter(({ outcome }) => outcome === "denied")) // prettier-ignore
    assert.is(store.size, plain.size)
    for (const facet of FACETS) {
      const counts = new Map<string, number>()
      for (const one of plain.values()) counts.set(one[facet], (counts.get(one[facet]) ?? 0) + 1)
      assert.equal(new Map(store.counted(facet, 100)), counts)
      const order = store.counted(facet, 100).map(([, count]) => count)
      assert.equal(order, [...order].sort((one, other) => other - one)) // prettier-ignore
    }
  })
  fc.assert(property, { numRuns: 100 })
})

test.run()
