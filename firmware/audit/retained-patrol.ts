import type { AuditEvent } from "../../policy/audit/event.ts"
import { edgeFilters } from "../../policy/audit/edge-parts.ts"
import { piecesWith } from "../../policy/audit/retained-plan.ts"
import { gatewayTopic, pieceTopic } from "../../policy/audit/topics.ts"
import { piecePath } from "../../policy/audit/tlog/tile.ts"
import type { MqttLink } from "./mqtt-link.ts"
import { pieceOrNull, type RetainedLog } from "./retained-log.ts"
import type { RetainedWatch } from "./retained-watch.ts"
import type { RetainedWindow } from "./retained-window.ts"

/** So long after the last retained message the broker has told all that it holds. */
const QUIET_MS = 2_000
/** How often it is looked whether what was asked for has come. */
const LOOK_MS = 100
/** A broker that has not answered by then is asked another time. */
const ANSWER_MS = 20_000

/** What a patrol stands on. */
export interface PatrolDeps {
  readonly link: Pick<MqttLink, "subscribe" | "unsubscribe">
  readonly log: RetainedLog
  readonly window: Pick<RetainedWindow, "first" | "next" | "trust">
  readonly watch: RetainedWatch
  readonly gateway: string
  readonly report: (event: AuditEvent) => void
  /** The broker has nothing of what the window says: it is to be filled anew. */
  readonly lostAll: () => void
  readonly isOver: () => boolean
  /** Wait, or until it is over. */
  readonly rest: (ms: number) => Promise<void>
}

/**
 * Looks once, after a connection, for what the broker did not show by itself: that is asked for by name, for it may have been cleared
 * while we were away. What is missing goes to the watch. `had.pieces`: the broker should hold some from before; `had.sure`: the link before this one
 * was up for long enough to know that it does.
 *
 * @throws HardwareError `ERR_LINK`
 * @see IEC 62443-4-2 CR 3.9, CR 6.1
 */
export async function patrol(
  deps: PatrolDeps,
  had: { readonly pieces: boolean; readonly sure: boolean },
): Promise<void> {
  const { log, window, watch, report, isOver, rest } = deps
  const fillAnew = (reason: "empty" | "incomplete"): void => {
    report({ id: "audit.retained-lost", outcome: "failure", source: "audit", reason })
    deps.lostAll()
  }
  let before = -1
  while (before !== watch.retainedSeen && !isOver()) {
    before = watch.retainedSeen
    await rest(QUIET_MS)
  }
  const isAnswered = await shown(deps, [gatewayTopic(deps.gateway, "log/edge")])
  for (let k = 0; k < 50 && !watch.showsEdge && !isOver(); k++) await rest(LOOK_MS)
  if (isOver()) return
  if (!isAnswered || !watch.showsEdge) {
    report({ id: "audit.retained-unseen", outcome: "failure", source: "audit", reason: "not-shown" })
    return
  }
  // Who clears some pieces leaves others; a broker that was set up anew, or keeps nothing over its restart, has none. It may have an
  // edge of ours: a run before this one ended before it knew.
  if (watch.piecesShown === 0 && had.pieces) {
    fillAnew("empty")
    return
  }
  for (let bundle = window.first; bundle < window.next && !isOver(); bundle++)
    for (const piece of bundle < window.first ? [] : piecesWith(bundle)) {
      const path = piecePath(piece)
      if (!watch.hasSeen(path) && (await pieceOrNull(log, piece)) !== null) {
        const topic = pieceTopic(deps.gateway, path)
        // Not answered is not missing: a slow broker is no attack.
        const isAnsweredNow = await shown(deps, [topic, `${topic}/part/+`])
        if (!isAnsweredNow || watch.hasSeen(path) || bundle < window.first) continue
        // Whoever looked last was interrupted: of what it found nobody knows, and nobody needs to have cleared anything.
        if (!had.sure) {
          fillAnew("incomplete")
          return
        }
        watch.missing(path)
      }
    }
  if (!isOver()) window.trust()
}

/**
 * Asks for what lies at these topics, and then for the edge: a broker sends in order what it holds, so once the edge has come, the
 * rest has come before. False if it did not come in time, which says nothing of the rest.
 */
async function shown(deps: PatrolDeps, filters: readonly string[]): Promise<boolean> {
  const { link, watch, gateway, isOver, rest } = deps
  const edge = gatewayTopic(gateway, "log/edge")
  await link.subscribe(filters)
  // What is shown from now on is no answer to an earlier question.
  const before = watch.edgesShown
  await link.subscribe([edge])
  for (let waited = 0; waited < ANSWER_MS && watch.edgesShown === before && !isOver(); waited += LOOK_MS)
    await rest(LOOK_MS)
  // Of the edge we go on to hear by the filter of the session.
  await link.unsubscribe([...new Set([...filters, edge])])
  return watch.edgesShown > before
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
