/**
 * The operator's page: a long log from a real mosquitto, verified in a real Chromium until the page says so, against `verifyLog` in Node
 * over the same pieces in memory.
 *
 *     node bench/console.bench.ts [--quick]
 *
 * The page's time has connection, transport and drawing in it; Node's has none of them.
 */
import { gunzipSync } from "node:zlib"
import { loadavg } from "node:os"
import { verifyNoteSignature } from "../firmware/audit/note-functions.ts"
import { unpackEdge } from "../firmware/audit/retained-log.ts"
import { encodeBundle } from "../policy/audit/entry-bundle.ts"
import { parseEdge } from "../policy/audit/edge-message.ts"
import { leafHash } from "../policy/audit/tlog/hash.ts"
import { parsePiecePath } from "../policy/audit/tlog/tile.ts"
import { verifyLog } from "../policy/audit/tlog/verify-log.ts"
import { startConsoleRig } from "../test/support/chromium-console.ts"
import { makeLog, plantEvents, sha256 } from "../test/support/console-feed.ts"
import { median, report, table } from "./harness.ts"

const quick = process.argv.includes("--quick")
const wanting = loadavg()[0] ?? NaN
const ENTRIES = quick ? 5_000 : 100_000
const ROUNDS = quick ? 1 : 5
const PATIENCE_MS = 300_000

const log = makeLog("bench")
log.add(plantEvents(ENTRIES))
const retained = log.retained()
const pieces = new Map(retained.map(({ topic, payload }) => [topic.slice("lockgate/bench/log/".length), payload]))
const edge = parseEdge(unpackEdge(pieces.get("edge")!) ?? new Uint8Array())

async function piece(path: string): Promise<Uint8Array | null> {
  const { level, width } = parsePiecePath(path)
  if (width === 256) {
    const found = pieces.get(path)
    return found === undefined ? null : level === "entries" ? gunzipSync(found) : found
  }
  if (level === "entries") return encodeBundle(edge.entries.slice(0, width))
  return level === 0 ? Buffer.concat(edge.entries.map((line) => leafHash(sha256, line))) : edge.levels[level - 1]!
}

async function inNode(): Promise<number> {
  const begin = performance.now()
  const deps = { sha256, verify: verifyNoteSignature, keys: [log.key] }
  const { entries, faults } = await verifyLog(deps, { checkpoint: async () => edge.checkpoint, piece })
  if (entries !== ENTRIES || faults.length > 0) throw new Error(JSON.stringify(faults[0] ?? entries))
  return (ENTRIES * 1000) / (performance.now() - begin)
}

const rig = await startConsoleRig()
await rig.feeder.retain(retained)

async function inPage(): Promise<number> {
  await rig.tab.goto("about:blank")
  await rig.tab.until(`location.href === "about:blank"`)
  await rig.tab.goto(rig.address(log))
  await rig.tab.until(`document.querySelector("#link").dataset.link === "connecting"`)
  const begin = performance.now()
  await rig.tab.until(`document.querySelector("#verdict").dataset.verdict === "verified"`, PATIENCE_MS)
  return (ENTRIES * 1000) / (performance.now() - begin)
}

interface Felt {
  readonly searchMs: number
  readonly scrollMs: number
  /** The longest time for which the page did nothing else, while it searched; of several searches the median. */
  readonly heldMs: number
  /** The same for slices that only wait for 8 ms to pass: what the machine does to them. */
  readonly idleMs: number
  readonly elements: number
  readonly heapMiB: number
}

/** What the reader feels of a long log once it is there: a word searched and a jump to the far end, each drawn; and what the page holds. */
async function atHand(): Promise<Felt> {
  await rig.tab.until(`document.querySelector("#count").textContent === "${ENTRIES} entries"`, PATIENCE_MS)
  return rig.tab.evaluate(`(async () => {
    const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))
    const turn = () => new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0) })
    const [search, count] = ["#search", "#count"].map((id) => document.querySelector(id))
    const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1]
    const longestUntil = async (isOver) => {
      let longest = 0
      for (let at = performance.now(); !isOver(); ) {
        await turn()
        const now = performance.now()
        longest = Math.max(longest, now - at)
        at = now
      }
      return longest
    }
    /** Types a word; until what is found is counted and drawn. */
    const searched = async (text, form) => {
      const begin = performance.now()
      search.value = text
      search.dispatchEvent(new Event("input", { bubbles: true }))
      const typedMs = performance.now() - begin
      let isDrawn = null
      const heldMs = await longestUntil(() => {
        if (isDrawn === null && form.test(count.textContent)) {
          isDrawn = false
          void drawn().then(() => (isDrawn = true))
        }
        return isDrawn === true
      })
      return { ms: performance.now() - begin, heldMs: Math.max(typedMs, heldMs) }
    }
    const idle = async () => {
      let left = 40
      const spin = () => {
        for (const end = performance.now() + 8; performance.now() < end; );
        if (--left > 0) setTimeout(spin)
      }
      setTimeout(spin)
      return longestUntil(() => left === 0)
    }
    const [times, held, idles] = [[], [], []]
    for (const word of ["rogue boiler", "pump-3 state", "drives", "boiler 40", "denied setpoint"]) {
      const { ms, heldMs } = await searched(word, / of /)
      times.push(ms)
      held.push(heldMs)
      idles.push(await idle())
      held.push((await searched("", /^[0-9]+ entries/)).heldMs)
    }
    const [searchMs, heldMs, idleMs] = [times, held, idles].map(middle)
    const grid = document.querySelector("[role=grid]")
    const atMs = performance.now()
    grid.scrollTop = grid.scrollHeight
    await drawn()
    const scrollMs = performance.now() - atMs
    const heap = performance.memory?.usedJSHeapSize ?? NaN
    return { searchMs, scrollMs, heldMs, idleMs, elements: document.querySelectorAll("*").length, heapMiB: heap / 2 ** 20 }
  })()`)
}

const rates: [page: number[], node: number[]] = [[], []]
for (let round = 0; round < ROUNDS; round++) {
  rates[0].push(await inPage())
  rates[1].push(await inNode())
}
const { searchMs, scrollMs, heldMs, idleMs, elements, heapMiB } = await atHand()
// Whatever the length of the log, only the rows that can be seen exist.
if (elements > 2_000) throw new Error(`${elements} elements for ${ENTRIES} entries`)
await rig.stop()

const [page, node] = [median(rates[0]), median(rates[1])]
const ratio = median(rates[0].map((rate, round) => rate / rates[1][round]!))
const whole = (rate: number): string => Math.round(rate).toLocaleString("en")
const body = [
  `${wanting.toFixed(1)} processes wanted one of the cores before it began. ${ENTRIES.toLocaleString("en")} entries, ${ROUNDS} rounds.`,
  table(
    ["verified by", "entries/s (median)", "against Node"],
    [
      ["the page in Chromium, from mosquitto over WebSockets", whole(page), `${ratio.toFixed(2)}x`],
      ["verifyLog in Node, from memory", whole(node), "1.00x"],
    ],
  ),
  `With all of them in the page: a search drawn in ${whole(searchMs)} ms, in which the page was held up for ${whole(heldMs)} ms at most (target: 50; slices that only let 8 ms pass: ${whole(idleMs)}), a jump to the oldest in ${whole(scrollMs)} ms, ${elements} elements, ${whole(heapMiB)} MiB of heap (its worker's own not counted).`,
].join("\n\n")
if (quick) console.log(`\n${body}\n`)
else report("Verification in the console", body)
