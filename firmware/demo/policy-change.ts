import { readFileSync } from "node:fs"
import { setTimeout as wait } from "node:timers/promises"
import { signBundle } from "../bundles/sign.ts"
import { readSigningKey } from "../bundles/signer-key.ts"
import { callLocal } from "../management/local-client.ts"
import type { StatusReport } from "../management/status-report.ts"
import type { DemoPaths } from "./material.ts"
import { withMistake } from "./policy-text.ts"

/** When it happens, and for how long it is on trial. */
export interface PolicyChangeTimes {
  readonly afterMs: number
  readonly trialSeconds: number
}

/**
 * Plays an engineer who puts a policy with a mistyped topic in force, sees the plant fall silent, and confirms nothing:
 * when the trial ends the gateway returns to the policy before by itself. Resolves when that has happened or `signal`
 * says so; `tell` gets one line at each step. A reader who has changed the demo's policy is left in peace.
 *
 * @throws LockgateError if the gateway cannot be asked or refuses; nothing is in force then that was not before.
 */
export async function playPolicyChange(
  paths: DemoPaths,
  times: PolicyChangeTimes,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    await wait(times.afterMs, undefined, { signal })
  } catch {
    return
  }
  const changed = withMistake(readFileSync(paths.policy, "utf8"))
  const before = await policyStatus(paths, signal)
  if (changed === null || before.inForce === null || before.trial !== null) return
  const version = before.highest + 1
  const statement = {
    version,
    issuedAt: Date.now(),
    notBeforeAt: null,
    notAfterAt: null,
    gateways: [paths.gatewayName],
    predecessor: null,
    policy: changed,
    cases: null,
  }
  const bundle = await signBundle(
    statement,
    await readSigningKey("policy-signer", readFileSync(paths.policySigner, "utf8")),
  )
  const { trialSeconds } = times
  const activate = { command: "policy.activate", arguments: { bundle, trialSeconds } }
  const answer = await callLocal(paths.commandSocket, activate, 10_000, signal)
  if (!answer.ok) {
    tell(`policy ${version} was refused: ${answer.code}`)
    return
  }
  tell(`policy ${version} is on trial for ${trialSeconds} s: somebody mistyped a topic, and no sensor gets through`)
  for (;;) {
    try {
      await wait(500, undefined, { signal })
    } catch {
      return
    }
    const now = await policyStatus(paths, signal)
    if (now.trial?.version === version) continue
    const kept = now.inForce?.version === version
    tell(
      kept
        ? `policy ${version} was confirmed by hand: roll back by signing the old text under a higher number`
        : `nobody confirmed policy ${version}: policy ${now.inForce?.version ?? "none"} came back by itself`,
    )
    return
  }
}

async function policyStatus(paths: DemoPaths, signal: AbortSignal): Promise<StatusReport["policy"]> {
  const answer = await callLocal(paths.commandSocket, { command: "status", arguments: {} }, 10_000, signal)
  // `status` needs no permission that the demo's own user lacks: a refusal shows as no policy, and nothing is changed.
  const nothing = { inForce: null, trial: null, active: null, highest: 0, conditions: [] }
  return answer.ok ? (answer.result as StatusReport).policy : nothing
}
