import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext, SigningInView } from "../../../firmware/assess/probe-context.ts"
import {
  guessersAreDelayed,
  noticeIsShown,
  sessionsAreLimited,
  sessionsEnd,
  sessionsLock,
  signInRevealsNothing,
  tokensAreBound,
} from "../../../firmware/assess/probes/sessions.ts"
import { runProbe } from "../../../firmware/assess/run.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import type { AttemptRehearsal } from "../../../firmware/people/attempts.ts"
import { rehearseSigningIn, type SigningInRehearsal } from "../../../firmware/people/rehearse-signing-in.ts"
import { sessionHandlers } from "../../../firmware/people/session-handlers.ts"
import type { SessionRehearsal, ShownSession } from "../../../firmware/people/sessions.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import type { CommandPort } from "../../../policy/command/port.ts"
import type { PeopleRules } from "../../../policy/people/rules.ts"
import { AccountsWorld } from "../../support/accounts.ts"
import { MemoryLog, recordingHandlers } from "../../support/commands.ts"
import { signingInOf } from "../../support/signing-in.ts"

const test = suite("firmware/assess/probes-sessions")
const PROBES = {
  feedback: signInRevealsNothing,
  attempts: guessersAreDelayed,
  notice: noticeIsShown,
  locks: sessionsLock,
  ends: sessionsEnd,
  limited: sessionsAreLimited,
  token: tokensAreBound,
} as const
type Name = keyof typeof PROBES
interface Good {
  readonly view: SigningInView
  readonly commands: CommandPort
}

/** Which of the seven fail, or what else they all say, on a gateway where anna is signed in, in order but for `change`. */
async function failing(
  change: (good: Good) => Partial<SigningInView> & { readonly commands?: CommandPort } = () => ({}),
  rules: Partial<PeopleRules> = {},
  unclaimed = false,
): Promise<readonly string[]> {
  const world = new AccountsWorld()
  world.rules = { ...world.rules, notice: "Property of the plant.", ...rules }
  const accounts = unclaimed ? await world.open() : await world.withAnna()
  const signingIn = await signingInOf(world, accounts, new MemoryClock())
  const [anna] = accounts.people.accounts
  if (anna !== undefined) signingIn.sessions.open({ account: anna, factors: ["key"], key: null }, "local")
  const handlers = { ...recordingHandlers([]), ...sessionHandlers(signingIn) }
  const good: Good = {
    view: { attempts: signingIn.attempts, sessions: signingIn.sessions, rehearse: rehearseSigningIn },
    commands: createManagement({ handlers, audit: new MemoryLog().audit }),
  }
  const { commands = good.commands, ...changed } = change(good)
  const gates = { rules: () => world.rules }
  const context = { accounts, gates, commands, signingIn: { ...good.view, ...changed } } as unknown as ProbeContext
  const results = await Promise.all(
    (Object.keys(PROBES) as Name[]).map(async (name) => [name, await runProbe(PROBES[name], context)] as const),
  )
  const said = results.map(([name, { outcome }]) => (outcome === "failed" ? name : outcome))
  return said.filter((one) => one !== "passed")
}
const table =
  (wrong: Partial<SessionRehearsal>, list: readonly Partial<ShownSession>[] = []) =>
  (good: Good) => {
    const { sessions } = good.view
    return {
      sessions: {
        list: () => [...sessions.list(), ...list.map((one) => ({ ...sessions.list()[0]!, ...one }))],
        rehearse: () => ({ ...sessions.rehearse(), ...wrong }),
      },
    }
  }
const door = (wrong: (good: SigningInRehearsal) => Partial<SigningInRehearsal>) => () => ({
  rehearse: async (rules: PeopleRules) => {
    const good = await rehearseSigningIn(rules)
    return { ...good, ...wrong(good) }
  },
})
const counts = (wrong: Partial<AttemptRehearsal>) => (good: Good) => ({
  attempts: { rehearse: () => ({ ...good.view.attempts.rehearse(), ...wrong }) },
})

test("[CR 1.10, CR 1.11, CR 1.12, CR 2.5, CR 2.6, CR 2.7, CR 3.8] in good order all pass, under any rules; where nobody has an account none is tested", async () => {
  assert.equal(await failing(), [])
  const sessions = { idleMs: 60_000, longestMs: 300_000, perPerson: 1 }
  assert.equal(await failing(undefined, { sessions, attempts: { free: 1, longestMs: 10_000 } }), [])
  const long = { idleMs: 86_400_000, longestMs: 86_400_000, perPerson: 16 }
  assert.equal(await failing(undefined, { sessions: long, attempts: { free: 20, longestMs: 86_400_000 } }), [])
  assert.equal(await failing(undefined, {}, true), Array(7).fill("not-tested"))
})

test("[CR 1.10] a refusal that says more, costs other work, or that the log does not know is found", async () => {
  const told = (code: string) => `{"ok":false,"code":"${code}"}`
  const cases: readonly ((good: SigningInRehearsal) => Partial<SigningInRehearsal>)[] = [
    (good) => ({ told: [told("ERR_ACCOUNT_UNKNOWN"), ...good.told.slice(1)] }),
    (good) => ({ told: [...good.told.slice(1), '{"ok":false,"code":"ERR_NOT_AUTHENTICATED","waitSeconds":4}'] }),
    (good) => ({ told: [...good.told.slice(1), '{"ok":true,"result":{}}'] }),
    (good) => ({ looked: [0, ...good.looked.slice(1)] }),
    (good) => ({ looked: good.looked.map(() => 0) }),
    (good) => ({ reasons: good.reasons.map(() => "none") }),
  ]
  for (const wrong of cases) assert.equal(await failing(door(wrong)), ["feedback"])
})

test("[CR 1.10] a live door that has no number for a name of nobody is found", async () => {
  const picky = ({ commands }: Good) => ({
    commands: {
      execute: async (...asked: Parameters<CommandPort["execute"]>) => {
        const [, { command, arguments: given }] = asked
        const isNobody = command === "session.challenge" && (given as { account: string }).account !== "anna"
        return isNobody ? ({ ok: false, code: "ERR_COMMAND_STATE", entry: 1 } as const) : commands.execute(...asked)
      },
    },
  })
  assert.equal(await failing(picky), ["feedback"])
  const mute = (): { commands: CommandPort } => ({ commands: { execute: async () => ({ ok: true, result: {} }) } })
  assert.equal(await failing(mute), ["feedback", "notice"])
})

test("[CR 1.11] guesses that cost nothing, delays that do not grow, and a device that is locked out are found", async () => {
  const cases: readonly Partial<AttemptRehearsal>[] = [
    { free: 5 },
    { free: -1 },
    { delaysMs: [] },
    { delaysMs: [0, 900_000] },
    { delaysMs: [1000, 1000, 900_000] },
    { delaysMs: [1000, 2000, 4000] },
    { atDeviceMs: 900_000 },
    { atDeviceMs: Infinity },
    { atDeviceMs: 0 },
    { elsewhereMs: 1000 },
  ]
  for (const wrong of cases) assert.equal(await failing(counts(wrong)), ["attempts"], JSON.stringify(wrong))
  const guessed = { same: "ERR_NOT_AUTHENTICATED", atDevice: "ok", waited: "ok" }
  for (const wrong of [{ same: "ok" }, { atDevice: "ERR_NOT_AUTHENTICATED" }, { waited: "ERR_NOT_AUTHENTICATED" }])
    assert.equal(await failing(door(() => ({ guessed: { ...guessed, ...wrong } }))), ["attempts"])
})

test("[CR 1.12] a policy without a notice, and a door that tells another or asks to sign in first, are found", async () => {
  for (const notice of [null, " "]) assert.equal(await failing(undefined, { notice }), ["notice"])
  const other =
    (result: unknown, ok = true) =>
    (good: Good) => ({
      commands: {
        execute: async (...asked: Parameters<CommandPort["execute"]>) => {
          if (asked[1].command !== "notice") return good.commands.execute(...asked)
          return ok ? { ok: true as const, result } : { ok: false as const, code: "ERR_NOT_AUTHENTICATED" as const, entry: 1 } // prettier-ignore
        },
      },
    })
  for (const wrong of [other({ notice: null }), other({ notice: "another" }), other({}), other(null, false)])
    assert.equal(await failing(wrong), ["notice"])
})

test("[CR 2.5] a session that stays open unused, is not locked on demand, or is opened by another's password is found", async () => {
  assert.equal(await failing(table({ lockedWhenIdle: false })), ["locks"])
  assert.equal(await failing(table({}, [{ unusedSeconds: 600 }])), ["locks"])
  assert.equal(await failing(table({}, [{ unusedSeconds: 600, state: "locked" }, { unusedSeconds: 599 }])), [])
  for (const wrong of [{ asked: true }, { others: true }, { own: false }, { idle: true }])
    assert.equal(await failing(door(({ lock }) => ({ lock: { ...lock, ...wrong } }))), ["locks"])
})

test("[CR 2.6] a session that outlives its longest time, logout or an administrator's word, or that anybody may end, is found", async () => {
  assert.equal(await failing(table({ overAfterLongest: false })), ["ends"])
  assert.equal(await failing(table({}, [{ openedSeconds: 8 * 3600 }])), ["ends"])
  for (const wrong of [{ closed: true }, { ended: true }, { longest: true }])
    assert.equal(await failing(door(({ usable }) => ({ usable: { ...usable, ...wrong } }))), ["ends"])
  assert.equal(await failing(door(() => ({ endedBy: "nobody nobody's" }))), ["ends"])
  assert.equal(await failing(door(() => ({ endedByAnybody: "ok" }))), ["ends"])
})

test("[CR 2.7] more sessions than the policy allows, or fewer, are found", async () => {
  assert.equal(await failing(table({ refusedOverLimit: false })), ["limited"])
  for (const atOnce of [0, 1, 3]) assert.equal(await failing(door(() => ({ atOnce }))), ["limited"])
})

test("[CR 3.8] a token that is good elsewhere, afterwards, by choice, or that is told again is found", async () => {
  const names = ["usedOnItsChannel", "refusedOnAnother", "refusedForAnotherToken", "refusedForChosenToken", "withoutRights"] as const // prettier-ignore
  for (const name of names) assert.equal(await failing(table({ [name]: false })), ["token"], name)
  assert.equal(await failing(table({ refusedAfterEnd: false })), ["ends", "token"])
  assert.equal(await failing(door(() => ({ isTokenTold: true }))), ["token"])
  for (const overMqtt of ["ok", "ERR_NOT_AUTHENTICATED"])
    assert.equal(await failing(door(() => ({ overMqtt }))), ["token"])
})

test("a rehearsal leaves nothing behind: no session, no count, no entry", async () => {
  const world = new AccountsWorld()
  const events: never[] = []
  const signingIn = await signingInOf(world, await world.withAnna(), new MemoryClock(), events)
  signingIn.sessions.rehearse()
  signingIn.attempts.rehearse()
  await rehearseSigningIn(world.rules)
  assert.equal([signingIn.sessions.list(), events, signingIn.attempts.waitMs(null, "local")], [[], [], 0])
})

test.run()
