/** The page: takes what the worker tells, and shows it. */
import { showDetail } from "./detail.ts"
import { byId, elementOf } from "./dom.ts"
import { createFilters } from "./filters.ts"
import { showAlarms, showFleet } from "./fleet.ts"
import type { CheckedProof, GatewayReport, LinkState, News, Order } from "./messages.ts"
import { createProofView, showFileVerdict } from "./proof-view.ts"
import { ALL, wanting, type Row } from "./rows.ts"
import { createFinder } from "./row-search.ts"
import { RowStore } from "./row-store.ts"
import { createTable } from "./table.ts"
import { createTimeline } from "./timeline.ts"
import { showLimits, showVerdict } from "./verdict.ts"
import { showWitnesses } from "./witnesses.ts"

/** Rows are drawn anew at most this often. */
const DRAW_MS = 120
/** What the facets offer changes at most this often. */
const OFFER_MS = 1_000
const WORKER = "/firmware/console/page/worker.ts"

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string }
}

const OF_CONNECTION: ReadonlySet<News["kind"]> = new Set(["link", "gateway", "rows", "proof"])

const worker = startWorker()
const order = (wanted: Order): void => worker.postMessage(wanted)
const reports = new Map<string, GatewayReport>()
const stores = new Map<string, RowStore>()
let chosen: string | null = null
let opened: { gateway: string; seq: number } | null = null
let range: readonly [number, number] | null = null
let link: LinkState | null = null
/** The file that was checked last, since the page was connected. */
let checked: CheckedProof | null = null
/** What comes before the worker has taken up an order to connect is of the connection before. */
let isStale = false
let [drawTimer, offerTimer, offeredAt] = [0, 0, 0]

const finder = createFinder({
  nowMs: () => performance.now(),
  later: (act) => {
    const timer = window.setTimeout(act)
    return () => window.clearTimeout(timer)
  },
})
const filters = createFilters(() => drawRows())
const table = createTable(byId("table"), ({ seq }) => open(chosen ?? "", seq))
const proofs = createProofView((name, text) => {
  order({ kind: "check", name, text, keys: elementOf("keys", HTMLTextAreaElement).value })
  toggleSetup(true)
})
const timeline = createTimeline(byId("timeline"), (picked) => {
  range = picked
  drawRows()
})

setUp()
drawState()
worker.onmessage = ({ data }: MessageEvent<News>) => hear(data)

function hear(news: News): void {
  if (isStale && OF_CONNECTION.has(news.kind)) return
  switch (news.kind) {
    case "begun":
      isStale = false
      return
    case "remembered":
      prefill(news)
      return
    case "refused":
      complain(news.text)
      return
    case "link":
      link = news.link
      byId("link").textContent = news.text
      byId("link").dataset["link"] = news.link
      if (news.link === "connected") toggleSetup(false)
      drawState()
      return
    case "gateway":
      reports.set(news.report.gateway, news.report)
      if (chosen === null) choose(news.report.gateway)
      drawState()
      return
    case "rows":
      keep(news.gateway, news.rows)
      if (news.gateway === chosen) drawSoon()
      return
    case "checked":
      proofs.show(news.found)
      checked = news.found
      drawState()
      return
    case "proof":
      if (opened === null || opened.gateway !== news.gateway || opened.seq !== news.proof.seq) return
      showDetail(byId("detail"), news.gateway, news.proof, closeDetail)
      byId("main").classList.add("with-detail")
      return
  }
}

function keep(gateway: string, rows: readonly Row[]): void {
  const store = stores.get(gateway) ?? new RowStore()
  stores.set(gateway, store)
  store.keep(rows)
}

function choose(gateway: string): void {
  chosen = gateway
  byId("log-title").textContent = `Log of ${gateway}`
  range = null
  offeredAt = 0
  closeDetail()
  drawState()
  drawRows()
}

function open(gateway: string, seq: number): void {
  if (gateway !== chosen) choose(gateway)
  opened = { gateway, seq }
  order({ kind: "prove", gateway, seq })
}

function closeDetail(): void {
  if (opened === null) return
  opened = null
  byId("detail").hidden = true
  byId("main").classList.remove("with-detail")
  table.focus()
}

function drawState(): void {
  const all = [...reports.values()].sort((one, other) => one.gateway.localeCompare(other.gateway))
  const report = chosen === null ? null : (reports.get(chosen) ?? null)
  byId("main").hidden = all.length === 0
  const banner = byId("verdict")
  if (report === null) showFileVerdict(banner, checked)
  else {
    banner.hidden = false
    showVerdict(banner, report, all, link, {
      limits: () => showLimits(elementOf("limits", HTMLDialogElement)),
      forget,
    })
  }
  showFleet(byId("fleet"), all, chosen, choose)
  showAlarms(byId("alarms"), all, open)
  showOlder(report)
  byId("witnesses-title").textContent = chosen === null ? "Witnesses" : `Witnesses of ${chosen}`
  showWitnesses(byId("witnesses"), report)
}

/** What the broker holds no more, and that it can be asked for. */
function showOlder(report: GatewayReport | null): void {
  const { from, isAsking, text } = report?.older ?? { from: 0, isAsking: false, text: "" }
  byId("older").hidden = from === 0 || report?.checkpoint === null
  byId("older-text").textContent = isAsking
    ? `Entries before ${from} have left the broker: asking the gateway…`
    : `Entries before ${from} have left the broker. ${text}`
  elementOf("older-button", HTMLButtonElement).disabled = isAsking
}

function drawSoon(): void {
  if (drawTimer === 0) drawTimer = window.setTimeout(drawRows, DRAW_MS)
}

function drawRows(): void {
  window.clearTimeout(drawTimer)
  drawTimer = 0
  const store = stores.get(chosen ?? "") ?? new RowStore()
  const wanted = { ...filters.wanted(), range: null }
  finder.find(
    store,
    wanted,
    (inText) => showRows(store, inText),
    () => (byId("count").textContent = "searching…"),
  )
}

function showRows(store: RowStore, inText: readonly Row[]): void {
  const shown = range === null ? inText : inText.filter(wanting({ ...ALL, range }))
  table.show(shown)
  timeline.show(inText)
  offerSoon(store)
  byId("count").textContent =
    shown.length === store.size ? `${store.size} entries` : `${shown.length} of ${store.size} entries`
  const clear = byId("range-clear")
  clear.hidden = range === null
  byId("range").textContent =
    range === null ? "" : range.map((at) => new Date(at).toISOString().slice(0, 19)).join(" to ")
}

/** At once, if it was not just now; else a little later, and then with what is there by then. */
function offerSoon(store: RowStore): void {
  window.clearTimeout(offerTimer)
  const wait = offeredAt === 0 ? 0 : Math.max(0, offeredAt + OFFER_MS - performance.now())
  offerTimer = window.setTimeout(() => {
    filters.offer(store)
    offeredAt = performance.now()
  }, wait)
}

function forget(gateway: string): void {
  const sure = `Forget what this browser has seen of ${gateway}? Do so only if its owner says that the log was begun anew. The page then loads again.`
  if (!window.confirm(sure)) return
  order({ kind: "forget", gateway })
  window.setTimeout(() => window.location.reload(), 300)
}

function setUp(): void {
  const form = elementOf("setup-form", HTMLFormElement)
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    connect()
  })
  elementOf("key-file", HTMLInputElement).addEventListener("change", (event) => {
    const [file] = (event.target as HTMLInputElement).files ?? []
    if (file === undefined || file.size > 65_536) return
    void file.text().then((text) => {
      const keys = elementOf("keys", HTMLTextAreaElement)
      keys.value = `${keys.value.trim()}\n${text.trim()}`.trim()
    })
  })
  byId("settings-button").addEventListener("click", () => toggleSetup(byId("setup").hidden !== false))
  byId("older-button").addEventListener("click", () => {
    if (chosen !== null) order({ kind: "older", gateway: chosen })
  })
  byId("range-clear").addEventListener("click", () => {
    range = null
    drawRows()
  })
  document.addEventListener("keydown", (event) => {
    const inField = event.target instanceof Element && event.target.matches("input, textarea, select")
    if (event.key === "/" && !inField && !elementOf("limits", HTMLDialogElement).open) {
      event.preventDefault()
      byId("search").focus()
    } else if (event.key === "Escape") {
      if (opened !== null) closeDetail()
      else if (event.target === byId("search")) {
        filters.clear()
        table.focus()
      }
    }
  })
}

function connect(): void {
  const value = (id: string): string => elementOf(id, HTMLInputElement).value.trim()
  const settings = {
    url: value("url"),
    keys: elementOf("keys", HTMLTextAreaElement).value,
    username: value("username"),
    password: elementOf("password", HTMLInputElement).value,
  }
  byId("setup-error").hidden = true
  reports.clear()
  stores.clear()
  chosen = null
  checked = null
  isStale = true
  drawState()
  drawRows()
  order({ kind: "connect", settings })
}

/**
 * What the command handed over goes before what is remembered; if both are there, nothing is left to ask. It hands over the keys of logs:
 * those of witnesses and collectors that were given before stay, but for one that it names itself.
 */
function prefill({ url, keys, cosigners }: Extract<News, { readonly kind: "remembered" }>): void {
  const told = new URLSearchParams(window.location.hash.slice(1))
  const toldKeys = told.getAll("key").flatMap((text) => text.trim().split("\n"))
  const names = new Set(toldKeys.map(nameIn))
  const lines = [...(toldKeys.length === 0 ? keys : toldKeys), ...cosigners.filter((line) => !names.has(nameIn(line)))]
  elementOf("url", HTMLInputElement).value = told.get("broker") ?? url
  elementOf("keys", HTMLTextAreaElement).value = lines.join("\n")
  elementOf("username", HTMLInputElement).value = told.get("user") ?? ""
  if (told.has("broker") && toldKeys.length > 0 && !told.has("user")) connect()
}

/** Whose key a line is. */
function nameIn(line: string): string {
  return line.split("+", 1)[0] ?? ""
}

function toggleSetup(isOpen: boolean): void {
  byId("setup").hidden = !isOpen
  byId("settings-button").setAttribute("aria-expanded", String(isOpen))
}

function complain(text: string): void {
  const error = byId("setup-error")
  error.textContent = text
  error.hidden = false
  toggleSetup(true)
}

/** Where the browser has Trusted Types, this is the only address that it may make a script of. */
function startWorker(): Worker {
  const { trustedTypes } = window as unknown as { trustedTypes?: TrustedTypes }
  const rules = { createScriptURL: () => WORKER }
  const url = trustedTypes?.createPolicy("lockgate-worker", rules).createScriptURL(WORKER) ?? WORKER
  return new Worker(url, { type: "module" })
}
