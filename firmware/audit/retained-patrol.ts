import type { AuditEvent } from "../../policy/audit/event.ts"
import { edgeFilters } from "../../policy/audit/edge-parts.ts"
import { piecesWith } from "../../policy/audit/retained-plan.ts"
import { pieceTopic } from "../../policy/audit/topics.ts"
import { piecePath, type LogPiece } from "../../policy/audit/tlog/tile.ts"
import type { MqttLink } from "./mqtt-link.ts"
import { pieceOrNull, type RetainedLog } from "./retained-log.ts"
import type { RetainedWatch } from "./retained-watch.ts"
import type { RetainedWindow } from "./retained-window.ts"

/** So long after the last retained message the broker has told all that it holds. */
const QUIET_MS = 2_000
/** So long is waited for a piece that was asked for by name. */
const LOOK_MS = 1_000

/** What a patrol stands on. */
export interface PatrolDeps {
  readonly link: Pick<MqttLink, "subscribe" | "unsubscribe">
  readonly log: RetainedLog
  readonly window: Pick<RetainedWindow, "first" | "next">
  readonly watch: RetainedWatch
  readonly gateway: string
  readonly report: (event: AuditEvent) => void
  readonly isOver: () => boolean
  /** Wait, or until it is over. */
  readonly rest: (ms: number) => Promise<void>
}

/**
 * Looks once, after a connection, for what the broker did not show by itself: that is asked for by name, for it may have been cleared
 * while we were away. What is missing goes to the watch. `hadPieces`: the broker should hold some from before.
 *
 * @throws HardwareError `ERR_LINK`
 * @see IEC 62443-4-2 CR 3.9, CR 6.1
 */
export async function patrol(deps: PatrolDeps, hadPieces: boolean): Promise<void> {
  const { log, window, watch, report, isOver, rest } = deps
  let before = -1
  while (before !== watch.retainedSeen && !isOver()) {
    before = watch.retainedSeen
    await rest(QUIET_MS)
  }
  for (let k = 0; k < 50 && !watch.showsEdge; k++) await rest(LOOK_MS / 10)
  if (!watch.showsEdge && !isOver()) {
    report({ id: "audit.retained-unseen", outcome: "failure", source: "audit", reason: "not-shown" })
    return
  }
  // Who clears some pieces leaves others; a broker that was set up anew, or keeps nothing over its restart, has none.
  const hasLostAll = watch.retainedSeen === 0 && hadPieces
  if (hasLostAll) report({ id: "audit.retained-lost", outcome: "failure", source: "audit", reason: "empty" })
  for (let bundle = window.first; bundle < window.next && !isOver(); bundle++)
    for (const piece of bundle < window.first ? [] : piecesWith(bundle)) {
      const path = piecePath(piece)
      if (hasLostAll) watch.lost(path)
      else if (!watch.hasSeen(path) && (await pieceOrNull(log, piece)) !== null) {
        await askFor(deps, piece)
        if (!watch.hasSeen(path) && bundle >= window.first) watch.missing(path)
      }
    }
}

async function askFor({ link, watch, gateway, isOver, rest }: PatrolDeps, piece: LogPiece): Promise<void> {
  const topic = pieceTopic(gateway, piecePath(piece))
  const filters = [topic, `${topic}/part/+`]
  await link.subscribe(filters)
  for (let k = 0; k < 10 && !watch.hasSeen(piecePath(piece)) && !isOver(); k++) await rest(LOOK_MS / 10)
  await link.unsubscribe(filters)
}

/** Whether the broker, asked now, shows the edge that was sent last. @throws HardwareError `ERR_LINK` */
export async function readBackOf({
  link,
  watch,
  gateway,
  rest,
}: Pick<PatrolDeps, "link" | "watch" | "gateway" | "rest">): Promise<boolean> {
  const before = watch.retainedSeen
  // Asked for again, the broker shows again what it holds, on either version.
  await link.subscribe(edgeFilters(gateway))
  for (let k = 0; k < 20 && (watch.retainedSeen === before || !watch.showsEdge); k++) await rest(100)
  return watch.retainedSeen > before && watch.showsEdge
}
