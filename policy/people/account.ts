/**
 * The accounts of people, as plain values: who there is, how each proves who it is, and what changes they go through.
 *
 * Nothing is given out twice: neither an id nor a name, also after its account was removed (IEC 62443-4-2 CR 1.4). There is no
 * account that was not made by a command, and none has a secret that somebody else chose for many (CR 1.5).
 */
import { InputError, StateError } from "../base/errors.ts"
import { permissionsOf, type PeopleRules } from "./rules.ts"
import { within, type Certainty, type TimeInterval } from "../time/interval.ts"

/** A public key that a person signs with. */
export interface AccountKey {
  /** SHA-256 of the key as a JWK, base64url. @see RFC 7638 */
  readonly thumbprint: string
  readonly jwk: PublicJwk
  /** Whoever enrolled it vouches that it lies in a token that asks for a PIN: two factors in one. */
  readonly onToken: boolean
}

/** A public key in JSON: ECDSA P-256 or Ed25519. @see RFC 7517, RFC 8037 */
export type PublicJwk =
  | { readonly kty: "EC"; readonly crv: "P-256"; readonly x: string; readonly y: string }
  | { readonly kty: "OKP"; readonly crv: "Ed25519"; readonly x: string }

/** A password as it is kept. */
export interface KeptPassword {
  /** argon2id with its parameters and salt, in the PHC string format. */
  readonly hash: string
  /** When it was set: the earliest time that was possible then, milliseconds since 1970. */
  readonly setAt: number
  /** The same for those before it, the newest first. */
  readonly earlier: readonly string[]
  /** Somebody else chose it: whoever signs in with it may do nothing but choose another. @see IEC 62443-4-2 CR 1.5 */
  readonly mustChange: boolean
}

/** One person's account. */
export interface Account {
  /** Random; what entries of the log and sessions mean. */
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly enabled: boolean
  /** Milliseconds since 1970; null: never. */
  readonly expiresAt: number | null
  readonly keys: readonly AccountKey[]
  readonly password: KeptPassword | null
}

/** Everybody there is and was. */
export interface People {
  readonly accounts: readonly Account[]
  /** Names and ids of accounts that were removed. */
  readonly retired: readonly { readonly id: string; readonly name: string }[]
}

/** Nobody yet: whoever holds the device makes the first account. */
export const NOBODY: People = { accounts: [], retired: [] }

/** Accounts at a time, keys of one, and accounts ever. */
export const PEOPLE_BOUNDS = { accounts: 256, keys: 4, ever: 4096, roles: 8 } as const

/** A name: as the log writes it, and told apart without regard to case. */
const NAME = /^[a-z][a-z0-9._-]{0,31}$/
/** Names of those who are no person. */
const RESERVED = new Set(["local", "owner", "gateway", "probe", "supplier", "root", "nobody", "anonymous"])

/** Whether nobody ever had an account here. */
export function isUnclaimed({ accounts, retired }: People): boolean {
  return accounts.length === 0 && retired.length === 0
}

/** The account of that name, or null. */
export function accountOf(people: People, name: string): Account | null {
  return people.accounts.find((account) => account.name === name) ?? null
}

/** The account that has this key, or null: a key belongs to one person at most. */
export function accountOfKey(people: People, thumbprint: string): Account | null {
  return people.accounts.find(({ keys }) => keys.some((key) => key.thumbprint === thumbprint)) ?? null
}

/** Whether its time is over: `uncertain` is for who asks to decide, and to write down. */
export function isExpired({ expiresAt }: Pick<Account, "expiresAt">, now: TimeInterval): Certainty {
  if (expiresAt === null) return "no"
  const good = within(now, -Infinity, expiresAt)
  return good === "yes" ? "no" : good === "no" ? "yes" : "uncertain"
}

/** Those who can let others in for ever: enabled, with a way to prove themselves, never expiring, allowed to manage people. */
export function administrators(people: People, rules: Pick<PeopleRules, "roles">): readonly Account[] {
  return people.accounts.filter(
    (account) =>
      account.enabled &&
      account.expiresAt === null &&
      (account.keys.length > 0 || account.password !== null) &&
      permissionsOf(account.roles, rules).includes("people"),
  )
}

/**
 * With one account more, which has no way yet to prove itself but `key`.
 *
 * The first account of all must be an administrator with a key or it could never be followed by a second.
 *
 * @throws InputError `ERR_ACCOUNT_NAME`, `ERR_ACCOUNT_ROLE`, `ERR_ACCOUNT_EXPIRY`
 * @throws StateError `ERR_ACCOUNT_EXISTS`, `ERR_ACCOUNT_RETIRED`, `ERR_ACCOUNT_KEY_TAKEN`, `ERR_TOO_MANY_ACCOUNTS`, `ERR_FIRST_ADMINISTRATOR`
 */
export function withAccount(
  people: People,
  made: Pick<Account, "id" | "name" | "roles" | "expiresAt"> & { readonly key: AccountKey | null },
  rules: Pick<PeopleRules, "roles">,
): People {
  const { id, name, roles, expiresAt, key } = made
  if (!NAME.test(name) || RESERVED.has(name)) {
    throw new InputError(
      "ERR_ACCOUNT_NAME",
      "a name is a-z, then up to 31 of a-z 0-9 . _ -, and none of the gateway's own",
    )
  }
  checkRoles(roles, rules)
  if (expiresAt !== null && !Number.isSafeInteger(expiresAt)) throw expiry()
  if (accountOf(people, name) !== null) throw new StateError("ERR_ACCOUNT_EXISTS", `there is an account ${name}`)
  if (people.retired.some((one) => one.name === name || one.id === id)) {
    throw new StateError("ERR_ACCOUNT_RETIRED", `${name} was somebody's name and is never given to another`)
  }
  if (people.accounts.some((account) => account.id === id)) {
    throw new StateError("ERR_ACCOUNT_EXISTS", "there is an account with that id")
  }
  if (key !== null) refuseTaken(people, key)
  const ever = people.accounts.length + people.retired.length
  if (people.accounts.length >= PEOPLE_BOUNDS.accounts || ever >= PEOPLE_BOUNDS.ever) {
    throw new StateError("ERR_TOO_MANY_ACCOUNTS", `there is room for ${PEOPLE_BOUNDS.accounts} accounts, and no more`)
  }
  const account = {
    id,
    name,
    roles: [...roles],
    enabled: true,
    expiresAt,
    keys: key === null ? [] : [key],
    password: null,
  }
  const next = { ...people, accounts: [...people.accounts, account] }
  if (isUnclaimed(people) && administrators(next, rules).length === 0) {
    throw new StateError(
      "ERR_FIRST_ADMINISTRATOR",
      "the first account needs a key, no end, and a role that may manage people",
    )
  }
  return next
}

/** What of an account a command may change; a password is set apart. */
export type AccountChange = Partial<Pick<Account, "roles" | "enabled" | "expiresAt">>

/**
 * With an account changed.
 *
 * @throws InputError `ERR_ACCOUNT_ROLE`, `ERR_ACCOUNT_EXPIRY`
 * @throws StateError `ERR_ACCOUNT_UNKNOWN`, `ERR_LAST_ADMINISTRATOR`
 */
export function withChange(
  people: People,
  name: string,
  change: AccountChange,
  rules: Pick<PeopleRules, "roles">,
): People {
  if (change.roles !== undefined) checkRoles(change.roles, rules)
  const { expiresAt } = change
  if (expiresAt !== undefined && expiresAt !== null && !Number.isSafeInteger(expiresAt)) throw expiry()
  return keepingAdministrators(
    people,
    mapped(people, name, (account) => ({ ...account, ...change })),
    rules,
  )
}

/** Without the account; its name and id stay taken. @throws StateError `ERR_ACCOUNT_UNKNOWN`, `ERR_LAST_ADMINISTRATOR` */
export function withoutAccount(people: People, name: string, rules: Pick<PeopleRules, "roles">): People {
  const { id } = known(people, name)
  const accounts = people.accounts.filter((account) => account.name !== name)
  return keepingAdministrators(people, { accounts, retired: [...people.retired, { id, name }] }, rules)
}

/** With one key more. @throws StateError `ERR_ACCOUNT_UNKNOWN`, `ERR_ACCOUNT_KEY_TAKEN`, `ERR_TOO_MANY_KEYS` */
export function withKey(people: People, name: string, key: AccountKey): People {
  const { keys } = known(people, name)
  refuseTaken(people, key)
  if (keys.length >= PEOPLE_BOUNDS.keys) {
    throw new StateError("ERR_TOO_MANY_KEYS", `an account has at most ${PEOPLE_BOUNDS.keys} keys: remove one first`)
  }
  return mapped(people, name, (account) => ({ ...account, keys: [...account.keys, key] }))
}

/** Without one of its keys. @throws StateError `ERR_ACCOUNT_UNKNOWN`, `ERR_KEY_UNKNOWN`, `ERR_LAST_ADMINISTRATOR` */
export function withoutKey(
  people: People,
  name: string,
  thumbprint: string,
  rules: Pick<PeopleRules, "roles">,
): People {
  const { keys } = known(people, name)
  if (!keys.some((key) => key.thumbprint === thumbprint)) {
    throw new StateError("ERR_KEY_UNKNOWN", `${name} has no such key`)
  }
  const left = keys.filter((key) => key.thumbprint !== thumbprint)
  return keepingAdministrators(
    people,
    mapped(people, name, (account) => ({ ...account, keys: left })),
    rules,
  )
}

/** With another password, or none. @throws StateError `ERR_ACCOUNT_UNKNOWN`, `ERR_LAST_ADMINISTRATOR` */
export function withPassword(
  people: People,
  name: string,
  password: KeptPassword | null,
  rules: Pick<PeopleRules, "roles">,
): People {
  return keepingAdministrators(
    people,
    mapped(people, name, (account) => ({ ...account, password })),
    rules,
  )
}

function known(people: People, name: string): Account {
  const account = accountOf(people, name)
  if (account === null) throw new StateError("ERR_ACCOUNT_UNKNOWN", "there is no such account")
  return account
}

function mapped(people: People, name: string, change: (account: Account) => Account): People {
  known(people, name)
  return { ...people, accounts: people.accounts.map((one) => (one.name === name ? change(one) : one)) }
}

/** A gateway that has an administrator never loses the last one by a command. */
function keepingAdministrators(before: People, after: People, rules: Pick<PeopleRules, "roles">): People {
  if (administrators(before, rules).length > 0 && administrators(after, rules).length === 0) {
    throw new StateError(
      "ERR_LAST_ADMINISTRATOR",
      "nobody could manage people any more: give somebody else that role first",
    )
  }
  return after
}

function checkRoles(roles: readonly string[], { roles: known }: Pick<PeopleRules, "roles">): void {
  if (roles.length > PEOPLE_BOUNDS.roles || new Set(roles).size !== roles.length) {
    throw new InputError("ERR_ACCOUNT_ROLE", `an account has at most ${PEOPLE_BOUNDS.roles} roles, each once`)
  }
  const unknown = roles.find((role) => !Object.hasOwn(known, role))
  if (unknown === undefined) return
  throw new InputError("ERR_ACCOUNT_ROLE", `there is no such role; there are ${Object.keys(known).join(", ")}`)
}

function refuseTaken(people: People, { thumbprint }: AccountKey): void {
  if (accountOfKey(people, thumbprint) === null) return
  throw new StateError("ERR_ACCOUNT_KEY_TAKEN", "that key belongs to an account already: nobody is two persons")
}

function expiry(): InputError {
  return new InputError("ERR_ACCOUNT_EXPIRY", "an account ends at a time, or never")
}
