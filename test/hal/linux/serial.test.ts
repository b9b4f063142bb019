import { execFile } from "node:child_process"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { createLinuxSerial } from "../../../hal/linux/serial.ts"
import { createLineUpstream, type LineNote } from "../../../firmware/conduits/modbus/line-upstream.ts"
import type { ModbusOutcome, ModbusUpstream } from "../../../firmware/conduits/modbus/upstream.ts"
import { commandPath } from "../../peers/packages.ts"
import { startPymodbusSlave, type PymodbusSlave } from "../../peers/python3-pymodbus.ts"
import { startCable, type SerialCable } from "../../peers/socat.ts"
import { rejects } from "../../support/rejects.ts"
import { LINE_SETTINGS, readRegisters, writeRegister } from "../../support/serial-line.ts"

const test = suite("hal/linux/serial")
const clock = createLinuxClock()
const sleep = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms))
const until = async (holds: () => boolean, what: string): Promise<void> => {
  for (const endMs = performance.now() + 5_000; !holds(); await sleep(10))
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`)
}

let cable: SerialCable
let slave: PymodbusSlave
test.before(async () => {
  cable = await startCable()
  slave = await startPymodbusSlave(cable.far, [1, 2])
})
test.after(async () => {
  await slave.stop()
  await cable.stop()
})

function upstream(change = {}): { upstream: ModbusUpstream; notes: LineNote[] } {
  const notes: LineNote[] = []
  const settings = { ...LINE_SETTINGS, device: cable.near, timeoutMs: 400, ...change }
  return { upstream: createLineUpstream({ serial: createLinuxSerial(), clock, settings, note: (n) => notes.push(n) }), notes } // prettier-ignore
}
const ask = (to: ModbusUpstream, unit: number, pdu: number[], master = 1): Promise<ModbusOutcome> =>
  to.ask({ unit, pdu: Uint8Array.from(pdu), master, priority: 1 })
const values = (outcome: ModbusOutcome): number[] | string => {
  if (outcome.kind !== "answer") return outcome.kind === "none" ? outcome.why : outcome.kind
  const { pdu } = outcome
  if (pdu[0] !== 3) return Buffer.from(pdu).toString("hex")
  return Array.from({ length: pdu[1]! / 2 }, (_, k) => (pdu[2 + 2 * k]! << 8) | pdu[3 + 2 * k]!)
}

test("units of pymodbus on a line are read and written by several masters at once", async () => {
  const { upstream: line, notes } = upstream()
  await until(() => notes.length > 0, "open")
  const asked = Array.from({ length: 12 }, (_, n) => ask(line, 1 + (n % 2), readRegisters(n, 3), n % 4))
  const got = (await Promise.all(asked)).map(values)
  assert.equal(got, Array.from({ length: 12 }, (_, n) => [n, n + 1, n + 2])) // prettier-ignore
  assert.is(values(await ask(line, 1, writeRegister(7, 4_711))), "0600071267")
  assert.equal(values(await ask(line, 1, readRegisters(6, 2))), [6, 4_711])
  assert.is(values(await ask(line, 0, writeRegister(9, 99))), "broadcast")
  assert.equal(values(await ask(line, 1, readRegisters(9, 1))), [99])
  assert.equal(values(await ask(line, 2, readRegisters(9, 1))), [99])
  assert.is(values(await ask(line, 1, readRegisters(2_000, 1))), "8302")
  assert.is(values(await ask(line, 77, readRegisters(0, 1))), "timeout")
  assert.equal(values(await ask(line, 2, readRegisters(0, 1))), [0])
  line.close()
})

test("mbpoll reads from the same units what we read", async () => {
  const mbpoll = commandPath("mbpoll")
  // Not in the list of packages that tests need: it only compares.
  if (mbpoll === null) return
  const args = [
    "-m",
    "rtu",
    "-a",
    "1",
    "-b",
    "19200",
    "-P",
    "even",
    "-t",
    "4",
    "-r",
    "5",
    "-c",
    "3",
    "-1",
    "-0",
    cable.near,
  ]
  const output = await new Promise<string>((resolve) => execFile(mbpoll, args, (_, out) => resolve(out)))
  const theirs = [...output.matchAll(/^\[\d+\]:\s+(\d+)/gm)].map((m) => Number(m[1]))
  const { upstream: line, notes } = upstream()
  await until(() => notes.length > 0, "open")
  assert.equal(values(await ask(line, 1, readRegisters(5, 3))), theirs)
  line.close()
})

test("the cable is pulled: what waits is `lost` at once; put back, the line comes back by itself", async () => {
  const { upstream: line, notes } = upstream()
  await until(() => notes.length > 0, "open")
  const waits = [ask(line, 88, readRegisters(0, 1)), ask(line, 1, readRegisters(0, 1))]
  await sleep(50)
  const cpu = process.cpuUsage()
  await cable.pull()
  assert.equal((await Promise.all(waits)).map(values), ["lost", "lost"])
  assert.is(values(await ask(line, 1, readRegisters(0, 1))), "lost")
  await sleep(300)
  const spent = process.cpuUsage(cpu)
  assert.ok(spent.user + spent.system < 250_000, `a device that is gone is read again and again: ${spent.user} us`)
  await slave.stop()
  await cable.putBack()
  slave = await startPymodbusSlave(cable.far, [1, 2])
  await until(() => notes.length >= 3, "open again")
  assert.equal(values(await ask(line, 1, readRegisters(3, 1))), [3])
  assert.equal(notes.map(({ kind }) => kind), ["opened", "lost", "opened"]) // prettier-ignore
  line.close()
})

test("no such device, a device of others and an odd rate are told with the device's name", async () => {
  const serial = createLinuxSerial()
  const nobody = { received: () => undefined, lost: () => undefined }
  const error = await rejects(() => serial.open({ ...LINE_SETTINGS, device: "/dev/none" }, nobody), "ERR_SERIAL_OPEN")
  assert.match(error.message, "/dev/none")
  const first = await serial.open({ ...LINE_SETTINGS, device: cable.near }, nobody)
  await rejects(() => serial.open({ ...LINE_SETTINGS, device: cable.near }, nobody), "ERR_SERIAL_OPEN")
  await first.close()
  const second = await serial.open({ ...LINE_SETTINGS, device: cable.near, baud: 921_600, frame: "8N2" }, nobody)
  await second.close()
  await rejects(() => second.write(Uint8Array.of(1)), "ERR_SERIAL_LOST")
})

test.run()
