import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemorySerial, type SerialFaults, type SerialStation } from "../../hal/memory/serial.ts"
import { crc16 } from "../../firmware/conduits/modbus/rtu/crc.ts"
import { encodeFrame } from "../../firmware/conduits/modbus/rtu/frame.ts"
import type { LineRules } from "../../firmware/conduits/modbus/rtu/line-machine.ts"
import {
  createLineUpstream,
  type LineNote,
  type LineUpstreamDeps,
} from "../../firmware/conduits/modbus/line-upstream.ts"
import type { ModbusOutcome, ModbusUpstream } from "../../firmware/conduits/modbus/upstream.ts"

export const DEVICE = "/dev/ttyTEST"

/** An ordinary line; a test changes what it is about. */
export const LINE_SETTINGS: LineUpstreamDeps["settings"] = {
  device: DEVICE,
  baud: 19_200,
  frame: "8E1",
  rs485: "none",
  echo: false,
  timeoutMs: 1_000,
  turnaroundMs: 100,
  retries: 0,
  repeat: "reads",
  queue: 16,
  waitMs: 5_000,
}

/** What a unit does with a request: an answer's function and data, or null for none. */
export type Unit = (pdu: Uint8Array, count: number) => Uint8Array | null

/** A unit with registers 0.. that hold their own number plus `base`; takes writes of functions 5, 6 and 16. */
export function registers(base = 0): Unit {
  return (pdu) => {
    const word = (at: number): number => (pdu[at]! << 8) | pdu[at + 1]!
    switch (pdu[0] ?? 0) {
      case 3: {
        const values = Array.from({ length: word(3) }, (_, k) => base + word(1) + k)
        return Uint8Array.from([3, 2 * values.length, ...values.flatMap((v) => [(v >> 8) & 0xff, v & 0xff])])
      }
      case 5:
      case 6:
        return pdu.slice()
      case 16:
        return pdu.slice(0, 5)
      default:
        return Uint8Array.from([pdu[0]! | 0x80, 1])
    }
  }
}

/** A station of several units; each answers `delayMs` after the request. What it was asked is in `asked`. */
export function station(
  units: Readonly<Record<number, Unit>>,
  asked: { unit: number; pdu: Uint8Array }[] = [],
  delayMs: (count: number) => number = () => 0,
): SerialStation {
  return (bytes, answer) => {
    if (bytes.length < 4 || crc16(bytes) !== 0) return
    const [unit, pdu] = [bytes[0]!, bytes.slice(1, -2)]
    asked.push({ unit, pdu })
    const said = units[unit]?.(pdu, asked.length) ?? null
    if (said !== null) answer(encodeFrame(unit, said), delayMs(asked.length))
  }
}

/** A serial line in memory, what is asked of it and what it noted. */
export interface SimulatedLine {
  readonly clock: MemoryClock
  readonly serial: MemorySerial
  readonly faults: SerialFaults
  readonly upstream: ModbusUpstream
  readonly notes: LineNote[]
  /** Ask, by default master 1 and normal; what comes of it appears in `outcome` once it is known. */
  ask(unit: number, pdu: Uint8Array | readonly number[], by?: { master?: number; priority?: 0 | 1 }): Asked
  /** Let time pass. */
  pass(ms: number): Promise<void>
}

/** One request to the line, and what came of it. */
export interface Asked {
  outcome: ModbusOutcome | null
  /** When it was settled, on the line's clock. */
  atMs: number
}

/** A line in memory with a station at its end, open. */
export async function simulatedLine(
  at: SerialStation,
  change: Partial<LineUpstreamDeps["settings"] & LineRules> = {},
): Promise<SimulatedLine> {
  const clock = new MemoryClock()
  const serial = new MemorySerial(clock)
  const faults = serial.attach(DEVICE, at)
  const notes: LineNote[] = []
  const upstream = createLineUpstream({
    serial,
    clock,
    settings: { ...LINE_SETTINGS, ...change },
    note: (note) => notes.push(note),
  })
  const pass = async (ms: number): Promise<void> => {
    // In steps, so that what promises do in between happens at about its time.
    const untilMs = clock.monotonicMs() + ms
    while (clock.monotonicMs() < untilMs) {
      clock.advance(Math.min(5, untilMs - clock.monotonicMs()))
      await settled()
    }
    await settled()
  }
  await settled()
  await pass(1_000)
  return {
    clock,
    serial,
    faults,
    upstream,
    notes,
    ask(unit, pdu, { master = 1, priority = 1 } = {}) {
      const asked: Asked = { outcome: null, atMs: NaN }
      void upstream.ask({ unit, pdu: Uint8Array.from(pdu), master, priority }).then((outcome) => {
        asked.outcome = outcome
        asked.atMs = clock.monotonicMs()
      })
      return asked
    },
    pass,
  }
}

async function settled(): Promise<void> {
  for (let n = 0; n < 6; n++) await Promise.resolve()
}

/** A request to read `count` registers from `at` on. */
export const readRegisters = (at: number, count: number): number[] => [3, at >> 8, at & 0xff, count >> 8, count & 0xff]
/** A request to write one register. */
export const writeRegister = (at: number, value: number): number[] => [6, at >> 8, at & 0xff, value >> 8, value & 0xff]

/** The registers in an answer to function 3, or what came instead. */
export function said(asked: Asked): number[] | string {
  const { outcome } = asked
  if (outcome === null) return "nothing yet"
  if (outcome.kind !== "answer") return outcome.kind === "none" ? outcome.why : outcome.kind
  const { pdu } = outcome
  if (pdu[0] !== 3) return Buffer.from(pdu).toString("hex")
  return Array.from({ length: pdu[1]! / 2 }, (_, k) => (pdu[2 + 2 * k]! << 8) | pdu[3 + 2 * k]!)
}
