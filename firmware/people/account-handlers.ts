import { InputError, StateError, type ErrorDetail } from "../../policy/base/errors.ts"
import type { CommandId, Principal } from "../../policy/command/port.ts"
import type { Account } from "../../policy/people/account.ts"
import { passwordState } from "../../policy/people/password.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Handlers } from "../management/pipeline.ts"
import { parseAccountKey } from "./account-key.ts"
import type { Accounts, Changed } from "./accounts.ts"

/** The commands of this file. */
export type AccountCommand = Extract<CommandId, `account.${string}`>

/** An account as it is shown: nothing of a password but whether there is one. */
export interface ShownAccount {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly enabled: boolean
  /** ISO 8601, or null: never. */
  readonly expires: string | null
  readonly keys: readonly {
    readonly thumbprint: string
    readonly algorithm: "ES256" | "EdDSA"
    readonly onToken: boolean
  }[]
  readonly password: "none" | ReturnType<typeof passwordState>
}

/** What the handlers act on. */
export interface AccountHandlerDeps {
  readonly accounts: Accounts
  readonly rules: () => PeopleRules
  readonly interval: () => TimeInterval
}

/**
 * A handler for each command about accounts.
 *
 * The first account is made by who holds the machine. From then on only persons change accounts: neither the gateway itself
 * nor a connection that was the owner's before can.
 *
 * @see IEC 62443-4-2 CR 1.3, CR 1.4, CR 1.5
 */
export function accountHandlers(deps: AccountHandlerDeps): Pick<Handlers, AccountCommand> {
  const asker = ({ name, person }: Principal): string => {
    if (person !== undefined || (deps.accounts.unclaimed && name === "local:owner")) return name
    throw new StateError("ERR_NOT_A_PERSON", "accounts are changed by people who have one: sign in")
  }
  const show = (account: Account): ShownAccount => shown(account, deps.rules(), deps.interval())
  const answer = ({ before, after }: Changed): { result: unknown; detail: ErrorDetail } => ({
    result: { before: before === null ? null : show(before), after: after === null ? null : show(after) },
    detail: { account: (after ?? before)?.name ?? "", before: inWords(before), after: inWords(after) },
  })
  return {
    "account.list": async () => {
      const { people, unclaimed, fault } = deps.accounts
      return { result: { unclaimed, fault, accounts: people.accounts.map(show), retired: people.retired } }
    },
    "account.create": async ({ name, roles, key, onToken, expires }, principal) => {
      const enrolled = key === undefined ? null : { ...parseAccountKey(key), onToken: onToken === "yes" }
      const made = { name, roles: words(roles), expiresAt: endOf(expires ?? "never"), key: enrolled }
      return answer(await deps.accounts.create(made, asker(principal)))
    },
    "account.change": async ({ name, roles, enabled, expires }, principal) => {
      const change = {
        ...(roles === undefined ? {} : { roles: words(roles) }),
        ...(enabled === undefined ? {} : { enabled: enabled === "yes" }),
        ...(expires === undefined ? {} : { expiresAt: endOf(expires) }),
      }
      if (Object.keys(change).length === 0)
        throw new InputError("ERR_ACCOUNT_CHANGE", "nothing was named to be changed")
      return answer(await deps.accounts.change(name, change, asker(principal)))
    },
    "account.remove": async ({ name }, principal) => answer(await deps.accounts.remove(name, asker(principal))),
    "account.key-add": async ({ name, key, onToken }, principal) =>
      answer(
        await deps.accounts.addKey(name, { ...parseAccountKey(key), onToken: onToken === "yes" }, asker(principal)),
      ),
    "account.key-remove": async ({ name, thumbprint }, principal) =>
      answer(await deps.accounts.removeKey(name, thumbprint, asker(principal))),
    "account.password": async ({ password, current }, principal) => {
      const name = asker(principal)
      const shownKey = principal.person?.factors.some((factor) => factor === "key" || factor === "token") ?? false
      // Whoever sits down at somebody's open session does not keep the account by a new password.
      if (!shownKey && (await deps.accounts.checkPassword(name, current ?? "")) === null) {
        throw new StateError(
          "ERR_PASSWORD_CURRENT",
          "the present password is wanted with the new one, or a signature by key",
        )
      }
      return answer(await deps.accounts.setPassword(name, password, name))
    },
    "account.password-set": async ({ name, password }, principal) => {
      const by = asker(principal)
      // One's own goes by the command that asks for the present one.
      if (by === name) throw new StateError("ERR_PASSWORD_OWN", "one's own password is changed by account.password")
      return answer(await deps.accounts.setPassword(name, password ?? null, by))
    },
  }
}

function shown(
  { id, name, roles, enabled, expiresAt, keys, password }: Account,
  rules: PeopleRules,
  now: TimeInterval,
): ShownAccount {
  return {
    id,
    name,
    roles,
    enabled,
    expires: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    keys: keys.map(({ thumbprint, jwk, onToken }) => ({
      thumbprint,
      algorithm: jwk.kty === "EC" ? "ES256" : "EdDSA",
      onToken,
    })),
    password: password === null ? "none" : passwordState(password, rules.passwords, now),
  }
}

/** An account in one line of an entry. */
function inWords(account: Account | null): string {
  if (account === null) return "none"
  const { roles, enabled, expiresAt, keys, password } = account
  const end = expiresAt === null ? "" : `, ends ${new Date(expiresAt).toISOString()}`
  const proofs = `${keys.length} keys, ${password === null ? "no password" : "a password"}`
  return `${roles.join(" ") || "no role"}, ${enabled ? "enabled" : "disabled"}, ${proofs}${end}`
}

function words(text: string): readonly string[] {
  return text.split(" ").filter((word) => word !== "")
}

/** `never`, or a time as `2026-12-31T00:00:00Z`. A day alone would leave open whose midnight is meant. */
function endOf(text: string): number | null {
  if (text === "never") return null
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(at)) return at
  throw new InputError("ERR_ACCOUNT_EXPIRY", "an account ends at a time like 2026-12-31T00:00:00Z, or never")
}
