import type { FlowCache } from "../../../policy/filter/cache/flow.ts"
import { createBuckets } from "../../../policy/filter/decide.ts"
import { reasonName, ruleOf } from "../../../policy/filter/verdict.ts"
import { DEFAULT_LIMITS } from "../../config/gateway-config.ts"
import { nameAt } from "../engine-policy.ts"
import type { InForce } from "../in-force.ts"
import type { Rehearsal, RehearsalResult } from "../messages.ts"
import { createJudge } from "./rights.ts"
import { createSession } from "./session.ts"

/** CONNACK with success, 3.1.1 and 5 (no properties). */
const CONNACK = { 4: Uint8Array.of(0x20, 2, 0, 0), 5: Uint8Array.of(0x20, 3, 0, 0, 0) } as const

/**
 * What the live session code and filter make of these client bytes, for a peer that does not exist.
 *
 * The same functions as for a real connection, without sockets: nothing reaches a broker, no counter moves, and the
 * peer's buckets are its own. Null when the policy in force has no such conduit.
 */
export function rehearse(
  inForce: InForce | null,
  rehearsal: Rehearsal,
  nowMs: number,
  cache: FlowCache,
): RehearsalResult | null {
  const own = inForce?.conduits.get(rehearsal.conduit)
  const settings = own?.settings
  if (inForce === null || own === undefined || settings?.protocol !== "mqtt") return null
  const { compiled } = inForce.epoch.policy
  const forwarded: Uint8Array[] = []
  const answered: Uint8Array[] = []
  const denied: { action: "publish" | "subscribe" | "receive"; reason: string; rule: string | null }[] = []
  let closed: string | null = null
  let recorded = 0
  let version: 4 | 5 = 4
  const session = createSession(
    {
      dial: () => undefined,
      toUpstream: (bytes) => forwarded.push(Uint8Array.from(bytes)),
      toClient: (bytes) => answered.push(Uint8Array.from(bytes)),
      denied: (action, v) => {
        denied.push({ action, reason: reasonName(v), rule: nameAt(compiled.ruleNames, ruleOf(v)) })
      },
      recorded: () => {
        recorded++
      },
      passed: () => undefined,
      requested: () => undefined,
      connected: () => undefined,
      close: (reason, detail) => (closed ??= detail === "" ? reason : detail),
    },
    {
      limits: DEFAULT_LIMITS,
      conduit: settings,
      subject: rehearsal.subject,
      clientIdPattern: "%u",
      randomSuffix: () => "rehearsal",
      // What a rehearsal says is not recorded, so nobody compares it.
      newHash: () => ({ update: () => undefined, digest: () => "" }),
      admit: (facts) => {
        version = facts.version
        const rights = {
          compiled,
          classIndex: own.classFor(rehearsal.roles),
          name: rehearsal.subject,
          buckets: createBuckets(compiled.table),
          essentialOnly: own.essentialOnly,
        }
        return createJudge(rights, facts, cache)
      },
    },
  )
  session.fromClient(rehearsal.bytes.slice(), nowMs)
  // The session ignores a broker that it has not dialled, and whatever comes after its end.
  session.fromUpstream(CONNACK[version].slice(), nowMs)
  return { forwarded: joined(forwarded), answered: joined(answered), denied, closed, recorded }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
