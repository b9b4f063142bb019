import { createAliasMemory, MAX_ALIASES } from "../../../policy/filter/payload/alias-memory.ts"
import { isAllowed, REASON, reasonOf, verdict, type Verdict } from "../../../policy/filter/verdict.ts"
import { resolveSubject } from "../../../policy/identity/subject.ts"
import type { SpoolRecord } from "../../spool/record.ts"
import { judgeAddress } from "../arrival.ts"
import type { FlowCache } from "../../../policy/filter/cache/flow.ts"
import type { Now } from "../protocol.ts"
import { createBuckets } from "../../../policy/filter/decide.ts"
import { createJudge } from "./rights.ts"

/** What may become of a stored message now. `wait`: a posture keeps it back, and it is not lost. */
export type StoredVerdict =
  { readonly kind: "send" } | { readonly kind: "wait" } | { readonly kind: "denied"; readonly verdict: Verdict }

/** What it is judged with. */
export interface JudgeStoredDeps {
  readonly flows: FlowCache
  readonly nowMs: number
}

const NO_RIGHTS: StoredVerdict = { kind: "denied", verdict: verdict(REASON["no-rule"], -1) }

/**
 * Judge a stored message by what is in force now: who its sender is today, and what that subject may publish.
 *
 * A rate was kept when the message came, so it does not count again. What Sparkplug births said then is not known any
 * more: data that names its metrics by alias alone is judged by what rules say of unknown ones.
 */
export function judgeStored(now: Now, subject: string, record: SpoolRecord, deps: JudgeStoredDeps): StoredVerdict {
  const { own, all } = now
  const { names, packet, version, clientId } = record
  const found =
    names.address === null ? resolveSubject(own.subjects, own.zone.name, names) : bySource(own, names.address)
  if (!found.ok || found.name !== subject) return NO_RIGHTS
  const classIndex = own.classFor(found.roles)
  if (classIndex < 0) return own.essentialOnly ? { kind: "wait" } : NO_RIGHTS
  const { compiled } = all.epoch.policy
  const judge = createJudge(
    {
      compiled,
      classIndex,
      name: subject,
      buckets: createBuckets(compiled.table),
      essentialOnly: own.essentialOnly,
    },
    { version, clientId, metricAliases: createAliasMemory(MAX_ALIASES), authenticates: false },
    deps.flows,
  )
  const judged = judge.publish(packet, 0, packet.length, deps.nowMs)
  if (isAllowed(judged) || reasonOf(judged) === REASON.rate) return { kind: "send" }
  return own.essentialOnly ? { kind: "wait" } : { kind: "denied", verdict: judged }
}

function bySource(
  own: Now["own"],
  address: string,
): { ok: true; name: string; roles: readonly string[] } | { ok: false } {
  const judged = judgeAddress(own, address)
  return judged.ok ? { ok: true, name: judged.subject.name, roles: judged.subject.roles } : { ok: false }
}
