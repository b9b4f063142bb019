import { randomBytes } from "node:crypto"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { strangerOn, type CommandAnswer, type Principal } from "../../policy/command/port.ts"
import { COMMANDS } from "../../policy/command/table.ts"
import type { Account } from "../../policy/people/account.ts"
import { LONGEST_AT_DEVICE_MS } from "../../policy/people/attempts.ts"
import { personOf } from "../../policy/people/gate.ts"
import type { PeopleRules } from "../../policy/people/rules.ts"
import { createManagement, type Handlers } from "../management/pipeline.ts"
import { openSigningIn, type SigningIn } from "./at-the-door.ts"
import { sessionHandlers } from "./session-handlers.ts"

/** What became of people who never were, and of somebody who guessed. */
export interface SigningInRehearsal {
  /** What each that was refused was told, without the number of its entry; one text if they are told apart by nothing. */
  readonly told: readonly string[]
  /** How many passwords were looked at for each of them: as many, or the time would tell. */
  readonly looked: readonly number[]
  /** What the log says of each of them. */
  readonly reasons: readonly string[]
  /** After one failure too many: codes of the right password on the same way, at the device, and after the longest wait there. */
  readonly guessed: { readonly same: string; readonly atDevice: string; readonly waited: string }
  /** Whether a session was still its person's: locked on demand, after another's password, after the right one, unused for too long. */
  readonly lock: {
    readonly asked: boolean
    readonly others: boolean
    readonly own: boolean
    readonly idle: boolean
  }
  /** Whether its token was still of any use: after its person's word, an administrator's, its longest time. */
  readonly usable: { readonly closed: boolean; readonly ended: boolean; readonly longest: boolean }
  /** Who ended whose session, by the log. */
  readonly endedBy: string
  /** Code of `session.end` of somebody who may not. */
  readonly endedByAnybody: string
  /** Sessions of one person before one was refused. */
  readonly atOnce: number
  /** Whether a token stands in an answer but the first, the list or the log. */
  readonly isTokenTold: boolean
  /** Code of signing in over a broker. */
  readonly overMqtt: string
}

const GATEWAY = "rehearsal"
const SESSION = { command: "session.open" } as const

/**
 * What the gateway's own door makes, under these rules, of people who sign in, guess, stay and are sent away. Accounts, clock, counts and
 * log are of the rehearsal alone: nothing changes and nothing is written.
 */
export async function rehearseSigningIn(live: PeopleRules): Promise<SigningInRehearsal> {
  const stage = await openStage(live)
  const { ask, signIn, entries, pass, session } = stage
  const longestWaitMs = Math.max(live.attempts.longestMs, LONGEST_AT_DEVICE_MS)
  const told: string[] = []
  const looked: number[] = []
  const reasons: string[] = []
  const refused = async (given: object): Promise<void> => {
    const before = stage.looked()
    told.push(outside(await ask(strangerOn("local"), SESSION.command, given)))
    looked.push(stage.looked() - before)
    reasons.push(entries.filter(({ id }) => id === "session.refused").at(-1)?.reason ?? "none")
  }
  const { right } = stage
  const wrong = `${right}x`
  const cases: readonly object[] = [
    { account: "rehearsal-none", password: right },
    { account: "rehearsal-off", password: right },
    { account: "rehearsal-old", password: right },
    { account: "rehearsal-one", password: wrong },
    { account: "rehearsal-one" },
    { account: "rehearsal-one", password: right, proof: "e30.e30.AA" },
  ]
  for (const given of cases) {
    await refused(given)
    pass(longestWaitMs)
  }

  const first = await signIn("rehearsal-one")
  stage.close(first)
  for (let n = 0; n <= live.attempts.free; n++) {
    await ask(strangerOn("local"), SESSION.command, { account: "rehearsal-one", password: wrong })
  }
  const good = { account: "rehearsal-one", password: right }
  const again = async (via: Principal["via"]): Promise<string> => {
    const answer = await ask(strangerOn(via), SESSION.command, good)
    stage.close(tokenIn(answer))
    return codeOf(answer)
  }
  await refused(good)
  const same = codeOf(await ask(strangerOn("local"), SESSION.command, good))
  const atDevice = await again("serial")
  pass(LONGEST_AT_DEVICE_MS)
  const waited = await again("local")

  const token = await signIn("rehearsal-one")
  await ask(stage.who(token), "session.lock", {})
  const asked = session(token)
  await ask(stage.who(token), "session.unlock", { password: wrong })
  const others = session(token)
  await ask(stage.who(token), "session.unlock", { password: right })
  const own = session(token)
  pass(live.sessions.idleMs)
  const lock = { asked, others, own, idle: session(token) }
  await ask(stage.who(token), "session.close", {})
  const closed = stage.id(token) !== null

  const second = await signIn("rehearsal-one")
  const id = stage.id(second) ?? ""
  const endedByAnybody = codeOf(await ask(stage.who(second), "session.end", { id }))
  const administrator = await signIn("rehearsal-two")
  await ask(stage.who(administrator), "session.end", { id })
  const end = entries.find((one) => one.id === "session.ended" && one.reason === "ended")
  const ended = stage.id(second) !== null
  stage.close(administrator)

  const third = await signIn("rehearsal-one")
  pass(live.sessions.longestMs)
  const usable = { closed, ended, longest: stage.id(third) !== null }

  let atOnce = 0
  const tokens: string[] = []
  while (atOnce <= live.sessions.perPerson) {
    const answer = await ask(strangerOn("local"), SESSION.command, good)
    if (!answer.ok) break
    tokens.push(tokenIn(answer) ?? "")
    atOnce++
  }
  const shown = JSON.stringify([entries, stage.signingIn.sessions.list()])
  const isTokenTold = [...tokens, token, second, third].some((one) => one === "" || shown.includes(one))
  const overMqtt = codeOf(await ask(strangerOn("mqtt"), SESSION.command, good))
  stage.signingIn.stop()
  return {
    ...{ told, looked, reasons, guessed: { same, atDevice, waited }, lock, usable },
    ...{ endedBy: `${end?.subject ?? "nobody"} ${end?.object ?? "nobody's"}`, endedByAnybody, atOnce, isTokenTold, overMqtt }, // prettier-ignore
  }
}

/** Where it is rehearsed. */
interface Stage {
  readonly signingIn: SigningIn
  readonly entries: readonly AuditEvent[]
  /** The password of everybody there. */
  readonly right: string
  /** Passwords that were looked at. */
  readonly looked: () => number
  /** Time goes by. */
  readonly pass: (ms: number) => void
  readonly ask: (who: Principal, command: string, given: object) => Promise<CommandAnswer>
  /** The token, or an empty text. */
  readonly signIn: (account: string) => Promise<string>
  readonly who: (token: string) => Principal
  /** Whether whoever shows this token is its person. */
  readonly session: (token: string) => boolean
  readonly id: (token: string) => string | null
  readonly close: (token: string | null) => void
}

async function openStage(live: PeopleRules): Promise<Stage> {
  const entries: AuditEvent[] = []
  const audit = async (event: AuditEvent): Promise<number> => entries.push(event) - 1
  const right = randomBytes(18).toString("base64url")
  const account = (name: string, change: Partial<Account> = {}): Account => {
    return { id: name, name, roles: [], enabled: true, expiresAt: null, keys: [], password: null, ...change }
  }
  const accounts = [
    account("rehearsal-one"),
    account("rehearsal-two"),
    account("rehearsal-off", { enabled: false }),
    account("rehearsal-old", { expiresAt: 1 }),
  ]
  const admit = (name: string): Account | null =>
    accounts.find((one) => one.name === name && one.enabled && one.expiresAt === null) ?? null
  let looked = 0
  let nowMs = 0
  const clock = { monotonicMs: () => nowMs }
  const signingIn = await openSigningIn({
    ...{ gateway: GATEWAY, clock, rules: () => live, random: (n) => randomBytes(n), audit },
    note: (event) => void entries.push(event),
    interval: () => ({ earliestAt: 2, latestAt: 3 }),
    storage: { read: async () => null, write: async () => undefined },
    accounts: {
      people: { accounts, retired: [] },
      unclaimed: false,
      admit,
      async checkPassword(name, password) {
        looked++
        return password === right ? admit(name) : null
      },
      principal(name, factors, via) {
        const found = admit(name)
        if (found === null) return null
        return {
          name,
          permissions: [name === "rehearsal-two" ? "people" : "read"],
          via,
          person: personOf(found, factors),
        }
      },
      onChange: () => () => undefined,
    },
  })
  const nothing = Object.fromEntries(Object.keys(COMMANDS).map((id) => [id, async () => ({ result: null })]))
  const handlers = { ...(nothing as unknown as Handlers), ...sessionHandlers(signingIn) }
  const door = createManagement({ audit, handlers })
  const id = (token: string): string | null => signingIn.find(token, "local")?.id ?? null
  const ask: Stage["ask"] = (who, command, given) => door.execute(who, { command, arguments: given })
  return {
    ...{ signingIn, entries, right, ask, id },
    looked: () => looked,
    pass(ms) {
      nowMs += ms
    },
    signIn: async (name) =>
      tokenIn(await ask(strangerOn("local"), SESSION.command, { account: name, password: right })) ?? "",
    who: (token) => signingIn.who(id(token), "local"),
    session: (token) => signingIn.who(id(token), "local").stranger !== true,
    close(token) {
      for (const via of ["local", "serial"] as const) {
        const found = signingIn.find(token ?? "", via)
        if (found !== null) signingIn.sessions.end(found.id, "closed", "rehearsal")
      }
    },
  }
}

function tokenIn(answer: CommandAnswer): string | null {
  return answer.ok ? (answer.result as { readonly token: string }).token : null
}

function codeOf(answer: CommandAnswer): string {
  return answer.ok ? "ok" : answer.code
}

/** An answer as it looks outside, but for the number of its entry, which is another each time. */
function outside(answer: CommandAnswer): string {
  return JSON.stringify(answer, (key, value: unknown) => (key === "entry" ? undefined : value))
}
