import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemorySerial } from "../../../hal/memory/serial.ts"
import { byteMs, type SerialSettings } from "../../../hal/serial.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/memory/serial")
const settings: SerialSettings = { device: "a", baud: 9_600, frame: "8E1", rs485: "none" }

test("a byte takes its bits: ten, or eleven with parity or a second stop bit", () => {
  assert.is(byteMs({ baud: 10_000, frame: "8N1" }), 1)
  assert.is(byteMs({ baud: 10_000, frame: "8E1" }), 1.1)
  assert.is(byteMs({ baud: 10_000, frame: "8N2" }), 1.1)
})

test("bytes arrive when the line has carried them, in the heaps of a driver", async () => {
  const clock = new MemoryClock()
  const serial = new MemorySerial(clock)
  const asked: number[] = []
  serial.attach("a", (bytes, answer) => {
    asked.push(bytes.length, Math.round(clock.monotonicMs()))
    answer(new Uint8Array(20), 10)
  })
  const heard: [number, number][] = []
  const line = await serial.open(settings, {
    received: (bytes) => heard.push([bytes.length, Math.round(clock.monotonicMs())]),
    lost: () => assert.unreachable(),
  })
  await line.write(new Uint8Array(8))
  clock.advance(1_000)
  assert.equal(asked, [8, 9])
  assert.equal(heard, [[16, 38], [4, 42]]) // prettier-ignore
})

test("a line echoes, garbles and drops as it is told, and can be cut and put back", async () => {
  const clock = new MemoryClock()
  const serial = new MemorySerial(clock)
  const faults = serial.attach("a", (bytes, answer) => answer(bytes))
  faults.echo = true
  faults.toStation = (bytes) => bytes.subarray(1)
  faults.toBoard = (bytes) => bytes.map((b) => b ^ 0xff)
  const heard: number[] = []
  const errors: string[] = []
  const listener = { received: (bytes: Uint8Array) => heard.push(...bytes), lost: (e: Error) => errors.push(e.message) }
  const line = await serial.open(settings, listener)
  await line.write(Uint8Array.from([1, 2]))
  clock.advance(100)
  assert.equal(heard, [1, 2, 0xfd])
  await rejects(() => serial.open(settings, listener), "ERR_SERIAL_OPEN")
  serial.cut("a")
  assert.is(errors.length, 1)
  await rejects(() => line.write(Uint8Array.from([1])), "ERR_SERIAL_LOST")
  await rejects(() => serial.open(settings, listener), "ERR_SERIAL_OPEN")
  serial.plug("a")
  const again = await serial.open(settings, listener)
  await again.close()
  await again.close()
  await rejects(() => serial.open({ ...settings, device: "b" }, listener), "ERR_SERIAL_OPEN")
})

test.run()
