import type { KeyStore } from "../../hal/key-store.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { InputError, LockgateError, StateError, type ErrorDetail } from "../../policy/base/errors.ts"
import type { Principal } from "../../policy/command/port.ts"
import {
  accountOf,
  isExpired,
  isUnclaimed,
  NOBODY,
  withAccount,
  withChange,
  withKey,
  withoutAccount,
  withoutKey,
  withPassword,
  type Account,
  type AccountChange,
  type AccountKey,
  type People,
} from "../../policy/people/account.ts"
import { personOf, type Factor } from "../../policy/people/gate.ts"
import { isTooNew, passwordFault, passwordState, type PasswordFault } from "../../policy/people/password.ts"
import { permissionsOf, type PeopleRules } from "../../policy/people/rules.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import { createQueue } from "../bundles/queue.ts"
import { createAccountFile } from "./account-file.ts"
import { isGuessedFirst } from "./guessed-first.ts"
import { createPasswordHasher, type PasswordHasher } from "./password-hash.ts"

/** What happened to an account. */
export interface AccountNews {
  readonly what: "created" | "changed" | "removed" | "keys" | "password"
  /** Id of the account, which outlives it. */
  readonly id: string
  readonly name: string
}

/** Everybody who may be somebody at this gateway. */
export interface Accounts {
  readonly people: People
  /** Whether nobody ever had an account. False while the file of accounts is not believed: then nobody is anybody. */
  readonly unclaimed: boolean
  /** Why the file of accounts is not believed; null: it is. */
  readonly fault: string | null
  /**
   * The account of that name if it is enabled and not surely past its end, else null. To be asked for each command: nothing of the
   * answer may be kept. An end that may have passed is written down, once.
   */
  admit(name: string): Account | null
  /**
   * Who asks, as the command door wants it: the account of that name if `admit` admits it, with what its roles may do by the rules of
   * this moment. Whoever came with a password that must be changed may do nothing but change it.
   */
  principal(name: string, factors: readonly Factor[], via: Principal["via"]): Principal | null
  /**
   * The account whose password this is, or null. Every name takes the same work: of nobody, disabled, expired, without password.
   * @throws StateError `ERR_PASSWORDS_BUSY`
   */
  checkPassword(name: string, password: string): Promise<Account | null>
  /** Why this account would not be made, as a code, or null: it would be. Nothing changes, nothing is logged. */
  examine(made: NewAccount): string | null
  /** What is wrong with a password for that name, or null. Nothing changes, nothing is logged. */
  examinePassword(name: string, password: string): PasswordFault | null
  /** With each change, once it is on disk; whoever holds sessions ends them. Returns what ends the listening. */
  onChange(listener: (news: AccountNews) => void): () => void
  /** @throws what `withAccount` throws, `ERR_ACCOUNTS_CLOSED`, HardwareError `ERR_IO` */
  create(made: NewAccount, by: string): Promise<Changed>
  /** @throws what `withChange` throws, `ERR_ACCOUNTS_CLOSED`, HardwareError `ERR_IO` */
  change(name: string, change: AccountChange, by: string): Promise<Changed>
  /** @throws what `withoutAccount` throws, `ERR_ACCOUNTS_CLOSED`, HardwareError `ERR_IO` */
  remove(name: string, by: string): Promise<Changed>
  /** @throws what `withKey` throws, `ERR_ACCOUNTS_CLOSED`, HardwareError `ERR_IO` */
  addKey(name: string, key: AccountKey, by: string): Promise<Changed>
  /** @throws what `withoutKey` throws, `ERR_ACCOUNTS_CLOSED`, HardwareError `ERR_IO` */
  removeKey(name: string, thumbprint: string, by: string): Promise<Changed>
  /**
   * Give `name` this password; null: none any more. Set by another (`by`), it must be changed at its first use.
   *
   * @throws InputError `ERR_PASSWORD_WEAK` with the fault as reason
   * @throws StateError `ERR_ACCOUNT_UNKNOWN`, `ERR_PASSWORD_USED`, `ERR_PASSWORD_TOO_NEW`, `ERR_PASSWORDS_BUSY`, `ERR_ACCOUNTS_CLOSED`
   */
  setPassword(name: string, password: string | null, by: string): Promise<Changed>
}

/** What an account begins with. */
export type NewAccount = Pick<Account, "name" | "roles" | "expiresAt"> & { readonly key: AccountKey | null }

/** An account before and after a change; null: there was none, or is none any more. */
export interface Changed {
  readonly before: Account | null
  readonly after: Account | null
}

/** What accounts stand on. */
export interface AccountsDeps {
  readonly storage: Pick<Storage, "read" | "write">
  readonly keyStore: Pick<KeyStore, "secret" | "remember" | "recall">
  readonly interval: () => TimeInterval
  /** What the policy in force says of people. */
  readonly rules: () => PeopleRules
  readonly audit: (event: AuditEvent) => Promise<number>
  readonly random: (bytes: number) => Uint8Array
  /** Words of this plant that a password may not hold: its gateway's name. */
  readonly words?: readonly string[]
  readonly hasher?: PasswordHasher
}

/**
 * The accounts of this gateway, from its file. A file that is not believed opens nothing and nobody: the first account cannot be
 * made again, who holds the machine does not come back, and the reason is an alarm.
 *
 * @see IEC 62443-4-2 CR 1.1 RE(1), CR 1.3, CR 1.4, CR 1.5, CR 1.7
 */
export async function openAccounts(deps: AccountsDeps): Promise<Accounts> {
  const { interval, rules, random } = deps
  const file = createAccountFile(deps.storage, deps.keyStore)
  const hasher = deps.hasher ?? createPasswordHasher(random)
  const listeners = new Set<(news: AccountNews) => void>()
  const inTurn = createQueue()
  /** Uncertain ends that were written down. */
  const noted = new Set<string>()
  let people = NOBODY
  let fault: string | null = null

  /** What cannot be written is counted by the log itself; a change that was made stays made. */
  const tell = async (event: Omit<AuditEvent, "source">): Promise<void> => {
    await deps.audit({ ...event, source: "people" }).catch(onlyHardware)
  }
  try {
    people = await file.load()
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    const code = String(error.code)
    fault = code
    await tell({ id: "account.file-refused", outcome: "failure", reason: code, detail: { text: error.message } })
  }

  const noteOnce = (account: Account, what: "account" | "password", at: number): void => {
    const key = `${what} ${account.id} ${at}`
    if (noted.has(key)) return
    noted.add(key)
    const detail = { about: what, end: new Date(at).toISOString() }
    void tell({ id: "account.time-uncertain", outcome: "success", subject: account.name, object: account.name, detail })
  }
  const admit = (name: string): Account | null => {
    const account = accountOf(people, name)
    if (account?.enabled !== true) return null
    const expired = isExpired(account, interval())
    if (expired === "uncertain") noteOnce(account, "account", account.expiresAt ?? 0)
    return expired === "yes" ? null : account
  }
  /** Whether this password lets its person do more than change it. */
  const isGoodForMore = (account: Account): boolean => {
    if (account.password === null) return true
    const { passwords } = rules()
    const state = passwordState(account.password, passwords, interval())
    if (state === "uncertain") noteOnce(account, "password", account.password.setAt)
    return state !== "due"
  }
  const save = async (next: People): Promise<void> => {
    await file.save(next)
    people = next
  }
  /** One change after the other, each on disk before it holds. */
  const changing = (
    what: AccountNews["what"],
    name: string,
    by: string,
    step: (now: People) => People | Promise<People>,
    said: (changed: Changed) => ErrorDetail,
  ): Promise<Changed> =>
    inTurn(async () => {
      if (fault !== null) {
        throw new StateError(
          "ERR_ACCOUNTS_CLOSED",
          "the file of accounts is not believed: nothing of it can be changed",
        )
      }
      const isFirst = isUnclaimed(people)
      const before = accountOf(people, name)
      await save(await step(people))
      const changed = { before, after: accountOf(people, name) }
      const about = { outcome: "success", subject: by, object: name, detail: said(changed) } as const
      if (isFirst) await tell({ id: "account.first", ...about })
      await tell({ id: EVENT_OF[what], ...about })
      const { id } = changed.after ?? changed.before ?? { id: "" }
      for (const listener of listeners) listener({ what, id, name })
      return changed
    })

  return {
    get people() {
      return people
    },
    get unclaimed() {
      return fault === null && isUnclaimed(people)
    },
    get fault() {
      return fault
    },
    admit,
    principal(name, factors, via) {
      const account = admit(name)
      if (account === null) return null
      const may = !factors.includes("password") || isGoodForMore(account)
      const permissions = may ? permissionsOf(account.roles, rules()) : []
      return { name: account.name, permissions, via, person: personOf(account, factors) }
    },
    async checkPassword(name, password) {
      const hash = admit(name)?.password?.hash ?? null
      const { good, outdated } = await hasher.check(password, hash)
      // Hashing takes its time: whoever was disabled or got another password meanwhile is not let in by the old one.
      const account = admit(name)
      if (!good || hash === null || account?.password?.hash !== hash) return null
      if (outdated) await upgrade(name, password, hash).catch(onlyHardware)
      return admit(name)
    },
    examine({ name, roles, expiresAt, key }) {
      try {
        withAccount(people, { id: "", name, roles, expiresAt, key }, rules())
        return null
      } catch (error) {
        if (error instanceof InputError || error instanceof StateError) return String(error.code)
        throw error
      }
    },
    examinePassword: (name, password) => faultOf(name, password),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    create({ name, roles, expiresAt, key }, by) {
      const id = Buffer.from(random(12)).toString("hex")
      return changing(
        "created",
        name,
        by,
        (now) => withAccount(now, { id, name, roles, expiresAt, key }, rules()),
        ({ after }) => ({
          ...said("after", after),
          id,
          key: key?.thumbprint ?? "none",
          onToken: key?.onToken ?? false,
        }),
      )
    },
    change: (name, change, by) =>
      changing(
        "changed",
        name,
        by,
        (now) => withChange(now, name, change, rules()),
        ({ before, after }) => ({ ...said("before", before), ...said("after", after) }),
      ),
    remove: (name, by) =>
      changing(
        "removed",
        name,
        by,
        (now) => withoutAccount(now, name, rules()),
        ({ before }) => ({ ...said("before", before), id: before?.id ?? "" }),
      ),
    addKey: (name, key, by) =>
      changing(
        "keys",
        name,
        by,
        (now) => withKey(now, name, key),
        () => ({ added: key.thumbprint, onToken: key.onToken }),
      ),
    removeKey: (name, thumbprint, by) =>
      changing(
        "keys",
        name,
        by,
        (now) => withoutKey(now, name, thumbprint, rules()),
        () => ({ removed: thumbprint }),
      ),
    setPassword: (name, password, by) =>
      changing(
        "password",
        name,
        by,
        async (now) => withPassword(now, name, await nextPassword(now, name, password, by === name), rules()),
        ({ before, after }) => ({
          before: before?.password === null ? "none" : "set",
          after: after?.password === null ? "none" : "set",
          mustChange: after?.password?.mustChange ?? false,
        }),
      ),
  }

  function faultOf(name: string, password: string): PasswordFault | null {
    return passwordFault(password, [name, ...(deps.words ?? [])], rules().passwords, isGuessedFirst)
  }

  /** The password as it is to be kept, if it may be one. */
  async function nextPassword(
    now: People,
    name: string,
    password: string | null,
    own: boolean,
  ): Promise<Account["password"]> {
    const account = accountOf(now, name)
    if (account === null) throw new StateError("ERR_ACCOUNT_UNKNOWN", "there is no such account")
    if (password === null) return null
    const { passwords } = rules()
    const fault = faultOf(name, password)
    if (fault !== null) {
      const why = `the password is refused (${fault}): at least ${passwords.minLength} characters, and none that is tried first`
      throw new InputError("ERR_PASSWORD_WEAK", why, { detail: { fault } })
    }
    const { password: kept } = account
    if (own && kept !== null && isTooNew(kept, passwords, interval())) {
      const why = `the password was set less than ${passwords.shortestHours} hours ago; an administrator can set another`
      throw new StateError("ERR_PASSWORD_TOO_NEW", why)
    }
    const used = kept === null ? [] : [kept.hash, ...kept.earlier]
    for (const hash of used.slice(0, passwords.remembered + 1)) {
      const { good } = await hasher.check(password, hash)
      if (good) throw new StateError("ERR_PASSWORD_USED", "that password was this account's before: choose another")
    }
    const hash = await hasher.hash(password)
    return { hash, setAt: interval().earliestAt, earlier: used.slice(0, passwords.remembered), mustChange: !own }
  }

  /** The same password, hashed at today's cost. It is no change of anybody's, so nobody is told. */
  function upgrade(name: string, password: string, old: string): Promise<void> {
    return inTurn(async () => {
      const kept = accountOf(people, name)?.password
      if (kept?.hash !== old) return
      const hash = await hasher.hash(password)
      await save(withPassword(people, name, { ...kept, hash }, rules()))
    })
  }
}

const EVENT_OF = {
  created: "account.created",
  changed: "account.changed",
  removed: "account.removed",
  keys: "account.key-changed",
  password: "account.password-set",
} as const satisfies Record<AccountNews["what"], AuditEvent["id"]>

/** What of an account goes into an entry. */
function said(when: "before" | "after", account: Account | null): ErrorDetail {
  if (account === null) return {}
  const { roles, enabled, expiresAt } = account
  const end = expiresAt === null ? "never" : new Date(expiresAt).toISOString()
  return { [when]: `${roles.join(" ") || "no role"}; ${enabled ? "enabled" : "disabled"}; ends ${end}` }
}

/** The log counts what it lost, and a hash of an older cost still serves. */
function onlyHardware(error: unknown): void {
  if (error instanceof LockgateError && (error.kind === "hardware" || error.kind === "state")) return
  throw error
}
