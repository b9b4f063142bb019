import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { strangerOn, type Principal } from "../../policy/command/port.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Accounts } from "./accounts.ts"
import { openAttempts, type Attempts } from "./attempts.ts"
import type { SessionHandlerDeps } from "./session-handlers.ts"
import { createSessions } from "./sessions.ts"
import { createSignIn } from "./sign-in.ts"

/** Who a connection is, asked by a transport for each line. */
export interface DoorPeople {
  /** Whether nobody ever had an account: who holds the machine owns it. */
  readonly unclaimed: boolean
  /** The session of this token on this way, open or locked; null for every other text. */
  find(token: string, via: Principal["via"]): { readonly id: string; readonly state: "open" | "locked" | "over" } | null
  /** Who asks now: the person of that session with the rights of this moment, else nobody. */
  who(session: string | null, via: Principal["via"]): Principal
}

/** People who sign in. */
export interface SigningIn extends SessionHandlerDeps, DoorPeople {
  readonly attempts: Attempts
  stop(): void
}

/** What it stands on. */
export interface SigningInDeps {
  readonly gateway: string
  readonly accounts: Pick<Accounts, "people" | "unclaimed" | "admit" | "checkPassword" | "principal" | "onChange">
  readonly storage: Pick<Storage, "read" | "write">
  readonly clock: Pick<Clock, "monotonicMs">
  readonly interval: () => TimeInterval
  readonly rules: () => PeopleRules
  readonly random: (bytes: number) => Uint8Array
  readonly audit: (event: AuditEvent) => Promise<number>
  readonly note: (event: AuditEvent) => void
}

/** Sessions, attempts and signing in, on the accounts of this gateway. Nobody is signed in yet. */
export async function openSigningIn(deps: SigningInDeps): Promise<SigningIn> {
  const { accounts, clock, gateway, rules, random, note } = deps
  const attempts = await openAttempts({ ...deps, rules: () => rules().attempts })
  const sessions = createSessions({ clock, accounts, random, note, rules: () => rules().sessions })
  const signIn = createSignIn({ ...deps, attempts })
  return {
    ...{ gateway, sessions, signIn, rules, attempts },
    get unclaimed() {
      return accounts.unclaimed
    },
    find: (token, via) => sessions.find(token, via),
    who(session, via) {
      if (session === null) return strangerOn(via)
      const principal = sessions.principal(session, via, via)
      if (principal !== null) return principal
      // Its person may sign in again, or out.
      return sessions.get(session)?.channel === via ? strangerOn(via, session) : strangerOn(via)
    },
    stop: () => sessions.stop(),
  }
}
