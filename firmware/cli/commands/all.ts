import { AUDIT_COMMANDS } from "./audit.ts"
import type { CommandEntry } from "./entry.ts"
import { GATEWAY_COMMANDS } from "./gateway.ts"
import { PEOPLE_COMMANDS } from "./people.ts"
import { POLICY_COMMANDS } from "./policy.ts"

/** Every command of the command line, in the order in which help tells them. */
export const ALL_COMMANDS: readonly CommandEntry[] = [
  ...GATEWAY_COMMANDS,
  ...PEOPLE_COMMANDS,
  ...AUDIT_COMMANDS,
  ...POLICY_COMMANDS,
]
