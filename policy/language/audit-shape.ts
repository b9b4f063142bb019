import type { AuditStorage, Policy } from "./policy.ts"
import type { Shape } from "./shape.ts"
import { object, optional } from "./group-shapes.ts"
import { percent, size, sizeText } from "./quantity-shapes.ts"
import { memberPath } from "./report.ts"
import { checked, choice, flag } from "./shape.ts"

const KIB = 1024
const MIB = 1024 * KIB

/** What a policy without the key `audit` says. */
export const DEFAULT_AUDIT_STORAGE: AuditStorage = {
  whenFull: "overwrite",
  overwriteUncollected: false,
  warnAtPercent: 80,
  windowBytes: 64 * MIB,
}

const D = DEFAULT_AUDIT_STORAGE

const keys = object("audit", {
  "when-full": optional(
    choice(["overwrite", "close"]),
    D.whenFull,
    "`overwrite`: the oldest entries make room; `close`: none is ever dropped, normal flows close.",
    D.whenFull,
  ),
  "overwrite-uncollected": optional(
    flag(),
    D.overwriteUncollected,
    "Whether entries that no collector holds may make room, too; else normal flows close.",
    D.overwriteUncollected,
  ),
  "warn-at": optional(
    percent(10, 95),
    D.warnAtPercent,
    "How full the log is when it warns; 10%..95%.",
    `${D.warnAtPercent}%`,
  ),
  window: optional(
    size(256 * KIB, 1024 * MIB),
    D.windowBytes,
    "How much of the newest part of the log the broker keeps.",
    sizeText(D.windowBytes),
  ),
})

/** The room that the log takes, and what is done when there is none left. */
export const audit = checked(keys, (entry, { node, path }, report) => {
  if (entry["when-full"] !== "close" || !entry["overwrite-uncollected"]) return
  const message = "when-full: close drops nothing, so there is nothing to overwrite"
  report.add(
    node.at,
    memberPath(path, "overwrite-uncollected"),
    message,
    "remove the key, or write when-full: overwrite",
  )
})

export type AuditEntry = typeof audit extends Shape<infer T> ? T : never

/** The section as values. */
export function buildAudit(entry: AuditEntry): AuditStorage {
  return {
    whenFull: entry["when-full"],
    overwriteUncollected: entry["overwrite-uncollected"],
    warnAtPercent: entry["warn-at"],
    windowBytes: entry.window,
  }
}

/** What the policy in force says of the log's room; without a policy, or without the key, the defaults. */
export function auditStorageOf(policy: Pick<Policy, "audit"> | null): AuditStorage {
  return policy?.audit ?? DEFAULT_AUDIT_STORAGE
}
