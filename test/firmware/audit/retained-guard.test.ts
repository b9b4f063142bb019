/** What others do to what is retained, at a real mosquitto: it is told, and put right. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { openRetainedWindow } from "../../../firmware/audit/retained-window.ts"
import { mosquittoPub, mosquittoSub } from "../../peers/mosquitto-clients.ts"
import { startMosquitto, type Mosquitto } from "../../peers/mosquitto.ts"
import { retainedScene, until, verified } from "../../support/retained-scene.ts"
import { treeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/retained-guard")
let broker: Mosquitto
test.before(async () => {
  broker = await startMosquitto({ quiet: true })
})
const { publish, reader, end } = retainedScene(() => broker.port)
test.after(async () => {
  end()
  await broker.stop()
})

test("[CR 3.9] a retained piece or edge that somebody overwrites or clears is put right and told", async () => {
  const log = treeLog("guard", 600)
  const publishing = await publish(log, "guard")
  const root = "lockgate/guard/log"
  const source = await reader("guard")
  await until("it is there", async () => (await source.checkpoint()) !== null)
  const attack = async (topic: string, message: string): Promise<AuditEvent[]> => {
    const before = publishing.reports.length
    await mosquittoPub({ port: broker.port, topic: `${root}/${topic}`, message, retain: true, qos: 1 })
    await until(`it is right again: ${topic}`, async () => {
      const now = await verified(source, log).catch(() => "")
      return typeof now !== "string" && now.length === 600
    })
    return publishing.reports.slice(before)
  }
  const [told] = await attack("tile/entries/001", "forged")
  assert.equal(told, {
    id: "audit.retained-altered",
    outcome: "failure",
    source: "audit",
    reason: "overwritten",
    object: "tile/entries/001",
  })
  // Those that follow within a minute are told as one, later.
  await attack("tile/0/000", "")
  await attack("log/edge".slice(4), "forged")
  await attack("edge", "")
  assert.is(publishing.reports.length, 1)
  await mosquittoPub({ port: broker.port, topic: `${root}/tile/9/junk`, message: "x", retain: true, qos: 1 })
  await new Promise((resolve) => setTimeout(resolve, 300))
  const junk = await mosquittoSub({ port: broker.port, topics: [`${root}/tile/9/#`], qos: 1 })
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.is(junk.messages.length, 0)
  await junk.stop()
  assert.is(await publishing.readBack(), true)
  await source.end()
  await publishing.stop()
  assert.is(publishing.reports.at(-1)?.count, 4)
})

test("[CR 3.9] a part of a large edge that somebody overwrites or clears is put right and told; a foreign one is cleared", async () => {
  const log = treeLog("cut", 500)
  const publishing = await publish(log, "cut", { partBytes: 4_000 })
  const source = await reader("cut")
  await until("it is there", async () => (await source.checkpoint()) !== null)
  const all = await mosquittoSub({ port: broker.port, topics: ["lockgate/cut/log/edge/#"], qos: 1 })
  const parts = (await all.take(3)).map(({ topic }) => topic).filter((topic) => topic.includes("/part/"))
  await all.stop()
  const foreign = `lockgate/cut/log/edge/${"0".repeat(32)}/part/0`
  for (const [topic, message] of [
    [parts[0]!, "forged"],
    [parts[1]!, ""],
    [foreign, "forged"],
  ] as const) {
    await mosquittoPub({ port: broker.port, topic, message, retain: true, qos: 1 })
    await until(`it is right again: ${topic}`, async () => {
      const now = await mosquittoSub({ port: broker.port, topics: ["lockgate/cut/log/edge/#"], qos: 1 })
      await new Promise((resolve) => setTimeout(resolve, 50))
      const bad = now.messages.some(({ topic: at, payload }) => at === foreign || payload.toString() === "forged")
      await now.stop()
      return !bad && Array.isArray(await verified(source, log).catch(() => ""))
    })
  }
  await source.end()
  await publishing.stop()
  assert.equal([publishing.reports[0]?.reason, publishing.reports[1]?.count], ["overwritten", 2])
})

test("[CR 3.9] a change of the log's key that somebody overwrites, clears or invents is put right and told", async () => {
  const handovers = async () => [{ where: "handover-5", text: "the proof" }]
  const publishing = await publish(treeLog("keys", 10), "keys", { handovers })
  const root = "lockgate/keys/log/handover"
  const shown = async (): Promise<string> => {
    const now = await mosquittoSub({ port: broker.port, topics: [`${root}/#`], qos: 1 })
    await new Promise((resolve) => setTimeout(resolve, 60))
    await now.stop()
    return now.messages.map(({ topic, payload }) => `${topic.slice(root.length)} ${payload.toString()}`).join()
  }
  await until("it is there", async () => (await shown()) === "/5 the proof")
  for (const [topic, message] of [
    ["5", "forged"],
    ["5", ""],
    ["7", "another"],
  ] as const) {
    const before = publishing.reports.length
    await mosquittoPub({ port: broker.port, topic: `${root}/${topic}`, message, retain: true, qos: 1 })
    await until(`it is right again: ${topic}`, async () => (await shown()) === "/5 the proof")
    if (before === 0) await until("it is told", () => publishing.reports.length > 0)
  }
  await publishing.stop()
  assert.equal(publishing.reports.map(({ reason, object, count }) => [reason, object, count ?? 1]), [
    ["overwritten", "log/handover/5", 1],
    ["foreign", "log/handover/7", 2],
  ]) // prettier-ignore
})

test("[CR 3.9] what was overwritten or cleared while the gateway was away is found and put right when it is back", async () => {
  const log = treeLog("away", 1100)
  const storage = new MemoryStorage()
  const first = await publish(log, "away", { storage })
  await until("it is sure of it", () => first.window.isSure)
  await first.stop()
  for (const [topic, message] of [
    ["tile/entries/000", ""],
    ["tile/0/002", "x".repeat(8192)],
    ["edge", "x"],
  ] as const)
    // prettier-ignore
    await mosquittoPub({
      port: broker.port,
      ...{ topic: `lockgate/away/log/${topic}`, message, retain: true, qos: 1 },
    })
  const source = await reader("away")
  assert.is(await verified(source, log), "no checkpoint")
  const back = await publish(log, "away", { storage })
  await until("all is right", async () => Array.isArray(await verified(source, log).catch(() => "")))
  await source.end()
  await back.stop()
  assert.equal([back.reports[0]?.reason, back.reports[1]?.count], ["overwritten", 2])
})

for (const [gateway, left] of [
  ["anew", "nothing"],
  // A run before this one was killed when it had just found the broker empty.
  ["cut-short", "the edge"],
] as const)
  test(`[CR 6.1] a broker that keeps ${left} of the log any more is told as that, once, and filled again`, async () => {
    const log = treeLog(gateway, 1100)
    const storage = new MemoryStorage()
    await (await publish(log, gateway, { storage })).stop()
    // As if it had been set up anew.
    const pieces = [0, 1, 2, 3].flatMap((n) => [`tile/entries/00${n}`, `tile/0/00${n}`])
    for (const topic of left === "nothing" ? ["edge", ...pieces] : pieces)
      await mosquittoPub({
        port: broker.port,
        ...{ topic: `lockgate/${gateway}/log/${topic}`, message: "", retain: true, qos: 1 },
      })
    const back = await publish(log, gateway, { storage })
    const source = await reader(gateway)
    await until("all is there", async () => Array.isArray(await verified(source, log).catch(() => "")))
    await source.end()
    await back.stop()
    assert.equal(
      back.reports.map(({ id }) => id),
      ["audit.retained-lost"],
    )
  })

/** All but the first bundle of what a gateway has published. */
async function clearMost(gateway: string): Promise<void> {
  for (const n of [1, 2, 3])
    for (const piece of [`tile/entries/00${n}`, `tile/0/00${n}`])
      await mosquittoPub({
        port: broker.port,
        ...{ topic: `lockgate/${gateway}/log/${piece}`, message: "", retain: true, qos: 1 },
      })
}

for (const [gateway, before, told] of [
  ["half", "fills an emptied broker", []],
  ["unsure", "has not looked yet what an emptied broker holds", [["audit.retained-lost", "incomplete"]]],
] as const)
  test(`[CR 6.1] whoever is killed while it ${before} goes on with what is left, and raises no alarm`, async () => {
    const log = treeLog(gateway, 1100)
    const storage = new MemoryStorage()
    await (await publish(log, gateway, { storage })).stop()
    await clearMost(gateway)
    // What such a run has on disk.
    const window = await openRetainedWindow(storage)
    if (gateway === "half") window.restart(window.first)
    else window.doubt()
    await window.save()
    const back = await publish(log, gateway, { storage })
    const source = await reader(gateway)
    await until("all is there", async () => Array.isArray(await verified(source, log).catch(() => "")))
    await source.end()
    await until("it is sure of it", () => back.window.isSure)
    await back.stop()
    assert.equal(
      back.reports.map(({ id, reason }) => [id, reason]),
      told,
    )
    assert.ok((await openRetainedWindow(storage)).isSure)
  })

test("[CR 3.9] what is cleared after somebody looked, while the gateway is away, is an alarm", async () => {
  const log = treeLog("sure", 1100)
  const storage = new MemoryStorage()
  const first = await publish(log, "sure", { storage })
  await until("it is sure of it", () => first.window.isSure)
  await first.stop()
  await clearMost("sure")
  const back = await publish(log, "sure", { storage })
  await until("it is told", () => back.reports.length > 0)
  await back.stop()
  assert.equal([back.reports[0]?.id, back.reports[0]?.reason], ["audit.retained-altered", "cleared"])
})

test("a log that is another than the one at the broker takes its place", async () => {
  const storage = new MemoryStorage()
  await (await publish(treeLog("other", 900), "other", { storage })).stop()
  const log = treeLog("other", 300)
  const publishing = await publish(log, "other", { storage })
  const source = await reader("other")
  await until("it verifies", async () => Array.isArray(await verified(source, log).catch(() => "")))
  await until("the rest is gone", async () => {
    await source.checkpoint()
    return (await source.piece("tile/entries/002")) === null
  })
  await source.end()
  await publishing.stop()
})

test("[CR 6.1] a broker that takes the log and shows it to nobody is told of", async () => {
  const blind = await startMosquitto({ quiet: true, acl: "topic write lockgate/#\n" })
  try {
    const publishing = await retainedScene(() => blind.port).publish(treeLog("blind", 300), "blind")
    await until("it is told", () => publishing.reports.length > 0, 12_000)
    assert.is(publishing.reports[0]?.id, "audit.retained-unseen")
    assert.is(await publishing.readBack(), false)
    await publishing.stop()
  } finally {
    await blind.stop()
  }
})

test("a bundle that the disk has lost is told and passed over", async () => {
  const log = treeLog("lost", 800)
  log.lostPieces.add("tile/entries/001")
  const publishing = await publish(log, "lost")
  await until("all are there", () => publishing.window.next === 3)
  await publishing.stop()
  assert.equal(
    publishing.reports.map(({ id, object }) => [id, object]),
    [["audit.damaged", "not retained"]],
  )
})

test.run()
