/** Watches the board's radios: none may be up unless the policy in force names it (IEC 62443-4-2 CR 2.2, NDR 1.6). */
import type { Clock } from "../../hal/clock.ts"
import type { NetworkInterface, NetworkInterfaces } from "../../hal/network-interfaces.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Policy } from "../../policy/language/policy.ts"

const LOOK_MS = 2_000

/** What the watch stands on. */
export interface RadioDeps {
  readonly interfaces: NetworkInterfaces
  readonly clock: Clock
  /** The policy in force; without one no radio may be up. */
  readonly policy: () => Policy | null
  readonly note: (event: AuditEvent) => void
}

/** The watch over the board's radios. */
export interface RadioWatch {
  /** Radios that are up and that the policy does not name, as of the last look. */
  readonly unnamed: readonly string[]
  /** Look now. */
  look(): Promise<void>
  stop(): void
}

/** Radios that are up although the policy does not name them. */
export function unnamedRadios(
  found: readonly NetworkInterface[],
  named: readonly string[],
): readonly NetworkInterface[] {
  return found.filter(({ name, radio, up }) => radio !== null && up && !named.includes(name))
}

/** Look at once, and every two seconds from then on. What comes up unnamed, and what goes, is an entry in the log, once. */
export function watchRadios(deps: RadioDeps): RadioWatch {
  let known = new Map<string, string>()
  let blind = false
  let cancel = (): void => undefined
  let stopped = false

  function say(id: "radio.up" | "radio.down" | "radio.unknown", more: Partial<AuditEvent>): void {
    deps.note({ id, outcome: id === "radio.down" ? "success" : "failure", source: "boundary", ...more })
  }

  async function look(): Promise<void> {
    try {
      const found = await deps.interfaces.list()
      const now = new Map(
        unnamedRadios(found, deps.policy()?.radios ?? []).map(({ name, radio }) => [name, radio ?? ""]),
      )
      for (const [object, reason] of now) if (!known.has(object)) say("radio.up", { object, reason })
      for (const [object, reason] of known) if (!now.has(object)) say("radio.down", { object, reason })
      known = now
      blind = false
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      if (!blind) say("radio.unknown", { reason: String(error.code) })
      blind = true
    }
  }

  function lookAgain(): void {
    void look().then(() => {
      if (!stopped) cancel = deps.clock.after(LOOK_MS, lookAgain)
    })
  }
  lookAgain()
  return {
    get unnamed() {
      return [...known.keys()]
    },
    look,
    stop() {
      stopped = true
      cancel()
    },
  }
}
