import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { MemorySerial } from "../../../hal/memory/serial.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { ModbusOutcome, ModbusUpstream } from "../../../firmware/conduits/modbus/upstream.ts"
import { createLineClient } from "../../../firmware/lines/client.ts"
import { startLines, type Lines } from "../../../firmware/lines/keeper.ts"
import { linesSocket } from "../../../firmware/lines/socket-path.ts"
import { encodeToLine } from "../../../firmware/lines/wire.ts"
import { startPymodbusSlave } from "../../peers/python3-pymodbus.ts"
import { startCable } from "../../peers/socat.ts"
import { DEVICE, LINE_SETTINGS, readRegisters, registers, station, writeRegister } from "../../support/serial-line.ts"

const test = suite("firmware/lines")
const clock = createLinuxClock()
const folder = mkdtempSync(join(tmpdir(), "lockgate-lines-"))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const sleep = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms))
async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const endMs = performance.now() + 8_000; !(await holds()); await sleep(20))
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`)
}
const ask = (to: ModbusUpstream, unit: number, pdu: number[], master = 1): Promise<ModbusOutcome> =>
  to.ask({ unit, pdu: Uint8Array.from(pdu), master, priority: 1 })
const text = (outcome: ModbusOutcome): string => {
  if (outcome.kind === "answer") return Buffer.from(outcome.pdu).toString("hex")
  return outcome.kind === "none" ? outcome.why : outcome.kind
}
const client = (socket: string, line = "a"): ModbusUpstream =>
  createLineClient({ socket, line, after: (ms, action) => clock.after(ms, action) })
const answers = (to: ModbusUpstream) => async (): Promise<boolean> =>
  text(await ask(to, 1, readRegisters(3, 1))) === "03020003"

test("[CR 1.1] lines of the simulated board in one process: asked at a socket that is the owner's alone", async () => {
  const serial = new MemorySerial(clock)
  serial.attach(DEVICE, station({ 1: registers(), 2: registers(100) }))
  const events: AuditEvent[] = []
  const socket = linesSocket(join(folder, "one"))
  const fast = { ...LINE_SETTINGS, baud: 921_600 }
  const lines = await startLines({ socket, lines: { a: fast }, serial, clock, note: (event) => events.push(event) })
  assert.is(statSync(socket).mode & 0o777, 0o600)
  assert.is(statSync(join(socket, "..")).mode & 0o777, 0o700)
  const [one, two] = [client(socket), client(socket)]
  await until(answers(one), "the first client")
  await until(answers(two), "the second client")
  const got = await Promise.all(
    Array.from({ length: 8 }, (_, n) => ask(n % 2 === 0 ? one : two, 2, readRegisters(n, 1), n)),
  )
  assert.equal(got.map(text), Array.from({ length: 8 }, (_, n) => `030200${(100 + n).toString(16)}`)) // prettier-ignore
  assert.is(text(await ask(one, 0, writeRegister(1, 2))), "broadcast")

  // What is taken back in time is never sent; what is on the line is waited for.
  const [silent, next] = [9, 1].map((unit) => ({ unit, pdu: Uint8Array.from(readRegisters(0, 1)), master: 1, priority: 1 as const })) // prettier-ignore
  const both = [one.ask(silent!), one.ask(next!)]
  for (const request of [silent!, next!]) one.recall(request)
  assert.equal((await Promise.all(both)).map(text), ["timeout", "recalled"])

  // Masters of one connection go with it, and only they.
  const dead = ask(two, 9, readRegisters(0, 1))
  const waits = ask(two, 1, readRegisters(0, 1))
  two.forget(1)
  assert.equal([await dead, await waits].map(text), ["closed", "closed"])
  two.close()
  await until(answers(one), "the line is free again")
  assert.is(text(await ask(two, 1, readRegisters(0, 1))), "closed")

  // Whoever says what is no message is cut off, and the others are served on.
  for (const bytes of [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    encodeToLine({ kind: "use", line: "nowhere" }),
    encodeToLine({ kind: "forget", master: 1 }),
  ]) {
    // prettier-ignore
    const stranger = connect(socket)
    stranger.on("error", () => undefined)
    const closed = new Promise((resolve) => stranger.once("close", resolve))
    stranger.write(bytes)
    await closed
  }
  const refused = events.filter(({ id }) => id === "line.refused").map(({ reason }) => reason)
  assert.equal(refused, ["ERR_LINE_WIRE", "ERR_LINE_UNKNOWN", "ERR_LINE_WIRE"])
  assert.ok(await answers(one)())

  serial.cut(DEVICE)
  assert.is(text(await ask(one, 1, readRegisters(0, 1))), "lost")
  const lost = events.find(({ id }) => id === "line.lost")
  assert.equal([lost?.object, lost?.reason], ["a", "ERR_SERIAL_LOST"])
  await lines.stop()
  assert.is(text(await ask(one, 1, readRegisters(0, 1))), "lost")
  one.close()
})

test("the process `lines` has the real device; killed, it is started again, and the conduit is told `lost` meanwhile", async () => {
  const cable = await startCable()
  const slave = await startPymodbusSlave(cable.far, [1])
  const events: AuditEvent[] = []
  const socket = linesSocket(join(folder, "two"))
  let lines: Lines | null = null
  const upstream = client(socket)
  try {
    const settings = { ...LINE_SETTINGS, device: cable.near, timeoutMs: 3_000 }
    lines = await startLines({
      socket,
      lines: { a: settings },
      serial: null,
      clock,
      note: (event) => events.push(event),
    })
    await until(answers(upstream), "the process")
    const pid = lines.pid!
    assert.not(pid === process.pid)
    const waits = ask(upstream, 77, readRegisters(0, 1))
    await sleep(50)
    process.kill(pid, "SIGKILL")
    const startMs = performance.now()
    assert.is(text(await waits), "lost")
    assert.ok(performance.now() - startMs < 1_000)
    await until(answers(upstream), "the next process")
    assert.not(lines.pid === pid)
    const ids = events.map(({ id }) => id)
    assert.equal(ids, ["line.opened", "lines.ended", "line.opened"])
    assert.is(events[1]!.reason, "SIGKILL")
    const last = lines.pid!
    await lines.stop()
    assert.throws(() => process.kill(last, 0))
  } finally {
    upstream.close()
    await lines?.stop()
    await slave.stop()
    await cable.stop()
  }
})

test("a process that cannot serve holds the gateway up no longer than it takes to say so, and is tried again later", async () => {
  const events: AuditEvent[] = []
  const socket = linesSocket(join(folder, "three"))
  // A file where its folder should be.
  writeFileSync(join(folder, "three"), "")
  const lines = await startLines({
    socket,
    lines: { a: LINE_SETTINGS },
    serial: null,
    clock,
    note: (event) => events.push(event),
  })
  await until(() => events.length >= 1, "the end is told")
  assert.is(events[0]!.id, "lines.ended")
  assert.match(events[0]!.reason!, "exit code 1")
  assert.is(events[0]!.detail!["againInMs"], 250)
  await lines.stop()
})

test("without lines nothing is started", async () => {
  const lines = await startLines({ socket: "/none", lines: {}, serial: null, clock, note: () => assert.unreachable() })
  assert.is(lines.pid, null)
  await lines.stop()
})

test.run()
