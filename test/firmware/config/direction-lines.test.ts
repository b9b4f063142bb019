import { suite } from "uvu"
import * as assert from "uvu/assert"
import { boardText, readBoard } from "../../support/board-files.ts"

const test = suite("firmware/config/direction-lines")
const GPIO = "gpio: { de: { direction: rs485, chip: gpiochip0, line: 4 }, low: { direction: rs485, chip: gpiochip0, line: 5, active-low: true }, led: { direction: out, chip: gpiochip0, line: 6, safe: on, shows: fault } }" // prettier-ignore
const board = (lines: string) => readBoard(boardText({ tail: `lines: ${lines}\n${GPIO}` }))

test("a serial line names the line of gpio that turns its transceiver; the keeper of the outputs has nothing to do with it", () => {
  const parsed = board("{ a: { device: /dev/a, rs485: { gpio: de } }, b: { device: /dev/b, rs485: { gpio: low } } }")
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults))
  const { lines, gpio } = parsed.value
  assert.equal(lines["a"]!.rs485, { gpio: { name: "de", chip: "gpiochip0", line: 4, transmit: "high" } })
  assert.equal(lines["b"]!.rs485, { gpio: { name: "low", chip: "gpiochip0", line: 5, transmit: "low" } })
  assert.equal(gpio.outputs.map(({ name }) => name), ["led"]) // prettier-ignore
  assert.equal(gpio.inputs, [])
})

for (const [what, lines, ...words] of [
  ["a line of gpio that nobody declared", "{ a: { device: /dev/a, rs485: { gpio: dee } } }", '"dee"', "de"],
  ["an output", "{ a: { device: /dev/a, rs485: { gpio: led } } }", '"led"'],
  ["one transceiver of two lines", "{ a: { device: /dev/a, rs485: { gpio: de } }, b: { device: /dev/b, rs485: { gpio: de } } }", "lines.a is turned by it already"], // prettier-ignore
  ["a map with something else", "{ a: { device: /dev/a, rs485: { rts: de } } }", "rts"],
  ["a word that is none", "{ a: { device: /dev/a, rs485: rts } }", '"driver" or "none"'],
] as const) {
  test(`[CR 3.5] ${what} is a fault, with its place`, () => {
    const parsed = board(lines)
    assert.ok(!parsed.ok)
    const said = parsed.faults.map(({ path, message, hint }) => `${path} ${message} ${hint ?? ""}`).join("\n")
    assert.match(said, "rs485")
    for (const word of words) assert.ok(said.includes(word), said)
  })
}

test.run()
