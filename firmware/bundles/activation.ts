import { InvariantError, StateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { step } from "../../policy/bundle/activation.ts"
import type { ActivationState } from "../../policy/bundle/activation.ts"
import { freshness } from "../../policy/bundle/judge.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import * as events from "./activation-events.ts"
import type { PolicyActivation, PolicyCondition, PolicyInForce, PolicyStatus, TrialStarted } from "./activation-port.ts"
import { admit, expectVersion, judgeNew, prepare } from "./candidate.ts"
import type { Candidate, CandidateParts } from "./candidate.ts"
import { createConditionWatch } from "./condition-watch.ts"
import { openPolicyStore } from "./policy-store.ts"
import type { PolicyStore } from "./policy-store.ts"
import { createQueue } from "./queue.ts"
import { isDamage, reasonOf, refused, refuseOn, survivable } from "./refusal.ts"

/** What the activation stands on. */
export interface ActivationDeps extends CandidateParts {
  readonly storage: Storage
  readonly clock: Clock
  readonly interval: () => TimeInterval
  /** Resolves to the entry's sequence number once it is on disk; rejects if the log cannot be written. */
  readonly audit: (event: AuditEvent) => Promise<number>
  /**
   * Put a policy in force in the engine, or none. Resolves when every flow is judged by it; rejects with a LockgateError
   * if the engine refuses it, and then nothing has changed.
   */
  readonly apply: (policy: PolicyInForce | null) => Promise<void>
  /** Called at the start and after every change of `conditions()`. */
  readonly conditionsChanged: (conditions: ReadonlySet<PolicyCondition>) => void
}

interface Trial {
  readonly candidate: Candidate
  readonly endsAt: number
  readonly endsAtMs: number
  readonly cancel: () => void
}

/**
 * The owner of which policy is in force, over store, engine and log.
 *
 * Order of a trial: bundle and state on disk, engine, log. Order of an installation: engine, log, then bundle and state
 * on disk. In both a failure on the way takes back what came before it, and a power cut leaves the old policy, or the
 * new one where its confirmation was on disk.
 *
 * @see IEC 62443-4-2 CR 3.4: only signed policy comes into force
 * @see IEC 62443-4-2 CR 7.4: a policy that fails gives way to the last good one
 */
export function createPolicyActivation(deps: ActivationDeps): PolicyActivation {
  const { clock, interval, audit, apply } = deps
  let opened: PolicyStore | null = null
  /** Confirmed and usable; what comes back when a trial ends. */
  let confirmed: Candidate | null = null
  let trial: Trial | null = null
  /** Something stored was altered, and no confirmation has replaced it since. */
  let damaged = false
  const inTurn = createQueue()

  const store = (): PolicyStore => {
    if (opened === null) throw new InvariantError("ERR_NOT_STARTED", "the policy activation was not started")
    return opened
  }
  const conditions = (): ReadonlySet<PolicyCondition> => {
    const current = trial?.candidate ?? confirmed
    return conditionsOf(current, damaged, interval())
  }
  const watch = createConditionWatch(clock, conditions, deps.conditionsChanged)

  /** For what has happened already: it stays true even if it cannot be written down. */
  const note = async (event: AuditEvent): Promise<void> => {
    try {
      await audit(event)
    } catch (error) {
      survivable(error)
    }
  }
  /** `work`; its refusal is in the log before it goes up. */
  const orNoted = async <T>(by: string | null, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      await note(events.refusedEvent(survivable(error), by))
      throw error
    }
  }

  /** Back to what was confirmed; if the engine does not take even that, to nothing. */
  const fallBack = async (): Promise<void> => {
    trial?.cancel()
    trial = null
    try {
      await apply(engineView(confirmed))
    } catch (error) {
      survivable(error)
      confirmed = null
      await refuseOn(() => apply(null)).catch((cause: unknown) => {
        // Flows would go on under a policy that nobody wants: the process ends, and nothing passes a dead proxy.
        throw new InvariantError("ERR_ENGINE_STUCK", "the engine takes neither the last good policy nor none", {
          cause,
        })
      })
    }
  }
  /** False if it could not be written; the next boot ends the trial as well. */
  const endOnDisk = async (next: ActivationState): Promise<boolean> => {
    try {
      await store().endTrial(next)
      return true
    } catch (error) {
      survivable(error)
      return false
    }
  }
  const endTrial = async (kind: "rollback" | "expire", reason: string, by: string | null): Promise<void> => {
    const from = store().state
    const next = step(from, { kind })
    if (next === null || from.trial === null) throw new InvariantError("ERR_TRIAL_STATE", "the store knows of no trial")
    await fallBack()
    const written = await endOnDisk(next)
    await note(events.rolledBackEvent({ from: from.trial, to: versionOf(confirmed) ?? 0 }, reason, by, written))
    watch.look()
  }

  /** Engine and log; on failure `undo`, and all is as before. A change that cannot be written down does not take place. */
  const putInForce = async (candidate: Candidate, by: string | null, undo: () => Promise<unknown>): Promise<void> => {
    let inEngine = false
    try {
      await refuseOn(() => apply(engineView(candidate)), { version: candidate.statement.version })
      inEngine = true
      await audit(events.activatedEvent(candidate, confirmed, by))
    } catch (error) {
      survivable(error)
      if (inEngine) await fallBack()
      await undo()
      throw error
    }
    const fork = events.forkEvent(candidate, confirmed, by)
    if (fork !== null) await note(fork)
  }

  const startTrial = async (text: string, trialMs: number, by: string | null): Promise<TrialStarted> => {
    const { state } = store()
    if (trial !== null)
      throw new StateError("ERR_POLICY_ON_TRIAL", "another policy is on trial: confirm or drop it first")
    const verified = await admit(text, deps)
    const { timeUncertain } = judgeNew(verified, deps, state.highest, interval())
    const candidate = await prepare(text, verified, deps)
    const { version } = candidate.statement
    const next = step(state, { kind: "activate", version })
    if (next === null) throw new InvariantError("ERR_TRIAL_STATE", "a bundle was judged good that the table refuses")
    await store().writeTrial(next, text)
    await putInForce(candidate, by, () => endOnDisk(state))
    const trialEndsAt = clock.wall().at + trialMs
    const mine: Trial = {
      candidate,
      endsAt: trialEndsAt,
      endsAtMs: clock.monotonicMs() + trialMs,
      cancel: clock.after(trialMs, () => {
        // Not caught: whatever comes out of here is an invariant of ours, to die of.
        void inTurn(async () => (trial === mine ? endTrial("expire", "expired", null) : undefined))
      }),
    }
    trial = mine
    watch.look()
    const { policy, signers } = candidate
    return { version, name: policy.name, previous: versionOf(confirmed), trialMs, trialEndsAt, timeUncertain, signers }
  }

  const install = async (text: string): Promise<"installed" | "already"> => {
    const { state } = store()
    const verified = await admit(text, deps)
    const { version } = verified.statement
    if (confirmed?.statementHash === verified.statementHash) return "already"
    // The board file still names the first bundle after a later one was confirmed: the usual case, at every start.
    if (version < (versionOf(confirmed) ?? 0)) return "already"
    if (trial !== null) throw refused("ERR_POLICY_ON_TRIAL", "another policy is on trial", { version })
    // The newest confirmed version again, while its stored bundle cannot be used: a repair, not a step back.
    const repairs = state.active === version && versionOf(confirmed) !== version
    judgeNew(verified, deps, repairs ? version - 1 : state.highest, interval())
    const candidate = await prepare(text, verified, deps)
    const tried = repairs ? null : step(state, { kind: "activate", version })
    const next = repairs ? state : tried && step(tried, { kind: "confirm", version })
    if (next === null) throw new InvariantError("ERR_TRIAL_STATE", "a bundle was judged good that the table refuses")
    // In force first, then on disk in one step: a power cut must not leave this version used up and yet not active.
    await putInForce(candidate, null, () => Promise.resolve())
    const before = versionOf(confirmed)
    try {
      await store().writeConfirmed(next, text, before)
    } catch (error) {
      await fallBack()
      throw error
    }
    confirmed = candidate
    damaged = false
    await note(events.confirmedEvent(version, before ?? 0, null, "board-file"))
    return "installed"
  }

  /** The newest confirmed bundle that is still good, in force; what is not is told. */
  const load = async (): Promise<void> => {
    for (const version of await store().confirmed()) {
      try {
        const text = await store().read(version)
        const verified = await admit(text, deps)
        expectVersion(verified.statement, version)
        const candidate = await prepare(text, verified, deps)
        await refuseOn(() => apply(engineView(candidate)), { version })
        confirmed = candidate
        return
      } catch (error) {
        const known = survivable(error)
        damaged ||= isDamage(known)
        await note(events.unusableEvent(known, String(version)))
      }
    }
    await apply(null)
  }

  return {
    start: () =>
      inTurn(async () => {
        opened = await openPolicyStore(deps.storage, async (text) => (await admit(text, deps)).statement.version)
        const { fault, rolledBack } = opened.recovery
        if (fault !== null) {
          damaged = isDamage(fault)
          await note(events.unusableEvent(fault, "state"))
        }
        await load()
        if (rolledBack !== null) {
          const versions = { from: rolledBack, to: versionOf(confirmed) ?? 0 }
          await note(events.rolledBackEvent(versions, "restart", null, fault === null))
        }
        watch.look()
      }),
    installFromFile: (text) =>
      inTurn(async () => {
        try {
          return await orNoted(null, () => install(text))
        } catch (error) {
          survivable(error)
          return "refused"
        } finally {
          watch.look()
        }
      }),
    activate: (text, trialMs, by) => inTurn(() => orNoted(by, () => startTrial(text, trialMs, by))),
    confirm: (version, by) =>
      inTurn(async () => {
        if (trial === null) throw new StateError("ERR_NO_TRIAL", "no policy is on trial")
        const next = step(store().state, { kind: "confirm", version })
        if (next === null) throw new StateError("ERR_OTHER_TRIAL", "another version is on trial")
        const before = versionOf(confirmed)
        await store().writeConfirmed(next, trial.candidate.text, before)
        trial.cancel()
        confirmed = trial.candidate
        trial = null
        damaged = false
        await note(events.confirmedEvent(version, before ?? 0, by, "command"))
        watch.look()
        return { before }
      }),
    rollback: (reason, by) =>
      inTurn(async () => {
        if (trial === null) throw new StateError("ERR_NO_TRIAL", "no policy is on trial")
        const dropped = trial.candidate.statement.version
        await endTrial("rollback", reason, by)
        return { dropped, inForce: versionOf(confirmed) }
      }),
    bundle: () => (trial?.candidate ?? confirmed)?.text ?? null,
    examine: async (text) => {
      try {
        judgeNew(await admit(text, deps), deps, store().state.highest, interval())
        return null
      } catch (error) {
        return reasonOf(survivable(error))
      }
    },
    status: () => {
      const { active, highest } = store().state
      const current = trial?.candidate ?? confirmed
      return {
        inForce: current === null ? null : describe(current, trial === null ? "confirmed" : "trial", interval()),
        trial: trial === null ? null : describeTrial(trial, clock),
        active,
        highest,
        conditions: [...conditions()],
      }
    },
    conditions,
    recheck: watch.look,
    stop: () => {
      watch.stop()
      trial?.cancel()
    },
  }
}

function engineView(candidate: Candidate | null): PolicyInForce | null {
  if (candidate === null) return null
  const { policy, engine, statement } = candidate
  return { version: statement.version, policy, engine, statement }
}

function versionOf(candidate: Candidate | null): number | null {
  return candidate === null ? null : candidate.statement.version
}

function conditionsOf(current: Candidate | null, damaged: boolean, now: TimeInterval): Set<PolicyCondition> {
  const found = new Set<PolicyCondition>(damaged ? ["integrity-failure"] : [])
  if (current === null) return found.add("no-policy")
  switch (freshness(current.statement, now)) {
    case "fresh":
      return found
    case "uncertain":
      return found.add("policy-uncertain")
    case "expired":
    case "not-yet":
      return found.add("policy-expired")
  }
}

function describe(current: Candidate, state: "confirmed" | "trial", now: TimeInterval): PolicyStatus["inForce"] {
  const { version, issuedAt, notBeforeAt, notAfterAt } = current.statement
  const { signers, policy, statementHash: statement } = current
  const fresh = freshness(current.statement, now)
  return { version, name: policy.name, state, statement, signers, issuedAt, notBeforeAt, notAfterAt, freshness: fresh }
}

function describeTrial(trial: Trial, clock: Clock): PolicyStatus["trial"] {
  const endsInMs = Math.max(0, Math.round(trial.endsAtMs - clock.monotonicMs()))
  return { version: trial.candidate.statement.version, endsInMs, endsAt: trial.endsAt }
}
