import type { Shape } from "./shape.ts"
import { list, optional, required } from "./group-shapes.ts"
import { hours } from "./hours-shape.ts"
import { inputConditions } from "./input-condition.ts"
import { POLICY_BOUNDS } from "./policy-bounds.ts"
import { rate } from "./quantity-shapes.ts"
import { choice, flag, name } from "./shape.ts"

/** A list of names of one kind of thing. */
export const references = (what: string, max: number): Shape<readonly string[]> =>
  list(name(`name of a ${what}`), { min: 1, max })

/** Keys of every rule, whatever its protocol and effect. */
export const everyRule = {
  id: required(name("id of the rule"), "Names the rule in verdicts and in the audit log."),
  conduits: optional(
    references("conduit", POLICY_BOUNDS.conduits),
    null,
    "Conduits it applies to; default all of its protocol.",
  ),
  roles: required(references("role", POLICY_BOUNDS.roles), "Roles it applies to."),
  hours: optional(hours, null, "Hours in which it is in force; default always."),
  when: optional(
    inputConditions,
    null,
    "In force only while these inputs are so, such as `key-switch is maintenance`; default always.",
  ),
} as const

/** Keys of rules that allow. */
export const everyAllow = {
  rate: optional(rate(), null, "Messages or requests per subject; default unbounded."),
  essential: optional(flag(), false, "Stays open in postures that close normal flows.", false),
  emergency: optional(
    name("name of an emergency"),
    null,
    "In force only while an override has switched this emergency on.",
  ),
} as const

/** Which allowed actions are logged. */
export const recordWords = choice(["each", "changes", "none"])

/** Why a deny has no key of those in `everyAllow`, and no `record`. */
export const neverOfDeny: Readonly<Record<string, string>> = {
  essential: "it holds in every posture",
  emergency: "an emergency opens, it does not close",
  record: "what is denied is logged always",
}
