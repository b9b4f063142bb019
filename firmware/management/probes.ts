import { MAX_VERSION } from "../../policy/bundle/statement.ts"
import type { CommandAnswer, CommandPort, CommandRequest, Principal } from "../../policy/command/port.ts"
import type { Probe, ProbeResult } from "../../policy/requirements/control.ts"

/** The live door. */
export interface CommandProbeContext {
  readonly commands: CommandPort
}

/** Somebody who is known and may do nothing. */
const POWERLESS: Principal = { name: "probe", permissions: [], via: "local" }

/** Requests that do no harm even if the control is broken: what they ask for cannot succeed, or only reads. */
const HARMLESS: readonly CommandRequest[] = [
  { command: "status", arguments: {} },
  { command: "policy.activate", arguments: { bundle: "probe" } },
  { command: "policy.confirm", arguments: { version: MAX_VERSION } },
]

const WRONG: readonly CommandRequest[] = [
  { command: "probe.none", arguments: {} },
  { command: "status", arguments: { probe: 1 } },
  { command: "policy.confirm", arguments: { version: "probe" } },
]

async function differs(
  context: CommandProbeContext,
  principal: Principal | null,
  request: CommandRequest,
  code: string,
): Promise<ProbeResult | null> {
  const answer = await context.commands.execute(principal, request)
  const seen = answer.ok ? "executed" : answer.code
  if (seen === code) return null
  const who = principal === null ? "nobody" : "a principal without permissions"
  return { outcome: "failed", expected: `${code} for ${request.command} by ${who}`, seen }
}

/** Gives commands as nobody and as somebody without permissions, and expects each to be refused as such. */
export const commandAuthorisation: Probe<CommandProbeContext> = {
  id: "command-authorisation",
  summary: "commands are refused to nobody and to a principal without permissions",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    for (const request of HARMLESS) {
      const failed =
        (await differs(context, null, request, "ERR_NOT_AUTHENTICATED")) ??
        (await differs(context, POWERLESS, request, "ERR_NOT_PERMITTED"))
      if (failed !== null) return failed
    }
    return { outcome: "passed", evidence: `${2 * HARMLESS.length} commands without authority refused` }
  },
}

/** Gives faulty commands, and expects answers that hold a code and an entry number and nothing else. */
export const commandErrorCodes: Probe<CommandProbeContext> = {
  id: "command-error-codes",
  summary: "refusals tell a code and an entry number, nothing else",
  safety: "active-safe",
  vantage: "inside",
  async run(context) {
    for (const request of [...WRONG, ...HARMLESS]) {
      const answer = await context.commands.execute(POWERLESS, request)
      if (isBare(answer)) continue
      return { outcome: "failed", expected: "a code and an entry number", seen: Object.keys(answer).join(", ") }
    }
    return { outcome: "passed", evidence: `${WRONG.length + HARMLESS.length} refusals told codes only` }
  },
}

function isBare(answer: CommandAnswer): boolean {
  if (answer.ok) return false
  const { code, entry } = answer
  const known = /^ERR_[A-Z_]+$/.test(code) && (entry === null || Number.isInteger(entry))
  return known && Object.keys(answer).every((member) => ["ok", "code", "entry"].includes(member))
}
