import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { parseEdge } from "../../policy/audit/edge-message.ts"
import type { Handover } from "../../policy/audit/key-chain.ts"
import { bundleOf } from "../../policy/audit/retained-plan.ts"
import { edgePartAt, type EdgeMessages } from "../../policy/audit/edge-parts.ts"
import { gatewayTopic, joinParts, pieceAt } from "../../policy/audit/topics.ts"
import { TreeEdge } from "../../policy/audit/tlog/edge.ts"
import { leafHash, sameHash } from "../../policy/audit/tlog/hash.ts"
import { parseNote, verifyNote } from "../../policy/audit/tlog/note.ts"
import { HASH_BYTES } from "../../policy/audit/tlog/hash.ts"
import { parsePiecePath, TILE_WIDTH } from "../../policy/audit/tlog/tile.ts"
import type { Clock } from "../../hal/clock.ts"
import type { MqttMessage } from "./mqtt-link.ts"
import { nodeSha256, verifyNoteSignature } from "./note-functions.ts"
import { pieceOrNull, unpackEdge, unpackPiece, type RetainedLog } from "./retained-log.ts"
import { createAlterationTeller } from "./retained-teller.ts"
import type { RetainedWindow } from "./retained-window.ts"

/** Pieces of which parts are collected at a time. */
const MAX_JOINING = 4
/** Parts of edges of which an echo may still come. */
const MAX_FORMER = 512

/** What the watch stands on. */
export interface RetainedWatchDeps {
  readonly gateway: string
  readonly log: RetainedLog
  readonly window: Pick<RetainedWindow, "first" | "next">
  readonly clock: Clock
  readonly report: (event: AuditEvent) => void
  /** The changes of the log's key, as proof files. */
  readonly handovers: () => Promise<readonly Handover[]>
  /** There is something to put right: ask `wrong`. */
  readonly ring: () => void
}

/** What is not as we published it. */
export interface Wrong {
  /** Paths of pieces to publish again. */
  readonly republish: ReadonlySet<string>
  /** Topics that hold what is not ours, to be cleared. */
  readonly clear: ReadonlySet<string>
  /** The edge is to be published again. */
  readonly edge: boolean
  /** The changes of the log's key are. */
  readonly handovers: boolean
}

/** Compares what the broker shows under our topics with the log. */
export interface RetainedWatch {
  /** A message under `log/`; reads the log, waits for nothing else. */
  take(message: MqttMessage): Promise<void>
  /** The edge that is about to be handed to the broker. */
  edgeSent(messages: EdgeMessages): void
  /** The edge that was sent last is acknowledged: parts of others may go. */
  edgeStands(): void
  /** We clear what lies at this topic beside a piece that is in other parts now: the echo of it is no attack. */
  clearing(topic: string): void
  /** Whether the broker has shown us this piece as we have it, since the link is up. */
  hasSeen(path: string): boolean
  /** Whether it has shown us the edge that we sent last. */
  readonly showsEdge: boolean
  /** How often the broker has shown us, asked, what lies at `log/edge`. */
  readonly edgesShown: number
  /** How many messages with something of a piece it has shown us as what lies there. */
  readonly piecesShown: number
  /** Retained messages seen: no more of them, and the broker has told what it holds. */
  readonly retainedSeen: number
  /** The broker was asked for this piece, and does not have it. */
  missing(path: string): void
  /** What is to be put right; from then on that counts as done. */
  takeWrong(): Wrong
  stop(): void
}

/**
 * Watches over what is retained: a piece or edge that somebody has overwritten or cleared is told (alarm) and named for repair.
 *
 * Content is compared, not packing: a newer zlib is no attack.
 *
 * @see IEC 62443-4-2 CR 3.9
 */
export function createRetainedWatch(deps: RetainedWatchDeps): RetainedWatch {
  const { gateway, log, window } = deps
  const edgeTopic = gatewayTopic(gateway, "log/edge")
  const handoverRoot = gatewayTopic(gateway, "log/handover/")
  const seen = new Set<string>()
  /** Pieces that were told of, until they are shown as they should be. */
  const told = new Set<string>()
  const clearedByUs = new Set<string>()
  const joining = new Map<string, Map<number, Uint8Array>>()
  /** Digests of edges that were sent and not shown yet, oldest first; and of the one shown last, if no newer one was sent. */
  let sent: string[] = []
  let shown: string | null = null
  /** Of the one that the broker was last right to show. Asked before a newer one reached it, it shows this again. */
  let stood: string | null = null
  let isFirstEdge = true
  /** Digests of the parts of the edges that may stand now, by topic; and which edges stood before, the newest last. */
  const parts = new Map<string, string>()
  let newest = new Set<string>()
  const unshown = new Set<string>()
  let former: string[] = []
  let retainedSeen = 0
  let edgesShown = 0
  let piecesShown = 0
  let wrong = nothingWrong()
  const teller = createAlterationTeller(deps, "audit.retained-altered")

  function found(reason: "overwritten" | "cleared" | "foreign", object: string, mend: () => void): void {
    mend()
    teller.tell(reason, object)
    deps.ring()
  }

  function pieceIsWrong(reason: "overwritten" | "cleared", path: string): void {
    told.add(path)
    found(reason, path, () => wrong.republish.add(path))
  }

  async function takeEdge(payload: Uint8Array): Promise<void> {
    const digest = digestOf(payload)
    const at = sent.indexOf(digest)
    const isFirst = isFirstEdge
    isFirstEdge = false
    if (at >= 0) {
      sent = sent.slice(at + 1)
      shown = stood = digest
    } else if (isFirst && (payload.length === 0 || (await isEdgeOf(log, payload)))) stood = digest
    else if (digest !== stood) {
      shown = null
      found(payload.length === 0 ? "cleared" : "overwritten", "log/edge", () => (wrong.edge = true))
    }
  }

  function takeEdgePart(topic: string, edge: string, payload: Uint8Array, retained: boolean): void {
    const own = parts.get(topic)
    if (own === undefined) {
      if (payload.length === 0) return
      const clear = (): void => void wrong.clear.add(topic)
      // Left over from before; what is told live, and not by us, is somebody's.
      if (!retained && !former.includes(edge)) found("foreign", "log/edge", clear)
      else if (retained) {
        clear()
        deps.ring()
      }
    } else if (payload.length > 0 && digestOf(payload) === own) unshown.delete(topic)
    else {
      if (newest.has(topic)) unshown.add(topic)
      found(payload.length === 0 ? "cleared" : "overwritten", "log/edge", () => (wrong.edge = true))
    }
  }

  async function takeHandover(topic: string, size: string, payload: Uint8Array): Promise<void> {
    const own = (await deps.handovers()).find(({ where }) => where === `handover-${size}`)
    const isRight = own?.text === Buffer.from(payload).toString("utf8")
    if (isRight || (own === undefined && payload.length === 0)) return
    const object = `log/handover/${size.slice(0, 20)}`
    if (own === undefined) found("foreign", object, () => wrong.clear.add(topic))
    else found(payload.length === 0 ? "cleared" : "overwritten", object, () => (wrong.handovers = true))
  }

  async function takePiece(topic: string, path: string, part: number | null, payload: Uint8Array): Promise<void> {
    const piece = parsePiecePath(path)
    const bundle = bundleOf(piece)
    const isOurs = bundle >= window.first && bundle < window.next
    if (payload.length === 0) {
      // What left the window was cleared by us; what is not published yet will be.
      if (isOurs && !clearedByUs.delete(topic)) pieceIsWrong("cleared", path)
      return
    }
    const whole = part === null ? payload : joined(path, part, payload)
    // Of what has left, some parts may be gone already: it will never be whole, and goes part by part.
    if (part !== null && bundle < window.first) {
      wrong.clear.add(topic)
      deps.ring()
    }
    if (whole === null) return
    const own = await pieceOrNull(log, piece)
    const bytes = own === null ? null : unpackPiece(piece, whole)
    const isRight = own !== null && bytes !== null && sameHash(bytes, own)
    if (bundle < window.first) {
      // Left over from before; or somebody puts old things there.
      if (own === null || isRight) {
        wrong.clear.add(topic)
        deps.ring()
      } else found("foreign", path, () => wrong.clear.add(topic))
    } else if (isRight) {
      seen.add(path)
      told.delete(path)
    } else if (own !== null) {
      seen.delete(path)
      // What is not published yet will be, and so put right.
      if (isOurs) pieceIsWrong("overwritten", path)
      else found("overwritten", path, () => undefined)
    } else if (!isOurs) {
      found("foreign", path, () => wrong.clear.add(topic))
    }
    // Else our own copy is damaged: what the broker has may be the better one, and stays.
  }

  function joined(path: string, part: number, payload: Uint8Array): Uint8Array | null {
    const parts = joining.get(path) ?? new Map<number, Uint8Array>()
    joining.set(path, parts.set(part, payload))
    if (joining.size > MAX_JOINING) joining.delete(joining.keys().next().value ?? "")
    const whole = joinParts(parts)
    if (whole !== null) joining.delete(path)
    return whole
  }

  return {
    async take({ topic, payload, retained }) {
      if (retained) retainedSeen++
      if (topic === edgeTopic) {
        if (retained) edgesShown++
        return takeEdge(payload)
      }
      const part = edgePartAt(gateway, topic)
      if (part !== null) {
        takeEdgePart(topic, part.edge, payload, retained)
        return
      }
      if (topic.startsWith(handoverRoot)) return takeHandover(topic, topic.slice(handoverRoot.length), payload)
      const at = pieceAt(gateway, topic)
      if (at !== null && retained && payload.length > 0) piecesShown++
      if (at !== null) return takePiece(topic, at.path, at.part, payload)
      if (payload.length > 0 && ["tile", "edge"].some((place) => topic.startsWith(`lockgate/${gateway}/log/${place}/`)))
        found("foreign", topic.slice(`lockgate/${gateway}/`.length, 200), () => wrong.clear.add(topic))
    },
    edgeSent({ head, parts: pieces }) {
      sent.push(digestOf(head.payload))
      shown = null
      newest = new Set(pieces.map(({ topic }) => topic))
      unshown.clear()
      for (const { topic, payload } of pieces) {
        parts.set(topic, digestOf(payload))
        unshown.add(topic)
      }
    },
    edgeStands() {
      for (const topic of parts.keys()) {
        if (newest.has(topic)) continue
        parts.delete(topic)
        former = [...former, edgePartAt(gateway, topic)?.edge ?? ""].slice(-MAX_FORMER)
      }
    },
    clearing: (topic) => void clearedByUs.add(topic),
    hasSeen: (path) => seen.has(path),
    get showsEdge() {
      return shown !== null && sent.length === 0 && unshown.size === 0
    },
    get edgesShown() {
      return edgesShown
    },
    get piecesShown() {
      return piecesShown
    },
    get retainedSeen() {
      return retainedSeen
    },
    missing(path) {
      if (told.has(path)) {
        wrong.republish.add(path)
        deps.ring()
      } else pieceIsWrong("cleared", path)
    },
    takeWrong() {
      const now = wrong
      wrong = nothingWrong()
      return now
    },
    stop: () => teller.stop(),
  }
}

function nothingWrong(): { republish: Set<string>; clear: Set<string>; edge: boolean; handovers: boolean } {
  return { republish: new Set(), clear: new Set(), edge: false, handovers: false }
}

/** Whether the payload is an edge that this log has signed, and says of it what is so. */
async function isEdgeOf(log: RetainedLog, payload: Uint8Array): Promise<boolean> {
  // Where one lay: it is replaced in this moment, and nobody puts another together than the one that is named.
  if (payload[0] === 0x7b) return true
  const bytes = unpackEdge(payload)
  if (bytes === null) return false
  try {
    const { checkpoint, said, levels, entries } = parseEdge(bytes)
    if (said.origin !== log.key.name || said.size > log.checkpoint.size) return false
    const signed = await verifyNote(nodeSha256, parseNote(checkpoint), [log.key], verifyNoteSignature)
    if (signed.length === 0) return false
    const leaves = entries.map((entry) => leafHash(nodeSha256, entry))
    const above = levels.map((tile) => hashesOf(tile))
    const partials = said.size === 0 ? [] : [leaves, ...above]
    return sameHash(new TreeEdge(nodeSha256, said.size, partials).root(), said.root)
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return false
    throw error
  }
}

function hashesOf(tile: Uint8Array): readonly Uint8Array[] {
  const count = Math.min(TILE_WIDTH, tile.length / HASH_BYTES)
  return Array.from({ length: count }, (_, k) => tile.subarray(k * HASH_BYTES, (k + 1) * HASH_BYTES))
}

function digestOf(payload: Uint8Array): string {
  return Buffer.from(nodeSha256(payload)).toString("base64")
}
