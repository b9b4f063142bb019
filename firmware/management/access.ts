import type { Policy } from "../../policy/language/policy.ts"
import { openTimedSwitches, type SwitchDeps, type SwitchedOn, type SwitchWords } from "./timed-switches.ts"

/** A conduit through which something comes in from a zone that is not the owner's. */
export interface AccessStatus {
  readonly conduit: string
  /** `always`: the policy opens it without anybody's approval. */
  readonly access: "approved" | "always"
  /** The zone that is not the owner's, or null: the policy asks for approval all the same. */
  readonly zone: string | null
  /** Who approved it, why, and for how long still; null while nobody has. */
  readonly on: SwitchedOn | null
}

/**
 * Ways in from untrusted zones: closed until a person with the permission `access` approves one, for a time, saying why.
 * An approval ends as an override does: with its time, by command, by a policy without the conduit, by a restart.
 *
 * @see IEC 62443-4-2 NDR 1.13, NDR 1.13 RE(1)
 */
export interface Access {
  /** Every way in of the policy in force. */
  status(): readonly AccessStatus[]
  /**
   * @throws StateError `ERR_ACCESS_UNKNOWN` if no conduit of the policy in force waits for approval by that name
   * @throws InputError `ERR_ACCESS_REASON`
   */
  grant(conduit: string, minutes: number, reason: string, by: string): Promise<number | null>
  end(conduit: string, by: string): Promise<number | null>
  /** The one switch for all of them. */
  endAll(by: string): Promise<readonly string[]>
  policyChanged(policy: Policy | null): void
  stop(): void
}

const WORDS: SwitchWords = {
  file: "access.json",
  started: "access.granted",
  ended: "access.ended",
  unknownCode: "ERR_ACCESS_UNKNOWN",
  thing: "conduit that waits for approval",
  reasonCode: "ERR_ACCESS_REASON",
}

/** Open it: nothing is approved. What was when the gateway stopped is written to the log as ended. */
export async function openAccess(deps: SwitchDeps): Promise<Access> {
  const switches = await openTimedSwitches(WORDS, deps)
  let ways: readonly Omit<AccessStatus, "on">[] = []
  return {
    status: () => {
      const on = new Map(switches.status().map((one) => [one.name, one.on]))
      return ways.map((way) => ({ ...way, on: on.get(way.conduit) ?? null }))
    },
    grant: (...given) => switches.start(...given),
    end: (...given) => switches.end(...given),
    endAll: (by) => switches.endAll(by),
    policyChanged: (policy) => {
      ways = policy === null ? [] : waysIn(policy)
      switches.rename(ways.filter(({ access }) => access === "approved").map(({ conduit }) => conduit))
    },
    stop: () => switches.stop(),
  }
}

/** Conduits that touch an untrusted zone, or that wait for approval all the same, by name. */
export function waysIn(policy: Policy): readonly Omit<AccessStatus, "on">[] {
  const untrusted = new Set(policy.zones.filter(({ kind }) => kind === "untrusted").map(({ name }) => name))
  return policy.conduits
    .map(({ name: conduit, access, from, to }) => {
      return { conduit, access, zone: [from, to].find((zone) => untrusted.has(zone)) ?? null }
    })
    .filter(({ access, zone }) => zone !== null || access === "approved")
    .sort((a, b) => (a.conduit < b.conduit ? -1 : 1))
}
