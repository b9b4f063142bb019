import type { CheckedRequest } from "../../policy/command/check.ts"
import { gateOfCommand } from "../../policy/command/gated.ts"
import type { Inputs } from "../../policy/filter/inputs.ts"
import type { GateCode, Person } from "../../policy/people/gate.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import { presenceOf } from "./presence.ts"

/** Says what a permitted command still waits for. */
export interface Gatekeeper {
  /**
   * Why this command is not carried out now, or null. Rules and inputs are those of this moment. `person` is null for who has no account;
   * `approved`: a second person has agreed.
   */
  readonly judge: (request: CheckedRequest, person: Person | null, approved: boolean) => GateCode | null
}

/** The gates of the policy in force, before the inputs of the board. @see IEC 62443-4-2 CR 1.1 RE(2), CR 2.1 RE(4), EDR 2.13 */
export function createGatekeeper(deps: {
  readonly rules: () => PeopleRules
  /** What is known of the board's inputs now. */
  readonly inputs: () => Inputs
}): Gatekeeper {
  return {
    judge(request, person, approved) {
      const rules = deps.rules()
      return gateOfCommand({ request, person, approved, rules, present: presenceOf(rules, deps.inputs()) })
    },
  }
}
