import type { Storage } from "../../hal/storage.ts"
import type { GpioConfig } from "../config/gateway-config.ts"
import { NO_INPUTS } from "../../policy/filter/inputs.ts"
import { once } from "../once.ts"
import type { GpioLines } from "./lines.ts"
import type { BoardOutputs } from "./outputs.ts"

/** Outputs of a board without any. */
export const NO_OUTPUTS: BoardOutputs = {
  show: () => undefined,
  status: () => [],
  release: () => Promise.resolve(),
  tell: () => undefined,
}

/** What the lines are opened for. */
export interface LateGpioDeps {
  readonly config: GpioConfig
  readonly storage: Storage
  readonly simulated: boolean
  readonly open: () => Promise<GpioLines>
}

/**
 * The lines of the board, opened at once if the board file names one or a tamper alarm is on record; else when a command
 * first asks for them.
 *
 * @throws what `open` throws, if they are opened at once
 */
export async function gpioWhenNeeded({ config, storage, simulated, open }: LateGpioDeps): Promise<GpioLines> {
  const { inputs, outputs } = config
  if (inputs.length + outputs.length > 0 || (await storage.list("")).includes("tamper.json")) return open()
  const lines = once(open)
  return {
    inputs: { simulate: async (...given) => (await lines.get()).inputs.simulate(...given) },
    tamper: {
      latched: [],
      look: () => undefined,
      clear: async (...given) => (await lines.get()).tamper.clear(...given),
    },
    // The board file names no input, whenever they are opened.
    known: NO_INPUTS,
    status: () => ({ inputs: [], outputs: [], tampered: [], simulated }),
    refresh: () => undefined,
    stop: async () => (await lines.settled())?.stop(),
  }
}
