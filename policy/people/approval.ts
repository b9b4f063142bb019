/**
 * Commands that wait for a second person. Each is known by a hash over everything it would do and who asked for it, so that the
 * second person approves exactly that; it waits for a bounded time, in memory alone, and a restart forgets it.
 *
 * @see IEC 62443-4-2 CR 2.1 RE(4)
 */
import { StateError } from "../base/errors.ts"
import type { Permission } from "../command/permission.ts"
import type { Person } from "./gate.ts"

/** A command that waits. */
export interface Waiting<Request> {
  /** SHA-256, hexadecimal. */
  readonly hash: string
  readonly permission: Permission
  readonly by: Person & { readonly name: string }
  /** On the monotonic clock, milliseconds. */
  readonly untilMs: number
  readonly request: Request
}

/** Commands that wait at a time; of one person, and of all. */
export const WAITING_BOUNDS = { perPerson: 4, all: 16 } as const

/**
 * Everything that is approved, as one text: of a command, who asked and `number`, which nobody chose. Its SHA-256 is the hash.
 *
 * Members stand in the order of their names, so that whoever is told the number writes the same text. @see RFC 8785
 */
export function waitingText(asked: {
  readonly command: string
  readonly arguments: Readonly<Record<string, unknown>>
  readonly account: string
  readonly number: string
}): string {
  const byName = Object.entries(asked.arguments).sort(([a], [b]) => (a < b ? -1 : 1))
  const { account, command, number } = asked
  return JSON.stringify({ account, arguments: Object.fromEntries(byName), command, number })
}

/** Whether two are one and the same: the same account, or two that share a key. */
export function samePerson(a: Person, b: Person): boolean {
  return a.account === b.account || a.keys.some((key) => b.keys.includes(key))
}

/** Those whose time is not over. */
export function stillWaiting<R>(all: readonly Waiting<R>[], nowMs: number): readonly Waiting<R>[] {
  return all.filter(({ untilMs }) => untilMs > nowMs)
}

/** With one more; the same again takes the place of itself. @throws StateError `ERR_TOO_MANY_WAITING` */
export function withWaiting<R>(all: readonly Waiting<R>[], one: Waiting<R>, nowMs: number): readonly Waiting<R>[] {
  const others = stillWaiting(all, nowMs).filter(({ hash }) => hash !== one.hash)
  const own = others.filter(({ by }) => by.account === one.by.account).length
  if (own >= WAITING_BOUNDS.perPerson || others.length >= WAITING_BOUNDS.all) {
    throw new StateError(
      "ERR_TOO_MANY_WAITING",
      "too many commands wait for approval: withdraw one, or let it be decided",
    )
  }
  return [...others, one]
}

/**
 * What waits under `hash`, if `approver` may agree to it; whether they have its permission is for the caller to ask.
 *
 * @throws StateError `ERR_APPROVAL_UNKNOWN`: nothing waits under that hash, or no longer; `ERR_APPROVAL_SAME_PERSON`
 */
export function approvedBy<R>(all: readonly Waiting<R>[], hash: string, approver: Person, nowMs: number): Waiting<R> {
  const found = stillWaiting(all, nowMs).find((one) => one.hash === hash)
  if (found === undefined) throw new StateError("ERR_APPROVAL_UNKNOWN", "nothing waits under that hash, or no longer")
  if (!samePerson(found.by, approver)) return found
  throw new StateError("ERR_APPROVAL_SAME_PERSON", "whoever asked cannot approve: a second person must")
}
