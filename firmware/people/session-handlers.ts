import { StateError } from "../../policy/base/errors.ts"
import type { CommandId, Principal } from "../../policy/command/port.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import type { Handlers } from "../management/pipeline.ts"
import type { Sessions } from "./sessions.ts"
import type { Shown, SignIn } from "./sign-in.ts"

/** The commands of this file. */
export type SessionCommand = Extract<CommandId, `session.${string}` | "notice">

/** What the handlers act on. */
export interface SessionHandlerDeps {
  readonly gateway: string
  readonly sessions: Sessions
  readonly signIn: SignIn
  readonly rules: () => PeopleRules
}

/** A handler for each command about sessions. @see IEC 62443-4-2 CR 1.12, CR 2.5, CR 2.6, CR 2.7, CR 3.8 */
export function sessionHandlers(deps: SessionHandlerDeps): Pick<Handlers, SessionCommand> {
  const { gateway, sessions, signIn } = deps
  const own = ({ session }: Principal): string => {
    if (session !== undefined) return session
    throw new StateError("ERR_NO_SESSION", "there is no session here: it is for those who signed in")
  }
  const shown = (account: string, given: Omit<Shown, "account">): Shown => ({ account, ...given })
  return {
    notice: async () => ({ result: { notice: deps.rules().notice } }),
    "session.challenge": async ({ account }) => ({ result: { gateway, challenge: signIn.challenge(account) } }),
    "session.open": async ({ account, ...given }, { via }) => {
      // A password or a token that goes over a broker is the broker's.
      if (via === "mqtt") throw new StateError("ERR_SESSION_CHANNEL", "nobody signs in over MQTT: sign each command")
      const proven = await signIn.prove(shown(account, given), via)
      const { token, id } = sessions.open(proven, via)
      const { idleMs, longestMs } = deps.rules().sessions
      return { result: { token, id, account: proven.account.name, idleMs, longestMs } }
    },
    "session.unlock": async (given, principal) => {
      const id = own(principal)
      const { via } = principal
      const name = sessions.get(id)?.account ?? ""
      if (via === "mqtt") throw new StateError("ERR_SESSION_CHANNEL", "nobody signs in over MQTT: sign each command")
      sessions.unlock(id, await signIn.prove(shown(name, given), via))
      return { result: { id } }
    },
    "session.close": async (_, principal) => {
      const id = own(principal)
      sessions.end(id, "closed", sessions.get(id)?.account ?? principal.name)
      return { result: { id } }
    },
    "session.lock": async (_, principal) => {
      const id = own(principal)
      sessions.lock(id, principal.name)
      return { result: { id } }
    },
    "session.list": async () => ({ result: { sessions: sessions.list() } }),
    "session.end": async ({ id }, { name }) => {
      const { account, channel } = sessions.end(id, "ended", name)
      return { result: { id, account }, detail: { session: id, account, channel } }
    },
  }
}
