import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Collected } from "../../../firmware/conduits/engine-port.ts"
import { openRecordingKeeper, RECORDING_PATH, type RecordingKeeper } from "../../../firmware/recording/keeper.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { HardwareError } from "../../../policy/base/errors.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { encodeRecording } from "../../../policy/recording/encode.ts"
import { parseRecording } from "../../../policy/recording/parse.ts"
import type { Recording } from "../../../policy/recording/recording.ts"
import { rejects } from "../../support/rejects.ts"
import { makeFlow, makePeer, makeRecording, sha256 } from "../../support/recordings.ts"

const test = suite("firmware/recording/keeper")
const MINUTE = 60_000

/** A keeper on a board in memory, beside an engine that has seen one more flow each time it is asked. */
class World {
  readonly clock = new MemoryClock()
  readonly events: AuditEvent[] = []
  readonly storage: MemoryStorage
  on = false
  dead = false
  seen = 0
  keeper!: RecordingKeeper

  constructor(storage = new MemoryStorage()) {
    this.storage = storage
  }

  static async open(storage?: MemoryStorage): Promise<World> {
    const world = new World(storage)
    world.keeper = await openRecordingKeeper({
      storage: world.storage,
      clock: world.clock,
      engine: {
        startRecording: async () => {
          world.on = true
        },
        collectRecording: (stop) => world.collect(stop),
      },
      interval: () => ({ earliestAt: 1_000.5, latestAt: Infinity }),
      note: (event) => world.events.push(event),
      gateway: "gw-1",
    })
    return world
  }

  async collect(stop: boolean): Promise<Collected | null> {
    if (this.dead) throw new HardwareError("ERR_ENGINE_DIED", "gone")
    if (!this.on) return null
    this.on = !stop
    this.seen++
    const flows = Array.from({ length: this.seen }, (_, k) => makeFlow(`a/${k}`, { count: 1 }))
    return { peers: [makePeer(flows)], messages: this.seen, missed: { peers: 0, messages: 0 } }
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= MINUTE) {
      this.clock.advance(Math.min(left, MINUTE))
      for (let k = 0; k < 30; k++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async onDisk(): Promise<Recording | null> {
    const bytes = await this.storage.read(RECORDING_PATH)
    return bytes === null ? null : parseRecording(bytes, sha256)
  }

  get ended(): readonly (string | undefined)[] {
    return this.events.filter((event) => event.id === "recording.ended").map((event) => event.reason)
  }
}

test("[CR 2.8] a recording is written each minute, ends by itself, and both ends are in the log", async () => {
  const world = await World.open()
  world.keeper.policyInForce({ version: 3, sha256: "c".repeat(64) })
  await world.keeper.start(3, "local:owner")
  assert.is(await world.onDisk(), null)
  await world.advance(MINUTE)
  assert.is((await world.onDisk())?.end.reason, "running")
  world.keeper.policyInForce({ version: 4, sha256: "d".repeat(64) })
  await world.advance(2 * MINUTE)
  const recording = await world.onDisk()
  assert.is(recording?.end.reason, "time")
  assert.is(recording?.end.messages, 3)
  assert.equal([recording?.header.policy?.version, recording?.end.policies.map((p) => p.version)], [3, [4]])
  assert.is(recording?.end.to.latestAt, null)
  assert.equal(
    world.events.map(({ id, outcome, subject, reason }) => [id, outcome, subject, reason]),
    [
      ["recording.started", "success", "local:owner", undefined],
      ["recording.ended", "success", null, "time"],
    ],
  )
  assert.is(world.on, false)
  assert.is(world.clock.waiting, 0)
})

test("a long recording is written sixty times, not every minute", async () => {
  const world = await World.open()
  await world.keeper.start(1_440, null)
  await world.advance(23 * MINUTE)
  assert.is(await world.onDisk(), null)
  await world.advance(MINUTE)
  assert.is((await world.onDisk())?.end.messages, 1)
})

test("one recording at a time; stopping what does not run is refused", async () => {
  const world = await World.open()
  await rejects(() => world.keeper.stop("a"), "ERR_NO_RECORDING")
  await rejects(() => world.keeper.read(0), "ERR_NO_RECORDING")
  await world.keeper.start(10, "a")
  await rejects(() => world.keeper.start(10, "b"), "ERR_RECORDING_RUNS")
  const { running, file } = await world.keeper.stop("a")
  assert.is(running, null)
  assert.ok(file !== null && file !== "damaged" && file.ended === "command")
  assert.equal(world.ended, ["command"])
})

test("a stop of the gateway writes what was recorded", async () => {
  const world = await World.open()
  await world.keeper.start(10, null)
  await world.keeper.close()
  assert.is((await world.onDisk())?.end.reason, "shutdown")
})

test("an engine that died ends the recording with what was written last", async () => {
  const world = await World.open()
  await world.keeper.start(10, null)
  await world.advance(MINUTE)
  world.dead = true
  await world.advance(MINUTE)
  const recording = await world.onDisk()
  assert.equal([recording?.end.reason, recording?.end.messages], ["engine-died", 1])
  assert.equal(world.ended, ["engine-died"])
  world.dead = false
  await world.keeper.start(10, null)
})

test("a disk that fails once costs nothing; one that fails at the end is said", async () => {
  const world = await World.open()
  await world.keeper.start(2, null)
  world.storage.fail({ step: "write", errno: "ENOSPC", times: 1 })
  await world.advance(MINUTE)
  assert.is(await world.onDisk(), null)
  await world.advance(MINUTE)
  assert.is((await world.onDisk())?.end.reason, "time")
  await world.keeper.start(1, null)
  world.storage.fail({ step: "write", errno: "EIO", times: 9 })
  await world.advance(MINUTE)
  assert.is(world.events.at(-1)?.outcome, "failure")
  assert.is(world.events.at(-1)?.reason, "ERR_IO")
})

test("[CR 3.4] a power cut at every step of a write leaves a whole recording or none (model)", async () => {
  const whole = await World.open()
  await whole.keeper.start(3, null)
  await whole.advance(3 * MINUTE)
  const steps = whole.storage.steps
  assert.ok(steps > 6)
  for (let cutAt = 1; cutAt <= steps; cutAt++) {
    const world = await World.open()
    world.storage.plan = { cutAt, landed: "zeros", unsynced: "lost" }
    await world.keeper.start(3, null).catch(() => undefined)
    await world.advance(3 * MINUTE)
    const next = await World.open(world.storage.powerCut("lost"))
    const { file } = await next.keeper.status()
    assert.ok(file !== "damaged", `cut at ${cutAt}`)
    if (file !== null) assert.ok(["restart", "time"].includes(file.ended), file.ended)
  }
})

test("a killed process's recording is ended at the next start, once", async () => {
  const world = await World.open()
  await world.keeper.start(10, null)
  await world.advance(MINUTE)
  const storage = world.storage.powerCut()
  const next = await World.open(storage)
  assert.equal(next.ended, ["restart"])
  const again = await World.open(storage)
  assert.equal(again.ended, [])
})

test("the file is handed out in pieces that make it whole, and what is no recording is said to be damaged", async () => {
  const world = await World.open()
  const flows = Array.from({ length: 6_000 }, (_, k) => makeFlow(`plant/${k}/value`))
  const bytes = encodeRecording(makeRecording([makePeer(flows)]), sha256)
  await world.storage.write(RECORDING_PATH, bytes)
  const parts: Buffer[] = []
  for (let offset = 0; offset < bytes.length;) {
    const chunk = await world.keeper.read(offset)
    assert.equal([chunk.total, chunk.sha256], [bytes.length, sha256(bytes)])
    parts.push(Buffer.from(chunk.data, "base64"))
    offset += parts.at(-1)!.length
  }
  assert.ok(parts.length > 1)
  assert.ok(Buffer.concat(parts).equals(bytes))
  await rejects(() => world.keeper.read(bytes.length + 1), "ERR_OFFSET")
  await world.storage.write(RECORDING_PATH, bytes.subarray(0, 1_000))
  assert.is((await world.keeper.status()).file, "damaged")
})

test.run()
