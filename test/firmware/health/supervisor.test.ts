import { Worker } from "node:worker_threads"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createSupervisor, resetEvent, type Supervisor } from "../../../firmware/health/supervisor.ts"
import { HardwareError } from "../../../policy/base/errors.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { nodeKeyFunctions } from "../../../hal/linux/key-functions.ts"
import { createMemoryBoard, type MemoryBoard } from "../../../hal/memory/board.ts"
import { MemoryWatchdog } from "../../../hal/memory/watchdog.ts"
import { allEntries, openTestLog, settled } from "../../support/audit.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/health/supervisor")

interface Scene {
  readonly board: MemoryBoard
  readonly supervisor: Supervisor
  readonly reports: AuditEvent[]
  readonly ending: AbortController
}

function scene(): Scene {
  const board = createMemoryBoard({ keyFunctions: nodeKeyFunctions })
  const reports: AuditEvent[] = []
  const report = (event: AuditEvent): void => void reports.push(event)
  const supervisor = createSupervisor({ watchdog: board.watchdog, clock: board.clock, timeoutMs: 8000, report })
  return { board, supervisor, reports, ending: new AbortController() }
}

async function pass(board: MemoryBoard, ms: number, each: () => void): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    each()
    board.clock.advance(500)
    await settled()
  }
}

test("[CR 7.1] while every loop beats, the watchdog is fed and the board runs", async () => {
  const { board, supervisor, reports, ending } = scene()
  const loops = [supervisor.loop("a", { deadlineMs: 1000 }), supervisor.loop("b", { deadlineMs: 2000 })]
  const running = supervisor.start(ending.signal)
  await pass(board, 60_000, () => {
    for (const loop of loops) loop.beat()
  })
  assert.not(board.wasReset)
  assert.ok(board.watchdog.feeds >= 30)
  assert.equal(reports, [])
  ending.abort()
  await running
  board.clock.advance(100_000)
  assert.not(board.wasReset)
})

test("[CR 7.1] one loop that hangs resets the board; it is told once, and the next start knows why", async () => {
  const { board, supervisor, reports, ending } = scene()
  const log = await openTestLog(board.storage, { clock: board.clock })
  const good = supervisor.loop("conduits", { deadlineMs: 1000 })
  const bad = supervisor.loop("management", { deadlineMs: 1000 })
  void supervisor.start(ending.signal)
  await pass(board, 10_000, () => {
    good.beat()
    bad.beat()
  })
  let appended = 0
  await pass(board, 20_000, () => {
    good.beat()
    for (; appended < reports.length; appended++) log.append(reports[appended]!).catch(() => null)
  })
  assert.ok(board.wasReset)
  assert.equal(
    reports.map((e) => [e.id, e.object]),
    [["gateway.loop-stalled", "management"]],
  )
  assert.equal(supervisor.stalled, ["management"])

  const next = board.reboot()
  assert.is(next.watchdog.lastReset, "watchdog")
  const event = resetEvent(next.watchdog.lastReset)
  const after = await openTestLog(next.storage, { clock: next.clock })
  if (event !== null) await after.append(event)
  assert.equal(
    (await allEntries(after)).map((e) => e.event),
    ["gateway.loop-stalled", "gateway.restarted-by-watchdog"],
  )
})

test("other reasons to start are nothing to tell", () => {
  for (const reason of ["power", "software", "unknown"] as const) assert.is(resetEvent(reason), null)
})

test("a loop that comes back in time is fed for again, and its next stall is told again", async () => {
  const { board, supervisor, reports, ending } = scene()
  const loop = supervisor.loop("a", { deadlineMs: 1000 })
  void supervisor.start(ending.signal)
  for (let round = 0; round < 3; round++) {
    await pass(board, 5_000, () => loop.beat())
    await pass(board, 5_000, () => undefined)
  }
  assert.not(board.wasReset)
  assert.is(reports.length, 3)
  ending.abort()
})

test("a loop that ended in order is not waited for; one registered while running is", async () => {
  const { board, supervisor, ending } = scene()
  const first = supervisor.loop("first", { deadlineMs: 1000 })
  void supervisor.start(ending.signal)
  first.end()
  await pass(board, 20_000, () => undefined)
  assert.not(board.wasReset)
  supervisor.loop("second", { deadlineMs: 1000 })
  await pass(board, 12_000, () => undefined)
  assert.ok(board.wasReset)
})

test("deadlines do not run before the start", async () => {
  const { board, supervisor, reports, ending } = scene()
  const loop = supervisor.loop("a", { deadlineMs: 1000 })
  board.clock.advance(60_000)
  void supervisor.start(ending.signal)
  await pass(board, 5000, () => loop.beat())
  assert.equal(reports, [])
  ending.abort()
})

test("a watchdog that does not take its feeding is tried again and told once", async () => {
  const { board, supervisor, reports, ending } = scene()
  void supervisor.start(ending.signal)
  await settled()
  board.watchdog.failing = 2
  await pass(board, 20_000, () => undefined)
  assert.not(board.wasReset)
  assert.equal(
    reports.map((e) => [e.object, e.reason]),
    [["watchdog", "ERR_IO"]],
  )
  board.watchdog.failing = Infinity
  await pass(board, 20_000, () => undefined)
  assert.ok(board.wasReset)
  ending.abort()
})

test("a watchdog that cannot be armed is an error of the start", async () => {
  const { board, ending } = scene()
  const dead = {
    lastReset: "unknown" as const,
    arm: () => Promise.reject(new HardwareError("ERR_IO", "no watchdog")),
    feed: () => Promise.resolve(),
    disarm: () => Promise.resolve(),
  }
  const supervisor = createSupervisor({ watchdog: dead, clock: board.clock, timeoutMs: 1000, report: () => undefined })
  await rejects(() => supervisor.start(ending.signal), "ERR_IO")
})

test("[CR 7.1] a worker thread that is blocked for real resets the board", async () => {
  const clock = createLinuxClock()
  let resets = 0
  const watchdog = new MemoryWatchdog({ clock, expired: () => resets++ })
  const reports: AuditEvent[] = []
  const supervisor = createSupervisor({ watchdog, clock, timeoutMs: 1000, report: (event) => reports.push(event) })
  const source = `const { parentPort } = require("node:worker_threads")
    setInterval(() => parentPort.postMessage("alive"), 20)
    parentPort.on("message", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))`
  const worker = new Worker(source, { eval: true })
  const ending = new AbortController()
  try {
    const loop = supervisor.loop("worker", { deadlineMs: 600 })
    await new Promise((resolve) => worker.once("message", resolve))
    worker.on("message", () => loop.beat())
    void supervisor.start(ending.signal)
    await new Promise<void>((resolve) => clock.after(1300, resolve))
    assert.is(resets, 0)
    worker.postMessage("block")
    const endAt = Date.now() + 5000
    while (resets === 0 && Date.now() < endAt) await new Promise<void>((resolve) => clock.after(20, resolve))
    assert.is(resets, 1)
    assert.ok(reports.length > 0 && reports.every((e) => e.object === "worker"))
  } finally {
    ending.abort()
    await worker.terminate()
  }
})

test.run()
