import type { Gpio, HeldOutputs, Level } from "../../hal/gpio.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { OutputConfig } from "../config/gateway-config.ts"

/** What outputs show. */
export type Shown = Readonly<Record<OutputConfig["shows"], boolean>>

/** One output as it is now. */
export interface OutputStatus {
  readonly name: string
  readonly shows: OutputConfig["shows"]
  /** Null: it cannot be held. */
  readonly on: boolean | null
  readonly safe: "on" | "off"
}

/** The outputs of the board, held. */
export interface BoardOutputs {
  /** Switch what shows something else now; every change goes to the log. */
  show(shown: Shown): void
  status(): readonly OutputStatus[]
  /** Safe, and held so. */
  release(): Promise<void>
  /** From here on what happened is told, what happened before too. */
  tell(note: (event: AuditEvent) => void): void
}

/**
 * Take the outputs to their safe levels: the first thing that a gateway does, whatever ended the one before it.
 *
 * @see IEC 62443-4-2 CR 3.6
 */
export async function holdOutputs(gpio: Gpio, outputs: readonly OutputConfig[]): Promise<BoardOutputs> {
  let early: AuditEvent[] = []
  let note = (event: AuditEvent): void => void early.push(event)
  const levelOf = ({ activeLow }: OutputConfig, on: boolean): Level => (on === activeLow ? "low" : "high")
  const lost = (name: string, reason: string): void => {
    note({
      id: "output.lost",
      outcome: "failure",
      source: "gpio",
      object: name,
      detail: { text: reason.slice(0, 200) },
    })
  }
  const lines = outputs.map((own) => ({
    name: own.name,
    chip: own.chip,
    line: own.line,
    safe: levelOf(own, own.safe === "on"),
  }))
  const held: HeldOutputs = await gpio.hold(lines, lost)
  /** What each was last told to be. */
  const wanted = new Map(outputs.map((own) => [own.name, own.safe === "on"]))
  const busy = new Set<string>()

  async function set(own: OutputConfig, on: boolean): Promise<void> {
    busy.add(own.name)
    try {
      await held.set(own.name, levelOf(own, on))
      if (wanted.get(own.name) === on) return
      wanted.set(own.name, on)
      note({
        id: "output.changed",
        outcome: "success",
        source: "gpio",
        object: own.name,
        detail: { on, shows: own.shows },
      })
    } catch (error) {
      // Told as lost by the port; `show` comes again.
      if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    } finally {
      busy.delete(own.name)
    }
  }

  return {
    show(shown) {
      for (const own of outputs) {
        const level = held.driven().get(own.name)
        if (busy.has(own.name) || level === undefined) continue
        if (level !== levelOf(own, shown[own.shows])) void set(own, shown[own.shows])
      }
    },
    status: () =>
      outputs.map((own) => {
        const level = held.driven().get(own.name)
        const on = level === undefined ? null : level === levelOf(own, true)
        return { name: own.name, shows: own.shows, on, safe: own.safe }
      }),
    release: () => held.release(),
    tell(to) {
      note = to
      for (const event of early) to(event)
      early = []
    },
  }
}
