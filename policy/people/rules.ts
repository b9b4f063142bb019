/**
 * What a policy says of the people who work at a gateway: which roles there are and what each may do, what needs a second
 * person or a hand at the device, how long a session lasts, what a password must be like.
 *
 * Everything has a default, so that a gateway without a policy has its roles too: it is then that people are needed.
 */
import type { Permission } from "../command/permission.ts"
import type { InputCondition } from "../language/input-condition.ts"
import type { IdentityProvider } from "./identity-token.ts"

/** Sessions of people. @see IEC 62443-4-2 CR 2.5, CR 2.6, CR 2.7 */
export interface SessionRules {
  /** A session that nobody used for so long is locked: its person signs in again. */
  readonly idleMs: number
  /** No session outlives this. */
  readonly longestMs: number
  /** Sessions of one person at a time. */
  readonly perPerson: number
}

/** Passwords, where there are any. @see IEC 62443-4-2 CR 1.7, NIST SP 800-63B section 5.1.1 */
export interface PasswordRules {
  /** Fewest characters. */
  readonly minLength: number
  /** After so many days it must be changed; null: never, which is today's advice. */
  readonly longestDays: number | null
  /** It may not be changed again before so many hours, or who changes often enough gets the old one back. */
  readonly shortestHours: number
  /** How many earlier ones may not come back. */
  readonly remembered: number
}

/** Attempts to sign in that fail. @see IEC 62443-4-2 CR 1.11 */
export interface AttemptRules {
  /** So many in a row cost nothing. */
  readonly free: number
  /** Longest time in which none is listened to any more; each failure doubles it, from a second on. */
  readonly longestMs: number
}

/** Everything a policy says of people. */
export interface PeopleRules {
  /** What each role may do; those that come with the gateway are among them, as the policy has them. */
  readonly roles: Readonly<Record<string, readonly Permission[]>>
  /** What a second person must approve. @see IEC 62443-4-2 CR 2.1 RE(4) */
  readonly twoPersons: readonly Permission[]
  /** How long a command waits for that person. */
  readonly approvalMs: number
  /** What asks for a person at the device. @see IEC 62443-4-2 EDR 2.13 */
  readonly presence: readonly Permission[]
  /** Inputs of the board that show somebody is there: all of them, surely. Null: none does, and what asks for it is refused. */
  readonly presentWhen: readonly InputCondition[] | null
  /** What asks for a second factor. @see IEC 62443-4-2 CR 1.1 RE(2) */
  readonly twoFactors: readonly Permission[]
  readonly sessions: SessionRules
  readonly passwords: PasswordRules
  readonly attempts: AttemptRules
  /** Who may say who somebody is, beside the gateway itself; null: nobody. */
  readonly identityProvider: IdentityProvider | null
  /** Shown to whoever is about to sign in; null: nothing. @see IEC 62443-4-2 CR 1.12 */
  readonly notice: string | null
  /** Diagnostic interfaces that may be used. Nothing switches the others off yet. @see IEC 62443-4-2 EDR 2.13 */
  readonly diagnostics: readonly DiagnosticInterface[]
}

/** Interfaces of the device through which a person with a cable could come. */
export const DIAGNOSTIC_INTERFACES = ["serial-console", "usb"] as const
export type DiagnosticInterface = (typeof DIAGNOSTIC_INTERFACES)[number]

/** The roles that come with the gateway. A policy may give each of them other permissions, or none, and add its own. */
export const BUILT_IN_ROLES: Readonly<Record<string, readonly Permission[]>> = {
  viewer: ["read"],
  operator: ["read", "alarm", "island"],
  technician: ["read", "alarm", "island", "record", "trust", "time", "board", "assess"],
  engineer: ["read", "alarm", "island", "override", "record", "policy", "assess"],
  "security-admin": ["read", "access", "override", "policy", "trust", "time", "people", "assess"],
  "supplier-service": ["read", "record", "assess"],
}

/** What holds without a policy, and for whatever a policy does not say. */
export const DEFAULT_PEOPLE: PeopleRules = {
  roles: BUILT_IN_ROLES,
  twoPersons: [],
  approvalMs: 15 * 60_000,
  presence: [],
  presentWhen: null,
  twoFactors: [],
  sessions: { idleMs: 10 * 60_000, longestMs: 8 * 3_600_000, perPerson: 2 },
  passwords: { minLength: 12, longestDays: null, shortestHours: 0, remembered: 5 },
  attempts: { free: 4, longestMs: 15 * 60_000 },
  identityProvider: null,
  notice: null,
  diagnostics: [],
}

/** What whoever has these roles may do, each once, in no promised order. A role that there is not gives nothing. CR 2.1 RE(2). */
export function permissionsOf(roles: readonly string[], rules: Pick<PeopleRules, "roles">): readonly Permission[] {
  return [...new Set(roles.flatMap((role) => (Object.hasOwn(rules.roles, role) ? (rules.roles[role] ?? []) : [])))]
}

/** What the policy in force says of people; without a policy, or without the key, the defaults. */
export function peopleRulesOf(policy: { readonly people?: PeopleRules } | null): PeopleRules {
  return policy?.people ?? DEFAULT_PEOPLE
}
