/** The real serial adapter over socat's pair, its direction by stand-ins for libgpiod's tools: no machine of the tests has a chip. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLinuxSerial } from "../../../hal/linux/serial.ts"
import { createLinuxDirections } from "../../../hal/linux/serial-direction.ts"
import { earliestAnswerMs, type Directions } from "../../../hal/serial-direction.ts"
import { byteMs, type SerialLine, type SerialListener, type SerialSettings } from "../../../hal/serial.ts"
import type { LockgateError } from "../../../policy/base/errors.ts"
import { startCable, type SerialCable } from "../../peers/socat.ts"
import { standInTools, type StandInTools } from "../../support/gpio-tools.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/linux/serial-direction")
const nobody: SerialListener = { received: () => undefined, lost: () => undefined }
const gpio = { name: "de", chip: "gpiochip0", line: 17, transmit: "high" } as const
const until = async (holds: () => boolean, what: string): Promise<void> => {
  for (const endMs = performance.now() + 5_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 5)))
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`)
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

let cable: SerialCable
let chip: StandInTools
let settings: SerialSettings
test.before(async () => {
  cable = await startCable()
  chip = standInTools(2)
  // Slow enough for a busy machine to turn it round in time: 32 ms.
  settings = { device: cable.near, baud: 1_200, frame: "8E1", rs485: { gpio } }
})
test.after(async () => {
  await cable.stop()
  chip.remove()
})
/** As who has the line does it: one that was too slow, on a machine that is busy now, is tried again. */
async function open(change: Partial<SerialSettings> = {}, listener = nobody): Promise<SerialLine> {
  const serial = createLinuxSerial({ directions: createLinuxDirections(chip.tools) })
  for (let n = 0; ; n++) {
    try {
      return await serial.open({ ...settings, ...change }, listener)
    } catch (error) {
      if (n === 20 || (error as LockgateError).code !== "ERR_SERIAL_DIRECTION_SLOW") throw error
    }
  }
}

test("the pair is ours for as long as the bytes take at the line's rate, by one gpioset for all of it", async () => {
  const line = await open()
  assert.is(chip.output(17), "0")
  const earlier = chip.history(17).lastIndexOf("free") + 1
  const pid = chip.interactivePid()
  for (let n = 0; n < 2; n++) {
    const startMs = performance.now()
    const before = cable.carried().length
    const sent = line.write(Uint8Array.of(1, 2, 3, 4))
    await until(() => chip.output(17) === "1", "transmit")
    await sent
    assert.ok(performance.now() - startMs >= 4 * byteMs(settings) - 1)
    assert.is(chip.output(17), "0")
    await until(() => cable.carried().length - before === 4, "four bytes on the cable")
  }
  assert.is(chip.interactivePid(), pid)
  await line.close()
  assert.is(chip.output(17), "free")
  assert.equal(chip.history(17).slice(earlier).filter((level, n, all) => level !== all[n - 1]), ["0", "1", "0", "1", "0", "free"]) // prettier-ignore
})

test("a transceiver that sends at low level is turned so", async () => {
  const line = await open({ rs485: { gpio: { ...gpio, line: 18, transmit: "low" } } })
  await line.write(Uint8Array.of(1))
  await line.close()
  const levels = chip.history(18).filter((level, n, all) => level !== all[n - 1])
  assert.equal(levels.slice(-4), ["1", "0", "1", "free"])
  assert.not(levels.slice(0, -4).includes("0"))
})

test("a board that turns too slowly for the rate is refused with both times, and lets go", async () => {
  chip.slow(true)
  const directions: Directions = createLinuxDirections(chip.tools)
  const error = await rejects(
    () => createLinuxSerial({ directions }).open(settings, nobody),
    "ERR_SERIAL_DIRECTION_SLOW",
  )
  chip.slow(false)
  assert.ok(Number(error.detail["turnMs"]) >= 50)
  assert.is(error.detail["answerMs"], Math.round(earliestAnswerMs(settings) * 100) / 100)
  assert.is(chip.output(17), "free")
  // The device was let go of, too.
  await (await open()).close()
})

test("version 1 of the tools, which cannot be told while it holds, and a chip that is not there, are refused at the opening", async () => {
  const old = standInTools(1)
  const error = await rejects(
    () => createLinuxDirections(old.tools).open(gpio, () => undefined),
    "ERR_SERIAL_DIRECTION",
  )
  assert.match(error.message, "libgpiod 2")
  old.remove()
  chip.breakChip(true)
  await rejects(() => open(), "ERR_SERIAL_DIRECTION")
  chip.breakChip(false)
  await (await open()).close()
})

test("[CR 3.6] gpioset ends while we send: the line is lost at once, and opens again", async () => {
  const lost: string[] = []
  const line = await open({}, { ...nobody, lost: (error) => lost.push(error.code) })
  const sent = rejects(() => line.write(new Uint8Array(64)), "ERR_SERIAL_DIRECTION")
  await until(() => chip.output(17) === "1", "transmit")
  const pid = chip.interactivePid()
  await until(() => {
    // Told again: a shell that is about to read takes a signal for later.
    if (isRunning(pid)) process.kill(pid, "SIGTERM")
    return lost.length > 0
  }, "lost")
  assert.equal(lost, ["ERR_SERIAL_DIRECTION"])
  assert.is(chip.output(17), "free")
  await line.close()
  await sent
  await (await open()).close()
})

test("[CR 3.6] kill -9 of the process that sends leaves the pair to the units", async () => {
  const script = chip.script(`
import { createLinuxDirections } from ${JSON.stringify(new URL("../../../hal/linux/serial-direction.ts", import.meta.url).href)}
const direction = await createLinuxDirections(${JSON.stringify(chip.tools)}).open(${JSON.stringify(gpio)}, () => undefined)
await direction.transmit()
setInterval(() => undefined, 1_000)
`)
  const child = spawn(process.execPath, [script], { stdio: "ignore" })
  await until(() => chip.output(17) === "1", "transmit")
  const gone = once(child, "exit")
  child.kill("SIGKILL")
  await gone
  const startMs = performance.now()
  await until(() => chip.output(17) === "free", "released")
  assert.ok(performance.now() - startMs < 1_000)
})

test.run()
