import { createHash } from "node:crypto"
import type { Clock } from "../../hal/clock.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { StateError } from "../../policy/base/errors.ts"
import type { Principal } from "../../policy/command/port.ts"
import type { Account } from "../../policy/people/account.ts"
import type { Factor } from "../../policy/people/gate.ts"
import type { SessionRules } from "../../policy/people/rules.ts"
import {
  sessionOf,
  split,
  stateOf,
  touched,
  withSession,
  type Session,
  type SessionState,
} from "../../policy/people/session.ts"
import type { AccountNews, Accounts } from "./accounts.ts"

/** Bytes of a token: nobody guesses one. @see IEC 62443-4-2 CR 3.8 */
export const TOKEN_BYTES = 32
const TOKEN = /^[A-Za-z0-9_-]{43}$/

/** Why a session ended. */
export type SessionEnd = "closed" | "ended" | "time" | "account" | "key" | "password"

/** A session as it is shown: nothing with which anybody could use it. */
export interface ShownSession {
  readonly id: string
  readonly account: string
  readonly channel: string
  readonly factors: readonly Factor[]
  readonly state: SessionState
  readonly openedSeconds: number
  readonly unusedSeconds: number
}

/** What whoever signs in has shown. */
export interface Proven {
  readonly account: Pick<Account, "id" | "name">
  readonly factors: readonly Factor[]
  /** The key that signed, if one did: the session ends with it. */
  readonly key: string | null
}

/** Everybody who is signed in, in memory alone: a restart ends all sessions. */
export interface Sessions {
  /** A new session on this channel. The token is told here and never again. @throws StateError `ERR_TOO_MANY_SESSIONS` */
  open(proven: Proven, channel: string): { readonly token: string; readonly id: string }
  /** Which session this token is of, open or locked, if it was given out on this channel; else null. It is not used by that. */
  find(token: string, channel: string): { readonly id: string; readonly state: SessionState } | null
  /**
   * Who asks by this session, which is used by it: with the rights of this moment. Null if it is locked or over, on another channel,
   * or its account is let in no more; the last two end it.
   */
  principal(id: string, channel: string, via: Principal["via"]): Principal | null
  /** A session as it is now, or null if there is none. */
  get(id: string): (ShownSession & { readonly accountId: string }) | null
  /** @throws StateError `ERR_SESSION_UNKNOWN` */
  lock(id: string, by: string): void
  /** Go on with it: with what was shown now, not what was shown first. @throws StateError `ERR_SESSION_UNKNOWN` */
  unlock(id: string, proven: Proven): void
  /** At once: the next line that comes by it is nobody's. @throws StateError `ERR_SESSION_UNKNOWN` */
  end(id: string, why: "closed" | "ended", by: string): ShownSession
  list(): readonly ShownSession[]
  /** What the live table does with a session that nobody has: for the assessment. Nothing of it stays, nothing is logged. */
  rehearse(): SessionRehearsal
  stop(): void
}

/** What became of made-up sessions; each of these is to be true. */
export interface SessionRehearsal {
  readonly usedOnItsChannel: boolean
  readonly refusedOnAnother: boolean
  readonly refusedForAnotherToken: boolean
  readonly refusedForChosenToken: boolean
  readonly lockedWhenIdle: boolean
  readonly overAfterLongest: boolean
  readonly refusedOverLimit: boolean
  readonly refusedAfterEnd: boolean
  readonly withoutRights: boolean
}

/** What sessions stand on. */
export interface SessionsDeps {
  readonly clock: Pick<Clock, "monotonicMs">
  readonly rules: () => SessionRules
  readonly accounts: Pick<Accounts, "principal" | "onChange" | "people">
  readonly random: (bytes: number) => Uint8Array
  readonly note: (event: AuditEvent) => void
}

/** The sessions of this run of the gateway. @see IEC 62443-4-2 CR 2.5, CR 2.6, CR 2.7, CR 3.8 */
export function createSessions({ clock, rules, accounts, random, note }: SessionsDeps): Sessions {
  let sessions: readonly Session[] = []
  /** Thumbprints of the keys by which sessions were opened. */
  const keys = new Map<string, string>()
  /** Idle ones whose lock is in the log. */
  const told = new Set<string>()
  const now = (): number => clock.monotonicMs()

  const tell = (
    id: "session.opened" | "session.locked" | "session.unlocked" | "session.ended",
    session: Session,
    by: string | null,
    reason?: string,
  ): void => {
    const { factors, channel, openedMs } = session
    const seconds = Math.round((now() - openedMs) / 1000)
    const detail = { session: session.id, channel, factors: factors.join(" "), seconds }
    const about = { outcome: "success", source: "people", subject: by, object: session.name, detail } as const
    note(reason === undefined ? { id, ...about } : { id, ...about, reason })
  }
  /** End those that are meant, whatever the reason. */
  const drop = (ends: (session: Session) => boolean, why: SessionEnd, by: string | null): readonly Session[] => {
    const { left, ended } = split(sessions, ends)
    sessions = left
    for (const one of ended) {
      keys.delete(one.id)
      told.delete(one.id)
      tell("session.ended", one, by, why)
    }
    return ended
  }
  /** What time has done since somebody last looked. */
  const sweep = (): void => {
    const atMs = now()
    drop((one) => stateOf(one, atMs, rules()) === "over", "time", null)
    for (const one of sessions) {
      if (one.locked || told.has(one.id) || stateOf(one, atMs, rules()) !== "locked") continue
      // Locked for good: a policy with a longer idle time does not open it again.
      sessions = touched(sessions, one.id, atMs, true)
      told.add(one.id)
      tell("session.locked", one, null, "idle")
    }
  }
  const known = (id: string): Session => {
    sweep()
    const found = sessions.find((one) => one.id === id)
    if (found === undefined) throw new StateError("ERR_SESSION_UNKNOWN", "there is no such session")
    return found
  }
  const show = (one: Session): ShownSession => {
    const atMs = now()
    const { id, name: account, channel, factors } = one
    const seconds = (sinceMs: number): number => Math.floor((atMs - sinceMs) / 1000)
    const state = stateOf(one, atMs, rules())
    return {
      ...{ id, account, channel, factors, state },
      openedSeconds: seconds(one.openedMs),
      unusedSeconds: seconds(one.usedMs),
    }
  }
  const make = ({ account, factors }: Proven, channel: string): { token: string; made: Session } => {
    const token = Buffer.from(random(TOKEN_BYTES)).toString("base64url")
    const id = Buffer.from(random(6)).toString("hex")
    const about = { account: account.id, name: account.name, factors: [...factors], channel }
    const openedMs = now()
    return {
      token,
      made: { id, tokenHash: hashOf(token), ...about, openedMs, usedMs: openedMs, locked: false },
    }
  }

  /** Sessions end with what they were opened by. */
  const follow = ({ what, id, name }: AccountNews): void => {
    const own = (one: Session): boolean => one.account === id
    if (what === "removed") drop(own, "account", null)
    if (what === "changed") drop((one) => own(one) && accounts.principal(name, one.factors, "local") === null, "account", null) // prettier-ignore
    if (what === "password") drop((one) => own(one) && one.factors.includes("password"), "password", null)
    if (what === "keys") {
      const left = accounts.people.accounts.find((account) => account.id === id)?.keys ?? []
      const isGone = (key: string | undefined): boolean =>
        key !== undefined && !left.some(({ thumbprint }) => thumbprint === key)
      drop((one) => own(one) && isGone(keys.get(one.id)), "key", null)
    }
  }
  const stop = accounts.onChange(follow)

  return {
    open(proven, channel) {
      sweep()
      const { token, made } = make(proven, channel)
      sessions = withSession(sessions, made, rules())
      if (proven.key !== null) keys.set(made.id, proven.key)
      tell("session.opened", made, made.name)
      return { token, id: made.id }
    },
    find(token, channel) {
      sweep()
      if (!TOKEN.test(token)) return null
      const found = sessionOf(sessions, hashOf(token), channel)
      return found === null ? null : { id: found.id, state: stateOf(found, now(), rules()) }
    },
    principal(id, channel, via) {
      sweep()
      const found = sessions.find((one) => one.id === id && one.channel === channel)
      if (found === undefined || stateOf(found, now(), rules()) !== "open") return null
      const principal = accounts.principal(found.name, found.factors, via)
      // A name is never given to a second person; that the id is the same is looked at all the same.
      if (principal?.person?.account !== found.account) {
        drop((one) => one.id === id, "account", null)
        return null
      }
      sessions = touched(sessions, id, now())
      return { ...principal, session: id }
    },
    get(id) {
      sweep()
      const found = sessions.find((one) => one.id === id)
      return found === undefined ? null : { ...show(found), accountId: found.account }
    },
    lock(id, by) {
      const found = known(id)
      if (found.locked) return
      sessions = touched(sessions, id, now(), true)
      told.add(id)
      tell("session.locked", found, by, "asked")
    },
    unlock(id, { account, factors, key }) {
      const found = known(id)
      if (found.account !== account.id) throw new StateError("ERR_SESSION_UNKNOWN", "there is no such session")
      sessions = touched(sessions, id, now()).map((one) => (one.id === id ? { ...one, factors: [...factors] } : one))
      told.delete(id)
      if (key === null) keys.delete(id)
      else keys.set(id, key)
      tell("session.unlocked", { ...found, factors }, found.name)
    },
    end(id, why, by) {
      const shown = show(known(id))
      drop((one) => one.id === id, why, by)
      return shown
    },
    list() {
      sweep()
      return sessions.map(show)
    },
    rehearse: () => rehearse(),
    stop,
  }

  /** The same table and the same functions as for people; the account is nobody's. */
  function rehearse(): SessionRehearsal {
    const before = sessions
    const given: Proven = { account: { id: "probe", name: "probe" }, factors: ["password"], key: null }
    const { token, made } = make(given, "probe")
    const r = rules()
    let refusedOverLimit = false
    try {
      let full = sessions
      for (let n = 0; n <= r.perPerson; n++) {
        refusedOverLimit = n === r.perPerson
        full = withSession(full, make(given, "probe").made, r)
      }
      refusedOverLimit = false
    } catch (error) {
      if (!(error instanceof StateError)) throw error
    }
    const at = (ms: number): SessionState => stateOf(made, made.openedMs + ms, r)
    const chosen = Buffer.alloc(TOKEN_BYTES, 7).toString("base64url")
    sessions = [...before, made]
    try {
      const found = (text: string, channel: string): boolean => sessionOf(sessions, hashOf(text), channel) !== null
      return {
        usedOnItsChannel: found(token, "probe") && at(0) === "open",
        refusedOnAnother: !found(token, "local") && !found(token, "serial"),
        refusedForAnotherToken: !found(make(given, "probe").token, "probe"),
        refusedForChosenToken: !found(chosen, "probe") && !found(made.tokenHash, "probe") && !found(made.id, "probe"),
        lockedWhenIdle: at(r.idleMs) !== "open",
        overAfterLongest: at(r.longestMs) === "over",
        refusedOverLimit,
        refusedAfterEnd: sessionOf(split(sessions, (one) => one.id === made.id).left, hashOf(token), "probe") === null,
        withoutRights: accounts.principal(made.name, made.factors, "local") === null,
      }
    } finally {
      sessions = before
    }
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex")
}
