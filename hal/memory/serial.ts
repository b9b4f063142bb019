import { HardwareError } from "../../policy/base/errors.ts"
import type { Clock } from "../clock.ts"
import { checkDirection, writeTurned, type Direction, type DirectionLine } from "../serial-direction.ts"
import type { MemoryDirection } from "./serial-direction.ts"
import { byteMs, type Serial, type SerialLine, type SerialListener, type SerialSettings } from "../serial.ts"

/** Whoever is at the other end of a line: told what reached it whole, answers when it likes, as often as it likes. */
export type SerialStation = (bytes: Uint8Array, answer: (bytes: Uint8Array, afterMs?: number) => void) => void

/** What goes wrong on one line. Change it while it runs. */
export interface SerialFaults {
  /** The board hears its own bytes, as on two wires with an adapter that does not mute its receiver. */
  echo: boolean
  /** What becomes of bytes on their way to the stations: garbled, shortened, gone. Default: nothing. */
  toStation: (bytes: Uint8Array) => Uint8Array
  /** The same on their way to the board. Answers only: an echo is whole. */
  toBoard: (bytes: Uint8Array) => Uint8Array
}

/** How the simulated lines hand out bytes. */
export interface MemorySerialOptions {
  /** As many bytes as a driver gathers before it hands them out, 1..; default 16, the queue of a common chip. */
  readonly chunkBytes?: number
  /** What turns the transceiver of a line with `rs485.gpio`: bytes pass to whoever the pair does not belong to, only. */
  readonly direction?: MemoryDirection
}

interface Wire {
  readonly station: SerialStation
  readonly faults: SerialFaults
  plugged: boolean
  open: OpenEnd | null
}

interface OpenEnd {
  readonly settings: SerialSettings
  readonly listener: SerialListener
  /** When each direction has sent all that was put on it. */
  toStationFreeMs: number
  toBoardFreeMs: number
}

/**
 * Serial lines that exist in memory: every byte takes the time that it takes at the line's rate, on the clock that is given.
 *
 * A line exists once a station is attached to it; it can be cut and plugged in again, and made to echo, garble and drop.
 * Both directions are paced apart: two that speak at once are not turned into noise.
 */
export class MemorySerial implements Serial {
  readonly #clock: Clock
  readonly #chunkBytes: number
  readonly #direction: MemoryDirection | null
  readonly #wires = new Map<string, Wire>()

  constructor(clock: Clock, options: MemorySerialOptions = {}) {
    this.#clock = clock
    this.#direction = options.direction ?? null
    this.#chunkBytes = options.chunkBytes ?? 16
  }

  /** Put `station` at the end of the line `device`; the faults of that line, none at first, are returned. */
  attach(device: string, station: SerialStation): SerialFaults {
    const faults: SerialFaults = { echo: false, toStation: (bytes) => bytes, toBoard: (bytes) => bytes }
    this.#wires.set(device, { station, faults, plugged: true, open: null })
    return faults
  }

  /** Pull the device out of the board: whoever has it open loses it, and nobody can open it. */
  cut(device: string): void {
    const wire = this.#wires.get(device)
    if (wire === undefined) return
    wire.plugged = false
    const { open } = wire
    wire.open = null
    open?.listener.lost(new HardwareError("ERR_SERIAL_LOST", `serial line ${device}: the device is gone`))
  }

  /** Put it back. */
  plug(device: string): void {
    const wire = this.#wires.get(device)
    if (wire !== undefined) wire.plugged = true
  }

  /** Bytes that nobody asked for reach the board, whatever the station does. */
  inject(device: string, bytes: Uint8Array): void {
    const wire = this.#wires.get(device)
    if (wire !== undefined && wire.open !== null) this.#toBoard(wire, wire.open, bytes, 0)
  }

  async open(settings: SerialSettings, listener: SerialListener): Promise<SerialLine> {
    const { device } = settings
    const wire = this.#wires.get(device)
    if (wire?.plugged !== true) throw new HardwareError("ERR_SERIAL_OPEN", `serial line ${device}: no such device`)
    if (wire.open !== null) throw new HardwareError("ERR_SERIAL_OPEN", `serial line ${device}: in use`)
    const end: OpenEnd = { settings, listener, toStationFreeMs: 0, toBoardFreeMs: 0 }
    wire.open = end
    const ready = (): void => {
      if (wire.open !== end) throw new HardwareError("ERR_SERIAL_LOST", `serial line ${device}: closed`)
    }
    const write = async (bytes: Uint8Array): Promise<void> => {
      ready()
      this.#toStation(wire, end, Uint8Array.from(bytes))
    }
    const drain = async (): Promise<void> => {
      ready()
      const leftMs = end.toStationFreeMs - this.#clock.monotonicMs()
      if (leftMs > 0) await new Promise<void>((resolve) => this.#clock.after(leftMs, resolve))
      ready()
    }
    const close = async (): Promise<void> => {
      if (wire.open === end) wire.open = null
    }
    if (typeof settings.rs485 !== "object") return { write, drain, close }
    const lose = (error: HardwareError): void => {
      if (wire.open !== end) return
      wire.open = null
      listener.lost(error)
    }
    const direction = await this.#turner(settings.rs485.gpio, lose)
    try {
      checkDirection(settings, direction)
    } catch (error) {
      await close()
      throw error
    }
    const parts = { direction, settings, clock: this.#clock, write, drain }
    return {
      write: (bytes) => writeTurned(bytes, parts),
      drain,
      close: async () => {
        await direction.close()
        await close()
      },
    }
  }

  #turner(line: DirectionLine, lost: (error: HardwareError) => void): Promise<Direction> {
    if (this.#direction !== null) return this.#direction.open(line, lost)
    throw new HardwareError("ERR_SERIAL_DIRECTION", `direction line ${line.name}: the simulated board has none`)
  }

  /** Whether what goes this way at this moment is carried: the pair belongs to the other side else. */
  #carries(end: OpenEnd, pair: "ours" | "units"): boolean {
    return typeof end.settings.rs485 !== "object" || this.#direction === null || this.#direction.pair === pair
  }

  #toStation(wire: Wire, end: OpenEnd, bytes: Uint8Array): void {
    const nowMs = this.#clock.monotonicMs()
    const startMs = Math.max(nowMs, end.toStationFreeMs)
    end.toStationFreeMs = startMs + bytes.length * byteMs(end.settings)
    if (wire.faults.echo) this.#deliver(wire, end, bytes, startMs)
    const begun = this.#carries(end, "ours")
    this.#clock.after(end.toStationFreeMs - nowMs, () => {
      const arrived = begun && this.#carries(end, "ours") ? wire.faults.toStation(bytes) : new Uint8Array(0)
      if (wire.open !== end || arrived.length === 0) return
      wire.station(arrived, (answer, afterMs = 0) => this.#toBoard(wire, end, Uint8Array.from(answer), afterMs))
    })
  }

  #toBoard(wire: Wire, end: OpenEnd, bytes: Uint8Array, afterMs: number): void {
    const send = (): void => {
      // A unit that speaks while the pair is still ours is not heard.
      if (!this.#carries(end, "units")) return
      const arrives = wire.faults.toBoard(bytes)
      const startMs = Math.max(this.#clock.monotonicMs(), end.toBoardFreeMs)
      end.toBoardFreeMs = startMs + arrives.length * byteMs(end.settings)
      this.#deliver(wire, end, arrives, startMs)
    }
    if (afterMs === 0) send()
    else this.#clock.after(afterMs, send)
  }

  /** `bytes` are on the line from `startMs` on; the board reads them in chunks, each when its last byte is in. */
  #deliver(wire: Wire, end: OpenEnd, bytes: Uint8Array, startMs: number): void {
    const each = byteMs(end.settings)
    for (let at = 0; at < bytes.length; at += this.#chunkBytes) {
      const chunk = bytes.slice(at, at + this.#chunkBytes)
      const dueMs = startMs + (at + chunk.length) * each
      this.#clock.after(dueMs - this.#clock.monotonicMs(), () => {
        if (wire.open === end) end.listener.received(chunk)
      })
    }
  }
}
