import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryDirection, type DirectionFault } from "../../../hal/memory/serial-direction.ts"
import { MemorySerial } from "../../../hal/memory/serial.ts"
import { byteMs, type SerialSettings } from "../../../hal/serial.ts"
import { checkDirection, earliestAnswerMs } from "../../../hal/serial-direction.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/memory/serial-direction")
const settings: SerialSettings = {
  device: "a",
  baud: 9_600,
  frame: "8E1",
  rs485: { gpio: { name: "de", chip: "gpiochip0", line: 4, transmit: "high" } },
}
const FRAME = new Uint8Array(8)
const FRAME_MS = 8 * byteMs(settings)

async function opened(turnMs = 0.2, answerAfterMs = earliestAnswerMs(settings)) {
  const clock = new MemoryClock()
  const direction = new MemoryDirection(clock, { turnMs })
  const serial = new MemorySerial(clock, { direction })
  const reached: number[] = []
  serial.attach("a", (bytes, answer) => {
    reached.push(clock.monotonicMs())
    answer(bytes, answerAfterMs)
  })
  const heard: number[] = []
  const lost: string[] = []
  const line = await serial.open(settings, {
    received: (bytes) => heard.push(bytes.length),
    lost: (error) => lost.push(error.code),
  })
  const pass = async (ms: number): Promise<void> => {
    for (let k = 0; k < ms * 20; k++) {
      clock.advance(0.05)
      for (let n = 0; n < 8; n++) await Promise.resolve()
    }
  }
  return { clock, direction, serial, reached, heard, lost, line, pass }
}

test("the pair is ours before the first bit and the units' after the last, and an answer at the earliest moment is heard", async () => {
  const { direction, reached, heard, line, pass } = await opened()
  let written = false
  void line.write(FRAME).then(() => (written = true))
  await pass(100)
  assert.ok(written)
  assert.equal(direction.turns.map(({ pair }) => pair), ["units", "ours", "units"]) // prettier-ignore
  const [, ours, units] = direction.turns
  assert.ok(reached[0]! >= ours!.atMs + FRAME_MS - 0.001, "no bit before the pair was ours")
  assert.ok(units!.atMs >= reached[0]!, "no bit after it was the units'")
  assert.ok(units!.atMs - reached[0]! < earliestAnswerMs(settings))
  assert.equal(heard, [8])
})

test("whoever turns too late does not hear the answer: the board that cannot is refused, with both times", async () => {
  const { heard, line, pass, direction } = await opened(0.2, 0.1)
  direction.turnMs = 1
  void line.write(FRAME)
  await pass(100)
  assert.equal(heard, [])
  const error = await rejects(() => opened(4.1), "ERR_SERIAL_DIRECTION_SLOW")
  assert.equal(error.detail, { turnMs: 4.1, answerMs: 4.01 })
  assert.match(error.message, "rs485: driver")
  checkDirection(settings, { turnMs: 4 })
})

test("a unit may answer after 3.5 characters, at higher rates after 1.75 ms", () => {
  assert.is(earliestAnswerMs({ baud: 1_000, frame: "8N1" }), 35)
  assert.is(Math.round(earliestAnswerMs({ baud: 19_200, frame: "8E1" }) * 100), 201)
  assert.is(earliestAnswerMs({ baud: 38_400, frame: "8E1" }), 1.75)
})

for (const plan of [
  { at: "transmit", what: "killed" },
  { at: "transmit", what: "stuck" },
  { at: "receive", what: "killed" },
  { at: "receive", what: "stuck" },
] as const satisfies readonly DirectionFault[]) {
  test(`[CR 3.6] ${plan.what} at ${plan.at}: the line is lost, and the pair is the units' within the bound`, async () => {
    const { direction, lost, line, pass, clock } = await opened()
    direction.plan = plan
    void line.write(FRAME).catch(() => undefined)
    await pass(100)
    assert.equal(lost, ["ERR_SERIAL_DIRECTION"])
    assert.is(direction.pair, "units")
    const ours = direction.turns.find(({ pair }) => pair === "ours")
    const back = direction.turns.at(-1)!
    assert.ok(back.atMs - (ours?.atMs ?? back.atMs) <= FRAME_MS + direction.turnMs + direction.releasedWithinMs + 0.2)
    assert.ok(clock.monotonicMs() > back.atMs)
  })
}

test("a device that is cut while it sends leaves the pair to the units", async () => {
  const { direction, serial, line, pass } = await opened()
  const failed = rejects(() => line.write(FRAME), "ERR_SERIAL_LOST")
  await pass(2)
  assert.is(direction.pair, "ours")
  serial.cut("a")
  await pass(50)
  await failed
  assert.is(direction.pair, "units")
})

test.run()
