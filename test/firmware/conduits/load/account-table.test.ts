import { suite } from "uvu"
import * as assert from "uvu/assert"
import { Worker } from "node:worker_threads"
import * as fc from "fast-check"
import { AccountTable, createAccountMemory, MAX_KEY } from "../../../../firmware/conduits/load/account-table.ts"

const test = suite("firmware/conduits/load/account-table")

const tables = (accounts: number, workers = 1, first: number[] = []) => {
  const memory = createAccountMemory({ accounts, cells: 2, workers })
  return Array.from({ length: workers }, (_, k) => new AccountTable(memory, k, first))
}

test("a new account begins with what was given; it keeps what was written into it", () => {
  const [table] = tables(4, 1, [7]) as [AccountTable]
  assert.equal(
    table.with("a", (cells, at) => [cells[at], cells[at + 1]]),
    [7, 0],
  )
  table.with("a", (cells, at) => (cells[at + 1] = 3))
  assert.is(
    table.with("a", (cells, at) => cells[at + 1]),
    3,
  )
  assert.is(table.size, 1)
})

test("[CR 7.2] the account that was unused for longest gives way, never one that is held; all held: no account", () => {
  const [table] = tables(3) as [AccountTable]
  const held = table.hold("held")
  table.with("b", () => 0)
  table.with("c", () => 0)
  assert.ok(table.has("b"))
  table.with("d", () => 0)
  assert.equal([table.has("held"), table.has("b"), table.has("c"), table.has("d"), table.size], [true, true, false, true, 3]) // prettier-ignore
  assert.ok(table.hold("b") >= 0 && table.hold("d") >= 0)
  assert.is(table.hold("e"), -1)
  assert.is(
    table.with("e", () => 1),
    null,
  )
  table.release(held)
  assert.ok(table.hold("e") >= 0)
  assert.not(table.has("held"))
})

test("holds of all workers are added up; those of one that died are struck", () => {
  const [one, two] = tables(4, 2) as [AccountTable, AccountTable]
  one.hold("a")
  const mine = two.hold("a")
  two.hold("a")
  assert.is(one.holds("a"), 3)
  one.forget(1)
  assert.is(one.holds("a"), 1)
  assert.throws(() => two.release(mine), (error: { code: string }) => error.code === "ERR_ACCOUNT_HOLD") // prettier-ignore
})

test("a name that does not fit is an error of ours, and the longest fits", () => {
  const [table] = tables(2) as [AccountTable]
  assert.ok(table.hold("x".repeat(MAX_KEY)) >= 0)
  assert.throws(() => table.hold("x".repeat(MAX_KEY + 1)), (error: { code: string }) => error.code === "ERR_ACCOUNT_KEY") // prettier-ignore
})

test("[CR 7.2] against a Map: whatever comes in whatever order, never more accounts than there is room for", () => {
  const step = fc.record({
    key: fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
    what: fc.constantFrom("use", "hold", "release"),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [table] = tables(4) as [AccountTable]
      /** Key to holds, the one unused for longest first. */
      const model = new Map<string, { holds: number[]; value: number }>()
      const renew = (key: string, entry: { holds: number[]; value: number }): void => {
        model.delete(key)
        model.set(key, entry)
      }
      let stamp = 0
      for (const { key, what } of steps) {
        const known = model.get(key)
        if (what === "release") {
          const index = known?.holds.pop()
          if (known === undefined || index === undefined) continue
          table.release(index)
          if (known.holds.length === 0) renew(key, known)
          continue
        }
        if (known === undefined && model.size === 4) {
          const oldest = [...model].find(([, { holds }]) => holds.length === 0)
          if (oldest === undefined) {
            assert.is(what === "hold" ? table.hold(key) : table.with(key, () => 0), what === "hold" ? -1 : null)
            continue
          }
          model.delete(oldest[0])
        }
        const entry = known ?? { holds: [], value: 0 }
        if (entry.holds.length === 0) renew(key, entry)
        const value = ++stamp
        const before = table.with(key, (cells, at) => {
          const was = cells[at]
          cells[at] = value
          return was
        })
        assert.is(before, entry.value, key)
        entry.value = value
        if (what === "hold") entry.holds.push(table.hold(key))
        assert.is(table.holds(key), entry.holds.length)
      }
      assert.is(table.size, model.size)
    }),
    { numRuns: 300 },
  )
})

test("[CR 7.1] two threads that take from one account at once take from it as one would", async () => {
  const memory = createAccountMemory({ accounts: 8, cells: 2, workers: 2 })
  const rounds = 20_000
  const source = `
    import { AccountTable } from ${JSON.stringify(new URL("../../../../firmware/conduits/load/account-table.ts", import.meta.url).href)}
    import { workerData } from "node:worker_threads"
    const { memory, worker, rounds } = workerData
    const table = new AccountTable(memory, worker)
    for (let k = 0; k < rounds; k++) {
      table.with("shared", (cells, at) => { cells[at] += 1 })
      if (k % 8 === 0) table.release(table.hold("other" + (k % 11)))
    }
  `
  const threads = [0, 1].map(
    (worker) =>
      new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
        workerData: { memory, worker, rounds },
      }),
  )
  await Promise.all(
    threads.map((thread) => new Promise((resolve, reject) => thread.once("exit", resolve).once("error", reject))),
  )
  const table = new AccountTable(memory, 0)
  assert.is(
    table.with("shared", (cells, at) => cells[at]),
    2 * rounds,
  )
  for (let k = 0; k < 11; k++) assert.is(table.holds(`other${k}`), 0)
})

test.run()
