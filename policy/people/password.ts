/**
 * Whether a password may be one: its length, and that it is none of those that are tried first. No rules about kinds of
 * characters: they make passwords harder to remember, and no harder to guess.
 *
 * @see IEC 62443-4-2 CR 1.7, NIST SP 800-63B section 5.1.1.2
 */
import { within, type TimeInterval } from "../time/interval.ts"
import type { KeptPassword } from "./account.ts"
import type { PasswordRules } from "./rules.ts"

/** Longest password that is looked at, in UTF-16 units. */
export const MAX_PASSWORD_LENGTH = 256

/** Why a password is refused. */
export type PasswordFault = "too-short" | "too-long" | "guessable" | "holds-name" | "characters"

/** Its normal form, in which it is hashed and compared. */
export function normalPassword(password: string): string {
  return password.normalize("NFKC")
}

/**
 * What is wrong with a password for this account, or null. `isCommon` answers for a text in small letters whether it is one of those that
 * are tried first.
 */
export function passwordFault(
  password: string,
  names: readonly string[],
  rules: PasswordRules,
  isCommon: (text: string) => boolean,
): PasswordFault | null {
  if (password.length > MAX_PASSWORD_LENGTH) return "too-long"
  const normal = normalPassword(password)
  if (/\p{Cc}|\p{Cs}/u.test(normal)) return "characters"
  if (Array.from(normal).length < rules.minLength) return "too-short"
  const small = normal.toLowerCase()
  // Names of three letters stand in many words by chance.
  if (names.some((name) => name.length > 3 && small.includes(name.toLowerCase()))) return "holds-name"
  const letters = new Set(small)
  return letters.size < 4 || isRun(small) || isRepeated(small) || isCommon(small) || isCommon(stripped(small))
    ? "guessable"
    : null
}

/**
 * Whether a password is good for more than being changed. `uncertain`: its time may be over, which no clock can tell now.
 *
 * Its age is reckoned from the earliest time at which it can have been set: it is asked to be changed rather early than late.
 *
 * @see IEC 62443-4-2 CR 1.7 RE(1), RE(2)
 */
export function passwordState(
  { setAt, mustChange }: Pick<KeptPassword, "setAt" | "mustChange">,
  { longestDays }: Pick<PasswordRules, "longestDays">,
  now: TimeInterval,
): "good" | "due" | "uncertain" {
  if (mustChange) return "due"
  if (longestDays === null) return "good"
  const inTime = within(now, -Infinity, setAt + longestDays * 86_400_000)
  return inTime === "yes" ? "good" : inTime === "no" ? "due" : "uncertain"
}

/** Whether a password is surely too new to be changed by its person again. One that must be changed never is. */
export function isTooNew(
  { setAt, mustChange }: Pick<KeptPassword, "setAt" | "mustChange">,
  { shortestHours }: Pick<PasswordRules, "shortestHours">,
  now: TimeInterval,
): boolean {
  return !mustChange && now.latestAt < setAt + shortestHours * 3_600_000
}

/** What stands before and behind, and is changed first: digits and signs. */
function stripped(text: string): string {
  return text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "")
}

/** `abcdefgh`, `87654321`: each character the next of the one before, or the one before it. */
function isRun(text: string): boolean {
  const steps = Array.from(text, (letter) => letter.codePointAt(0) ?? 0)
  const all = (by: number): boolean => steps.every((code, k) => k === 0 || code - (steps[k - 1] ?? 0) === by)
  return all(1) || all(-1)
}

/** `abcabcabcabc`: the same again and again. */
function isRepeated(text: string): boolean {
  for (let length = 1; length <= text.length / 2; length++) {
    if (text.length % length === 0 && text.slice(0, length).repeat(text.length / length) === text) return true
  }
  return false
}
