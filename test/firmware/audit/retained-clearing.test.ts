/** What is given up of the log leaves nothing behind at a real mosquitto, whole or in parts, however the clearing was cut short. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialMqtt, linkError, type MqttLink } from "../../../firmware/audit/mqtt-link.ts"
import { runRetainedSession } from "../../../firmware/audit/retained-session.ts"
import { openRetainedWindow, type RetainedWindow } from "../../../firmware/audit/retained-window.ts"
import { piecesWith } from "../../../policy/audit/retained-plan.ts"
import { pieceAt } from "../../../policy/audit/topics.ts"
import { piecePath } from "../../../policy/audit/tlog/tile.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { mosquittoSub } from "../../peers/mosquitto-clients.ts"
import { startMosquitto, type Mosquitto } from "../../peers/mosquitto.ts"
import { clock, linesOf, retainedScene, until, verified } from "../../support/retained-scene.ts"
import { treeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/retained-clearing")
let broker: Mosquitto
test.before(async () => {
  broker = await startMosquitto({ quiet: true })
})
const { openStream, publish, reader, end } = retainedScene(() => broker.port)
test.after(async () => {
  end()
  await broker.stop()
})

/** Every topic under `tile/` that the broker holds something at. */
async function heldOf(gateway: string): Promise<string[]> {
  const now = await mosquittoSub({ port: broker.port, topics: [`lockgate/${gateway}/log/tile/#`], qos: 1 })
  let before = -1
  while (before !== now.messages.length) {
    before = now.messages.length
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  await now.stop()
  return now.messages.map(({ topic }) => topic)
}

/** Topics that hold a piece which the window does not have. */
function strays(gateway: string, held: readonly string[], window: RetainedWindow): string[] {
  const kept = new Set<string>()
  for (let bundle = window.first; bundle < window.next; bundle++)
    for (const piece of piecesWith(bundle)) kept.add(piecePath(piece))
  return held.filter((topic) => !kept.has(pieceAt(gateway, topic)?.path ?? ""))
}

for (const [what, named] of [
  ["a bundle is in more parts than its tile", undefined],
  ["a tile is in parts and its bundle is not", () => "always the same"],
] as const)
  test(`[CR 6.1] what leaves the window leaves no message behind, where ${what}`, async () => {
    const name = named === undefined ? "more" : "less"
    const log = treeLog(name, 256 * 12, named)
    const publishing = await publish(log, name, { partBytes: 3_000, windowBytes: () => 80_000 })
    await until("all went there", () => publishing.window.next === 12 && publishing.window.first > 0)
    await publishing.stop()
    const held = await heldOf(name)
    assert.ok(held.includes(`lockgate/${name}/log/tile/0/011/part/2`))
    assert.is(held.includes(`lockgate/${name}/log/tile/entries/011`), named !== undefined)
    assert.equal(strays(name, held, publishing.window), [])
    assert.equal(publishing.reports, [])
  })

/** A gateway that is killed at its `after`th clearing message: nothing of it goes on, nor is anything saved. */
async function killedWhileClearing(
  name: string,
  storage: MemoryStorage,
  log: ReturnType<typeof treeLog>,
  after: number,
) {
  const link = await dialMqtt({ gateway: name, openStream, version: "3.1.1" })
  let cleared = 0
  const dying: MqttLink = {
    ...link,
    async publish(topic, payload, retain) {
      if (payload.length === 0 && topic.includes("/tile/") && cleared++ >= after) {
        link.destroy()
        throw linkError("killed")
      }
      await link.publish(topic, payload, retain)
    },
  }
  const session = runRetainedSession({
    ...{ link: dying, log, clock, gateway: name, edgeEveryMs: 300, partBytes: 3_000, windowBytes: () => 80_000 },
    ...{ window: await openRetainedWindow(storage), signal: new AbortController().signal, report: () => undefined },
  })
  assert.is(await session.ended, "killed")
}

for (const after of [0, 1, 4, 9])
  test(`[CR 6.1] nor after a kill between the clearings: after ${after} of them`, async () => {
    const name = `killed-${after}`
    const storage = new MemoryStorage()
    const log = treeLog(name, 256 * 5)
    const first = await publish(log, name, { storage, partBytes: 3_000, windowBytes: () => 1_000_000 })
    await until("all are there", () => first.window.next === 5)
    await first.stop()
    // Room is made for what comes.
    log.grow(256)
    await killedWhileClearing(name, storage, log, after)
    const left = await openRetainedWindow(storage)
    assert.ok(left.first > 0 && strays(name, await heldOf(name), left).length > 0, "there is something to be cleared")
    const back = await publish(log, name, { storage, partBytes: 3_000, windowBytes: () => 80_000 })
    await until("nothing of them is left", async () => strays(name, await heldOf(name), back.window).length === 0)
    const source = await reader(name)
    const from = back.window.first * 256
    await until("the edge is there", async () => (await source.checkpoint()) !== null)
    assert.equal(await verified(source, log, from), linesOf(log, from))
    await source.end()
    await back.stop()
    assert.equal(back.reports, [], "what we gave up ourselves is nobody's attack")
  })

test("what is put right in other parts than before leaves nothing of the former beside it", async () => {
  const log = treeLog("again", 256 * 2)
  const storage = new MemoryStorage()
  await (await publish(log, "again", { storage })).stop()
  assert.equal((await heldOf("again")).length, 4)
  const link = await dialMqtt({ gateway: "stranger", openStream })
  await link.publish("lockgate/again/log/tile/0/001", new Uint8Array([1, 2, 3]), true)
  await link.close()
  const back = await publish(log, "again", { storage, partBytes: 3_000 })
  await until("it is right again, in parts", async () => {
    const held = await heldOf("again")
    const now = held.filter((topic) => topic.includes("tile/0/001")).sort()
    return now.join() === [0, 1, 2].map((n) => `lockgate/again/log/tile/0/001/part/${n}`).join()
  })
  const source = await reader("again")
  assert.equal(await verified(source, log), linesOf(log))
  await source.end()
  await back.stop()
  assert.equal(
    back.reports.map(({ reason, object, count }) => [reason, object, count]),
    [["overwritten", "tile/0/001", undefined]],
  )
})

test.run()
