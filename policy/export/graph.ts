/**
 * A policy as a picture: zones as columns, conduits as arrows between them, and below who may do what.
 *
 *     +--------+   +---------+   +--------+
 *     | field  |   | control |   | office |      a column a zone, sources left
 *     |   o----|-[]|-->      |   |        |      a row a conduit; [] is the gateway
 *     |        |   |   o<----|-[]|-->     |
 *     +--------+   +---------+   +--------+
 *     telemetry   publishes        subscribes, receives     denied
 *     sensor      plant/%u/#       -                        plant/+/secret/#
 *
 * No two things share a place, however many there are: columns and rows only grow.
 */
import type { Conduit, Policy, Transport, Zone } from "../language/policy.ts"
import { drawCard } from "./graph-card.ts"
import { charactersIn, element, escaped, line, STYLE, wrapped } from "./svg.ts"

const MARGIN = 24
const COLUMN = 200
const GAP = 36
const HEADER = 122
const ROW = 76
const MIN_WIDTH = 1040

/** The picture, an SVG document in UTF-8 without scripts or anything from elsewhere. The same policy gives the same text. */
export function drawPolicy(policy: Policy): string {
  const zones = inOrder(policy)
  const columns = zones.length * COLUMN + Math.max(0, zones.length - 1) * GAP
  const width = Math.max(MIN_WIDTH, columns + 2 * MARGIN)
  const left = (width - columns) / 2
  const top = 76
  const bottom = top + HEADER + Math.max(1, policy.conduits.length) * ROW + 10
  const columnOf = new Map(zones.map((zone, k) => [zone.name, left + k * (COLUMN + GAP)]))
  const parts: string[] = []
  const inner = width - 2 * MARGIN
  parts.push(line({ x: MARGIN, y: 38, width: inner }, { class: "bold", size: 20 }, policy.name))
  parts.push(line({ x: MARGIN, y: 58, width: inner }, { class: "soft", size: 12 }, summary(policy)))
  for (const zone of zones) parts.push(drawZone(policy, zone, columnOf.get(zone.name) ?? 0, top, bottom - top))
  policy.conduits.forEach((conduit, k) => {
    const y = top + HEADER + k * ROW + 40
    parts.push(drawConduit(conduit, columnOf.get(conduit.from) ?? 0, columnOf.get(conduit.to) ?? 0, y))
  })
  let y = bottom + 56
  parts.push(line({ x: MARGIN, y: bottom + 36, width: inner }, { class: "bold", size: 15 }, "Who may do what"))
  for (const conduit of policy.conduits) {
    const card = drawCard(policy, conduit, { x: MARGIN, y, width: inner })
    parts.push(card.markup)
    y += card.height + 16
  }
  if (policy.conduits.length === 0) {
    parts.push(line({ x: MARGIN, y, width: inner }, { class: "soft", size: 12 }, "Nothing: there is no conduit."))
    y += 16
  }
  const height = y + MARGIN - 16
  const size = { width, height, viewBox: `0 0 ${width} ${height}` }
  const page = element("rect", { class: "page", width, height })
  const head = [element("title", {}, escaped(`Policy: ${policy.name}`)), element("style", {}, escapedStyle()), page]
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element("svg", { xmlns: "http://www.w3.org/2000/svg", ...size }, ...head, ...parts.map((part) => `\n${part}`))}\n`
}

function escapedStyle(): string {
  return STYLE.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
}

function summary({ zones, conduits, roles, rules }: Policy): string {
  const counted = (list: readonly unknown[], what: string): string =>
    `${list.length} ${what}${list.length === 1 ? "" : "s"}`
  return [counted(zones, "zone"), counted(conduits, "conduit"), counted(roles, "role"), counted(rules, "rule")].join(
    ", ",
  )
}

/** From where peers connect to the left of where they are taken, as far as that can be; else as in the document. */
function inOrder({ zones, conduits }: Policy): readonly Zone[] {
  const depth = new Map(zones.map(({ name }) => [name, 0]))
  for (let round = 1; round < zones.length; round++) {
    for (const { from, to } of conduits) {
      const next = (depth.get(from) ?? 0) + 1
      // Conduits in a circle have no order: nothing goes further right than there are zones.
      if (next > (depth.get(to) ?? 0) && next < zones.length) depth.set(to, next)
    }
  }
  return [...zones].sort((a, b) => (depth.get(a.name) ?? 0) - (depth.get(b.name) ?? 0))
}

function drawZone(policy: Policy, zone: Zone, x: number, y: number, height: number): string {
  const roles = [...new Set(policy.subjects.filter((one) => one.zone === zone.name).flatMap((one) => one.roles))]
  const text = (dy: number, look: { class: string; size: number }, words: string): string =>
    line({ x: x + 12, y: y + dy, width: COLUMN - 24 }, look, words)
  const tls = `TLS ${zone.tlsMin} or newer`
  const written = roles.length === 0 ? "" : `roles: ${roles.join(", ")}`
  const [first = "", second = ""] = wrapped(written, charactersIn(COLUMN - 24, 11, "sans"), 2)
  const soft = { class: "soft", size: 11 }
  return element(
    "g",
    {},
    element("rect", {
      class: zone.kind === "untrusted" ? "zone untrusted" : "zone",
      x,
      y,
      width: COLUMN,
      height,
      rx: 8,
    }),
    text(26, { class: "bold", size: 16 }, zone.name),
    text(46, { class: "", size: 12 }, `SL-T ${zone.level}${zone.kind === "untrusted" ? ", untrusted" : ""}`),
    text(63, { ...soft, class: zone.clearText ? "bad" : "soft" }, zone.clearText ? "clear text admitted" : tls),
    text(80, soft, zone.authorities.length === 0 ? "no authorities" : `CA: ${zone.authorities.join(", ")}`),
    text(96, soft, first),
    text(111, soft, second.trimStart()),
  )
}

/**
 * From the column at `fromX` to the one at `toX`, the gateway at the border of the latter; heads where data arrives, a
 * ring at whoever connects. Over columns of other zones, which it does not touch, the line is thin.
 */
function drawConduit(conduit: Conduit, fromX: number, toX: number, y: number): string {
  const sign = toX >= fromX ? 1 : -1
  const from = fromX + COLUMN / 2
  const to = toX + COLUMN / 2
  const gate = to - sign * (COLUMN / 2 + GAP / 2)
  const leaves = from + sign * (COLUMN / 2 + GAP / 2)
  const out = conduit.direction !== "in"
  const back = conduit.direction !== "out"
  const { transport } = conduit
  const half = (start: number, end: number, kind: Transport, thin = ""): string =>
    element("path", { class: `way${kind === "tls" ? "" : " clear"}${thin}`, d: `M${start} ${y}H${end}` })
  const head = (x: number, way: number): string =>
    element("path", { class: "head", d: `M${x} ${y}l${-way * 11} -6v12z` })
  const near = leaves === gate ? gate - sign * 9 : leaves
  const both = transport.from === transport.to ? transport.from : `${transport.from} to ${transport.to}`
  const ways = { both: "both ways", out: "out only", in: "in only" }[conduit.direction]
  const label = (dy: number, look: string, size: number, words: string): string =>
    line({ x: gate, y: y + dy, width: COLUMN + GAP - 12 }, { class: look, size, anchor: "middle" }, words)
  return element(
    "g",
    {},
    half(from + sign * (back ? 16 : 5), near, transport.from),
    leaves === gate ? "" : half(near, gate - sign * 9, transport.from, " over"),
    half(gate + sign * 9, to - sign * (out ? 10 : 0), transport.to),
    element("circle", { class: "gate", cx: from, cy: y, r: 5 }),
    out ? head(to, sign) : element("circle", { class: "head", cx: to, cy: y, r: 3 }),
    back ? head(from + sign * 6, -sign) : "",
    element("rect", { class: "gate", x: gate - 9, y: y - 9, width: 18, height: 18, rx: 3 }),
    label(-16, "bold", 13, conduit.name),
    label(
      26,
      transport.from === "tls" && transport.to === "tls" ? "soft" : "bad",
      11,
      `${conduit.protocol}, ${both}, ${ways}`,
    ),
  )
}
