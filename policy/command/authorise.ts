import { COMMANDS } from "./table.ts"
import { OWN } from "./permission.ts"
import type { CommandId, Principal } from "./port.ts"

/**
 * Why `principal` may not give this command, or null if it may. Nobody without authentication may give any but those
 * that are there to authenticate.
 *
 * @see IEC 62443-4-2 CR 2.1
 */
export function authorise(
  principal: Principal | null,
  command: CommandId,
): "ERR_NOT_AUTHENTICATED" | "ERR_NOT_PERMITTED" | null {
  const permission = COMMANDS[command].permission
  if (permission === null) return null
  if (principal === null || principal.stranger === true) return "ERR_NOT_AUTHENTICATED"
  // Who is no person has no account, and nothing that could be their own.
  if (permission === OWN) return principal.person === undefined ? "ERR_NOT_PERMITTED" : null
  return principal.permissions.includes(permission) ? null : "ERR_NOT_PERMITTED"
}
