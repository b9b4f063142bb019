import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { GatesView, OverridesView, ProbeContext } from "../../../firmware/assess/probe-context.ts"
import {
  overridesAreBounded,
  secondPersonIsAwaited,
  twoFactorsAreAsked,
} from "../../../firmware/assess/probes/gates.ts"
import { runProbe } from "../../../firmware/assess/run.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { rehearseOverride, type OverrideRehearsal } from "../../../firmware/management/rehearse-override.ts"
import { createGatekeeper } from "../../../firmware/people/gatekeeper.ts"
import { rehearseApproval, type ApprovalRehearsal } from "../../../firmware/people/rehearse-approval.ts"
import { InputError, StateError } from "../../../policy/base/errors.ts"
import { ALL_PERMISSIONS } from "../../../policy/command/permission.ts"
import type { CommandPort } from "../../../policy/command/port.ts"
import { NO_INPUTS } from "../../../policy/filter/inputs.ts"
import { DEFAULT_PEOPLE, type PeopleRules } from "../../../policy/people/rules.ts"
import { MemoryLog, recordingHandlers } from "../../support/commands.ts"

const test = suite("firmware/assess/probes-gates")

const RULES: PeopleRules = { ...DEFAULT_PEOPLE, twoPersons: ALL_PERMISSIONS }
const gatesUnder = (rules: PeopleRules, change: Partial<GatesView> = {}): GatesView => ({
  rules: () => rules,
  judge: createGatekeeper({ rules: () => rules, inputs: () => NO_INPUTS }).judge,
  rehearse: rehearseApproval,
  ...change,
})
const door = (): CommandPort =>
  createManagement({
    audit: new MemoryLog().audit,
    handlers: {
      ...recordingHandlers([]),
      "override.start": async ({ reason }) => {
        if (reason === "") throw new InputError("ERR_OVERRIDE_REASON", "a reason")
        throw new StateError("ERR_OVERRIDE_UNKNOWN", "unknown")
      },
    },
  })
const overridesOf = (change: Partial<OverridesView> = {}): OverridesView => ({
  status: () => [{ emergency: "fire", on: { remainingSeconds: 60, by: "anna", reason: "smoke" } }],
  rehearse: rehearseOverride,
  ...change,
})
async function outcome(
  probe: typeof overridesAreBounded,
  change: Partial<Pick<ProbeContext, "commands" | "gates" | "overrides" | "accounts">> = {},
): Promise<string> {
  const accounts = { unclaimed: false } as ProbeContext["accounts"]
  const context = { accounts, commands: door(), gates: gatesUnder(RULES), overrides: overridesOf(), ...change }
  const result = await runProbe(probe, context as ProbeContext)
  return result.outcome === "failed" ? `failed: ${result.seen}` : result.outcome
}

test("[CR 2.1 RE(3)] overrides pass; a door that lets anybody switch one on, or for any time, is found", async () => {
  assert.is(await outcome(overridesAreBounded), "passed")
  const open: CommandPort = { execute: async () => ({ ok: true, result: null }) }
  assert.is(await outcome(overridesAreBounded, { commands: open }), "failed: it ran")
  const endless: CommandPort = {
    execute: (principal, { command, arguments: given }) =>
      door().execute(principal, { command, arguments: { ...(given as object), minutes: 1 } }),
  }
  assert.is(await outcome(overridesAreBounded, { commands: endless }), "failed: ERR_COMMAND_STATE")
})

test("[CR 2.1 RE(3)] a mechanism without reason, end or entry is found", async () => {
  const good = await rehearseOverride()
  const cases: readonly (readonly [Partial<OverrideRehearsal>, string])[] = [
    [{ withoutReason: null }, "failed: it is on"],
    [{ on: { before: true, after: true } }, "failed: on: true, then true"],
    [{ on: { before: false, after: false } }, "failed: on: false, then false"],
    [{ entries: [] }, "failed: none"],
    [{ entries: good.entries.slice(0, 1) }, "failed: override.started probe a rehearsal"],
  ]
  for (const [change, expected] of cases) {
    const overrides = overridesOf({ rehearse: async () => ({ ...good, ...change }) })
    assert.is(await outcome(overridesAreBounded, { overrides }), expected)
  }
})

test("[CR 2.1 RE(3)] an emergency that is on without end, person or reason is found", async () => {
  const on = { remainingSeconds: 60, by: "anna", reason: "smoke" }
  for (const change of [{ remainingSeconds: 28_801 }, { remainingSeconds: 0 }, { reason: " " }, { by: "" }]) {
    const status: OverridesView["status"] = () => [{ emergency: "fire", on: { ...on, ...change } }]
    assert.match(await outcome(overridesAreBounded, { overrides: overridesOf({ status }) }), "failed: ")
  }
})

test("[CR 2.1 RE(4)] under any rules the gates pass; a door without gates, or one that holds up island mode, is found", async () => {
  assert.is(await outcome(secondPersonIsAwaited), "passed")
  assert.is(await outcome(secondPersonIsAwaited, { gates: gatesUnder(DEFAULT_PEOPLE) }), "passed")
  const all: PeopleRules = { ...RULES, presence: ALL_PERMISSIONS, twoFactors: ALL_PERMISSIONS }
  assert.is(await outcome(secondPersonIsAwaited, { gates: gatesUnder(all) }), "passed")
  const without = createManagement({ audit: new MemoryLog().audit, handlers: recordingHandlers([]) })
  assert.is(await outcome(secondPersonIsAwaited, { gates: gatesUnder(RULES, { judge: without.judge }) }), "failed: it would run") // prettier-ignore
  const strict = gatesUnder(RULES, { judge: () => "ERR_APPROVAL_NEEDED" })
  assert.is(await outcome(secondPersonIsAwaited, { gates: strict }), "failed: ERR_APPROVAL_NEEDED")
})

test("[CR 2.1 RE(4)] a command that runs at once, by its asker, by one key of two names, twice, or in one name is found", async () => {
  const good = await rehearseApproval(RULES)
  const bad: readonly Partial<ApprovalRehearsal>[] = [
    { asked: "ok" },
    { answers: ["ok", ...good.answers.slice(1)] },
    { answers: ["ERR_COMMAND_STATE", "ok", "ok", "ERR_COMMAND_STATE"] },
    { answers: ["ERR_COMMAND_STATE", "ERR_COMMAND_STATE", "ok", "ok"] },
    { ran: [1, 1, 1, 1, 1] },
    { ran: [0, 0, 0, 0, 0] },
    { ran: [0, 0, 0, 1, 2] },
    { namesBoth: false },
  ]
  for (const change of bad) {
    const gates = gatesUnder(RULES, { rehearse: async () => ({ ...good, ...change }) })
    assert.match(await outcome(secondPersonIsAwaited, { gates }), "failed: ")
  }
})

test("[CR 1.1 RE(2)] two factors for everything pass; a policy that leaves something out, and a door that does not ask, are found", async () => {
  const all: PeopleRules = { ...DEFAULT_PEOPLE, twoFactors: ALL_PERMISSIONS }
  assert.is(await outcome(twoFactorsAreAsked, { gates: gatesUnder(all) }), "passed")
  const more: PeopleRules = { ...all, twoPersons: ALL_PERMISSIONS, presence: ALL_PERMISSIONS }
  assert.is(await outcome(twoFactorsAreAsked, { gates: gatesUnder(more) }), "passed")
  const some: PeopleRules = { ...all, twoFactors: ALL_PERMISSIONS.filter((one) => one !== "people") }
  assert.is(await outcome(twoFactorsAreAsked, { gates: gatesUnder(some) }), "failed: not for people")
  const open = gatesUnder(all, { judge: () => null })
  assert.is(await outcome(twoFactorsAreAsked, { gates: open }), "failed: it would run")
  const keyIsEnough = gatesUnder(all, {
    judge: (request, person, approved) =>
      person?.factors.includes("key") === true ? null : gatesUnder(all).judge(request, person, approved),
  })
  assert.is(await outcome(twoFactorsAreAsked, { gates: keyIsEnough }), "failed: it would run")
  const shut = gatesUnder(all, { judge: () => "ERR_SECOND_FACTOR" })
  assert.is(await outcome(twoFactorsAreAsked, { gates: shut }), "failed: ERR_SECOND_FACTOR")
  const accounts = { unclaimed: true } as ProbeContext["accounts"]
  assert.is(await outcome(twoFactorsAreAsked, { gates: gatesUnder(all), accounts }), "not-tested")
})

test.run()
