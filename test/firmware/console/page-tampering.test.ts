/** What the page says of a log that was tampered with at the broker, in a real browser against a real mosquitto. */
import { gunzipSync, gzipSync } from "node:zlib"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeBundle, parseBundle } from "../../../policy/audit/entry-bundle.ts"
import { originOf, parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey, parseNote } from "../../../policy/audit/tlog/note.ts"
import { says, startConsoleRig, verdict, type ConsoleRig } from "../../support/chromium-console.ts"
import { makeLog, plantEvents, sha256 } from "../../support/console-feed.ts"
import { testCosigner } from "../../support/cosigners.ts"

const test = suite("console page and tampering")
let rig: ConsoleRig

test.before(async () => {
  rig = await startConsoleRig()
  await rig.open(rig.page)
  await rig.tab.until(`document.readyState === "complete" && document.querySelector("#setup-form")`)
})
test.after(async () => {
  await rig.stop()
})

test("[CR 3.9] a retained tile, bundle, edge or heartbeat that was tampered with turns the page red and is named", async () => {
  const log = makeLog("tampered")
  log.add(plantEvents(600))
  const good = log.retained()
  const heartbeat = { topic: "lockgate/tampered/heartbeat", payload: log.heartbeat() }
  for (const [place, named] of [
    ["log/tile/0/001", "tile/0/001"],
    // What cannot be unpacked holds no entry at all.
    ["log/tile/entries/001", "entry 256"],
    ["log/edge", "edge"],
    ["heartbeat", "heartbeat"],
  ] as const) {
    await rig.feeder.retain([...good, heartbeat])
    const { topic, payload } = [...good, heartbeat].find((one) => one.topic.endsWith(place))!
    const bad = Buffer.from(payload)
    // In the middle: within a gzip the data, in a note the text.
    bad[bad.length >> 1]! ^= 1
    await rig.feeder.retain([{ topic, payload: bad }])
    await rig.connect(log)
    await rig.tab.until(verdict("wrong"))
    await rig.tab.until(says(named))
    await rig.feeder.retain([...good, heartbeat])
    await rig.tab.until(verdict("verified"))
    assert.match(await rig.tab.evaluate<string>(`document.querySelector("#verdict").innerText`), /Was wrong at/)
  }
})

test("[CR 3.9] a log that was cut short, or begun anew with another past, is noticed on the next visit", async () => {
  const [log, other] = [makeLog("rewound"), makeLog("forked")]
  log.add(plantEvents(300))
  const early = log.retained()
  log.add(plantEvents(40))
  await rig.feeder.retain(log.retained())
  await rig.connect(log)
  await rig.tab.until(verdict("verified"))
  await rig.feeder.retain(early)
  await rig.open(rig.address(log))
  await rig.tab.until(verdict("wrong"))
  await rig.tab.until(says("the log was cut: 300 entries are signed, and this browser has seen 340"))

  other.add(plantEvents(10))
  await rig.feeder.retain(other.retained())
  await rig.connect(other)
  await rig.tab.until(verdict("verified"))
  // The same gateway with another key, as after an attack: the pinned key is another.
  const forged = makeLog("forked")
  forged.add(plantEvents(20))
  await rig.feeder.retain(forged.retained())
  await rig.connect(forged)
  await rig.tab.until(verdict("wrong"))
  await rig.tab.until(says("this is not the key that this browser knew"))
})

test("[CR 3.9] the tampering table, each row red in the browser and named", async () => {
  const log = makeLog("table")
  log.add(plantEvents(300))
  const early = log.retained()
  log.add(plantEvents(400))
  const good = log.retained()
  const other = makeLog("table")
  other.add(plantEvents(700))
  await rig.feeder.retain(good)
  await rig.connect(log)
  await rig.tab.until(verdict("verified"))
  const bundle = good.find(({ topic }) => topic.endsWith("entries/001"))!
  const lines = parseBundle(gunzipSync(bundle.payload))
  const changed = (change: (lines: Uint8Array[]) => unknown): typeof good => {
    const copy = [...lines]
    change(copy)
    return [{ topic: bundle.topic, payload: gzipSync(encodeBundle(copy)) }]
  }
  for (const [what, messages, named] of [
    [
      "changed",
      changed((l) => (l[4] = Buffer.from(Buffer.from(l[4]!).toString().replace("conduit", "canduit")))),
      "entry 260",
    ],
    ["taken out", changed((l) => l.splice(9, 1)), "entry 265"],
    ["put in", changed((l) => l.splice(20, 0, l[2]!)), "tile/entries/001"],
    ["exchanged", changed((l) => ([l[7], l[8]] = [l[8]!, l[7]!])), "entry 263"],
    ["rolled back", early, "cut: 300 entries are signed, and this browser has seen 700"],
    ["another gateway's or key's", other.retained(), "checkpoint"],
  ] as const) {
    await rig.feeder.retain(messages)
    await rig.tab.until(`${verdict("wrong")} && ${says(named)}`).catch((error: unknown) => assert.unreachable(`${what}: ${String(error)}`)) // prettier-ignore
    await rig.feeder.retain(good)
    await rig.tab.until(verdict("verified"))
  }
})

test("[CR 3.9] a change of keys is followed from the key before; without it the new key is nobody's", async () => {
  const log = makeLog("handed")
  log.add(plantEvents(20))
  const handover = await log.handOver()
  await rig.feeder.retain([...log.retained(), handover])
  await rig.connect(log)
  await rig.tab.until(`${verdict("verified")} && ${says("Its key changed at entry 20")}`)
  const forged = Buffer.from(handover.payload.toString().replace("audit.key-changed", "audit.key-chanced"))
  await rig.feeder.retain([{ topic: handover.topic, payload: forged }])
  await rig.tab.until(`${verdict("wrong")} && ${says("handover-21")}`)
})

test("[CR 3.9] who has cosigned the log is shown with size and time, and a refusal turns the page red until it is taken back", async () => {
  const [log, w1] = [makeLog("witnessed"), testCosigner("w1")]
  log.add(plantEvents(30))
  const note = log.checkpoint()
  const atSeconds = Math.floor(Date.now() / 1000) - 600
  const place = "lockgate/witnessed/witness/w1"
  const stranger = {
    topic: "lockgate/witnessed/witness/w2",
    payload: Buffer.from(testCosigner("w2").cosign(note, atSeconds)),
  }
  log.add(plantEvents(5))
  await rig.feeder.retain([
    ...log.retained(),
    { topic: place, payload: Buffer.from(w1.cosign(note, atSeconds)) },
    stranger,
  ])
  await rig.connect(log, encodeNoteKey(sha256, w1.key))
  await rig.tab.until(verdict("verified"))
  const item = (name: string): string => `document.querySelector('[data-witness="${name}"]')`
  await rig.tab.until(`${item("w1")}?.innerText.includes("cosigned 30 entries, 5 behind, 10 min ago")`)
  await rig.tab.until(`${item("w2")}?.innerText.includes("its key was not given")`)
  const tree = parseCheckpoint(parseNote(note).text)
  const refusal = { origin: originOf("witnessed"), reason: "fork", known: tree, shown: tree, evidence: { known: note, shown: note } } as const // prettier-ignore
  await rig.feeder.retain([{ topic: `${place}/refused`, payload: Buffer.from(w1.refuse(refusal, atSeconds)) }])
  await rig.tab.until(
    `${verdict("wrong")} && ${says("w1 refuses this log")} && ${item("w1")}.dataset.state === "wrong"`,
  )
  await rig.feeder.retain([{ topic: `${place}/refused`, payload: Buffer.alloc(0) }])
  await rig.tab.until(`${verdict("verified")} && ${says("Was wrong at")}`)
  await rig.open(rig.page)
  await rig.tab.until(
    `document.querySelector("#keys").value.split("\\n").includes(${JSON.stringify(encodeNoteKey(sha256, w1.key))})`,
  )
})

test("[CR 3.4] the content policy was never broken, and nothing but page and broker was asked", async () => {
  assert.equal(rig.tab.errors(), [])
  const origins = new Set(rig.tab.asked().map((url) => new URL(url).origin))
  origins.delete("null")
  assert.equal([...origins].sort(), [new URL(rig.page).origin, rig.broker])
})

test.run()
