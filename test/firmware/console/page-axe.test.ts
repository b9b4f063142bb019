/** The operator's page before axe-core, in a real browser: every kind of thing that it shows. */
import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { originOf, parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey, parseNote } from "../../../policy/audit/tlog/note.ts"
import { makeLog, plantEvents, sha256 } from "../../support/console-feed.ts"
import { testCosigner, type TestCosigner } from "../../support/cosigners.ts"
import { says, startConsoleRig, verdict, type ConsoleRig } from "../../support/chromium-console.ts"
import { ROOT } from "../../support/source-tree.ts"

const test = suite("console page: axe")
let rig: ConsoleRig

test.before(async () => {
  rig = await startConsoleRig()
  await rig.open(rig.page)
  await rig.tab.until(`document.readyState === "complete" && document.querySelector("#setup-form")`)
})
test.after(async () => {
  await rig.stop()
})

async function loadAxe(): Promise<void> {
  await rig.tab.evaluate(`${readFileSync(`${ROOT}node_modules/axe-core/axe.min.js`, "utf8")};0`)
}

/** What axe-core has against the page as it stands, in words. */
async function axeFinds(): Promise<readonly string[]> {
  // Half way between two colours is no colour of the page.
  await rig.tab.until("document.getAnimations().length === 0")
  return rig.tab.evaluate(`axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then(({ violations }) => violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary).join("; ")))`) // prettier-ignore
}

test("axe-core finds no violation, in dark and light, narrow and wide, with and without an entry open", async () => {
  const log = makeLog("axe")
  log.add(plantEvents(600))
  const [w1, w2] = [testCosigner("w1"), testCosigner("w2")]
  const signed = (by: TestCosigner): Buffer => Buffer.from(by.cosign(log.checkpoint(), 1_780_000_000))
  await rig.feeder.retain([
    ...log.retained(256),
    { topic: "lockgate/axe/heartbeat", payload: log.heartbeat() },
    { topic: "lockgate/axe/witness/w1", payload: signed(w1) },
    { topic: "lockgate/axe/witness/w2", payload: signed(w2) },
  ])
  await rig.connect(log, encodeNoteKey(sha256, w1.key))
  await rig.tab.until(`document.querySelectorAll("[data-witness]").length === 2`)
  await rig.tab.until(verdict("verified"))
  await loadAxe()
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
    assert.equal(await axeFinds(), [], `${scheme} ${width}`)
    const wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert.is(await rig.tab.evaluate(wide), 0, `nothing is cut off at ${width}`)
    await rig.tab.press("Escape")
  }
  await rig.tab.size(1280, 800)
})

test("axe-core finds no violation with witnesses of every kind, and with the button for older entries while it waits and after", async () => {
  const log = makeLog("axe-older")
  log.add(plantEvents(600))
  const [good, silent, late, accuser] = [testCosigner("good"), testCosigner("silent"), testCosigner("late"), testCosigner("accuser")] // prettier-ignore
  const note = log.checkpoint()
  const atSeconds = Math.floor(Date.now() / 1000)
  const refused = { origin: originOf("axe-older"), known: null, shown: null, evidence: null }
  const at = (name: string, text: string): { topic: string; payload: Buffer } => ({
    topic: `lockgate/axe-older/witness/${name}`,
    payload: Buffer.from(text),
  })
  await rig.feeder.retain([
    ...log.retained(256),
    { topic: "lockgate/axe-older/online", payload: Buffer.from("offline") },
    at("good", good.cosign(note, atSeconds)),
    at("silent", silent.cosign(note, atSeconds)),
    at("late", late.cosign(note, atSeconds - 3_600)),
    at("late/refused", late.refuse({ ...refused, reason: "proof-missing" }, atSeconds)),
  ])
  await rig.connect(log, ...[good, late, accuser].map(({ key }) => encodeNoteKey(sha256, key)))
  const states = `[...document.querySelectorAll("[data-witness]")].map((one) => one.dataset.witness + " " + one.dataset.state).join()`
  await rig.tab.until(`${states} === "good verified,late unverified,silent unverified"`)
  const older = `document.querySelector("#older")`
  const press = `document.querySelector("#older-button").click()`
  const check = async (what: string): Promise<void> => {
    for (const [scheme, width] of [["light", 1280], ["dark", 360]] as const) {
      await rig.tab.scheme(scheme)
      await rig.tab.size(width, 800)
      assert.is(await rig.tab.evaluate(`${older}.checkVisibility()`), true, what)
      assert.equal(await axeFinds(), [], `${what}, ${scheme}, ${width}`)
    }
  } // prettier-ignore
  await rig.tab.until(`!${older}.hidden`)
  await loadAxe()
  await check("the button")
  await rig.tab.until(says("OFFLINE"))
  await rig.tab.evaluate(press)
  await rig.tab.until(`${older}.innerText.includes("The gateway is off")`)
  await check("the gateway is off")
  await rig.feeder.retain([{ topic: "lockgate/axe-older/online", payload: Buffer.from("online") }])
  await rig.tab.until(`!${says("OFFLINE")}`)
  await rig.tab.evaluate(press)
  await rig.tab.until(`document.querySelector("#older-button").disabled`)
  await check("it was asked, and nobody answers")
  const tree = parseCheckpoint(parseNote(note).text)
  const fork = { ...refused, reason: "fork", known: tree, shown: tree, evidence: { known: note, shown: note } } as const
  await rig.feeder.retain([at("accuser/refused", accuser.refuse(fork, atSeconds))])
  await rig.tab.until(`${verdict("wrong")} && ${states}.startsWith("accuser wrong,")`)
  await check("a witness accuses")
  await rig.tab.size(1280, 800)
})

test.run()
