/**
 * How much of a serial line is used when four masters poll it without pause, and what a request costs the processor: on the
 * simulated line, which paces every byte by the rate, in real time.
 *
 *     node bench/line.bench.ts [--quick]
 *
 * The line's own limit is what the bytes of request and answer take, with 3.5 characters (1.75 ms above 19,200 baud) of
 * silence after each, as the standard asks; the unit answers after exactly that. A wrong or missing answer fails the bench.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { createLineUpstream, type LineUpstreamDeps } from "../firmware/conduits/modbus/line-upstream.ts"
import { crc16 } from "../firmware/conduits/modbus/rtu/crc.ts"
import { encodeFrame } from "../firmware/conduits/modbus/rtu/frame.ts"
import { lineTiming } from "../firmware/conduits/modbus/rtu/line-timing.ts"
import type { ModbusUpstream } from "../firmware/conduits/modbus/upstream.ts"
import { DEFAULT_LINE } from "../firmware/config/gateway-config.ts"
import { createLineClient } from "../firmware/lines/client.ts"
import { hostLines } from "../firmware/lines/host.ts"
import { createLinuxClock } from "../hal/linux/clock.ts"
import { MemoryClock } from "../hal/memory/clock.ts"
import { MemorySerial, type SerialStation } from "../hal/memory/serial.ts"
import { report, table } from "./harness.ts"

const MASTERS = 4
const quick = process.argv.includes("--quick")
const wanting = loadavg()[0] ?? NaN
const SECONDS = quick ? 1 : 8
const clock = createLinuxClock()
type Settings = LineUpstreamDeps["settings"]

const settingsOf = (baud: number): Settings => ({ ...DEFAULT_LINE, device: "line", baud })

function unit(silentMs: number): SerialStation {
  return (bytes, answer) => {
    if (crc16(bytes) !== 0) return
    const count = bytes[5]!
    answer(encodeFrame(bytes[0]!, Uint8Array.from([3, 2 * count, ...new Uint8Array(2 * count)])), silentMs)
  }
}

const requestOf = (registers: number): Uint8Array => Uint8Array.from([3, 0, 0, 0, registers])

function limitOf(baud: number, registers: number): number {
  const { byteMs, silentMs } = lineTiming({ baud, frame: "8E1" })
  return 1_000 / ((8 + 5 + 2 * registers) * byteMs + 2 * silentMs)
}

async function answered(upstream: ModbusUpstream, master: number, registers: number): Promise<void> {
  const outcome = await upstream.ask({ unit: 1, pdu: requestOf(registers), master, priority: 1 })
  if (outcome.kind !== "answer" || outcome.pdu.length !== 2 + 2 * registers)
    throw new Error(`no answer: ${outcome.kind === "none" ? outcome.why : outcome.kind}`)
}

/** Requests a second that the masters get together, and microseconds of the processor for each. */
async function poll(upstream: ModbusUpstream, registers: number): Promise<{ perSecond: number; cpuUs: number }> {
  let count = 0
  await answered(upstream, 0, registers)
  const startMs = clock.monotonicMs()
  const endMs = startMs + SECONDS * 1_000
  const cpu = process.cpuUsage()
  const master = async (number: number): Promise<void> => {
    for (; clock.monotonicMs() < endMs; count++) await answered(upstream, number, registers)
  }
  // Two under way for each, as a client that does not wait for its own loop.
  await Promise.all(Array.from({ length: 2 * MASTERS }, (_, n) => master(n % MASTERS)))
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: (count * 1_000) / (clock.monotonicMs() - startMs), cpuUs: (user + system) / count }
}

async function direct(baud: number, registers: number): Promise<{ perSecond: number; cpuUs: number }> {
  const settings = settingsOf(baud)
  const serial = new MemorySerial(clock)
  serial.attach("line", unit(lineTiming(settings).silentMs))
  let isOpen = (): void => undefined
  const open = new Promise<void>((resolve) => (isOpen = resolve))
  const upstream = createLineUpstream({ serial, clock, settings, note: () => isOpen() })
  await open
  const found = await poll(upstream, registers)
  upstream.close()
  return found
}

async function throughSocket(baud: number, registers: number): Promise<{ perSecond: number; cpuUs: number }> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-bench-line-"))
  const socket = join(folder, "lines", "lines.sock")
  const settings = settingsOf(baud)
  const serial = new MemorySerial(clock)
  serial.attach("line", unit(lineTiming(settings).silentMs))
  let isOpen = (): void => undefined
  const open = new Promise<void>((resolve) => (isOpen = resolve))
  const host = await hostLines({ socket, lines: { line: settings }, serial, clock, note: () => isOpen() })
  await open
  const upstream = createLineClient({ socket, line: "line", after: (ms, action) => clock.after(ms, action) })
  const found = await poll(upstream, registers)
  upstream.close()
  await host.stop()
  rmSync(folder, { recursive: true })
  return found
}

/** Time that stands still costs nothing: the processor's part alone, line and unit simulated in it. */
async function computed(registers: number): Promise<number> {
  const still = new MemoryClock()
  const serial = new MemorySerial(still)
  const settings = settingsOf(115_200)
  serial.attach("line", unit(0))
  const upstream = createLineUpstream({ serial, clock: still, settings, note: () => undefined })
  await new Promise((resolve) => setImmediate(resolve))
  still.advance(1_000)
  const requests = quick ? 2_000 : 20_000
  let cpu = process.cpuUsage()
  for (let n = -1_000; n < requests; n++) {
    if (n === 0) cpu = process.cpuUsage()
    const asked = answered(upstream, n % MASTERS, registers)
    still.advance(60)
    await asked
  }
  const { user, system } = process.cpuUsage(cpu)
  return (user + system) / requests
}

const rows: string[][] = []
for (const baud of [9_600, 115_200])
  for (const registers of [10, 125])
    for (const [way, run] of [
      ["in one process", direct],
      ["through the socket", throughSocket],
    ] as const) {
      const limit = limitOf(baud, registers)
      const { perSecond, cpuUs } = await run(baud, registers)
      const share = `${((100 * perSecond) / limit).toFixed(0)} %`
      rows.push([
        `${baud}`,
        `${registers}`,
        way,
        perSecond.toFixed(1),
        limit.toFixed(1),
        share,
        `${cpuUs.toFixed(0)} us`,
      ])
    }
const still = [await computed(10), await computed(125)]
const body =
  `${MASTERS} masters, two requests under way each, function 3, 8E1, ${SECONDS} s a row. CPU of the whole process: line and unit ` +
  `are simulated in it, and at 9600 baud most of it is waking up. With a clock that does not wait, line and unit included: ` +
  `${still[0]!.toFixed(0)} us a request of 10 registers, ${still[1]!.toFixed(0)} us one of 125. Node's timers have whole milliseconds, ` +
  `so 1.75 ms of silence become 2 or 3; the unit's own silence is simulated by the same timers and counts against us. ` +
  `${wanting.toFixed(1)} processes wanted one of the cores before it began.\n\n` +
  table(["baud", "registers", "way", "requests/s", "the line's limit", "share", "CPU a request"], rows)
if (quick) console.log(`\n${body}\n`)
else report("Serial line", body)
