import type { Clock } from "../../hal/clock.ts"
import type { Gpio } from "../../hal/gpio.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Inputs } from "../../policy/filter/inputs.ts"
import type { GpioConfig } from "../config/gateway-config.ts"
import { watchInputs, type BoardInputs } from "./inputs.ts"
import type { BoardOutputs, OutputStatus } from "./outputs.ts"
import { openTamper, type Tamper } from "./tamper.ts"

/** What the lines of the board stand on. */
export interface GpioLinesDeps {
  readonly gpio: Gpio
  readonly clock: Clock
  readonly storage: Storage
  readonly config: GpioConfig
  readonly outputs: BoardOutputs
  readonly audit: (event: AuditEvent) => Promise<number>
  readonly note: (event: AuditEvent) => void
  /** Called first when something is known anew: what closes conduits. */
  readonly changed: (inputs: Inputs) => void
  /** What of the gateway the outputs show. */
  readonly shows: () => { readonly island: boolean; readonly fault: boolean }
}

/** The lines of the board in `lockgate status`. */
export interface GpioStatus {
  /** State null: not known. `tamper`: the state that latches the alarm, if it is such an input. */
  readonly inputs: readonly { readonly name: string; readonly state: string | null; readonly tamper: string | null }[]
  readonly outputs: readonly OutputStatus[]
  /** Inputs that latched the tamper alarm. */
  readonly tampered: readonly string[]
  readonly simulated: boolean
}

/** All lines of the board, running. */
export interface GpioLines {
  readonly inputs: {
    /** As `BoardInputs.simulate`, or rejecting likewise. */
    simulate(input: string, state: string): ReturnType<BoardInputs["simulate"]> | Promise<string | null>
  }
  readonly tamper: Tamper
  /** What is known of the inputs now; one that is lost is not in it. */
  readonly known: Inputs
  status(): GpioStatus
  /** Let the outputs show what is so now. */
  refresh(): void
  stop(): Promise<void>
}

/** Watch the inputs and let the outputs show the state of the gateway; what the inputs are is told before this resolves. */
export async function startGpio(deps: GpioLinesDeps): Promise<GpioLines> {
  const { config, outputs } = deps
  const tamper = await openTamper({ storage: deps.storage, audit: deps.audit, inputs: config.inputs })
  outputs.tell(deps.note)
  let known: Inputs = new Map()

  function refresh(): void {
    const { island, fault } = deps.shows()
    const tampered = tamper.latched.length > 0
    const isLost = known.size < config.inputs.length || outputs.status().some(({ on }) => on === null)
    outputs.show({ running: true, island, tamper: tampered, fault: fault || tampered || isLost })
  }

  const inputs = await watchInputs({
    gpio: deps.gpio,
    clock: deps.clock,
    inputs: config.inputs,
    note: deps.note,
    changed(next) {
      known = next
      deps.changed(next)
      tamper.look(next)
      refresh()
    },
  })
  return {
    inputs,
    tamper,
    get known() {
      return known
    },
    refresh,
    status: () => ({
      inputs: config.inputs.map(({ name, tamper: word }) => ({
        name,
        state: known.get(name)?.state ?? null,
        tamper: word,
      })),
      outputs: outputs.status(),
      tampered: tamper.latched,
      simulated: deps.gpio.simulate !== null,
    }),
    async stop() {
      await inputs.close()
      await outputs.release()
    },
  }
}
