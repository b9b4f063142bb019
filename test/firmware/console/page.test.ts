/** The operator's page in a real browser, against a real broker with MQTT over WebSockets over TLS. */
import { readFileSync } from "node:fs"
import { gunzipSync, gzipSync } from "node:zlib"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLogRequests } from "../../../firmware/audit/log-requests.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { encodeBundle, parseBundle } from "../../../policy/audit/entry-bundle.ts"
import { originOf, parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey, parseNote } from "../../../policy/audit/tlog/note.ts"
import { makeLog, plantEvents, sha256, type MadeLog } from "../../support/console-feed.ts"
import { testCosigner } from "../../support/cosigners.ts"
import { startConsoleRig, type ConsoleRig } from "../../support/chromium-console.ts"
import { ROOT } from "../../support/source-tree.ts"

const test = suite("console page")
let rig: ConsoleRig
const verdict = (is: string): string => `document.querySelector("#verdict").dataset.verdict === "${is}"`
const says = (text: string): string => `document.querySelector("#verdict").innerText.includes(${JSON.stringify(text)})`

/** Another address in the same tab loads nothing anew if only what stands behind # is another. */
async function open(address: string): Promise<void> {
  await rig.tab.goto("about:blank")
  await rig.tab.until(`location.href === "about:blank"`)
  await rig.tab.goto(address)
}

/** As who fills in the form anew: a connection of its own, with what the browser remembers, and no page to load. */
async function connect(log: MadeLog, ...more: readonly string[]): Promise<void> {
  await rig.tab.evaluate(`{
    document.querySelector("#url").value = ${JSON.stringify(rig.broker)}
    document.querySelector("#keys").value = ${JSON.stringify([log.keyLine, ...more].join("\n"))}
    document.querySelector("#setup-form").requestSubmit()
  }`)
}

const COLOURS: Readonly<Record<string, string>> = {
  PROVED: "verified",
  "NOT VOUCHED FOR": "unverified",
  WRONG: "wrong",
}

test.before(async () => {
  rig = await startConsoleRig()
})
test.after(async () => {
  await rig.stop()
})

test("[CR 6.1] shows the whole history from the broker alone, verified, while no gateway runs", async () => {
  const log = makeLog("history")
  log.add(plantEvents(600))
  await rig.feeder.retain(log.retained())
  await open(rig.address(log))
  await rig.tab.until(verdict("verified"))
  assert.match(
    await rig.tab.evaluate<string>(`document.querySelector("#verdict").innerText`),
    /VERIFIED.*all 600 entries/s,
  )
  await rig.tab.until(`document.querySelector("#count").textContent === "600 entries"`)
  assert.is(await rig.tab.evaluate(`location.hash.length > 0 && document.title.startsWith("VERIFIED")`), true)
})

test("[CR 6.2] a new entry appears within a second, not proven, and is proven by the next checkpoint", async () => {
  const log = makeLog("live")
  log.add(plantEvents(3))
  await rig.feeder.retain(log.retained())
  await connect(log)
  await rig.tab.until(verdict("verified"))
  const [line] = log.add([{ id: "conduit.denied", outcome: "denied", subject: "rogue", object: "plant/valve" }])
  const sentAt = performance.now()
  await rig.feeder.send("lockgate/live/audit/live", line!)
  await rig.tab.until(`document.querySelector('[data-seq="3"]')?.dataset.proven === "false"`)
  const ms = performance.now() - sentAt
  assert.ok(ms < 1_000, `${Math.round(ms)} ms`)
  await rig.feeder.retain(log.retained())
  await rig.tab.until(`document.querySelector('[data-seq="3"]')?.dataset.proven === "true"`)
  assert.is(await rig.tab.evaluate(verdict("verified")), true)
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
    await connect(log)
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
  await connect(log)
  await rig.tab.until(verdict("verified"))
  await rig.feeder.retain(early)
  await open(rig.address(log))
  await rig.tab.until(verdict("wrong"))
  await rig.tab.until(says("the log was cut: 300 entries are signed, and this browser has seen 340"))

  other.add(plantEvents(10))
  await rig.feeder.retain(other.retained())
  await connect(other)
  await rig.tab.until(verdict("verified"))
  // The same gateway with another key, as after an attack: the pinned key is another.
  const forged = makeLog("forked")
  forged.add(plantEvents(20))
  await rig.feeder.retain(forged.retained())
  await connect(forged)
  await rig.tab.until(verdict("wrong"))
  await rig.tab.until(says("this is not the key that this browser knew"))
})

test("[CR 3.5] nothing that an entry says is read as markup", async () => {
  const log = makeLog("hostile")
  const texts = [
    "<img src=x onerror=window.hit=1>",
    "<script>window.hit=1</script>",
    "javascript:window.hit=1",
    "\u202egnp.exe",
    '"><b>x',
  ]
  log.add(texts.map((text) => ({ id: "conduit.denied", outcome: "denied", subject: text, conduit: text, object: text, reason: text, detail: { [text]: text } }) as const)) // prettier-ignore
  await rig.feeder.retain(log.retained())
  await rig.feeder.retain([
    { topic: "lockgate/hostile/alarm/<b>1", payload: Buffer.from(`{"text":"<img src=x onerror=window.hit=1>"}`) },
  ])
  await rig.feeder.retain([{ topic: "lockgate/<b>you/online", payload: Buffer.from("online") }])
  await connect(log)
  await rig.tab.until(verdict("verified"))
  await rig.tab.until(`document.querySelector('[data-seq="0"]')`)
  await rig.tab.evaluate(`document.querySelector('[data-seq="0"]').click()`)
  await rig.tab.until(`!document.querySelector("#detail").hidden`)
  await rig.tab.until(`document.querySelector("#alarms").innerText.includes("<img src=x")`)
  const found = `[document.body.innerText.includes("<img src=x onerror"), window.hit, document.querySelectorAll("img").length, document.querySelectorAll("body script, body b").length]`
  assert.equal(await rig.tab.evaluate(found), [true, null, 1, 0])
  await rig.tab.press("Escape")
})

test("keys alone lead through search, table and entry, and the proof is drawn up to the signed root", async () => {
  const log = makeLog("keys")
  log.add(plantEvents(600))
  await rig.feeder.retain(log.retained())
  await connect(log)
  await rig.tab.until(verdict("verified"))
  await rig.tab.until(`document.querySelectorAll("#facet-outcome option").length === 4`)
  await rig.tab.press("/")
  assert.is(await rig.tab.evaluate("document.activeElement.id"), "search")
  for (const key of "rogue") await rig.tab.press(key)
  await rig.tab.until(`/^\\d+ of 600 entries$/.test(document.querySelector("#count").textContent)`)
  await rig.tab.evaluate(`document.querySelector("[role=grid]").focus()`)
  await rig.tab.press("ArrowDown")
  await rig.tab.press("ArrowDown")
  await rig.tab.press("Enter")
  await rig.tab.until(`document.querySelector("#detail .proof-verdict")?.dataset.verdict === "verified"`)
  const [root, steps] = await rig.tab.evaluate<[string, number]>(`[document.querySelector(".node.root title").textContent, document.querySelectorAll("#detail .node").length]`) // prettier-ignore
  const written = `[...document.querySelectorAll("#detail code")].some((code) => code.textContent === ${JSON.stringify(root)})`
  await rig.tab.until(written)
  assert.ok(steps >= 7, String(steps))
  await rig.tab.press("Escape")
  assert.equal(await rig.tab.evaluate(`[document.querySelector("#detail").hidden, document.activeElement.role]`), [true, "grid"]) // prettier-ignore
})

test("silence is shown as silence, an uncertain clock as uncertain, and a gateway without a key as unverified", async () => {
  const log = makeLog("quiet")
  log.add(plantEvents(5))
  const at = Date.now() - 600_000
  await rig.feeder.retain(log.retained())
  await rig.feeder.retain([
    { topic: "lockgate/quiet/heartbeat", payload: log.heartbeat({ at, latest: null }) },
    { topic: "lockgate/stranger/online", payload: Buffer.from("online") },
  ])
  await connect(log)
  await rig.tab.until(verdict("verified"))
  await rig.tab.until(says("SILENT"))
  const card = (name: string): string => `document.querySelector('[data-gateway="${name}"]')?.innerText`
  assert.match(await rig.tab.evaluate<string>(card("quiet")), /silent.*10 min ago.*uncertain.*version 12.*0\.4\.0/s)
  await rig.tab.until(`${card("stranger")}?.includes("its key was not given")`)
  await rig.feeder.send("lockgate/quiet/heartbeat", log.heartbeat())
  await rig.tab.until(`${card("quiet")}?.includes("alive")`)
})

test("a wrong address or key is told at the form, and no password is kept", async () => {
  await open(rig.page)
  await rig.tab.until(`document.querySelector("#url").value !== ""`)
  const fill = (id: string, value: string): string =>
    `document.querySelector("#${id}").value = ${JSON.stringify(value)};`
  const submit = `document.querySelector("#setup-form").requestSubmit()`
  await rig.tab.evaluate(
    `${fill("url", rig.broker)}${fill("keys", "lockgate/x/log+00000000+AAAA")}${fill("password", "s3cret-word")}${submit}`,
  )
  await rig.tab.until(`document.querySelector("#setup-error").innerText.includes("not a key")`)
  await rig.tab.goto(rig.page)
  await rig.tab.until(`document.querySelector("#url").value.startsWith("wss://localhost")`)
  assert.is(await rig.tab.evaluate(`document.querySelector("#password").value`), "")
  assert.is(await rig.tab.evaluate("localStorage.length + sessionStorage.length + document.cookie.length"), 0)
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
  await connect(log)
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
  await connect(log)
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
  await connect(log, encodeNoteKey(sha256, w1.key))
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
})

test("[CR 6.1] what has left the broker is had from the gateway on request, each bundle verified; while that is off it is said", async () => {
  const log = makeLog("older")
  log.add(plantEvents(2_000))
  const held = log.retained(1_536)
  const all = new Map(log.retained().map(({ topic, payload }) => [topic, payload]))
  await rig.feeder.retain(held)
  await rig.feeder.retain([{ topic: "lockgate/older/online", payload: Buffer.from("offline") }])
  await connect(log)
  await rig.tab.until(verdict("verified"))
  const older = `document.querySelector("#older")`
  const press = `document.querySelector("#older-button").click()`
  await rig.tab.until(`!${older}.hidden && ${older}.innerText.includes("Entries before 1536 have left the broker")`)
  await rig.tab.until(says("OFFLINE"))
  await rig.tab.evaluate(press)
  await rig.tab.until(`${older}.innerText.includes("The gateway is off")`)
  // The gateway's own way to answer, over this log.
  const piece = async (path: string): Promise<Uint8Array | null> => gunzipSync(all.get(`lockgate/older/log/${path}`)!)
  const publish = (topic: string, payload: Uint8Array): Promise<void> => rig.feeder.send(topic, payload)
  const clock = new MemoryClock()
  const requests = createLogRequests({ gateway: "older", log: { piece }, clock, partBytes: 4_000, publish })
  await rig.feeder.listen("lockgate/older/log/request", (payload) => requests.take(payload))
  await rig.feeder.retain([{ topic: "lockgate/older/online", payload: Buffer.from("online") }])
  await rig.tab.until(`!${says("OFFLINE")}`)
  await rig.tab.evaluate(press)
  await rig.tab.until(`document.querySelector("#count").textContent === "1488 entries"`)
  await rig.tab.until(`${older}.innerText.includes("Entries before 512")`)
  await rig.tab.evaluate(press)
  await rig.tab.until(`document.querySelector("#count").textContent === "2000 entries" && ${older}.hidden`)
  assert.is(await rig.tab.evaluate(verdict("verified")), true)
})

test("[CR 2.12] a proof file is checked without any broker: proved, not vouched for, wrong", async () => {
  const log = makeLog("offline")
  log.add(plantEvents(20))
  const { payload } = await log.handOver()
  const result = `document.querySelector("#proof-result").innerText`
  await open(rig.page)
  await rig.tab.until(`document.querySelector("#url").value !== ""`)
  const banner = `document.querySelector("#verdict")`
  assert.is(await rig.tab.evaluate(`${banner}.hidden`), true, "nothing to verify, nothing said")
  const check = async (text: string, keys: string, word: string): Promise<void> => {
    await rig.tab.evaluate(`{
      document.querySelector("#keys").value = ${JSON.stringify(keys)}
      const files = new DataTransfer()
      files.items.add(new File([${JSON.stringify(text)}], "entry-20.json"))
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }))
    }`)
    await rig.tab.until(`${result}.startsWith(${JSON.stringify(word)})`)
    // The banner says the same: who sees only the top of the page is not told otherwise.
    const top = await rig.tab.evaluate<[string, string, string]>(`[${banner}.innerText, document.title, ${banner}.dataset.verdict]`) // prettier-ignore
    assert.ok(top[0].startsWith(word) && top[0].includes("entry-20.json"), top[0])
    assert.is(top[1], `${word} · Lockgate console`)
    assert.is(top[2], COLOURS[word])
  }
  const proof = payload.toString()
  await check(proof, log.keyLine, "PROVED")
  assert.match(await rig.tab.evaluate<string>(result), /entry 20 of offline, in a log of 21.*does not prove/s)
  await check(proof, "", "NOT VOUCHED FOR")
  await check(proof.replace('"index": 20', '"index": 19'), log.keyLine, "WRONG")
  await check(proof, makeLog("offline").keyLine, "WRONG")
  await check("<b>{", log.keyLine, "WRONG")
  assert.is(await rig.tab.evaluate(`document.querySelector("#main").hidden`), true)
})

test("axe-core finds no violation, in dark and light, narrow and wide, with and without an entry open", async () => {
  const log = makeLog("axe")
  log.add(plantEvents(40))
  await rig.feeder.retain([...log.retained(), { topic: "lockgate/axe/heartbeat", payload: log.heartbeat() }])
  await connect(log)
  await rig.tab.until(verdict("verified"))
  const axe = readFileSync(`${ROOT}node_modules/axe-core/axe.min.js`, "utf8")
  await rig.tab.evaluate(`${axe};0`)
  const run = `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then(({ violations }) => violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary).join("; ")))` // prettier-ignore
  await rig.tab.until(`document.querySelector("[data-seq]")`)
  for (const [scheme, width, entry] of [
    ["light", 1280, false],
    ["dark", 1280, true],
    ["light", 360, true],
    ["dark", 360, false],
  ] as const) {
    await rig.tab.scheme(scheme)
    await rig.tab.size(width, 800)
    await rig.tab.evaluate(`document.querySelector("[data-seq]").click()`)
    await rig.tab.until(`!document.querySelector("#detail").hidden`)
    if (!entry) await rig.tab.press("Escape")
    assert.equal(await rig.tab.evaluate(run), [], `${scheme} ${width}`)
    const wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert.is(await rig.tab.evaluate(wide), 0, `nothing is cut off at ${width}`)
    await rig.tab.press("Escape")
  }
  await rig.tab.size(1280, 800)
})

test("[CR 3.4] the content policy was never broken, and nothing but page and broker was asked", async () => {
  assert.equal(rig.tab.errors(), [])
  const origins = new Set(rig.tab.asked().map((url) => new URL(url).origin))
  origins.delete("null")
  assert.equal([...origins].sort(), [new URL(rig.page).origin, rig.broker])
})

test.run()
