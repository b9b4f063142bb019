import { suite } from "uvu"
import * as assert from "uvu/assert"
import { makeHeartbeat } from "../../../firmware/audit/heartbeat.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { StateError } from "../../../policy/base/errors.ts"
import { parseHeartbeat } from "../../../policy/audit/heartbeat.ts"
import { parseNote, verifyNote } from "../../../policy/audit/tlog/note.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { createFileKeyStore } from "../../../hal/linux/key-store.ts"
import { openTestLog, sampleEvent, settled } from "../../support/audit.ts"
import { scene } from "../../support/publish-scene.ts"

const test = suite("firmware/audit/heartbeat")

test("[CR 6.2] the heartbeat is signed by the key of the log and says how the gateway stands", async () => {
  const [clock, storage] = [new MemoryClock(), new MemoryStorage()]
  const keyStore = createFileKeyStore(storage)
  const log = await openTestLog(storage, { clock, keyStore })
  await log.append(sampleEvent("1"))
  const deps = {
    ...{ gateway: "gw", firmware: "1.2.3", log, clock },
    interval: () => ({ earliestAt: 5.5, latestAt: Infinity }),
    policy: () => 7,
    alarms: () => 2,
  }
  const note = parseNote(Buffer.from((await makeHeartbeat(deps))!).toString())
  assert.is((await verifyNote(nodeSha256, note, [log.key], verifyNoteSignature)).length, 1)
  const { root, ...rest } = parseHeartbeat(note.text)
  assert.equal(rest, {
    ...{ gateway: "gw", at: clock.wall().at, earliest: 5, latest: null, size: log.size, policy: 7 },
    ...{ firmware: "1.2.3", alarms: 2, intervalSeconds: 30 },
  })
  assert.equal(Buffer.from(root), Buffer.from(log.checkpoint.root))
  const refusing = {
    checkpoint: log.checkpoint,
    signNote: () => Promise.reject(new StateError("ERR_KEY_MISSING", "no key")),
  }
  assert.is(await makeHeartbeat({ ...deps, log: refusing }), null, "unsigned it is not sent")
  await log.close()
})

test("[CR 6.2] the log changes its key while the gateway is connected: the next heartbeat bears the new one, as the checkpoint does", async () => {
  const s = await scene(new MemoryStorage(), (log, clock) => ({
    heartbeat: {
      everyMs: 30_000,
      make: () =>
        makeHeartbeat({
          ...{ gateway: "gw", firmware: "1", log, clock },
          interval: () => ({ earliestAt: 0, latestAt: Infinity }),
          policy: () => null,
          alarms: () => 0,
        }),
    },
  }))
  const keys = [s.log.key]
  const beats = (): readonly string[] =>
    s.broker.sent.filter(({ topic }) => topic === "lockgate/gw/heartbeat").map(({ text }) => text)
  /** Until so many were sent: a signature takes as long as the machine wants. */
  const sent = async (count: number): Promise<void> => {
    for (const endMs = performance.now() + 5_000; beats().length < count && performance.now() < endMs;) await settled()
  }
  s.start()
  await sent(1)
  for (let turn = 0; turn < 2; turn++) {
    await s.log.rotateKey()
    keys.push(s.log.key)
    s.clock.advance(30_000)
    await sent(turn + 2)
  }
  const notes = beats()
  for (const [n, note] of notes.entries()) {
    const good = await verifyNote(nodeSha256, parseNote(note), keys, verifyNoteSignature)
    assert.equal(
      good.map(({ key }) => key),
      [keys[n]],
      `heartbeat ${n}`,
    )
  }
  assert.is(notes.length, 3)
  await s.stop()
})

test.run()
