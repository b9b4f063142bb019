import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Handover } from "../../policy/audit/key-chain.ts"
import {
  bundleOf,
  bundlesToLeave,
  firstWorthIt,
  piecesWith,
  type BundleCost,
} from "../../policy/audit/retained-plan.ts"
import { gatewayTopic, partsOf, pieceTopic, type PieceMessage } from "../../policy/audit/topics.ts"
import { parsePiecePath, piecePath, TILE_WIDTH, type LogPiece } from "../../policy/audit/tlog/tile.ts"
import type { Clock } from "../../hal/clock.ts"
import { createLogRequests } from "./log-requests.ts"
import { linkError, type MqttLink } from "./mqtt-link.ts"
import { createPartLimit, type PartLimit } from "./part-limit.ts"
import { pause } from "./pause.ts"
import { createRetainedEdge, sizeOf } from "./retained-edge.ts"
import { edgeOf, packPiece, pieceOrNull, type RetainedLog } from "./retained-log.ts"
import { patrol, readBackOf } from "./retained-patrol.ts"
import { createRetainedSender } from "./retained-send.ts"
import { createRetainedWatch } from "./retained-watch.ts"
import type { RetainedWindow } from "./retained-window.ts"

/** Bundles whose acknowledgement is waited for together. */
const IN_FLIGHT = 4
/** When the disk could not be read. */
const DISK_RETRY_MS = 5_000
/** Repairs are gathered so long, so that two who overwrite each other do it slowly. */
const REPAIR_MS = 1_000

/** What is retained where, and how much. */
export interface RetainedOptions {
  /** Bytes that may stand at the broker; default 64 MiB. */
  readonly windowBytes?: () => number
  /** The edge is rewritten at most so often; default every 10 s. */
  readonly edgeEveryMs?: number
  /** The changes of the log's key, for those who know an older one. */
  readonly handovers?: () => Promise<readonly Handover[]>
  /** Largest payload; default 128 KiB, and never more than the broker takes. */
  readonly partBytes?: number
  /** What the broker takes, as far as it is known from links before. Default: nothing is. */
  readonly limit?: PartLimit
}

/** What a session over one link stands on. */
export interface RetainedSessionDeps extends RetainedOptions {
  readonly link: MqttLink
  readonly log: RetainedLog
  readonly window: RetainedWindow
  readonly clock: Clock
  readonly gateway: string
  readonly signal: AbortSignal
  readonly report: (event: AuditEvent) => void
}

/** A session as long as it runs. */
export interface RetainedSession {
  /** Why it ended: `stopped` for the signal. Rejects only with what is never caught. */
  readonly ended: Promise<string>
  /** The largest payload that did not get through before it ended; 0 if all did. */
  readonly heaviest: number
  /** Whether the broker, asked just now, shows the edge that it acknowledged last. */
  readBack(): Promise<boolean>
}

/**
 * Keeps bundles, tiles and edge of the log retained at the broker, over one link, until that ends or the signal stops it.
 *
 * The broker has acknowledged every full piece that a checkpoint covers before the edge with that checkpoint goes out. What
 * leaves the window is cleared after an edge has said so. Every piece is published at least once; bundles in order.
 *
 * @see IEC 62443-4-2 CR 3.9, CR 6.1
 */
export function runRetainedSession(deps: RetainedSessionDeps): RetainedSession {
  const { link, log, window, clock, gateway, signal } = deps
  const maxWindow = (): number => deps.windowBytes?.() ?? 64 * 1024 * 1024
  const edgeEveryMs = deps.edgeEveryMs ?? 10_000
  const mostBytes = deps.partBytes === undefined ? {} : { mostBytes: deps.partBytes }
  const limit = deps.limit ?? createPartLimit({ clock, report: () => undefined, ...mostBytes })
  const partBytes = limit.bytesFor(link) ?? 0
  const sender = createRetainedSender({ link, clock, gateway, limit })
  const { send } = sender
  const over = new AbortController()
  let lost: string | null = null
  let ring: () => void = () => undefined
  let edgeAtMs = -Infinity
  let edgeOfNote = ""
  let handedOverTo: RetainedLog["key"] | null = null
  let repairAtMs: number | null = null
  /** The broker has nothing of what was published, and is filled anew. */
  let isEmptied = false
  const damagedTold = new Set<number>()

  const rung = (): void => ring()
  const handovers = async (): Promise<readonly Handover[]> => (await deps.handovers?.()) ?? []
  const needsRepair = (): void => {
    repairAtMs ??= clock.monotonicMs() + REPAIR_MS
    ring()
  }
  const watch = createRetainedWatch({
    ...{ gateway, log, window, clock, handovers, report: deps.report, ring: needsRepair },
  })
  const requests = createLogRequests({ gateway, log, clock, partBytes, publish: (t, bytes) => send(t, bytes, false) })
  const kept = createRetainedEdge({ gateway, partBytes, watch, send: ({ topic, payload }) => send(topic, payload) })

  const lostAll = (): void => {
    isEmptied = true
    ring()
  }
  const looking = { link, log, window, watch, gateway, report: deps.report, lostAll, isOver, rest }

  /** The messages that carry a piece. One that cannot be read has none, and is told. */
  async function messagesOf(piece: LogPiece): Promise<readonly PieceMessage[]> {
    const bytes = await pieceOrNull(log, piece)
    if (bytes !== null) return partsOf(pieceTopic(gateway, piecePath(piece)), await packPiece(piece, bytes), partBytes)
    tellDamaged(piece)
    return []
  }

  async function sendAll(messages: readonly PieceMessage[]): Promise<void> {
    await Promise.all(messages.map(({ topic, payload }) => send(topic, payload)))
  }

  function tellDamaged({ level, index }: LogPiece): void {
    const bundle = level === "entries" ? index : -1
    if (bundle < 0 || damagedTold.has(bundle)) return
    damagedTold.add(bundle)
    deps.report({
      id: "audit.damaged",
      outcome: "failure",
      source: "audit",
      reason: "ERR_AUDIT_DAMAGED",
      object: "not retained",
      detail: { from: bundle * TILE_WIDTH },
    })
  }

  async function publishFull(size: number): Promise<void> {
    const end = Math.floor(size / TILE_WIDTH)
    const lowest = Math.max(firstWorthIt(end, maxWindow()), Math.ceil((log.firstSeq ?? 0) / TILE_WIDTH))
    // A log that is shorter than what was published is another log; one that went on for long without us leaves a gap.
    if (window.next > end || window.next < lowest) window.restart(lowest)
    const running: { readonly cost: BundleCost; readonly sent: Promise<void> }[] = []
    const settle = async (most: number): Promise<void> => {
      for (let first = running[0]; first !== undefined && running.length > most; first = running[0]) {
        await first.sent
        running.shift()
        window.add(first.cost)
        await makeRoom()
      }
    }
    for (let bundle = window.next; bundle < end && !isOver(); bundle++) {
      const pieces: (readonly PieceMessage[])[] = []
      for (const piece of piecesWith(bundle)) pieces.push(await messagesOf(piece))
      const messages = pieces.flat()
      const sent = sendAll(messages)
      sent.catch(() => undefined)
      const bytes = messages.reduce((sum, { payload }) => sum + payload.length, 0)
      running.push({ cost: { bytes, parts: Math.max(1, ...pieces.map(({ length }) => length)) }, sent })
      await settle(IN_FLIGHT - 1)
    }
    if (!isOver()) await settle(0)
  }

  async function makeRoom(): Promise<void> {
    const gone = Math.max(0, Math.ceil((log.firstSeq ?? 0) / TILE_WIDTH) - window.first)
    const count = Math.max(bundlesToLeave(window.costs, maxWindow()), Math.min(gone, window.costs.length))
    if (count === 0) return
    const [from, costs] = [window.first, window.costs.slice(0, count)]
    window.leave(count)
    // First it is known here and there that they leave: what is missing else would count as cleared by somebody.
    await window.save()
    const { edge } = kept
    if (edge !== null) await kept.put({ ...edge, first: Math.max(edge.first, window.first * TILE_WIDTH) })
    for (const [k, cost] of costs.entries()) {
      const topics = piecesWith(from + k).flatMap((piece) => topicsOf(piece, cost.parts))
      await Promise.all(topics.map((topic) => send(topic, new Uint8Array())))
    }
  }

  /** Every topic at which a piece can lie that went in at most so many messages. */
  function topicsOf(piece: LogPiece, most: number): readonly string[] {
    const topic = pieceTopic(gateway, piecePath(piece))
    return most === 1 ? [topic] : [topic, ...Array.from({ length: most }, (_, n) => `${topic}/part/${n}`)]
  }

  /** Once more, maybe in other parts than before: what then lies beside them goes. */
  async function sendAgain(piece: LogPiece): Promise<void> {
    const bundle = bundleOf(piece)
    const messages = await messagesOf(piece)
    if (messages.length === 0) return
    const before = topicsOf(piece, window.costOf(bundle)?.parts ?? 1)
    window.widen(bundle, messages.length)
    await sendAll(messages)
    const now = new Set(messages.map(({ topic }) => topic))
    const beside = before.filter((topic) => !now.has(topic))
    beside.forEach((topic) => watch.clearing(topic))
    await Promise.all(beside.map((topic) => send(topic, new Uint8Array())))
  }

  /** Who knows an older key finds them before the first checkpoint by the new one. */
  async function publishHandovers(): Promise<void> {
    if (handedOverTo === log.key) return
    const key = log.key
    for (const { where, text } of await handovers()) {
      const size = Number(where.slice("handover-".length))
      await send(gatewayTopic(gateway, `log/handover/${size}`), new TextEncoder().encode(text))
    }
    handedOverTo = key
  }

  async function publishEdge(): Promise<void> {
    const next = await edgeOf(log, window.first * TILE_WIDTH)
    // The log may have filled another bundle meanwhile: its turn comes first.
    if (next !== null && Math.floor(sizeOf(next) / TILE_WIDTH) > window.next) return
    edgeAtMs = clock.monotonicMs()
    if (next === null) return
    await publishHandovers()
    await kept.put(next)
    limit.settled()
    edgeOfNote = next.checkpoint
  }

  async function repair(): Promise<void> {
    repairAtMs = null
    const wrong = watch.takeWrong()
    for (const topic of wrong.clear) await send(topic, new Uint8Array())
    for (const path of wrong.republish) {
      const piece = parsePiecePath(path)
      const bundle = bundleOf(piece)
      if (bundle >= window.first && bundle < window.next) await sendAgain(piece)
    }
    if (wrong.handovers) {
      handedOverTo = null
      await publishHandovers()
    }
    if (wrong.edge && kept.edge !== null) await kept.put(kept.edge)
  }

  async function turn(): Promise<void> {
    // Known on disk before the first piece stands again: whoever goes on after a kill does not miss the rest.
    if (isEmptied) {
      window.restart(window.first)
      await window.save()
    }
    await publishFull(log.checkpoint.size)
    if (isEmptied && !isOver()) {
      window.trust()
      isEmptied = false
    }
    if (isOver()) return
    if (repairAtMs !== null && clock.monotonicMs() >= repairAtMs) await repair()
    const isDue = clock.monotonicMs() - edgeAtMs >= edgeEveryMs || signal.aborted
    if (edgeOfNote !== log.checkpoint.note && isDue) await publishEdge()
  }

  function isOver(): boolean {
    return over.signal.aborted
  }

  function isStopping(): boolean {
    return signal.aborted
  }

  function rest(ms: number): Promise<void> {
    return pause(clock, ms, over.signal)
  }

  /** Until something is to be done: the log has grown and the edge is due, a repair is due, or it is over. */
  function idle(ms: number): Promise<void> {
    return new Promise((resolve) => {
      let cancel = (): void => undefined
      ring = () => {
        cancel()
        resolve()
      }
      cancel = clock.after(ms, ring)
      if (isOver()) ring()
    })
  }

  function waitMs(): number {
    const nowMs = clock.monotonicMs()
    const edgeIn = edgeOfNote === log.checkpoint.note ? Infinity : edgeAtMs + edgeEveryMs - nowMs
    const repairIn = repairAtMs === null ? Infinity : repairAtMs - nowMs
    return Math.max(0, Math.min(edgeIn, repairIn, 60_000))
  }

  async function run(): Promise<string> {
    const end = (why: string): void => {
      lost ??= why
      over.abort()
      ring()
    }
    link.onLost(end)
    link.onMessage(async (message) => {
      sender.take(message)
      if (message.topic === gatewayTopic(gateway, "log/request")) requests.take(message.payload)
      else if (message.topic.startsWith(gatewayTopic(gateway, "log/")))
        await watch.take(message).catch((error: unknown) => unlessOurs(error))
    })
    const endCheckpoints = log.onCheckpoint(rung)
    signal.addEventListener("abort", rung)
    let patrolling: Promise<void> | null = null
    try {
      const had = { pieces: window.next > window.first, sure: window.isSure }
      window.doubt()
      if (partBytes === 0) throw linkError("packet-too-large")
      // On disk before anything is sent: a kill before the patrol is through leaves a broker of which nothing is known.
      await window.save()
      await link.subscribe(filtersOf(gateway))
      while (!isOver()) {
        const isLast = isStopping()
        try {
          await turn()
        } catch (error) {
          // A disk that cannot be read now: the log itself tells of it.
          if (!(error instanceof LockgateError) || error.kind !== "hardware" || error.code === "ERR_LINK") throw error
          await rest(DISK_RETRY_MS)
        }
        if (isLast) break
        patrolling ??= kept.edge === null ? null : patrol(looking, had).catch(unlessOurs)
        if (!isStopping()) await idle(waitMs())
      }
      return lost ?? "stopped"
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      const { detail, code } = error as LockgateError
      return typeof detail["reason"] === "string" ? detail["reason"] : code
    } finally {
      over.abort()
      endCheckpoints()
      signal.removeEventListener("abort", rung)
      watch.stop()
      await patrolling
    }
  }

  return {
    ended: run(),
    get heaviest() {
      return sender.heaviest
    },
    async readBack() {
      // Just connected, the first edge is on its way.
      for (let k = 0; k < 30 && kept.edge === null && !isOver(); k++) await rest(100)
      return !isOver() && kept.edge !== null && readBackOf(looking)
    },
  }
}

/** What a session listens to. */
export function filtersOf(gateway: string): readonly string[] {
  return [
    `${gatewayTopic(gateway, "log/edge")}/#`,
    gatewayTopic(gateway, "log/request"),
    pieceTopic(gateway, "tile/#"),
    `${gatewayTopic(gateway, "log/handover/")}+`,
  ]
}

/** What a link or disk does is not ours to die of. */
function unlessOurs(error: unknown): void {
  if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
}
