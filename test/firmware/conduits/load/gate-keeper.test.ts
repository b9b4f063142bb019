import { suite } from "uvu"
import * as assert from "uvu/assert"
import { AccountTable, createAccountMemory } from "../../../../firmware/conduits/load/account-table.ts"
import { charge, draw, fillAt } from "../../../../firmware/conduits/load/budget.ts"
import { GateKeeper, type Source } from "../../../../firmware/conduits/load/gate-keeper.ts"
import { HalfOpen } from "../../../../firmware/conduits/load/half-open.ts"

const test = suite("firmware/conduits/load/gate-keeper")

const BUDGETS = {
  maxSourceConnections: 50,
  sourceHandshakes: { perSecond: 10, burst: 10 },
  handshakes: { perSecond: 20, burst: 40 },
}

function keeper(budgets = BUDGETS, sources = 64) {
  let nowMs = 0
  const table = (accounts: number, first: number): AccountTable =>
    new AccountTable(createAccountMemory({ accounts, cells: 2, workers: 1 }), 0, [first])
  const tables = {
    sources: table(sources, budgets.sourceHandshakes.burst),
    proven: table(8, budgets.sourceHandshakes.burst),
    totals: table(1, budgets.handshakes.burst),
  }
  const gate = new GateKeeper(tables, budgets, () => nowMs)
  return { gate, tables, wait: (ms: number) => (nowMs += ms) }
}

/** What `count` connections from these addresses, one after the other and none of them ended, were told. */
function knock(gate: GateKeeper, count: number, address: (k: number) => string): Record<string, number> {
  const told: Record<string, number> = {}
  for (let k = 0; k < count; k++) {
    const answer = gate.arrive(address(k))
    const word = typeof answer === "string" ? answer : "in"
    told[word] = (told[word] ?? 0) + 1
  }
  return told
}

test("a bucket gives its burst, then its rate; a debt is waited for; time that goes back gives nothing", () => {
  const rate = { perSecond: 2, burst: 3 }
  const cells = Float64Array.of(3, 0)
  assert.equal([1, 2, 3, 4].map(() => draw(cells, 0, rate, 0)), [true, true, true, false]) // prettier-ignore
  assert.ok(draw(cells, 0, rate, 500))
  assert.not(draw(cells, 0, rate, 400))
  assert.is(fillAt(cells, 0, rate, 60_000), 3)
  assert.is(charge(cells, 0, rate, 5, 60_000), 1_000)
  assert.is(charge(cells, 0, rate, 0, 60_500), 500)
  assert.not(draw(Float64Array.of(2, 0), 0, rate, 0, 2))
})

test("[CR 7.1] one network gets its rate of handshakes, whatever addresses of it are used", () => {
  const { gate, wait } = keeper()
  assert.equal(knock(gate, 30, (k) => `10.0.0.${k}`), { in: 10, "too-many-handshakes": 20 }) // prettier-ignore
  wait(500)
  assert.equal(knock(gate, 30, (k) => `10.0.0.${k}`), { in: 5, "too-many-handshakes": 25 }) // prettier-ignore
  assert.equal(knock(gate, 1, () => "10.0.1.1"), { in: 1 }) // prettier-ignore
  assert.equal(knock(gate, 12, (k) => `2001:db8::${k}`), { in: 10, "too-many-handshakes": 2 }) // prettier-ignore
})

test("[CR 7.1] many networks together get the rate of all, less what is kept for addresses that are proven", () => {
  const { gate } = keeper()
  assert.equal(knock(gate, 100, (k) => `10.0.${k}.1`), { in: 30, "too-many-handshakes-in-all": 70 }) // prettier-ignore
  gate.proved("10.0.7.1")
  assert.equal(knock(gate, 1, () => "10.0.7.1"), { in: 1 }, "it was in before") // prettier-ignore
  assert.equal(knock(gate, 1, () => "10.0.7.2"), { "too-many-handshakes-in-all": 1 }) // prettier-ignore
})

test("[CR 7.1] a flood from its own network does not keep away who was in before, nor does that one get more than a network", () => {
  const { gate } = keeper()
  gate.proved("10.0.0.9")
  assert.equal(knock(gate, 20, (k) => `10.0.0.${100 + k}`), { in: 10, "too-many-handshakes": 10 }) // prettier-ignore
  assert.equal(knock(gate, 20, () => "10.0.0.9"), { in: 10, "too-many-handshakes": 10 }) // prettier-ignore
})

test("[CR 7.1] a network has so many connections and no more; one that ends makes room", () => {
  const { gate, wait } = keeper({ ...BUDGETS, maxSourceConnections: 2 })
  const first = gate.arrive("10.0.0.1") as Source
  assert.equal(knock(gate, 3, () => "10.0.0.2"), { in: 1, "too-many-from-source": 2 }) // prettier-ignore
  gate.leave(first)
  wait(1_000)
  assert.equal(knock(gate, 1, () => "10.0.0.2"), { in: 1 }) // prettier-ignore
})

test("[CR 7.2] a million networks leave no more accounts than there is room for, and the rate of all holds", () => {
  const { gate, tables, wait } = keeper(BUDGETS, 16)
  let passed = 0
  for (let k = 0; k < 20_000; k++) {
    const answer = gate.arrive(`${k & 255}.${(k >> 8) & 255}.7.1`)
    if (typeof answer !== "string") {
      passed++
      gate.leave(answer)
    }
    if (k % 20 === 19) wait(1)
  }
  assert.is(tables.sources.size, 16)
  assert.ok(passed <= 40 + 20, `${passed}`)
})

test("[CR 7.1] half-open connections: one more displaces the oldest of the network that has most", () => {
  const half = new HalfOpen(4)
  for (const [name, source] of [["h1", "honest"], ["a1", "a"], ["a2", "a"], ["a3", "a"]] as const) assert.is(half.begin(name, source), null) // prettier-ignore
  assert.is(half.begin("h2", "honest"), "a1")
  assert.is(half.begin("b1", "b"), "h1")
  assert.equal([half.end("a1"), half.end("a2"), half.end("a2"), half.size], [false, true, false, 3])
  assert.is(half.begin("b2", "b"), null)
})

test("[CR 7.1] a thousand half-open connections of an attacker do not displace one that has just begun", () => {
  const half = new HalfOpen(8)
  for (let k = 0; k < 100; k++) half.begin(`a${k}`, "attacker")
  half.begin("honest", "field")
  for (let k = 100; k < 1_000; k++) assert.is.not(half.begin(`a${k}`, "attacker"), "honest")
  assert.ok(half.end("honest"))
})

test.run()
