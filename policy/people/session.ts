/**
 * Sessions of people, as plain values on the monotonic clock. A session belongs to one account and to the channel on which it
 * was opened, is known by the hash of its token alone, and ends with its time, its person's word, an administrator's, or the
 * gateway's restart.
 *
 * @see IEC 62443-4-2 CR 2.5, CR 2.6, CR 2.7, CR 3.8
 */
import { StateError } from "../base/errors.ts"
import type { Factor } from "./gate.ts"
import type { SessionRules } from "./rules.ts"

/** One of them. */
export interface Session {
  /** For people and the log; gives nothing to whoever knows it. */
  readonly id: string
  /** SHA-256 of the token. */
  readonly tokenHash: string
  readonly account: string
  readonly name: string
  readonly factors: readonly Factor[]
  /** What it is bound to: on another channel the same token is nobody's. */
  readonly channel: string
  readonly openedMs: number
  readonly usedMs: number
  /** Locked on demand; idleness locks by itself. */
  readonly locked: boolean
}

/** Sessions at a time, of all people. */
export const MAX_SESSIONS = 32

/** What a token is worth now. */
export type SessionState = "open" | "locked" | "over"

/** Whether a session may still be used. */
export function stateOf(session: Session, nowMs: number, rules: SessionRules): SessionState {
  if (nowMs - session.openedMs >= rules.longestMs) return "over"
  return session.locked || nowMs - session.usedMs >= rules.idleMs ? "locked" : "open"
}

/**
 * The sessions with one more.
 *
 * @throws StateError `ERR_TOO_MANY_SESSIONS`, of that person or of all; those that are over do not count
 */
export function withSession(
  sessions: readonly Session[],
  made: Omit<Session, "usedMs" | "locked">,
  rules: SessionRules,
): readonly Session[] {
  const left = sessions.filter((one) => stateOf(one, made.openedMs, rules) !== "over")
  const own = left.filter(({ account }) => account === made.account).length
  if (own >= rules.perPerson) {
    throw new StateError("ERR_TOO_MANY_SESSIONS", `${made.name} has ${own} sessions already: end one`)
  }
  if (left.length >= MAX_SESSIONS) throw new StateError("ERR_TOO_MANY_SESSIONS", "too many people are signed in")
  return [...left, { ...made, usedMs: made.openedMs, locked: false }]
}

/** The one whose token has this hash, if it was opened on this channel; else null, as if there were none. */
export function sessionOf(sessions: readonly Session[], tokenHash: string, channel: string): Session | null {
  return sessions.find((one) => one.tokenHash === tokenHash && one.channel === channel) ?? null
}

/** The same sessions, one of them used, locked or unlocked just now. */
export function touched(sessions: readonly Session[], id: string, nowMs: number, locked = false): readonly Session[] {
  return sessions.map((one) => (one.id === id ? { ...one, usedMs: locked ? one.usedMs : nowMs, locked } : one))
}

/** What is left without those that `ends` names, and what went. */
export function split(
  sessions: readonly Session[],
  ends: (session: Session) => boolean,
): { readonly left: readonly Session[]; readonly ended: readonly Session[] } {
  return { left: sessions.filter((one) => !ends(one)), ended: sessions.filter(ends) }
}
