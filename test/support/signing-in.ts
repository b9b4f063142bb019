import { randomBytes } from "node:crypto"
import { openSigningIn, type SigningIn } from "../../firmware/people/at-the-door.ts"
import type { Accounts } from "../../firmware/people/accounts.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { AccountsWorld } from "./accounts.ts"

/** Signing in on accounts in memory, on a clock that a test sets. */
export function signingInOf(
  world: AccountsWorld,
  accounts: Accounts,
  clock = new MemoryClock(),
  events: AuditEvent[] = [],
): Promise<SigningIn> {
  return openSigningIn({
    ...{ gateway: "gw-test", accounts, clock, storage: world.storage },
    interval: () => world.now,
    rules: () => world.rules,
    random: (n) => randomBytes(n),
    audit: async (event) => events.push(event),
    note: (event) => void events.push(event),
  })
}
