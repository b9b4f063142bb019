/**
 * Keeps the packet filter of the policy in force on this board, so that nothing goes beside the conduits.
 *
 * Put in force before any listener opens, and again before listeners open for another policy. Looked at every two seconds:
 * what is lost or altered is an alarm, closes what the posture table says (`boundary-lost`) and is put back. It is left in
 * force when the gateway stops, and stays when it is killed: nothing passes then either.
 *
 * @see IEC 62443-4-2 CR 5.1, NDR 5.2, NDR 5.2 RE(3)
 */
import { createHash } from "node:crypto"
import type { Clock } from "../../hal/clock.ts"
import type { FilterState, PacketFilter } from "../../hal/packet-filter.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { GatewayEnds } from "../../policy/export/ends.ts"
import type { FilteredPolicy } from "../../policy/export/firewall.ts"
import { createQueue } from "../bundles/queue.ts"
import { faultOf, rulesetFor } from "./ruleset.ts"

/** Between two looks at what is in force. */
const LOOK_MS = 2_000

/** What the keeper stands on. */
export interface BoundaryDeps {
  readonly mode: "apply" | "off"
  readonly filter: PacketFilter
  readonly clock: Clock
  readonly ends: GatewayEnds
  readonly note: (event: AuditEvent) => void
}

/** What `status` says of it. */
export interface BoundaryStatus {
  /** `off`: the board file leaves it to others. */
  readonly packetFilter: "off" | "in force" | "simulated" | "LOST"
  /** Why it is lost; null while it is not. */
  readonly fault: string | null
}

/** The boundary beside the conduits. */
export interface Boundary {
  readonly status: BoundaryStatus
  /** Digest of the rules as they were read back; null while none is known to be in force. */
  readonly digest: string | null
  /** Put what this policy means in force; resolves when it is, or when it is known that it cannot be. */
  follow(policy: FilteredPolicy | null): Promise<void>
  /** Look now, and put right what is wrong. */
  look(): Promise<void>
  /** Called at once, and with every change: whether the boundary is lost. */
  onLost(follow: (lost: boolean) => void): void
  /** No more looks; what is in force stays. */
  stop(): void
}

/** A keeper that has put nothing in force yet; call `follow(null)` before anything listens. */
export function createBoundary(deps: BoundaryDeps): Boundary {
  const { filter, clock, note } = deps
  const inTurn = createQueue()
  const followers: ((lost: boolean) => void)[] = []
  let wanted: FilteredPolicy | null = null
  let digest: string | null = null
  let fault: string | null = null
  let cancel = (): void => undefined
  let stopped = false

  function say(id: AuditEvent["id"], more: Partial<AuditEvent>): void {
    const outcome = id === "boundary.lost" || id === "boundary.forwarding" ? "failure" : "success"
    note({ id, outcome, source: "boundary", ...more })
  }

  function lost(why: string): void {
    const first = fault === null
    fault = why
    digest = null
    if (!first) return
    say("boundary.lost", { reason: why.slice(0, 200) })
    for (const follow of followers) follow(true)
  }

  function found(state: FilterState): void {
    digest = digestOf(state)
    if (fault === null) return
    fault = null
    say("boundary.restored", { detail: { digest } })
    for (const follow of followers) follow(false)
  }

  /** Put in force what is wanted, and read back what the kernel made of it. */
  async function apply(): Promise<readonly string[]> {
    const { text, notes } = rulesetFor(wanted, deps.ends, await filter.hosts())
    await filter.apply(text)
    const state = await filter.read()
    await stopForwarding(state)
    const wrong = faultOf(state)
    if (wrong === null) found(state)
    else lost(wrong)
    return notes
  }

  /** The rules deny what is forwarded all the same: an alarm, but nothing is lost unless it cannot be switched off. */
  async function stopForwarding({ forwarding }: FilterState): Promise<void> {
    if (forwarding.length === 0) return
    say("boundary.forwarding", { reason: forwarding.join(" ").slice(0, 200), count: forwarding.length })
    await filter.stopForwarding()
  }

  async function attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      lost(`${String(error.code)}: ${error.message}`)
    }
  }

  function look(): Promise<void> {
    return attempt(async () => {
      if (fault === null) {
        const state = await filter.read()
        const wrong = faultOf(state) ?? (digestOf(state) === digest ? null : "the rules are not those that were set")
        if (wrong === null) return stopForwarding(state)
        lost(wrong)
      }
      await apply()
    })
  }

  function lookLater(): void {
    cancel()
    if (stopped) return
    cancel = clock.after(LOOK_MS, () => void inTurn(look).then(lookLater))
  }

  return {
    get status(): BoundaryStatus {
      if (deps.mode === "off") return { packetFilter: "off", fault: null }
      if (fault !== null) return { packetFilter: "LOST", fault }
      return { packetFilter: filter.simulated ? "simulated" : "in force", fault: null }
    },
    get digest() {
      return digest
    },
    async follow(policy) {
      if (deps.mode === "off") return
      await inTurn(async () => {
        wanted = policy
        await attempt(async () => {
          const notes = await apply()
          if (digest === null) return
          const detail = { digest, ...(notes.length === 0 ? {} : { notes: notes.join("; ").slice(0, 300) }) }
          say("boundary.applied", { object: policy?.name.slice(0, 64) ?? "none", detail })
        })
      })
      lookLater()
    },
    look: () => (deps.mode === "off" ? Promise.resolve() : inTurn(look)),
    onLost(follow) {
      followers.push(follow)
      follow(fault !== null)
    },
    stop() {
      stopped = true
      cancel()
    },
  }
}

/** One word for the rules in force; counters and handles do not change it. */
export function digestOf({ rules }: FilterState): string {
  return createHash("sha256")
    .update(rules ?? "")
    .digest("hex")
}
