/** The one thing that nobody may miss: verified, unverified or wrong; as a colour, a word and a sign. */
import { draw, make, show, type Part } from "./dom.ts"
import { spanOf } from "./span.ts"
import type { GatewayReport, LinkState, Verdict } from "./messages.ts"

const SIGNS: Readonly<Record<Verdict, string>> = {
  verified: "M5 13l5 5L19 7",
  unverified: "M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7M12 17.5v.5",
  wrong: "M6 6l12 12M18 6L6 18",
}
const FAULTS_SHOWN = 4
/** Faults that the browser's memory has to do with. */
const FORGETTABLE = ["ERR_LOG_REWOUND", "ERR_LOG_FORKED", "ERR_LOG_KEY"]

/** The sign of a verdict; the word stands beside it. */
export function sign(verdict: Verdict): SVGElement {
  const stroke = { fill: "none", "stroke-width": 2.6, "stroke-linecap": "round", "stroke-linejoin": "round" }
  const frame =
    verdict === "wrong" ? { d: "M8 1.5h8L22.5 8v8L16 22.5H8L1.5 16V8z" } : { d: "M12 1.5a10.5 10.5 0 1 0 .01 0z" }
  const attributes = { viewBox: "0 0 24 24", class: "sign", "aria-hidden": "true" }
  return draw(
    "svg",
    attributes,
    draw("path", { ...frame, class: "frame" }),
    draw("path", { d: SIGNS[verdict], ...stroke }),
  )
}

/** The banner for the chosen gateway, with a word on others that are worse. */
export function showVerdict(
  banner: HTMLElement,
  chosen: GatewayReport,
  all: readonly GatewayReport[],
  link: LinkState | null,
  actions: { readonly limits: () => void; readonly forget: (gateway: string) => void },
): void {
  const { verdict, gateway } = chosen
  banner.dataset["verdict"] = verdict
  const elsewhere = all.filter((one) => one !== chosen && one.verdict === "wrong").map(({ gateway }) => gateway)
  document.title = `${elsewhere.length > 0 ? "WRONG" : verdict.toUpperCase()} · Lockgate console`
  const parts: Part[] = [sign(verdict), make("div", { class: "said" }, ...said(verdict, chosen, elsewhere, link))]
  const limits = make("button", { type: "button", id: "limits-button" }, "What this does not prove")
  const buttons = make("div", { class: "actions" }, limits)
  const forget = chosen.why.includes("seen before") || chosen.faults.some(({ code }) => FORGETTABLE.includes(code))
  const forgetting = make("button", { type: "button", id: "forget-button" }, "Forget what was seen…")
  if (forget) buttons.append(forgetting)
  show(banner, ...parts, buttons)
  banner.querySelector<HTMLButtonElement>("#limits-button")?.addEventListener("click", actions.limits)
  banner.querySelector<HTMLButtonElement>("#forget-button")?.addEventListener("click", () => actions.forget(gateway))
}

function said(
  verdict: Verdict,
  chosen: GatewayReport,
  elsewhere: readonly string[],
  link: LinkState | null,
): readonly Part[] {
  const word = make("strong", { class: "word" }, verdict.toUpperCase())
  const lines: Part[] = [make("p", {}, word, make("span", {}, ` ${sentence(chosen, link)}`))]
  if (chosen.of > chosen.done && chosen.faults.length === 0)
    lines.push(make("progress", { max: chosen.of, value: chosen.done, "aria-label": "bundles verified" }))
  if (chosen.faults.length > 0) {
    const shown = chosen.faults.slice(0, FAULTS_SHOWN)
    const rest = chosen.faults.length - shown.length
    const items = shown.map(({ where, text }) => make("li", {}, make("code", {}, where), ` ${text}`))
    lines.push(make("ul", { class: "faults" }, ...items, ...(rest > 0 ? [make("li", {}, `and ${rest} more`)] : [])))
  }
  const healed = chosen.findings.filter(({ where }) => !chosen.faults.some((f) => f.where === where))
  const [last] = healed.slice(-1)
  if (last !== undefined) {
    const when = new Date(last.at).toLocaleTimeString()
    lines.push(make("p", { class: "healed" }, `Was wrong at ${when} and is mended: ${last.text}`))
  }
  if (chosen.life === "silent" || chosen.life === "offline")
    lines.push(make("p", { class: "silence" }, `${chosen.life.toUpperCase()}: ${silence(chosen)}`))
  if (elsewhere.length > 0) lines.push(make("p", { class: "elsewhere" }, `Wrong elsewhere: ${elsewhere.join(", ")}`))
  return lines
}

function silence({ life, lastSignAt }: GatewayReport): string {
  const since =
    lastSignAt === null
      ? "none has come since the page was opened"
      : `the last came ${spanOf(Date.now() - lastSignAt)} ago`
  const what = life === "offline" ? "the broker says that the gateway has gone." : "no heartbeat for three intervals;"
  return `${what} ${life === "offline" ? `Of its heartbeats ${since}.` : `${since}.`}`
}

function sentence(report: GatewayReport, link: LinkState | null): string {
  const { gateway, checkpoint, verdict, why, seen } = report
  const late = link === "lost" ? " The connection is lost: this is how it stood then." : ""
  if (verdict === "wrong") return `${gateway}: do not rely on this log before somebody has looked into it.${late}`
  if (verdict === "unverified" || checkpoint === null) return `${gateway}: ${why}.${late}`
  const { size, first } = checkpoint
  const window = first > 0 ? ` Entries before ${first} have left the broker.` : ""
  return `${gateway}: all ${size - first} entries are in the tree of ${size} that the gateway has signed. ${seen}${window}${late}`
}

/** What a pass does not show, for the dialog. */
export function showLimits(dialog: HTMLDialogElement): void {
  const limits = [
    "That the gateway wrote down everything. It proves what was written, not that nothing was left unsaid.",
    "That what it wrote is true. Who holds the gateway's log key can sign false entries from then on; earlier ones that you have seen stay as they were.",
    "That others are shown the same log. A gateway could sign one log for you and another for them; this browser notices if the one that it is shown changes, or is not what a witness shows here has cosigned, up to that size.",
    "That the newest entries are here. They are at most one checkpoint late, marked until then; a broker can hold back all of them, which shows as silence.",
    "When things happened. Times are those of the gateway's clock; the heartbeat says how sure it was of them.",
    "That alarms and the words online and offline are true. They are told by the broker and are not signed.",
    "That the key is the right one. It is the one that you gave: compare it with the provisioning receipt.",
  ]
  const close = make("button", { type: "button", class: "primary" }, "Close")
  close.addEventListener("click", () => dialog.close())
  show(
    dialog,
    make("h2", { id: "limits-title" }, "What a pass does not prove"),
    make("ul", {}, ...limits.map((text) => make("li", {}, text))),
  )
  dialog.append(close)
  dialog.showModal()
}
