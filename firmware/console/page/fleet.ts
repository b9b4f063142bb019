/** The list of gateways, each with its verdict, last checkpoint, clock, versions and signs of life; and the open alarms. */
import { make, show, type Part } from "./dom.ts"
import type { GatewayReport } from "./messages.ts"
import { spanOf } from "./span.ts"
import { sign } from "./verdict.ts"

const LIFE: Readonly<Record<GatewayReport["life"], string>> = {
  alive: "alive",
  silent: "silent: no heartbeat for three intervals",
  offline: "offline, says the broker",
  unknown: "no heartbeat yet",
}
/** A clock known no better than this is named uncertain. */
const SURE_MS = 60_000

/** Shows all gateways; `choose` is called with the name of one that is picked. */
export function showFleet(
  list: HTMLElement,
  reports: readonly GatewayReport[],
  chosen: string | null,
  choose: (gateway: string) => void,
): void {
  const focused = document.activeElement?.getAttribute("data-gateway") ?? null
  const cards = reports.map((report) => {
    const attributes = {
      type: "button",
      class: "gateway",
      "data-gateway": report.gateway,
      "data-verdict": report.verdict,
      "data-life": report.life,
      "aria-pressed": String(report.gateway === chosen),
    }
    const name = make("span", { class: "name" }, report.gateway)
    const chip = make("span", { class: "chip" }, sign(report.verdict), report.verdict)
    return make("li", {}, make("button", attributes, name, chip, make("span", { class: "facts" }, ...facts(report))))
  })
  show(list, ...cards)
  for (const button of list.querySelectorAll("button")) button.onclick = () => choose(button.dataset["gateway"] ?? "")
  if (focused !== null)
    for (const button of list.querySelectorAll("button")) if (button.dataset["gateway"] === focused) button.focus()
}

function facts({ checkpoint, heartbeat, life, lastSignAt, alarms, why }: GatewayReport): readonly Part[] {
  const fact = (name: string, value: string, state = ""): Part =>
    make(
      "span",
      { class: `fact ${state}` },
      make("span", { class: "what" }, name),
      make("span", { class: "value" }, value),
    )
  const ago = lastSignAt === null ? "" : `, ${agoOf(Date.now() - lastSignAt)}`
  return [
    ...(why === "" ? [] : [fact("unverified", why, "doubt")]),
    fact("sign of life", `${LIFE[life]}${ago}`, life === "alive" ? "" : life === "unknown" ? "" : "bad"),
    fact("checkpoint", checkpoint === null ? "none" : `${checkpoint.size} entries`),
    fact("clock", ...clockOf(heartbeat)),
    fact("policy", orDash(heartbeat?.policy)),
    fact("firmware", orDash(heartbeat?.firmware)),
    fact("alarms", String(alarms.length), alarms.length > 0 ? "bad" : ""),
  ]
}

function clockOf(heartbeat: GatewayReport["heartbeat"]): [string, string] {
  if (heartbeat === null) return ["-", ""]
  if (heartbeat.latest === null) return ["uncertain: nothing bounds it", "doubt"]
  const width = heartbeat.latest - heartbeat.earliest
  return width <= SURE_MS ? [`sure to ${spanOf(width)}`, ""] : [`uncertain by ${spanOf(width)}`, "doubt"]
}

/** Shows open alarms of all gateways; `open` is called with gateway and entry of one that is picked. */
export function showAlarms(
  list: HTMLElement,
  reports: readonly GatewayReport[],
  open: (gateway: string, seq: number) => void,
): void {
  const items = reports.flatMap(({ gateway, alarms }) =>
    alarms.map(({ id, text, seq }) => {
      const words = [make("strong", {}, gateway), ` ${text === "" ? id : text}`]
      if (seq === null) return make("li", {}, ...words)
      const link = { type: "button", class: "plain", "data-seq": seq, "data-of": gateway }
      return make("li", {}, ...words, " ", make("button", link, `entry ${seq}`))
    }),
  )
  show(list, ...(items.length === 0 ? [make("li", { class: "none" }, "none")] : items))
  for (const button of list.querySelectorAll("button"))
    button.onclick = () => open(button.dataset["of"] ?? "", Number(button.dataset["seq"]))
}

function agoOf(ms: number): string {
  return ms < 5_000 ? "just now" : `${spanOf(ms)} ago`
}

function orDash(text: string | undefined): string {
  return text === undefined || text === "" ? "-" : text
}
