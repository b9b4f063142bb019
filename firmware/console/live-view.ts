/**
 * The live view of a running gateway as text: pure, from a model to lines.
 *
 * Topics, subjects and entries come from peers that may be hostile: nothing but printable characters of one column goes
 * to the terminal.
 */
import type { ConduitView, LiveEntry, LiveModel } from "./live-model.ts"

/** What the terminal has room and colours for. */
export interface LiveSize {
  readonly columns: number
  readonly rows: number
  readonly colour: boolean
}

type Ink = "bold" | "dim" | "red" | "green" | "yellow"

const SGR: Readonly<Record<Ink, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 }
const TONES: Readonly<Record<LiveEntry["tone"], Ink | null>> = {
  info: "dim",
  notice: null,
  warning: "yellow",
  alarm: "red",
}

/** One line before it is fitted: text and how it looks. */
interface Line {
  readonly text: string
  readonly ink: Ink | null
}

/** The whole screen: at most `rows` lines of at most `columns` characters, joined by line feeds. */
export function renderLive(model: LiveModel, size: LiveSize): string {
  const fixed = [header(model, size.columns), blank, ...conduitTable(model), ...brokerLines(model)]
  const denials = section("DENIED, BY REASON AND RULE", denialRows(model.conduits))
  const hints = section("TRY IT", model.hints.flatMap((hint) => wrap(hint, size.columns - 2)).map(indented))
  const story = section(
    "WHAT HAPPENS",
    model.story.map((text) => ({ text: `  ${text}`, ink: "yellow" })),
  )
  const explained = section("WHY THE LAST ONE WAS DENIED", model.explained.map(indented))
  const entries = model.entries.map((entry) => ({ text: `  ${entry.text}`, ink: TONES[entry.tone] }))

  const witnessed = model.witnessed === null ? "" : `   ${model.witnessed}`
  const room = Math.max(0, size.rows - fixed.length)
  const forDenials = Math.min(denials.length, 9, Math.max(4, Math.floor(room * 0.3)))
  const others = forDenials + hints.length + story.length + explained.length
  const forEntries = Math.min(entries.length + TITLE_ROWS, 14, Math.max(6, room - others))
  return [
    ...fixed,
    ...denials.slice(0, forDenials),
    ...explained,
    ...story,
    ...section(`LAST AUDIT ENTRIES${witnessed}`, entries.slice(-Math.max(1, forEntries - TITLE_ROWS))),
    ...hints,
  ]
    .slice(0, Math.max(0, size.rows))
    .map((line) => paint(line, size))
    .join("\n")
}

/** What is new since `previous`, in plain lines for a terminal that is none: new entries, then one line of numbers. */
export function renderPlain(model: LiveModel, previous: LiveModel | null): string[] {
  const seen = previous?.entries.at(-1)?.seq ?? -1
  const fresh = model.entries.filter((entry) => entry.seq > seen || entry.seq < 0)
  const numbers = model.conduits.map(({ totals, perSecond, denials }) => {
    const top = denials.filter((row) => row.perSecond > 0).slice(0, 3)
    const why = top
      .map((row) => [row.reason, ...(row.rule === "-" ? [] : [`by ${row.rule}`]), rate(row.perSecond)].join(" "))
      .join(", ")
    const rates = `up ${rate(perSecond.up)} down ${rate(perSecond.down)} denied ${rate(perSecond.denied)}`
    if (perSecond.up + perSecond.down + perSecond.denied === 0) return `${totals.conduit}: idle`
    return `${totals.conduit}: ${rates} messages/s${why === "" ? "" : ` (${why})`}`
  })
  const plant = model.plant === null ? [] : [`broker: ${plantSummary(model.plant).join("; ")}`]
  const explained = model.explained === previous?.explained ? [] : model.explained.map((line) => `  ${line}`)
  const lines = [...fresh.map((entry) => entry.text), ...explained, [...numbers, ...plant].join(" | ")]
  return lines.filter((line) => line !== "").map(printable)
}

/** `text` with every character that is not a plain printable one of one column shown as `?`. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u0587]/gu, "?")
}

const blank: Line = { text: "", ink: null }

function indented(text: string): Line {
  return { text: `  ${text}`, ink: null }
}

/** A command broken between its words so that it still works when it is copied from the screen. */
function wrap(command: string, columns: number): string[] {
  const lines: string[] = []
  let line = ""
  for (const word of command.split(" ")) {
    if (line !== "" && line.length + word.length + 3 > columns) {
      lines.push(`${line} \\`)
      line = `  ${word}`
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** A blank line and a title stand above each section. */
const TITLE_ROWS = 2

function section(title: string, lines: readonly Line[]): Line[] {
  return lines.length === 0 ? [] : [blank, { text: title, ink: "bold" }, ...lines]
}

function header(model: LiveModel, columns: number): Line {
  const right = `up ${duration(model.upMs)}`
  const left = `Lockgate ${model.gateway}   ${model.posture}   policy ${model.policy}`
  const fitted = left.slice(0, Math.max(0, columns - right.length - 1))
  return { text: fitted.padEnd(columns - right.length) + right, ink: "bold" }
}

function conduitTable(model: LiveModel): Line[] {
  const widths = [14, 6, 9, 9, 10, 11, 11, 9]
  const row = (...cells: string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("")
  const head = row("CONDUIT", "peers", "up/s", "down/s", "denied/s", "allowed", "denied", "refused")
  const rows = model.conduits.map(({ totals, perSecond }) => {
    const [allowed, denied] = [totals.allowedUp + totals.allowedDown, totals.deniedUp + totals.deniedDown]
    const rates = [rate(perSecond.up), rate(perSecond.down), rate(perSecond.denied)]
    const counts = [number(allowed), number(denied), number(totals.refusedPeers)]
    const text = row(totals.conduit, String(totals.connections), ...rates, ...counts)
    return { text, ink: perSecond.denied > 0 ? "yellow" : "green" } as const
  })
  return [{ text: head, ink: "bold" }, ...rows]
}

function denialRows(conduits: readonly ConduitView[]): Line[] {
  const rows = conduits.flatMap((view) => view.denials.map((row) => ({ ...row, conduit: view.totals.conduit })))
  return rows
    .sort((a, b) => b.perSecond - a.perSecond || b.total - a.total)
    .map(({ conduit, rule, reason, total, perSecond }) => ({
      text: `  ${reason.padEnd(19)} ${rule.padEnd(26)} ${conduit.padEnd(10)} ${rate(perSecond).padStart(6)}/s ${number(total).padStart(8)}`,
      ink: perSecond > 0 ? ("yellow" as const) : ("dim" as const),
    }))
}

function brokerLines(model: LiveModel): Line[] {
  if (model.plant === null) return []
  const { broker } = model.plant
  const [arrived, around] = plantSummary(model.plant)
  const clients = Object.entries(broker.byClient).map(([name, count]) => `${name} ${number(count)}`)
  return section("ARRIVED AT THE BROKER", [
    { text: `  ${arrived}`, ink: broker.leaked > 0 ? "red" : null },
    { text: `  ${[around, ...clients].join(", ")}`, ink: "dim" },
  ])
}

/** What the far side of the gateway saw, and how the plant is: two halves of a sentence. */
function plantSummary({ broker, operator, sensors }: NonNullable<LiveModel["plant"]>): readonly [string, string] {
  const leaked = `${number(broker.leaked)} that the policy forbids`
  const commands = `${number(operator.received)} of ${number(operator.commands)} set points taken`
  return [
    `${number(broker.arrived)} messages, ${leaked}, ${commands}`,
    `sensors ${sensors.connected} of ${sensors.of}, audit ${number(broker.management)}`,
  ]
}

function paint(line: Line, size: LiveSize): string {
  const text = printable(line.text).trimEnd()
  const fitted = text.length > size.columns ? `${text.slice(0, Math.max(0, size.columns - 1))}~` : text
  const cut = fitted.slice(0, Math.max(0, size.columns))
  return line.ink === null || !size.colour || cut === "" ? cut : `\x1b[${SGR[line.ink]}m${cut}\x1b[0m`
}

function rate(perSecond: number): string {
  return perSecond >= 1000 ? number(Math.round(perSecond)) : perSecond.toFixed(1)
}

function number(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",")
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${h > 0 ? `${h}:${String(m).padStart(2, "0")}` : String(m)}:${String(s).padStart(2, "0")}`
}
