import { InputError } from "../../policy/base/errors.ts"
import { parseEdge, type ParsedEdge } from "../../policy/audit/edge-message.ts"
import { createEdgeInbox, edgeFilters } from "../../policy/audit/edge-parts.ts"
import { encodeBundle } from "../../policy/audit/entry-bundle.ts"
import type { Handover } from "../../policy/audit/key-chain.ts"
import { MAX_PROOF_BYTES } from "../../policy/audit/proof-file.ts"
import { encodeLogRequest } from "../../policy/audit/log-request.ts"
import { answerTopic, gatewayTopic, joinParts, pieceTopic } from "../../policy/audit/topics.ts"
import { HASH_BYTES, leafHash } from "../../policy/audit/tlog/hash.ts"
import { parsePiecePath, piecePath, TILE_WIDTH, type LogPiece } from "../../policy/audit/tlog/tile.ts"
import type { Clock } from "../../hal/clock.ts"
import type { MqttLink } from "./mqtt-link.ts"
import { nodeSha256 } from "./note-functions.ts"
import { unpackEdge, unpackPiece } from "./retained-log.ts"

/** Pieces of one kind that are asked for together: they are wanted one after the other. */
const AHEAD = 8
/** Pieces kept for whoever asks next. */
const KEPT = 8 * AHEAD
const MAX_NONCE_BYTES = 24
/** So long after the answer to the question all of them have come. */
const HANDOVERS_MS = 2_500
/** More changes of keys are not looked at. */
const MAX_HANDOVERS = 256

/** What a source stands on. */
export interface MqttSourceDeps {
  readonly link: Pick<MqttLink, "subscribe" | "unsubscribe" | "onMessage" | "publish">
  readonly gateway: string
  readonly clock: Pick<Clock, "after">
  /** So long is waited for what the broker should show. Default 3 s. */
  readonly waitMs?: number
  /** Random characters, for the name of an answer; given, what the broker does not hold is asked of the gateway. */
  readonly nonce?: () => string
}

/** A gateway's log as the broker holds it. */
export interface MqttSource {
  /** The signed note of the edge, fetched now: what `piece` gives fits this one. Null if there is none; empty if it is no edge. */
  checkpoint(): Promise<string | null>
  /**
   * A tile or bundle, partial ones of the checkpoint included; null if neither broker nor gateway has it, empty if what is
   * there cannot be one. @throws HardwareError `ERR_LINK`
   */
  piece(path: string): Promise<Uint8Array | null>
  /** The changes of the log's key that the broker shows, oldest first. @throws HardwareError `ERR_LINK` */
  handovers(): Promise<readonly Handover[]>
  /** The first entry that the broker holds, by the edge fetched last: from here it verifies by itself. */
  readonly first: number
  /** Entries under that checkpoint. */
  readonly size: number
}

interface Awaited {
  take(topic: string, payload: Uint8Array): void
}

/**
 * Reads the log of a gateway from a broker alone, the gateway may be off; nothing is verified here.
 *
 * @see IEC 62443-4-2 CR 6.1 RE(1)
 */
export function createMqttSource(deps: MqttSourceDeps): MqttSource {
  const { link, gateway, clock } = deps
  const waitMs = deps.waitMs ?? 3_000
  const awaited = new Set<Awaited>()
  const kept = new Map<string, Promise<Uint8Array | null>>()
  let edge: ParsedEdge | null = null

  link.onMessage(async ({ topic, payload }) => {
    for (const one of awaited) one.take(topic, payload)
  })

  /** What comes to `topic`, whole or in parts; null after `waitMs` from when the broker has taken the question. */
  function arrival(topic: string, question: Promise<void>): Promise<Uint8Array | null> {
    const parts = new Map<number, Uint8Array>()
    return collected((at, payload) => {
      if (at === topic) return payload
      const part = at.startsWith(`${topic}/part/`) ? Number(at.slice(topic.length + 6)) : NaN
      return part >= 0 && part < 255 ? joinParts(parts.set(part, payload)) : null
    }, question)
  }

  /** What `take` makes of what arrives, once it makes something of it; null after `ms`. Rejects with what it throws. */
  function collected(
    take: (topic: string, payload: Uint8Array) => Uint8Array | null,
    question: Promise<void>,
    ms = waitMs,
  ): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => {
      let cancel = (): void => undefined
      const stop = (): void => {
        cancel()
        awaited.delete(one)
      }
      const done = (payload: Uint8Array | null): void => {
        stop()
        resolve(payload)
      }
      const one: Awaited = {
        take(at, payload) {
          try {
            const whole = take(at, payload)
            if (whole !== null) done(whole)
          } catch (error) {
            stop()
            reject(error instanceof Error ? error : new InputError("ERR_EDGE", "not the edge of a log"))
          }
        },
      }
      awaited.add(one)
      question.then(
        () => {
          if (awaited.has(one)) cancel = clock.after(ms, () => done(null))
        },
        (error: unknown) => {
          awaited.delete(one)
          reject(error instanceof Error ? error : new InputError("ERR_LINK", "the link failed"))
        },
      )
    })
  }

  /** What is retained at these topics, asked for in one go. */
  function retainedAt(topics: readonly string[]): Promise<Uint8Array | null>[] {
    const filters = topics.flatMap((topic) => [topic, `${topic}/part/+`])
    // Before it is asked, it is listened: a broker may send what it holds before it acknowledges.
    let asked: () => void = () => undefined
    const ready = new Promise<void>((resolve) => (asked = resolve))
    const question = ready.then(() => link.subscribe(filters))
    const arrivals = topics.map((topic) => arrival(topic, question))
    asked()
    void Promise.allSettled(arrivals).then(() => link.unsubscribe(filters).catch(() => undefined))
    return arrivals
  }

  /** The gzipped edge as the broker holds it. @throws InputError `ERR_EDGE` */
  async function edgeNow(): Promise<Uint8Array | null> {
    const inbox = createEdgeInbox(nodeSha256, gateway)
    const filters = edgeFilters(gateway)
    let asked: () => void = () => undefined
    const ready = new Promise<void>((resolve) => (asked = resolve))
    const arriving = collected(
      (topic, payload) => inbox.take(topic, payload),
      ready.then(() => link.subscribe(filters)),
    )
    asked()
    return arriving.finally(() => void link.unsubscribe(filters).catch(() => undefined))
  }

  async function byRequest(path: string): Promise<Uint8Array | null> {
    if (deps.nonce === undefined) return null
    const nonce = deps.nonce().slice(0, MAX_NONCE_BYTES)
    const topic = answerTopic(gateway, nonce)
    const filters = [topic, `${topic}/part/+`]
    await link.subscribe(filters)
    try {
      const asked = link.publish(gatewayTopic(gateway, "log/request"), encodeLogRequest({ path, nonce }), false)
      const answer = await arrival(topic, asked)
      return answer === null || answer.length === 0 ? null : answer
    } finally {
      await link.unsubscribe(filters)
    }
  }

  /** A full piece as it is at the broker; those after it are asked for with it. */
  function full(piece: LogPiece): Promise<Uint8Array | null> {
    const path = piecePath(piece)
    const known = kept.get(path)
    if (known !== undefined) return known
    const size = edge?.said.size ?? 0
    const span = piece.level === "entries" ? TILE_WIDTH : TILE_WIDTH ** (piece.level + 1)
    const ahead = Math.max(1, Math.min(AHEAD, Math.floor(size / span) - piece.index))
    const pieces = Array.from({ length: ahead }, (_, k): LogPiece => ({ ...piece, index: piece.index + k }))
    const wanted = pieces.filter((one) => !kept.has(piecePath(one)))
    const found = retainedAt(wanted.map((one) => pieceTopic(gateway, piecePath(one))))
    wanted.forEach((one, k) => {
      const arriving = found[k]
      if (arriving === undefined) return
      arriving.catch(() => undefined)
      kept.set(piecePath(one), arriving)
    })
    for (const old of kept.keys()) {
      if (kept.size <= KEPT) break
      kept.delete(old)
    }
    return kept.get(path) ?? Promise.resolve(null)
  }

  return {
    async checkpoint() {
      kept.clear()
      edge = null
      try {
        const payload = await edgeNow()
        if (payload === null || payload.length === 0) return null
        edge = parseEdge(unpackEdge(payload) ?? new Uint8Array())
        return edge.checkpoint
      } catch (error) {
        if (error instanceof InputError) return ""
        throw error
      }
    },
    async piece(path) {
      const piece = parsePiecePath(path)
      if (piece.width < TILE_WIDTH) return edge === null ? null : partialOf(edge, piece)
      const payload = await full(piece)
      const found = payload === null || payload.length === 0 ? await byRequest(path) : payload
      return found === null ? null : (unpackPiece(piece, found) ?? new Uint8Array())
    },
    async handovers() {
      const found = new Map<number, Handover>()
      const root = `lockgate/${gateway}/log/handover/`
      const filters = [`${root}+`]
      // What a broker retains it sends in one go; that it has no more it does not say.
      const all = collected(
        (topic, payload) => {
          const size = topic.startsWith(root) ? topic.slice(root.length) : ""
          if (!/^[1-9][0-9]{0,14}$/.test(size) || payload.length === 0 || found.size >= MAX_HANDOVERS) return null
          const text = new TextDecoder().decode(payload.subarray(0, MAX_PROOF_BYTES + 1))
          found.set(Number(size), { where: `handover-${size}`, text })
          return null
        },
        link.subscribe(filters),
        Math.min(waitMs, HANDOVERS_MS),
      )
      await all.finally(() => void link.unsubscribe(filters).catch(() => undefined))
      return [...found].sort(([one], [other]) => one - other).map(([, handover]) => handover)
    },
    get first() {
      return edge?.first ?? 0
    },
    get size() {
      return edge?.said.size ?? 0
    },
  }
}

/** A partial tile or bundle out of the edge; null if it is none of this size. */
function partialOf({ said, levels, entries }: ParsedEdge, { level, index, width }: LogPiece): Uint8Array | null {
  const span = level === "entries" ? 1 : TILE_WIDTH ** level
  if (index !== Math.floor(said.size / span / TILE_WIDTH)) return null
  if (level === "entries" || level === 0) {
    if (width > entries.length) return null
    const own = entries.slice(0, width)
    return level === "entries" ? encodeBundle(own) : Buffer.concat(own.map((entry) => leafHash(nodeSha256, entry)))
  }
  const hashes = levels[level - 1]
  return hashes === undefined || hashes.length < width * HASH_BYTES ? null : hashes.subarray(0, width * HASH_BYTES)
}
