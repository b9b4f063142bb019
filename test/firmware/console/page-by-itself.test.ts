/** What the page does without any broker: the mathematics of its own modules in a real browser, and a browser that cannot verify. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { startConsole, type ConsoleServer } from "../../../firmware/console/server.ts"
import { verifyConsistency, verifyInclusion } from "../../../policy/audit/tlog/verify.ts"
import { startChromium, type Chromium, type Tab } from "../../peers/chromium.ts"
import { makeLog, plantEvents, sha256 } from "../../support/console-feed.ts"
import { merkleCases, type MerkleCase } from "../../support/merkle-cases.ts"

const test = suite("console page by itself")
const BROKER = "wss://localhost:1"
let [server, chromium, tab]: [ConsoleServer?, Chromium?, Tab?] = []

test.before(async () => {
  ;[server, chromium] = await Promise.all([startConsole({ port: 0, brokers: [BROKER] }), startChromium()])
  tab = await chromium.tab()
})
test.after(async () => {
  await Promise.all([server?.stop(), chromium?.stop()])
})

/** One case as whoever holds these functions judges it. Also runs in the page, as text: it may use nothing else. */
function judge(
  one: MerkleCase,
  f: { sha256: typeof sha256; verifyInclusion: typeof verifyInclusion; verifyConsistency: typeof verifyConsistency },
): boolean {
  const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))
  const proof = one.proof.map(bytes)
  const { size } = one
  if (one.kind === "inclusion") {
    const { index, leaf, root } = one
    return f.verifyInclusion(f.sha256, { index, size, leaf: bytes(leaf), root: bytes(root), proof })
  }
  const [firstRoot, secondRoot] = [bytes(one.fromRoot), bytes(one.root)]
  return f.verifyConsistency(f.sha256, { first: one.from, second: size, firstRoot, secondRoot, proof })
}

test("[CR 3.9] every Merkle case is judged in the browser as in Node, and as it must be", async () => {
  const cases = merkleCases()
  await tab!.goto(server!.url)
  await tab!.until(`document.readyState === "complete" && document.querySelector("#setup-form")`)
  const verdicts = await tab!.evaluate<boolean[]>(`(async () => {
    const { sha256 } = await import("/firmware/console/page/signatures.ts")
    const { verifyInclusion, verifyConsistency } = await import("/policy/audit/tlog/verify.ts")
    const judge = ${judge.toString()}
    return ${JSON.stringify(cases)}.map((one) => judge(one, { sha256, verifyInclusion, verifyConsistency }))
  })()`)
  assert.is(verdicts.length, cases.length)
  for (const [k, one] of cases.entries()) {
    assert.is(verdicts[k], one.good, `${one.kind} ${one.name}`)
    assert.is(verdicts[k], judge(one, { sha256, verifyInclusion, verifyConsistency }), `${one.kind} ${one.name}`)
  }
  assert.ok(verdicts.includes(true) && verdicts.includes(false))
})

test("[CR 3.9] a browser without Ed25519 says that it cannot verify: of a file, and before it connects", async () => {
  const log = makeLog("blind")
  log.add(plantEvents(3))
  const { payload } = await log.handOver()
  // Its first line comes before the browser has put WebCrypto there: replaced when it is first asked for.
  tab!.inWorkers(`{
    let real = null
    const blind = (form, key, algorithm, ...rest) =>
      algorithm === "Ed25519"
        ? Promise.reject(new DOMException("Unrecognized name", "NotSupportedError"))
        : real.subtle.importKey(form, key, algorithm, ...rest)
    Object.defineProperty(self, "crypto", {
      get() {
        real ??= Object.getOwnPropertyDescriptor(WorkerGlobalScope.prototype, "crypto").get.call(self)
        return { subtle: { importKey: blind, verify: (...all) => real.subtle.verify(...all) }, randomUUID: () => real.randomUUID() }
      },
    })
  }`)
  await tab!.goto("about:blank")
  await tab!.until(`location.href === "about:blank"`)
  await tab!.goto(server!.url)
  await tab!.until(`document.querySelector("#setup-form") && document.readyState === "complete"`)
  await tab!.evaluate(`{
    const files = new DataTransfer()
    files.items.add(new File([${JSON.stringify(payload.toString())}], "entry-3.json"))
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }))
  }`)
  const text = (id: string): string => `document.querySelector("#${id}").innerText`
  await tab!.until(`${text("proof-result")}.startsWith("CANNOT VERIFY")`)
  await tab!.until(`${text("verdict")}.startsWith("CANNOT VERIFY")`)
  await tab!.evaluate(`{
    document.querySelector("#url").value = ${JSON.stringify(BROKER)}
    document.querySelector("#keys").value = ${JSON.stringify(log.keyLine)}
    document.querySelector("#setup-form").requestSubmit()
  }`)
  await tab!.until(`${text("setup-error")}.includes("cannot verify Ed25519")`)
  assert.is(await tab!.evaluate(text("link")), "not connected")
  assert.is(
    tab!.asked().some((url) => url.startsWith("ws")),
    false,
    "nothing is asked of a broker",
  )
  assert.is(await tab!.evaluate(`document.querySelector("#main").hidden`), true)
})

test.run()
