/** The operator's page in a real browser, against a real broker with MQTT over WebSockets over TLS. */
import { gunzipSync } from "node:zlib"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLogRequests } from "../../../firmware/audit/log-requests.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { makeLog, plantEvents, sha256 } from "../../support/console-feed.ts"
import { testCosigner, type TestCosigner } from "../../support/cosigners.ts"
import { says, startConsoleRig, verdict, type ConsoleRig } from "../../support/chromium-console.ts"

const test = suite("console page")
let rig: ConsoleRig
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
  await rig.open(rig.address(log))
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
  await rig.connect(log)
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
  await rig.connect(log)
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
  await rig.connect(log)
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
  await rig.tab.until(`document.querySelector("#detail:not([hidden]) #detail-title")?.innerText.endsWith(" of keys")`)
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
  await rig.connect(log)
  await rig.tab.until(verdict("verified"))
  await rig.tab.until(says("SILENT"))
  const card = (name: string): string => `document.querySelector('[data-gateway="${name}"]')?.innerText`
  assert.match(await rig.tab.evaluate<string>(card("quiet")), /silent.*10 min ago.*uncertain.*version 12.*0\.4\.0/s)
  await rig.tab.until(`${card("stranger")}?.includes("its key was not given")`)
  await rig.feeder.send("lockgate/quiet/heartbeat", log.heartbeat())
  await rig.tab.until(`${card("quiet")}?.includes("alive")`)
})

test("a wrong address or key is told at the form, and no password is kept", async () => {
  await rig.open(rig.page)
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

test("[CR 6.1] what has left the broker is had from the gateway on request, each bundle verified; while that is off it is said", async () => {
  const log = makeLog("older")
  log.add(plantEvents(2_000))
  const held = log.retained(1_536)
  const all = new Map(log.retained().map(({ topic, payload }) => [topic, payload]))
  await rig.feeder.retain(held)
  await rig.feeder.retain([{ topic: "lockgate/older/online", payload: Buffer.from("offline") }])
  await rig.connect(log)
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
  await rig.open(rig.page)
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

test("[CR 3.9] the keys of witnesses are filled in again at the next visit, and stay when the command hands over the keys of logs", async () => {
  const log = makeLog("again")
  log.add(plantEvents(5))
  const [kept, gone] = [testCosigner("kept"), testCosigner("gone")]
  const line = (one: TestCosigner): string => encodeNoteKey(sha256, one.key)
  const place = (name: string): string => `lockgate/again/witness/${name}`
  await rig.feeder.retain([
    ...log.retained(),
    { topic: place("kept"), payload: Buffer.from(kept.cosign(log.checkpoint(), Math.floor(Date.now() / 1000))) },
  ])
  const item = `document.querySelector('[data-witness="kept"]')`
  const keys = `document.querySelector("#keys").value.split("\\n")`
  const isFilled = (...lines: string[]): string => `${JSON.stringify(lines)}.every((line) => ${keys}.includes(line))`
  await rig.connect(log, line(kept), line(gone))
  await rig.tab.until(`${verdict("verified")} && ${item}?.dataset.state === "verified"`)
  // The form, opened without anything behind the #.
  await rig.open(rig.page)
  await rig.tab.until(isFilled(log.keyLine, line(kept), line(gone)))
  // As `lockgate console` hands over: broker and keys of logs; it is connected at once.
  await rig.open(rig.address(log))
  await rig.tab.until(`${verdict("verified")} && ${item}?.dataset.state === "verified"`)
  assert.is(await rig.tab.evaluate(isFilled(line(kept), line(gone))), true)
  // What is no longer given is no longer remembered.
  await rig.connect(log, line(kept))
  await rig.tab.until(verdict("verified"))
  await rig.open(rig.page)
  await rig.tab.until(isFilled(log.keyLine, line(kept)))
  assert.is(await rig.tab.evaluate(isFilled(line(gone))), false)
})

test("[CR 3.4] the content policy was never broken, and nothing but page and broker was asked", async () => {
  assert.equal(rig.tab.errors(), [])
  const origins = new Set(rig.tab.asked().map((url) => new URL(url).origin))
  origins.delete("null")
  assert.equal([...origins].sort(), [new URL(rig.page).origin, rig.broker])
})

test.run()
