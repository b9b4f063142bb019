/**
 * What stands between somebody who may give a command and its execution: a second factor, a person at the device, a second
 * person.
 *
 * @see IEC 62443-4-2 CR 1.1 RE(2), CR 2.1 RE(4), EDR 2.13
 */
import type { Permission } from "../command/permission.ts"
import type { Certainty } from "../time/interval.ts"
import type { Account } from "./account.ts"
import type { PeopleRules } from "./rules.ts"

/** What somebody has shown. `token`: a key that a token guards by a PIN, as whoever enrolled it says. `identity`: what the plant's provider says. */
export type Factor = "key" | "token" | "password" | "identity"

/** A person as the gateway knows it after authentication. */
export interface Person {
  /** Id of the account. */
  readonly account: string
  readonly factors: readonly Factor[]
  /** Thumbprints of the keys of the account: one key is one person. */
  readonly keys: readonly string[]
}

/** The person whose account this is, who has shown these factors. */
export function personOf({ id, keys }: Pick<Account, "id" | "keys">, factors: readonly Factor[]): Person {
  return { account: id, factors, keys: keys.map(({ thumbprint }) => thumbprint) }
}

/** Why a command is not carried out now; null: it is. */
export type GateCode = "ERR_SECOND_FACTOR" | "ERR_NOT_PRESENT" | "ERR_APPROVAL_NEEDED"

/** Whether these are two factors of different kinds. A key in a file is one, however well it is encrypted: nobody can tell. */
export function areTwoFactors(factors: readonly Factor[]): boolean {
  return (
    factors.includes("token") ||
    (factors.includes("key") && (factors.includes("password") || factors.includes("identity")))
  )
}

/**
 * Why this must wait, the first reason of several; null if it need not.
 *
 * `person` is null for who holds the machine before anybody has an account: there is no second person then, and no factor.
 * `present` is what the inputs show; anything but a sure yes is a no. `approved`: a second person has agreed.
 */
export function gateOf(asked: {
  readonly permission: Permission
  readonly person: Person | null
  readonly present: Certainty
  readonly approved: boolean
  readonly rules: PeopleRules
}): GateCode | null {
  const { permission, person, present, approved, rules } = asked
  if (person !== null && rules.twoFactors.includes(permission) && !areTwoFactors(person.factors))
    return "ERR_SECOND_FACTOR"
  if (rules.presence.includes(permission) && present !== "yes") return "ERR_NOT_PRESENT"
  if (person !== null && rules.twoPersons.includes(permission) && !approved) return "ERR_APPROVAL_NEEDED"
  return null
}
