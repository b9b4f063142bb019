import type { InputCondition } from "../language/input-condition.ts"
import type { Certainty } from "../time/interval.ts"

/** What is known of one input of the board. */
export interface KnownInput {
  readonly state: string
  /** The words that it can be in; a condition on any other word says nothing. Absent: any word. */
  readonly words?: readonly string[]
}

/** By name, what is known now. An input that is not in it is lost, or the board has none of this name. */
export type Inputs = ReadonlyMap<string, KnownInput>

/** Nothing is known of any input. */
export const NO_INPUTS: Inputs = new Map()

/** Whether a condition holds; uncertain if the input is not known, or never is in the state that the condition names. */
export function conditionHolds({ input, is, state }: InputCondition, inputs: Inputs): Certainty {
  const known = inputs.get(input)
  if (known === undefined || known.words?.includes(state) === false) return "uncertain"
  return (known.state === state) === is ? "yes" : "no"
}

/** Whether all of them hold: surely not as soon as one surely does not. */
export function allHold(conditions: readonly InputCondition[], inputs: Inputs): Certainty {
  let all: Certainty = "yes"
  for (const condition of conditions) {
    const one = conditionHolds(condition, inputs)
    if (one === "no") return "no"
    if (one === "uncertain") all = "uncertain"
  }
  return all
}
