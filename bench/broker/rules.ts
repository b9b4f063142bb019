/** The same rules in the words of each broker: a rule a line, spread over the users; what is sent lies evenly among them. */
import { filterOf } from "../conduit/lockgate.ts"
import { commonName } from "../conduit/material.ts"
import { ROLES } from "../conduit/message.ts"
import { SUBSCRIBER } from "../conduit/rig.ts"

/** Whoever bears `role` (0..19) may publish what `filter` matches. */
export interface Rule {
  readonly role: number
  readonly filter: string
}

/** Shares no factor with the number of rules, so that each cell comes once. */
const STRIDE = 7_919

/**
 * `count` rules, those of the gateway's policy of as many. Of 10,000 a tenth is in use, as there: they are spread over the list, so
 * that who reads it from the top finds a match half-way down on average, and not at once.
 */
export function rulesOf(count: number): Rule[] {
  return Array.from({ length: count }, (_, n) => {
    const cell = (n * STRIDE) % count
    return { role: cell % ROLES, filter: filterOf(cell) }
  })
}

/** An ACL file of mosquitto with a line for each of `count` rules, each under its user; and one that lets the subscriber read. */
export function aclText(count: number): string {
  const rules = rulesOf(count)
  const users = Array.from({ length: ROLES }, (_, role) => [
    `user ${commonName(role)}`,
    ...rules.filter((rule) => rule.role === role).map(({ filter }) => `topic write ${filter}`),
  ])
  return [...users.flat(), `user ${SUBSCRIBER.user}`, "topic read plant/#", ""].join("\n")
}
