/** Probes of what stands between a person and what only an emergency or two persons may do. */
import { randomUUID } from "node:crypto"
import { isFailSafe, type CheckedRequest } from "../../../policy/command/check.ts"
import { gatedPermission, isNeverApproved } from "../../../policy/command/gated.ts"
import { ALL_PERMISSIONS } from "../../../policy/command/permission.ts"
import type { CommandId, Principal } from "../../../policy/command/port.ts"
import { COMMANDS } from "../../../policy/command/table.ts"
import type { Factor, Person } from "../../../policy/people/gate.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import type { GatewayProbe } from "../probe-context.ts"

const PERSON: Person = { account: "probe", factors: ["token"], keys: [] }
const PRINCIPAL = { name: "probe", via: "local" } as const
/** As the table has it; written again so that a table without a bound is found. */
const LONGEST_MINUTES = 480

/** An emergency is switched on by who may, for a time, with a reason; and it ends. */
export const overridesAreBounded: GatewayProbe = {
  id: "override.bounded",
  summary:
    "an emergency that there is not is asked for without permission, for too long and without reason; the mechanism is run for a " +
    "minute on a clock of its own; what is on now has a person, a reason and an end",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    // Were a control broken, this emergency would still open nothing: no policy names it.
    const emergency = `probe-${randomUUID()}`.slice(0, 40)
    const given = { emergency, minutes: 1, reason: "probe" }
    const without = ALL_PERMISSIONS.filter((permission) => permission !== "override")
    const may: Principal = { ...PRINCIPAL, permissions: ["override"] }
    const asked: readonly (readonly [Principal | null, object, string])[] = [
      [null, given, "ERR_NOT_AUTHENTICATED"],
      [{ ...PRINCIPAL, permissions: without }, given, "ERR_NOT_PERMITTED"],
      [may, { ...given, minutes: LONGEST_MINUTES + 1 }, "ERR_COMMAND_ARGUMENT"],
      [may, { emergency, minutes: 1 }, "ERR_COMMAND_ARGUMENT"],
    ]
    for (const [principal, given, code] of asked) {
      const answer = await context.commands.execute(principal, { command: "override.start", arguments: given })
      if (answer.ok || answer.code !== code) return failed(`override.start refused with ${code}`, answer.ok ? "it ran" : answer.code) // prettier-ignore
    }
    const { withoutReason, on, entries } = await context.overrides.rehearse()
    if (withoutReason === null) return failed("an override without a reason to be refused", "it is on")
    if (!on.before || on.after) return failed("an override on until its minute is over", `on: ${on.before}, then ${on.after}`) // prettier-ignore
    const told = entries.map(({ id, by, why }) => `${id} ${by} ${why}`).join(", ")
    const expected = "override.started probe a rehearsal, override.ended probe expired"
    if (told !== expected) return failed(`entries ${expected}`, told === "" ? "none" : told)
    const active = context.overrides.status().filter((one) => one.on !== null)
    for (const { emergency: name, on: now } of active) {
      if (now === null) continue
      const isBounded = now.remainingSeconds > 0 && now.remainingSeconds <= LONGEST_MINUTES * 60
      if (!isBounded || !/\S/.test(now.reason) || now.by === "") {
        return failed(`${name} to be on for at most ${LONGEST_MINUTES} min, by somebody, for a reason`, `${now.remainingSeconds} s`) // prettier-ignore
      }
    }
    return { outcome: "passed", evidence: `4 wrong requests refused, a minute's override ended by itself; ${active.length} on now` } // prettier-ignore
  },
}

/** What the policy gives to two persons waits for the second, and does not run before. */
export const secondPersonIsAwaited: GatewayProbe = {
  id: "command.second-person",
  summary:
    "the live door is asked what each command would wait for under the rules in force; under rules that ask for two persons its code " +
    "is rehearsed: one command, approved by who asked, by the same key, by a second person, and again",
  safety: "passive",
  vantage: "inside",
  async run(context) {
    const { gates } = context
    const rules = gates.rules()
    let waiting = 0
    for (const command of Object.keys(COMMANDS) as CommandId[]) {
      // Judged by its name; island's `off` is what is not fail-safe.
      const request = { command, arguments: command === "island" ? { state: "off" } : {} } as unknown as CheckedRequest
      const permission = gatedPermission({ command })
      if (permission === null || !rules.twoPersons.includes(permission) || isExempt(command)) continue
      if (gates.judge(request, PERSON, false) === null) return failed(`${command} to wait for a second person`, "it would run") // prettier-ignore
      waiting++
    }
    const island = { command: "island", arguments: { state: "on" } } as const
    const shut = gates.judge(island, PERSON, false)
    if (shut !== null) return failed("island mode to wait for nobody", shut)
    const seen = await gates.rehearse(rules)
    const told = `${seen.asked}; ${seen.answers.join(", ")}; ran ${seen.ran.join(" ")}; ${seen.namesBoth ? "" : "not "}both named`
    const expected =
      "ERR_APPROVAL_NEEDED; ERR_COMMAND_STATE, ERR_COMMAND_STATE, ok, ERR_COMMAND_STATE; ran 0 0 0 1 1; both named"
    if (told !== expected) return failed(expected, told)
    const named = rules.twoPersons.length === 0 ? "nothing" : rules.twoPersons.join(", ")
    return { outcome: "passed", evidence: `two persons are asked for by the policy for ${named} (${waiting} commands); a rehearsal ran once, by the second person's word` } // prettier-ignore
  },
}

/** One factor, in every way that there is one; and two. A key in a file and the PIN that encrypts it are one: nobody can tell. */
const ONE_FACTOR: readonly (readonly Factor[])[] = [[], ["key"], ["password"], ["identity"]]
const TWO_FACTORS: readonly (readonly Factor[])[] = [["token"], ["key", "password"], ["key", "identity"]]

/** Whoever shows one factor gives no command, on whatever way it comes. */
export const twoFactorsAreAsked: GatewayProbe = {
  id: "command.two-factors",
  summary:
    "the policy in force asks for two factors for every permission; the live door is asked what each command would wait for from " +
    "somebody with one factor, and with two",
  safety: "passive",
  vantage: "inside",
  async run({ accounts, gates }) {
    if (accounts.unclaimed) return { outcome: "not-tested", why: "nobody has an account yet: there is nobody to show a factor" } // prettier-ignore
    const rules = gates.rules()
    const without = ALL_PERMISSIONS.filter((permission) => !rules.twoFactors.includes(permission))
    if (without.length > 0) return failed("people: two-factors in the policy for every permission", `not for ${without.join(", ")}`) // prettier-ignore
    let asked = 0
    for (const command of Object.keys(COMMANDS)) {
      const request = { command, arguments: command === "island" ? { state: "off" } : {} } as unknown as CheckedRequest
      if (gatedPermission({ command: command as CommandId }) === null || isFailSafe(request)) continue
      for (const factors of ONE_FACTOR) {
        const code = gates.judge(request, { ...PERSON, factors }, true)
        if (code !== "ERR_SECOND_FACTOR") return failed(`${command} to be refused to one factor`, code ?? "it would run") // prettier-ignore
      }
      for (const factors of TWO_FACTORS) {
        const code = gates.judge(request, { ...PERSON, factors }, true)
        if (code === "ERR_SECOND_FACTOR") return failed(`${command} to be done for ${factors.join(" and ")}`, code)
      }
      asked++
    }
    return { outcome: "passed", evidence: `${asked} commands refused to one factor, and not for lack of one to two` }
  },
}

/** What is fail-safe, or asks for no second person by its nature. */
function isExempt(command: CommandId): boolean {
  return isNeverApproved(command) || ["override.end", "access.end", "access.end-all"].includes(command)
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
