import type { Shape } from "../../policy/language/shape.ts"
import type { SerialFrame } from "../../hal/serial.ts"
import type { LineSettings } from "./gateway-config.ts"
import { directionLines, type PlacedLines } from "./gpio-shape.ts"
import { DEFAULT_LINE } from "./gateway-config.ts"
import { choice, flag, integer, mismatch, name, text } from "../../policy/language/shape.ts"
import { object, optional, required, wordOrMap } from "../../policy/language/group-shapes.ts"
import { duration, durationText } from "../../policy/language/quantity-shapes.ts"

const FRAMES: readonly SerialFrame[] = ["8N1", "8E1", "8N2"]
const EXPECTED = '"8E1", "8N1" or "8N2"'

/** A bare 8E1 is the number 80 to YAML and JSON, and every tool that turns one into the other writes that. */
const frame: Shape<SerialFrame> = {
  expected: EXPECTED,
  read(node, path, report) {
    const value = node.kind === "scalar" ? node.value : null
    const written = value === 80 ? "8E1" : value
    return FRAMES.find((one) => one === written) ?? mismatch(node, path, report, EXPECTED)
  },
  schema: () => ({ anyOf: [{ enum: [...FRAMES] }, { const: 80 }] }),
}

const device = text({
  expected: "path of a serial device such as /dev/ttyAMA0",
  maxLength: 255,
  check: (path) =>
    path.startsWith("/") ? null : { message: "expected the whole path of a serial device", hint: `write /dev/${path}` },
})

const times = (shown: number): string => durationText(shown)

/** A serial line of the board file. */
export const line = object("a serial line", {
  device: required(device, "Path of the device."),
  baud: optional(integer(1_200, 921_600), DEFAULT_LINE.baud, "Bits a second.", DEFAULT_LINE.baud),
  frame: optional(frame, DEFAULT_LINE.frame, "Data bits, parity, stop bits.", DEFAULT_LINE.frame),
  rs485: optional(
    wordOrMap(choice(["driver", "none"]), object("a direction line", { gpio: required(name("line of gpio"), "A line of `gpio` with `direction: rs485`.") })), // prettier-ignore
    "none",
    "Who turns the transceiver round: the kernel's driver, nobody needs to, or a line of `gpio`.",
    "none",
  ),
  echo: optional(flag(), DEFAULT_LINE.echo, "The line brings back our own bytes.", DEFAULT_LINE.echo),
  timeout: optional(
    duration(10, 60_000),
    DEFAULT_LINE.timeoutMs,
    "From the end of a request to the first byte of its answer.",
    times(DEFAULT_LINE.timeoutMs),
  ),
  turnaround: optional(
    duration(0, 10_000),
    DEFAULT_LINE.turnaroundMs,
    "After a broadcast, for the units to carry it out.",
    times(DEFAULT_LINE.turnaroundMs),
  ),
  retries: optional(integer(0, 10), DEFAULT_LINE.retries, "Further attempts without an answer.", DEFAULT_LINE.retries),
  repeat: optional(
    choice(["reads", "all"]),
    DEFAULT_LINE.repeat,
    "What may be sent again: a write may have been carried out although its answer got lost.",
    DEFAULT_LINE.repeat,
  ),
  queue: optional(integer(1, 1_024), DEFAULT_LINE.queue, "Requests that wait, in all.", DEFAULT_LINE.queue),
  wait: optional(
    duration(100, 60_000),
    DEFAULT_LINE.waitMs,
    "Longest a request waits; then it is refused and never sent.",
    times(DEFAULT_LINE.waitMs),
  ),
})

export type LineEntry = typeof line extends Shape<infer T> ? T : never

/** The line as the configuration holds it; `gpio` is that section of the same board file, checked. */
export function buildLine(entry: LineEntry, gpio: PlacedLines): LineSettings {
  const { timeout, turnaround, wait, rs485, ...rest } = entry
  const times = { timeoutMs: timeout, turnaroundMs: turnaround, waitMs: wait }
  if (typeof rs485 === "string") return { ...rest, rs485, ...times }
  const found = directionLines(gpio).find((one) => one.name === rs485.gpio)
  // The checks of the board file have found it.
  return { ...rest, rs485: found === undefined ? "none" : { gpio: found }, ...times }
}
