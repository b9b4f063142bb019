import { allHold, type Inputs } from "../../policy/filter/inputs.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import type { Certainty } from "../../policy/time/interval.ts"

/**
 * Whether the board's inputs show that somebody stands at the device. An input that is lost, that the board does not have or that
 * is never in that state is uncertain; a policy that names no input has nobody there.
 *
 * @see IEC 62443-4-2 EDR 2.13
 */
export function presenceOf({ presentWhen }: Pick<PeopleRules, "presentWhen">, inputs: Inputs): Certainty {
  return presentWhen === null || presentWhen.length === 0 ? "no" : allHold(presentWhen, inputs)
}
