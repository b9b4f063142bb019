import type { DocNode } from "../../policy/language/document.ts"
import type { Placed } from "../../policy/language/group-shapes.ts"
import type { Report } from "../../policy/language/report.ts"
import type { Shape } from "../../policy/language/shape.ts"
import { kindsOf, object, optional, placedMap, required } from "../../policy/language/group-shapes.ts"
import { faultAt } from "../../policy/language/locate.ts"
import { duration } from "../../policy/language/quantity-shapes.ts"
import { choice, flag, integer, name, text, withStandIn } from "../../policy/language/shape.ts"
import { quote } from "../../policy/language/characters.ts"
import type { DirectionLine } from "../../hal/serial-direction.ts"
import type { GpioConfig, OutputConfig } from "./gateway-config.ts"

/** Most lines of a board file. */
export const MAX_GPIO_LINES = 64

const where = {
  chip: required(
    text({ expected: "a chip such as gpiochip0", pattern: /^gpiochip[0-9]{1,3}$/, maxLength: 64 }),
    "Which chip, as the kernel names it.",
  ),
  line: required(integer(0, 511), "Offset of the line on the chip."),
} as const

const states = object("the states of an input", {
  low: required(name("word for the state"), "What the input is at low level."),
  high: required(name("word for the state"), "What the input is at high level."),
})

const input = object("an input", {
  direction: required(choice(["in"]), "`in`."),
  ...where,
  bias: optional(choice(["as-is", "disabled", "pull-up", "pull-down"]), "as-is", "Resistor of the chip.", "as-is"),
  debounce: optional(duration(1, 10_000), 50, "How long a level must last to count.", "50ms"),
  states: required(states, "What its two levels mean, in the policy's words."),
  tamper: optional(name("one of the states"), null, "The state that means that somebody opened the enclosure."),
})

const output = object("an output", {
  direction: required(choice(["out"]), "`out`."),
  ...where,
  "active-low": optional(flag(), false, "Whether it is on at low level.", false),
  safe: required(choice(["on", "off"]), "What it is at start, at stop and whenever the gateway is gone."),
  shows: required(choice(["fault", "island", "running", "tamper"]), "What it is on for."),
})

const turner = object("a direction line", {
  direction: required(choice(["rs485"]), "`rs485`."),
  ...where,
  "active-low": optional(flag(), false, "Whether the transceiver sends at low level.", false),
})

/** The lines of the board, by name. */
export const gpio = withStandIn(
  placedMap(kindsOf("a line", "direction", { in: input, out: output, rs485: turner }), { max: MAX_GPIO_LINES }),
  [],
)

type ReadBy<S> = S extends Shape<infer T> ? T : never
export type PlacedLines = ReadBy<typeof gpio>

/** Adds what no single line shows: two on one place of the chip, states that are no two words, a tamper state that is none. */
export function checkGpio(lines: PlacedLines, _root: DocNode, report: Report): void {
  const places = new Map<string, Placed<unknown>>()
  for (const placed of lines) {
    const { value } = placed
    const at = `${value.chip} ${value.line}`
    const earlier = places.get(at)
    if (earlier === undefined) places.set(at, placed)
    else faultAt(report, placed, ["line"], `${earlier.path} is line ${value.line} of ${value.chip} already`)
    if (value.direction !== "in") continue
    const { low, high } = value.states
    if (low === high) {
      faultAt(report, placed, ["states", "high"], `${quote(high)} is the word for low already`, "two levels, two words")
    }
    if (value.tamper !== null && value.tamper !== low && value.tamper !== high) {
      const message = `${quote(value.tamper)} is none of its states`
      faultAt(report, placed, ["tamper"], message, `write ${low} or ${high}`)
    }
  }
}

/** The section as the gateway holds it. */
export function buildGpio(lines: PlacedLines): GpioConfig {
  const inputs = lines.flatMap(({ name: own, value }) => {
    if (value.direction !== "in") return []
    const { chip, line, bias, states: words, tamper } = value
    return [{ name: own, chip, line, bias, debounceMs: value.debounce, states: words, tamper }]
  })
  const outputs = lines.flatMap(({ name: own, value }): OutputConfig[] => {
    if (value.direction !== "out") return []
    const { chip, line, safe, shows } = value
    return [{ name: own, chip, line, activeLow: value["active-low"], safe, shows }]
  })
  return { inputs, outputs }
}

/** The lines that turn transceivers; who has the serial line holds them, not the keeper of the outputs. */
export function directionLines(lines: PlacedLines): readonly DirectionLine[] {
  return lines.flatMap(({ name: own, value }): DirectionLine[] => {
    if (value.direction !== "rs485") return []
    return [{ name: own, chip: value.chip, line: value.line, transmit: value["active-low"] ? "low" : "high" }]
  })
}
