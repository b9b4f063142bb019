import { conditionsText } from "../language/input-condition.ts"
import { MODBUS_FUNCTIONS, type ModbusRule, type Range } from "../language/modbus-rule.ts"
import type { Conduit, MqttRule, Policy, Rule } from "../language/policy.ts"
import { charactersIn, element, line, wrapped } from "./svg.ts"

const TITLE = 30
const HEADS = 20
const LINE = 16
const PADDING = 8
/** Topics or functions in a cell, at most. */
const ENTRIES = 8
const ROLE = 150

interface Cell {
  readonly lines: readonly { readonly text: string; readonly class: string }[]
}
interface Row {
  readonly role: string
  readonly cells: readonly [Cell, Cell, Cell]
}

/** A table of who can have rights on this conduit: what they may do, and what is denied to them; and its height. */
export function drawCard(
  policy: Policy,
  conduit: Conduit,
  at: { readonly x: number; readonly y: number; readonly width: number },
): { readonly markup: string; readonly height: number } {
  const { x, width } = at
  const column = (width - ROLE - 3 * PADDING) / 3
  const columnAt = (k: number): number => x + ROLE + PADDING + k * (column + PADDING)
  const rows = rowsOf(policy, conduit, charactersIn(column, 11, "mono"))
  const height = TITLE + PADDING + (rows.length === 0 ? LINE : rows.reduce((sum, row) => sum + heightOf(row), HEADS))
  const heads = conduit.protocol === "mqtt" ? ["publishes", "subscribes and receives", "denied"] : ["reads", "writes and others", "denied"] // prettier-ignore
  const parts = [
    element("rect", { class: "card", x, y: at.y, width, height, rx: 6 }),
    line({ x: x + PADDING, y: at.y + 20, width: width - 2 * PADDING }, { class: "bold", size: 13 }, `${conduit.name}: ${conduit.from} to ${conduit.to}, ${conduit.protocol}`), // prettier-ignore
  ]
  const shown = rows.length > 0 ? heads : []
  shown.forEach((head, k) => {
    parts.push(line({ x: columnAt(k), y: at.y + TITLE + 12, width: column }, { class: "soft", size: 11 }, head))
  })
  let y = at.y + TITLE + HEADS
  if (rows.length === 0) {
    parts.push(line({ x: x + PADDING, y: y - 6, width }, { class: "soft", size: 12 }, "nobody may do anything"))
  }
  for (const row of rows) {
    parts.push(element("path", { class: "rule", d: `M${x} ${y}H${x + width}` }))
    parts.push(line({ x: x + PADDING, y: y + 17, width: ROLE - PADDING }, { class: "bold", size: 12 }, row.role))
    row.cells.forEach((cell, k) => {
      cell.lines.forEach((one, n) => {
        const place = { x: columnAt(k), y: y + 17 + n * LINE, width: column }
        parts.push(line(place, { class: one.class, size: 11 }, one.text))
      })
    })
    y += heightOf(row)
  }
  return { markup: element("g", {}, ...parts), height }
}

function heightOf({ cells }: Row): number {
  return Math.max(1, ...cells.map((cell) => cell.lines.length)) * LINE + PADDING
}

/** Roles with rules here that a peer of the conduit's zone can have, in the order of the policy. */
function rowsOf(policy: Policy, conduit: Conduit, characters: number): readonly Row[] {
  const held = new Set(policy.subjects.filter(({ zone }) => zone === conduit.from).flatMap(({ roles }) => roles))
  return policy.roles.flatMap(({ name }) => {
    const rules = policy.rules.filter((rule) => rule.conduits.includes(conduit.name) && rule.roles.includes(name))
    if (rules.length === 0 || !held.has(name)) return []
    const [first, second, denied] = textsOf(conduit, rules)
    if (first.length + second.length + denied.length === 0) return []
    const cell = (texts: readonly string[], look: string): Cell => cellOf(texts, look, characters)
    return [{ role: name, cells: [cell(first, "mono"), cell(second, "mono"), cell(denied, "mono bad")] as const }]
  })
}

function cellOf(texts: readonly string[], look: string, characters: number): Cell {
  const distinct = [...new Set(texts)]
  const shown = distinct.length > ENTRIES ? distinct.slice(0, ENTRIES - 1) : distinct
  const lines = shown.flatMap((text) => wrapped(text, characters, 3).map((part) => ({ text: part, class: look })))
  if (shown.length < distinct.length) lines.push({ text: `and ${distinct.length - shown.length} more`, class: "soft" })
  return { lines: lines.length === 0 ? [{ text: "–", class: "soft" }] : lines }
}

/** What a conduit's direction keeps from passing is not shown as allowed. */
function textsOf({ protocol, direction }: Conduit, rules: readonly Rule[]): Texts {
  const [first, second, denied] = protocol === "mqtt" ? mqttTexts(rules) : modbusTexts(rules)
  if (protocol === "modbus") return [first, direction === "in" ? [] : second, denied]
  return [direction === "in" ? [] : first, direction === "out" ? [] : second, denied]
}

type Texts = readonly [readonly string[], readonly string[], readonly string[]]

function mqttTexts(rules: readonly Rule[]): Texts {
  const mqtt = rules.filter((rule): rule is MqttRule => rule.protocol === "mqtt")
  const allow = mqtt.filter(({ effect }) => effect === "allow")
  const up = allow.filter(({ actions }) => actions.includes("publish"))
  const down = allow.filter(({ actions }) => actions.includes("subscribe") || actions.includes("receive"))
  const subscribed = new Set(
    down.filter(({ actions }) => actions.includes("subscribe")).flatMap(({ topics }) => topics),
  )
  return [
    up.flatMap((rule) => rule.topics.map((topic) => topic + when(rule))),
    down.flatMap((rule) =>
      rule.topics.map((topic) => topic + (subscribed.has(topic) ? "" : " (receives only)") + when(rule)),
    ),
    mqtt
      .filter(({ effect }) => effect === "deny")
      .flatMap((rule) => rule.topics.map((topic) => `${topic} (${rule.actions.join(", ")})${when(rule)}`)),
  ]
}

/** Functions that only read. */
const READING: ReadonlySet<number> = new Set([1, 2, 3, 4, 7, 11, 12, 17, 20, 24])
const NAMES = new Map<number, string>(Object.entries(MODBUS_FUNCTIONS).map(([name, code]) => [code, name]))

function modbusTexts(rules: readonly Rule[]): Texts {
  const modbus = rules.filter((rule): rule is ModbusRule => rule.protocol === "modbus")
  const texts = (effect: string, reading: boolean | null): readonly string[] =>
    modbus
      .filter((rule) => rule.effect === effect)
      .flatMap(
        (rule) =>
        rule.functions
          .filter(({ code }) => reading === null || READING.has(code) === reading)
          .map(({ code }) => `${NAMES.get(code) ?? `function ${code}`}${addresses(rule, code)}, unit ${ranges(rule.units)}${when(rule)}`), // prettier-ignore
      )
  return [texts("allow", true), texts("allow", false), texts("deny", null)]
}

function addresses(rule: ModbusRule, code: number): string {
  const named = [1, 5, 15].includes(code)
    ? rule.coils
    : code === 2
      ? rule.discreteInputs
      : [3, 6, 16, 22, 23].includes(code)
        ? rule.registers
        : code === 4
          ? rule.inputRegisters
          : code === 24
            ? rule.fifos
            : []
  return named.length === 0 ? "" : ` ${ranges(named)}`
}

function ranges(list: readonly Range[]): string {
  return list.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(",")
}

/** When a rule is in force, if not always. */
function when({ essential, hours, emergency, when: inputs }: Rule): string {
  const words = [
    ...(essential ? ["essential"] : []),
    ...(hours === null ? [] : ["in hours"]),
    ...(inputs === null ? [] : [`when ${conditionsText(inputs)}`]),
    ...(emergency === null ? [] : [`emergency ${emergency}`]),
  ]
  return words.length === 0 ? "" : ` [${words.join(", ")}]`
}
