import type { Policy } from "../language/policy.ts"
import type { Change } from "./change.ts"
import { diffModbus } from "./diff-modbus.ts"
import { diffPeople } from "./diff-people.ts"
import { diffPlaces } from "./diff-places.ts"
import { diffTopics } from "./diff-topics.ts"

const ORDER: readonly Change["kind"][] = ["unknown", "allowed", "denied", "terms", "place"]

/**
 * What `after` means that `before` does not, and the reverse: what becomes allowed or denied, for whom, on which terms, each
 * with an example. Empty if and only if no peer could tell one from the other, but for the ids of rules: texts are not
 * compared. What could not be looked at is a change of kind `unknown`, and comes first.
 */
export function diffPolicies(before: Policy, after: Policy): readonly Change[] {
  const work = { places: 0 }
  const rules = [...diffTopics(before, after, work), ...diffModbus(before, after)]
  const changes = [...rules, ...diffPlaces(before, after), ...diffPeople(before, after)]
  return ORDER.flatMap((kind) => changes.filter((change) => change.kind === kind))
}
