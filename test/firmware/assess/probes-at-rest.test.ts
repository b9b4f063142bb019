import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { AtRestView, ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { markedRecordIsClosed } from "../../../firmware/assess/probes/at-rest.ts"
import { splitFrames, createFrameSeal } from "../../../firmware/spool/frame.ts"
import { queueFolder } from "../../../firmware/spool/queue.ts"
import { encodeRecord } from "../../../firmware/spool/record.ts"
import { openSpool, PROBE_CONDUIT, type Batch, type Spool } from "../../../firmware/spool/store.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { breaks } from "../../support/probe-world.ts"

const test = suite("firmware/assess/probes-at-rest")

const SECRET = new Uint8Array(32).fill(9)
const FOLDER = queueFolder(PROBE_CONDUIT, "assess")

async function live() {
  const storage = new MemoryStorage()
  return { storage, spool: await openSpool({ storage, secret: SECRET, note: () => undefined }) }
}

const run = (atRest: AtRestView): Promise<ProbeResult> =>
  markedRecordIsClosed.run({ atRest } as unknown as ProbeContext)

/** A disk as it would be if frames were written without encryption. */
function unsealed(storage: MemoryStorage): AtRestView["files"] {
  const seal = createFrameSeal(SECRET, `${PROBE_CONDUIT} assess`)
  return {
    list: (folder) => storage.list(folder),
    async read(path) {
      const bytes = await storage.read(path)
      if (bytes === null || !path.endsWith(".seg")) return bytes
      return Buffer.concat(splitFrames(bytes).map((frame, k) => seal.open(k + 1, frame)))
    },
  }
}

/** A spool that does all that it should, but writes a record as it is. */
function clearSpool(): AtRestView {
  const storage = new MemoryStorage()
  let kept: Batch["messages"] = []
  const spool: AtRestView["spool"] = {
    async put(_conduit, _subject, record) {
      await storage.write(`${FOLDER}/000000000001.seg`, encodeRecord(record))
      kept = [{ seq: 1, record }]
      return "stored"
    },
    batch: async () => ({ done: { through: 0, release: [] }, messages: kept }),
    settle: async () => void (kept = []),
    forget: () => storage.remove(`${FOLDER}/000000000001.seg`),
  }
  return { spool, files: storage }
}

test("[CR 4.1] a record on disk is closed, is in nobody's backlog meanwhile, and nothing of it is left", async () => {
  const { storage, spool } = await live()
  const backlogs: number[] = []
  const watched: AtRestView["spool"] = {
    ...spool,
    async batch(...asked) {
      backlogs.push(spool.backlog().length)
      return spool.batch(...asked)
    },
  }
  for (let k = 0; k < 2; k++) {
    const result = await run({ spool: watched, files: storage })
    assert.is(result.outcome, "passed", JSON.stringify(result))
    assert.equal(await storage.list(FOLDER), [])
  }
  assert.equal(backlogs, [0, 0, 0, 0])
})

test("[CR 4.1] a spool whose frames are not encrypted is found, by this probe and no other", async () => {
  const { storage, spool } = await live()
  const result = await run({ spool, files: unsealed(storage) })
  assert.match(result.outcome === "failed" ? result.seen : "", /^it stands in spool\/c-\.probe\/s-assess\/0+1\.seg$/)
  assert.equal(await storage.list(FOLDER), [], "and nothing is left of it")
  await breaks(() => ({ atRest: clearSpool() }), ["rest.marked-record-closed"])
})

test("[CR 4.1] a spool that stores nothing, loses, alters, repeats or leaves a record is found", async () => {
  const { storage, spool } = await live()
  const altered: Spool["batch"] = async (...asked) => {
    const { done, messages } = await spool.batch(...asked)
    return {
      done,
      messages: messages.map(({ seq, record }) => ({ seq, record: record && { ...record, clientId: "x" } })),
    }
  }
  const none = async (): Promise<Batch> => ({ done: { through: 0, release: [] }, messages: [] })
  const wrong: readonly [Partial<AtRestView["spool"]>, RegExp][] = [
    [{ put: async () => "stored" }, /^0 bytes$/],
    [{ batch: none }, /^none$/],
    [{ batch: altered }, /^another/],
    [{ settle: async () => undefined }, /^it comes again$/],
    [{ forget: async () => undefined }, /^done\.json$/],
  ]
  for (const [broken, seen] of wrong) {
    const result = await run({ spool: { ...spool, ...broken }, files: storage })
    assert.match(result.outcome === "failed" ? result.seen : result.outcome, seen)
  }
  const full = await run({ spool: { ...spool, put: async () => "full" }, files: storage })
  assert.is(full.outcome, "not-tested")
})

test("what a probe that was cut off left is gone at the next start", async () => {
  const { storage, spool } = await live()
  const cut = { ...spool, settle: () => Promise.reject(new Error("cut")), forget: async () => undefined }
  await run({ spool: cut, files: storage }).catch(() => undefined)
  assert.is((await storage.list(FOLDER)).length, 1)
  await openSpool({ storage: storage.processKill(), secret: SECRET, note: () => undefined })
  assert.equal(await storage.list(FOLDER), [])
})

test.run()
