import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryGpio } from "../../../hal/memory/gpio.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/memory/gpio")
const key = { name: "key", chip: "c", line: 1, bias: "as-is" } as const
const led = { name: "led", chip: "c", line: 2, safe: "high" } as const

test("inputs tell every bounce and every loss, and a simulated one is an input that is watched", async () => {
  const gpio = new MemoryGpio()
  const told: string[] = []
  const close = await gpio.watch([key], {
    level: (name, level) => told.push(`${name} ${level}`),
    lost: (name, reason) => told.push(`${name} ${reason}`),
  })
  gpio.bounce("key", "high", 1)
  gpio.lose("key", "cut")
  gpio.drive("key", "low")
  gpio.mend("key")
  assert.equal(told, ["key low", "key high", "key low", "key high", "key cut", "key low"])
  gpio.simulate("key", "high")
  assert.is(told.at(-1), "key high")
  await rejects(() => gpio.simulate("led", "high"), "ERR_GPIO_LINE")
  await close()
  gpio.drive("key", "low")
  assert.is(told.length, 7)
})

test("[CR 3.6] outputs are safe when held, when released and when their process is killed; faults and losses are told", async () => {
  const gpio = new MemoryGpio()
  const lost: string[] = []
  const held = await gpio.hold([led], (name, reason) => lost.push(`${name} ${reason}`))
  assert.is(gpio.outputs.get("led"), "high")
  await held.set("led", "low")
  gpio.killed()
  assert.is(gpio.outputs.get("led"), "high")
  await held.set("led", "low")
  await held.release()
  assert.is(gpio.outputs.get("led"), "high")
  gpio.failing = 1
  await rejects(() => held.set("led", "low"), "ERR_IO")
  gpio.lose("led", "burnt")
  assert.equal([lost, held.driven().size], [["led burnt"], 0])
  await rejects(() => held.set("led", "low"), "ERR_IO")
  gpio.mend("led")
  assert.equal([...held.driven()], [["led", "high"]])
})

test.run()
