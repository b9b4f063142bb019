import { StateError } from "../../policy/base/errors.ts"
import { conditionHolds, NO_INPUTS, type Inputs } from "../../policy/filter/inputs.ts"
import { conditionText } from "../../policy/language/input-condition.ts"
import type { IslandOrder } from "../../policy/language/policy.ts"
import type { Certainty } from "../../policy/time/interval.ts"
import { survivable } from "../bundles/refusal.ts"
import type { Island } from "../management/island.ts"

/** Island mode, which persons and inputs may order. */
export interface OrderedIsland extends Island {
  /** What is known of the inputs now. If it orders island mode, closing has begun when this returns. */
  inputsChanged(inputs: Inputs): void
  /** Another policy comes into force, or none. Resolves when what it orders by the inputs as they are has been carried out. */
  policyChanged(order: IslandOrder | null): Promise<void>
}

/**
 * `island`, ordered by the conditions of a policy too: any one that holds, or is not known, closes at once. What a person
 * ordered no input ends; while a condition surely holds no person does.
 *
 * @see IEC 62443-4-2 NDR 5.2 RE(2)
 */
export function orderedByInputs(island: Island): OrderedIsland {
  let order: IslandOrder | null = null
  let inputs: Inputs = NO_INPUTS
  let before = new Map<string, Certainty>()
  let byInput = false

  async function look(): Promise<void> {
    const now = new Map((order?.when ?? []).map((one) => [conditionText(one), conditionHolds(one, inputs)]))
    const [cause] = [...now].find(([text, holds]) => holds !== "no" && before.get(text) !== holds) ?? []
    before = now
    if (cause !== undefined) {
      if (!island.on) byInput = true
      await island.set(true, `input: ${cause}`)
    } else if (byInput && island.on && order?.restore === "input" && [...now.values()].every((one) => one === "no")) {
      byInput = false
      await island.set(false, "input")
    }
  }

  return {
    get on() {
      return island.on
    },
    set(on, by) {
      const [holding] = [...before].find(([, holds]) => holds === "yes") ?? []
      if (!on && holding !== undefined) {
        return Promise.reject(
          new StateError("ERR_ISLAND_INPUT", `${holding}, and orders island mode: turn it back first`),
        )
      }
      byInput = false
      return island.set(on, by)
    },
    inputsChanged(next) {
      inputs = next
      void look().catch(survivable)
    },
    async policyChanged(next) {
      order = next
      await look().catch(survivable)
    },
  }
}
