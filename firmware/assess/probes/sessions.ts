/**
 * Probes of how people sign in and stay: the live counts and sessions, asked with people who never were; and the door's own code, run
 * whole on a stage of its own under the rules in force.
 */
import { randomUUID } from "node:crypto"
import { strangerOn } from "../../../policy/command/port.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { SessionRehearsal } from "../../people/sessions.ts"
import type { GatewayProbe, ProbeContext } from "../probe-context.ts"

const UNCLAIMED: ProbeResult = {
  outcome: "not-tested",
  why: "nobody has an account yet: who holds the machine is its owner, and nobody signs in",
}
/** As the counts have it; written again, so that a delay at the device that grows past it is found. */
const LONGEST_AT_DEVICE_MS = 30_000
const ONE_CODE = '{"ok":false,"code":"ERR_NOT_AUTHENTICATED"}'
const REASONS = "unknown-account, disabled, expired, wrong-password, nothing-shown, wrong-proof, locked-out"

/** Whoever is not let in learns nothing of why. */
export const signInRevealsNothing: GatewayProbe = {
  id: "people.feedback-reveals-nothing",
  summary:
    "seven people who are refused for seven reasons are told the same for the same work, and the log says which; the live door gives a " +
    "number to sign to a name of nobody as to any other",
  safety: "active-safe",
  vantage: "inside",
  run: claimed(async (context) => {
    const { people } = context.accounts
    const names = [`probe-${randomUUID()}`.slice(0, 32), ...people.accounts.map(({ name }) => name)]
    const shapes: string[] = []
    for (const account of names) {
      const request = { command: "session.challenge", arguments: { account } }
      const answer = await context.commands.execute(strangerOn("local"), request)
      const shown = answer.ok ? Object.entries(answer.result ?? {}) : []
      shapes.push(answer.ok ? shown.map(([name, value]) => `${name} ${String(value).length}`).join(", ") : answer.code)
    }
    if (!/^gateway \d+, challenge \d+$/.test(shapes[0] ?? "") || new Set(shapes).size > 1) {
      return failed("a number to sign for every name, alike", [...new Set(shapes)].join("; "))
    }
    const { told, looked, reasons } = await rehearsed(context)
    const other = told.find((text) => text !== ONE_CODE)
    if (other !== undefined) return failed(`every refusal to be ${ONE_CODE}`, other)
    if (new Set(looked).size !== 1 || looked[0] === 0) return failed("the same work for every refusal", `${looked.join(" ")} passwords looked at`) // prettier-ignore
    if (reasons.join(", ") !== REASONS) return failed(`a log that says ${REASONS}`, reasons.join(", "))
    return { outcome: "passed", evidence: `${told.length} refusals told as one code; ${names.length} names asked for a number, answered alike` } // prettier-ignore
  }),
}

/** Whoever guesses waits, longer each time; and locks out nobody who stands before the device. */
export const guessersAreDelayed: GatewayProbe = {
  id: "people.attempts-limited",
  summary:
    "the live counts are asked what failures cost on each way; a guesser is rehearsed, and the right password after it on the same way, at " +
    "the device, and after the longest wait there",
  safety: "passive",
  vantage: "inside",
  run: claimed(async (context) => {
    const { attempts } = context.gates.rules()
    const { free, delaysMs, atDeviceMs, elsewhereMs } = context.signingIn.attempts.rehearse()
    if (free !== attempts.free) return failed(`${attempts.free} failures that cost nothing, by the policy`, `${free}`)
    const grows = delaysMs.every((ms, n) => ms > 0 && (ms > (delaysMs[n - 1] ?? 0) || ms === attempts.longestMs))
    if (!grows || delaysMs.at(-1) !== attempts.longestMs) {
      return failed(`a delay that grows up to ${attempts.longestMs} ms`, `${delaysMs.join(" ")} ms`)
    }
    if (!(atDeviceMs > 0 && atDeviceMs <= LONGEST_AT_DEVICE_MS)) {
      return failed(`a delay of at most ${LONGEST_AT_DEVICE_MS} ms at the device`, `${atDeviceMs} ms`)
    }
    if (elsewhereMs !== 0) return failed("no delay on another way in", `${elsewhereMs} ms`)
    const { same, atDevice, waited } = (await rehearsed(context)).guessed
    const seen = `${same}, ${atDevice}, ${waited}`
    const expected = "ERR_NOT_AUTHENTICATED, ok, ok"
    if (seen !== expected) return failed(`the right password after guesses here, at the device, and later: ${expected}`, seen) // prettier-ignore
    return { outcome: "passed", evidence: `${free} failures are free, then ${delaysMs[0]} ms up to ${attempts.longestMs} ms; at the device never over ${atDeviceMs} ms` } // prettier-ignore
  }),
}

/** People read the owner's notice before they sign in. */
export const noticeIsShown: GatewayProbe = {
  id: "people.notice-shown",
  summary:
    "whoever has not signed in asks the live door for the notice, on each way in, and is told that of the policy in force",
  safety: "passive",
  vantage: "inside",
  run: claimed(async (context) => {
    const { notice } = context.gates.rules()
    if (notice === null || !/\S/.test(notice)) return failed("people.notice in the policy", "no notice")
    for (const via of ["local", "serial"] as const) {
      const answer = await context.commands.execute(strangerOn(via), { command: "notice", arguments: {} })
      const told = answer.ok ? (answer.result as { readonly notice?: unknown } | null)?.notice : answer.code
      if (told !== notice) return failed("the policy's notice for whoever has not signed in", String(told).slice(0, 80))
    }
    return { outcome: "passed", evidence: `a notice of ${notice.length} characters, before signing in` }
  }),
}

/** A session locks, and only its person goes on with it. */
export const sessionsLock: GatewayProbe = {
  id: "session.locks",
  summary:
    "no live session is open past the idle time; a rehearsed one is locked on demand and when it is unused, and opened by its person's " +
    "password alone",
  safety: "passive",
  vantage: "inside",
  run: claimed(async (context) => {
    const { idleMs } = context.gates.rules().sessions
    const all = context.signingIn.sessions.list()
    const stale = all.find(({ state, unusedSeconds }) => state === "open" && unusedSeconds * 1000 >= idleMs)
    if (stale !== undefined) return failed("no session open that nobody uses", `${stale.account}'s, ${stale.unusedSeconds} s`) // prettier-ignore
    const broken = untrue(context, ["lockedWhenIdle"])
    if (broken !== null) return broken
    const { asked, others, own, idle } = (await rehearsed(context)).lock
    const seen = `${asked}, ${others}, ${own}, ${idle}`
    const expected = "false, false, true, false"
    if (seen !== expected) return failed(`open after lock, wrong password, right one, idleness: ${expected}`, seen)
    return { outcome: "passed", evidence: `${all.length} sessions; one that is unused for ${idleMs / 60_000} min is locked` } // prettier-ignore
  }),
}

/** A session ends by its person, by an administrator, and by its longest time. */
export const sessionsEnd: GatewayProbe = {
  id: "session.ends",
  summary:
    "no live session is past its longest time; rehearsed ones are ended by their person, by an administrator and by time, and by nobody else",
  safety: "passive",
  vantage: "inside",
  run: claimed(async (context) => {
    const { longestMs } = context.gates.rules().sessions
    const all = context.signingIn.sessions.list()
    const old = all.find(({ openedSeconds }) => openedSeconds * 1000 >= longestMs)
    if (old !== undefined) return failed("no session past its longest time", `${old.account}'s, ${old.openedSeconds} s`)
    const broken = untrue(context, ["overAfterLongest", "refusedAfterEnd"])
    if (broken !== null) return broken
    const { usable, endedBy, endedByAnybody } = await rehearsed(context)
    const left = Object.entries(usable).find(([, isUsable]) => isUsable)
    if (left !== undefined) return failed(`a session that is over (${left[0]}) to be of no use`, "it is")
    if (endedBy !== "rehearsal-two rehearsal-one") return failed("an entry of who ended whose session", endedBy)
    if (endedByAnybody !== "ERR_NOT_PERMITTED") return failed("only who may to end sessions", endedByAnybody)
    return { outcome: "passed", evidence: `${all.length} sessions, none over ${longestMs / 3_600_000} h; ended ones are of no use` } // prettier-ignore
  }),
}

/** Nobody has more sessions than the policy allows. */
export const sessionsAreLimited: GatewayProbe = {
  id: "session.limited",
  summary: "one session more than the policy allows is refused by the live table, and by the door in a rehearsal",
  safety: "passive",
  vantage: "inside",
  run: claimed(async (context) => {
    const { perPerson } = context.gates.rules().sessions
    const broken = untrue(context, ["refusedOverLimit"])
    if (broken !== null) return broken
    const { atOnce } = await rehearsed(context)
    if (atOnce !== perPerson) return failed(`${perPerson} sessions of one person, then none`, `${atOnce}`)
    return { outcome: "passed", evidence: `${perPerson} sessions of one person; ${context.signingIn.sessions.list().length} of all now` } // prettier-ignore
  }),
}

/** A session is known by a token that nobody guesses, chooses, or brings from elsewhere. */
export const tokensAreBound: GatewayProbe = {
  id: "session.token-bound",
  summary:
    "the live table is asked with the token of a session that nobody has: good on its channel alone, as long as it is not over; others, and " +
    "chosen ones, are none; no answer, list or log tells one, and none is given out over a broker",
  safety: "passive",
  vantage: "inside",
  run: claimed(async (context) => {
    const broken = untrue(context, [
      "usedOnItsChannel",
      "refusedOnAnother",
      "refusedForAnotherToken",
      "refusedForChosenToken",
      "refusedAfterEnd",
      "withoutRights",
    ])
    if (broken !== null) return broken
    const { isTokenTold, overMqtt } = await rehearsed(context)
    if (isTokenTold) return failed("a token to be told once", "it stands in the list or the log")
    if (overMqtt !== "ERR_COMMAND_STATE") return failed("nobody to sign in over a broker", overMqtt)
    return { outcome: "passed", evidence: "a token is of one channel and one session, and gone with it; others are none" } // prettier-ignore
  }),
}

/** Only where somebody signs in is there anything to look at. */
function claimed(run: GatewayProbe["run"]): GatewayProbe["run"] {
  return async (context) => (context.accounts.unclaimed ? UNCLAIMED : run(context))
}

function rehearsed({ gates, signingIn }: ProbeContext): ReturnType<ProbeContext["signingIn"]["rehearse"]> {
  return signingIn.rehearse(gates.rules())
}

/** The first of these that the live table does not do. */
function untrue({ signingIn }: ProbeContext, wanted: readonly (keyof SessionRehearsal)[]): ProbeResult | null {
  const seen = signingIn.sessions.rehearse()
  const not = wanted.find((one) => !seen[one])
  return not === undefined ? null : failed(`a session that nobody has: ${not}`, "not so")
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
