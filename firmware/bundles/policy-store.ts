import { IntegrityError } from "../../policy/base/errors.ts"
import type { LockgateError } from "../../policy/base/errors.ts"
import { NOTHING_ACTIVE, step } from "../../policy/bundle/activation.ts"
import type { ActivationState } from "../../policy/bundle/activation.ts"
import type { Storage } from "../../hal/storage.ts"
import { survivable } from "./refusal.ts"
import { encodeState, parseState } from "./state-file.ts"

/**
 * The policy bundles of this gateway and which of them is in force, on disk:
 *
 *     policy/state.json         which version is active and which on trial, and the highest ever
 *     policy/bundles/<n>.jws    confirmed bundles: the active one and the one before it
 *     policy/trial/<n>.jws      the bundle on trial
 *
 * A bundle is on disk before the state that names it, and is removed after the state that no longer does. So whatever
 * the moment of a power cut, the state on disk names bundles that are there, and what lies in `bundles` and is not
 * above the active version was confirmed: enough to find the policy again if the state itself is damaged.
 *
 * Methods must not overlap; the one owner (`activation.ts`) calls them one by one. After a failed write the disk holds
 * the old state or the new one; the state in memory is the old one, except where a method says otherwise.
 *
 * @see IEC 62443-4-2 CR 7.4
 */
export interface PolicyStore {
  readonly state: ActivationState
  readonly recovery: Recovery
  /** Confirmed versions on disk, the active one first, then older ones, newest first. */
  confirmed(): Promise<readonly number[]>
  /** Text of a confirmed bundle. @throws IntegrityError `ERR_BUNDLE_MISSING` */
  read(version: number): Promise<string>
  /** Keep `text` as the bundle on trial, then the state `next`. @throws HardwareError `ERR_IO` */
  writeTrial(next: ActivationState, text: string): Promise<void>
  /** Keep `text` as the confirmed bundle, then the state `next`; bundles other than it and `previous` go. @throws HardwareError `ERR_IO` */
  writeConfirmed(next: ActivationState, text: string, previous: number | null): Promise<void>
  /**
   * The trial is over, or never began: `next` holds in memory from now on even if it cannot be written, for the next
   * boot leads there as well. @throws HardwareError `ERR_IO`
   */
  endTrial(next: ActivationState): Promise<void>
}

/** What opening found. */
export interface Recovery {
  /** A version that was on trial when the gateway stopped, and no longer is. */
  readonly rolledBack: number | null
  /** The state was damaged (and rebuilt from the bundles), or could not be read or written. */
  readonly fault: LockgateError | null
}

/** The version in a bundle's text if the bundle is good; throws a LockgateError if it is not. */
export type VersionOf = (text: string) => Promise<number>

const STATE = "policy/state.json"
const CONFIRMED = "policy/bundles"
const TRIAL = "policy/trial"

/**
 * Open the store and recover: a trial is over, leftovers of a power cut are removed, a damaged state is rebuilt from the
 * bundles that verify. Never fails because of what is on disk; `recovery` tells.
 *
 * A rebuilt state is not written until the next change: the damage is found and told again at every boot until then.
 */
export async function openPolicyStore(storage: Storage, versionOf: VersionOf): Promise<PolicyStore> {
  const { state, recovery } = await recover(storage, versionOf)
  let current = state
  const put = async (next: ActivationState): Promise<void> => {
    await storage.write(STATE, encodeState(next))
    current = next
  }
  return {
    get state() {
      return current
    },
    recovery,
    async confirmed() {
      const { active } = current
      const versions = await versionsIn(storage, CONFIRMED)
      if (active === null) return []
      return [active, ...versions.filter((version) => version < active).sort((a, b) => b - a)]
    },
    async read(version) {
      const bytes = await storage.read(`${CONFIRMED}/${version}.jws`)
      if (bytes === null) throw new IntegrityError("ERR_BUNDLE_MISSING", `the bundle of policy ${version} is gone`)
      return decode(bytes)
    },
    async writeTrial(next, text) {
      await storage.write(`${TRIAL}/${next.trial ?? 0}.jws`, new TextEncoder().encode(text))
      await put(next)
    },
    async writeConfirmed(next, text, previous) {
      await storage.write(`${CONFIRMED}/${next.active ?? 0}.jws`, new TextEncoder().encode(text))
      await put(next)
      await prune(storage, CONFIRMED, (version) => version === next.active || version === previous)
      await prune(storage, TRIAL, (version) => version === next.trial)
    },
    async endTrial(next) {
      current = next
      await put(next)
      await prune(storage, TRIAL, (version) => version === next.trial)
    },
  }
}

async function recover(
  storage: Storage,
  versionOf: VersionOf,
): Promise<{ state: ActivationState; recovery: Recovery }> {
  let stored: ActivationState
  try {
    stored = await readState(storage)
  } catch (error) {
    return { state: await rebuild(storage, versionOf), recovery: { rolledBack: null, fault: survivable(error) } }
  }
  let fault: LockgateError | null = null
  const state = step(stored, { kind: "boot" }) ?? stored
  if (stored.trial !== null) {
    try {
      await storage.write(STATE, encodeState(state))
    } catch (error) {
      // The trial is over all the same; the next boot tries to write it down again.
      fault = survivable(error)
    }
  }
  // Above the active version only a cut between bundle and state can have left something: it was never confirmed.
  await prune(storage, CONFIRMED, (version) => version <= (state.active ?? 0))
  await prune(storage, TRIAL, () => false)
  return { state, recovery: { rolledBack: stored.trial, fault } }
}

/** The state on disk; a store that holds nothing gets its first one, so that a missing file is damage from then on. */
async function readState(storage: Storage): Promise<ActivationState> {
  const bytes = await storage.read(STATE)
  if (bytes !== null) return parseState(bytes)
  if ((await versionsIn(storage, CONFIRMED)).length > 0) {
    throw new IntegrityError("ERR_POLICY_STATE_DAMAGED", "policy/state.json is gone")
  }
  await storage.write(STATE, encodeState(NOTHING_ACTIVE))
  return NOTHING_ACTIVE
}

/** The state that the bundles on disk tell of. Versions that were tried and rolled back before are forgotten. */
async function rebuild(storage: Storage, versionOf: VersionOf): Promise<ActivationState> {
  const active = Math.max(0, ...(await goodVersions(storage, CONFIRMED, versionOf)))
  const tried = Math.max(0, ...(await goodVersions(storage, TRIAL, versionOf)))
  return { active: active === 0 ? null : active, trial: null, highest: Math.max(active, tried) }
}

async function goodVersions(storage: Storage, folder: string, versionOf: VersionOf): Promise<readonly number[]> {
  const good: number[] = []
  try {
    for (const version of await versionsIn(storage, folder)) {
      if (await isGood(storage, `${folder}/${version}.jws`, version, versionOf)) good.push(version)
    }
  } catch (error) {
    survivable(error)
  }
  return good
}

async function isGood(storage: Storage, path: string, version: number, versionOf: VersionOf): Promise<boolean> {
  try {
    const bytes = await storage.read(path)
    return bytes !== null && (await versionOf(decode(bytes))) === version
  } catch (error) {
    survivable(error)
    return false
  }
}

async function versionsIn(storage: Storage, folder: string): Promise<readonly number[]> {
  const names = await storage.list(folder)
  return names.flatMap((name) => /^([1-9]\d{0,9})\.jws$/.exec(name)?.[1] ?? []).map(Number)
}

/** Remove what `keep` does not want. What cannot be removed now is removed another time. */
async function prune(storage: Storage, folder: string, keep: (version: number) => boolean): Promise<void> {
  try {
    for (const version of await versionsIn(storage, folder)) {
      if (!keep(version)) await storage.remove(`${folder}/${version}.jws`)
    }
  } catch (error) {
    survivable(error)
  }
}

function decode(bytes: Uint8Array): string {
  // Not fatal: text that is no UTF-8 fails as a bundle, with a code that says so.
  return new TextDecoder().decode(bytes)
}
