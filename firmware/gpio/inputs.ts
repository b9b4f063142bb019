import type { Clock } from "../../hal/clock.ts"
import type { Gpio } from "../../hal/gpio.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { StateError } from "../../policy/base/errors.ts"
import type { Inputs, KnownInput } from "../../policy/filter/inputs.ts"
import type { InputConfig } from "../config/gateway-config.ts"
import { heard, rested, UNKNOWN_CONTACT, type Contact } from "./debounce.ts"

/** What the inputs stand on. */
export interface InputsDeps {
  readonly gpio: Gpio
  readonly clock: Clock
  readonly inputs: readonly InputConfig[]
  readonly note: (event: AuditEvent) => void
  /** Something is known anew, or no more; called in the turn of the loop in which that came about. */
  readonly changed: (inputs: Inputs) => void
}

/** The inputs of the board, debounced, in the words of the board file. */
export interface BoardInputs {
  readonly known: Inputs
  /** Simulated boards only: the wire of `input` takes the level of this state. Returns the state before, null if not known. */
  simulate(input: string, state: string): string | null
  close(): Promise<void>
}

/** Watch the inputs: each is known, or known to be lost, when this resolves. Every change goes to the log. */
export async function watchInputs(deps: InputsDeps): Promise<BoardInputs> {
  const { clock, note } = deps
  const byName = new Map(deps.inputs.map((input) => [input.name, input]))
  const contacts = new Map<string, Contact>()
  const waits = new Map<string, () => void>()
  let known: Inputs = new Map()
  let started = false

  function settle(input: InputConfig, contact: Contact): void {
    const before = contacts.get(input.name) ?? UNKNOWN_CONTACT
    contacts.set(input.name, contact)
    waits.get(input.name)?.()
    if (contact.level !== contact.settled) {
      const leftMs = Math.max(0, contact.sinceMs + input.debounceMs - clock.monotonicMs())
      waits.set(
        input.name,
        clock.after(leftMs, () => look(input)),
      )
    }
    if (contact.settled === before.settled && started) return
    const next = new Map<string, KnownInput>(known)
    const words = [input.states.low, input.states.high]
    if (contact.settled === null) next.delete(input.name)
    else next.set(input.name, { state: input.states[contact.settled], words })
    const was = known.get(input.name)?.state ?? "unknown"
    known = next
    const state = known.get(input.name)?.state
    if (state !== undefined && state !== was) {
      note({
        id: "input.changed",
        outcome: "success",
        source: "gpio",
        object: input.name,
        detail: { state, before: was },
      })
    }
    if (started) deps.changed(known)
  }

  function look(input: InputConfig): void {
    const contact = contacts.get(input.name) ?? UNKNOWN_CONTACT
    settle(input, rested(contact, clock.monotonicMs(), input.debounceMs))
  }

  const close = await deps.gpio.watch(deps.inputs, {
    level(name, level) {
      const input = byName.get(name)
      if (input !== undefined) settle(input, heard(contacts.get(name) ?? UNKNOWN_CONTACT, level, clock.monotonicMs()))
    },
    lost(name, reason) {
      const input = byName.get(name)
      if (input === undefined) return
      note({
        id: "input.lost",
        outcome: "failure",
        source: "gpio",
        object: name,
        detail: { text: reason.slice(0, 200) },
      })
      settle(input, UNKNOWN_CONTACT)
    },
  })
  started = true
  deps.changed(known)
  return {
    get known() {
      return known
    },
    simulate(name, state) {
      if (deps.gpio.simulate === null) {
        throw new StateError("ERR_BOARD_NOT_SIMULATED", "inputs of a real board are set by their wires")
      }
      const input = byName.get(name)
      if (input === undefined) {
        const inputs = [...byName.keys()].join(", ")
        throw new StateError("ERR_GPIO_LINE", `the board file's inputs are: ${inputs === "" ? "none" : inputs}`)
      }
      const level = (["low", "high"] as const).find((one) => input.states[one] === state)
      if (level === undefined) {
        throw new StateError("ERR_GPIO_LINE", `${name} is either ${input.states.low} or ${input.states.high}`)
      }
      const before = known.get(name)?.state ?? null
      deps.gpio.simulate(name, level)
      return before
    },
    async close() {
      for (const cancel of waits.values()) cancel()
      await close()
    },
  }
}
