/** What a person may be allowed to do, and what each of these means. Every command of the table asks for one of them, or for none. */
export const PERMISSIONS = {
  read: "look at what the gateway does, and at its alarms",
  alarm: "acknowledge alarms",
  island: "close and reopen the conduits, and restore one that has failed",
  access: "approve and end ways in from untrusted zones",
  override: "switch emergencies of the policy on and off",
  record: "record traffic for a time, and read what was recorded",
  policy: "put signed policies in force, and take them back",
  trust: "renew authorities, credentials and lists of revoked certificates",
  time: "set the time by a signed statement",
  board: "clear the tamper alarm, set inputs of a simulated board, restart the gateway",
  people: "create, change and remove accounts, and end sessions of others",
  assess: "run the assessment",
} as const

/** The name of one of them. */
export type Permission = keyof typeof PERMISSIONS

/**
 * In the place of a permission: of every person who is signed in, whatever their roles, and about nothing but their own account, or
 * about a command that waits, whose own permission is asked for then. No policy can take it away, or somebody whose password must be
 * changed could not change it.
 */
export const OWN = "own"

/** All of them, in the order in which they are explained. */
export const ALL_PERMISSIONS = Object.keys(PERMISSIONS) as readonly Permission[]

/** Whether a word from outside names one. */
export function isPermission(word: string): word is Permission {
  return Object.hasOwn(PERMISSIONS, word)
}
