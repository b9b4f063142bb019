import { encodeLogRequest } from "../../policy/audit/log-request.ts"
import { answerTopic, gatewayTopic, joinParts } from "../../policy/audit/topics.ts"
import { parsePiecePath, TILE_WIDTH } from "../../policy/audit/tlog/tile.ts"
import type { Clock } from "../../hal/clock.ts"
import type { SharedLink } from "./collect-link.ts"
import { handoversOver } from "./witness-link.ts"
import { createMqttSource } from "./mqtt-source.ts"
import { unpackPiece } from "./retained-log.ts"

/** A gateway answers 8 requests a second, and drops what comes faster. */
const ASK_EVERY_MS = 140

/** A gateway's log as a broker and the gateway itself give it; nothing is verified. */
export interface CollectSource {
  /** Names the connection: what was published on another one may be lost. */
  readonly link: string
  /** The note of the edge, fetched now; null if there is none, empty if it is no edge. @throws HardwareError `ERR_LINK` */
  checkpoint(): Promise<string | null>
  /** The first entry that the broker holds. */
  readonly first: number
  /** What the broker has of a piece. @throws HardwareError `ERR_LINK` */
  piece(path: string): Promise<Uint8Array | null>
  /** What the gateway answers; null if it has no such piece or is away, see `lastAnswer`. @throws HardwareError `ERR_LINK` */
  ask(path: string): Promise<Uint8Array | null>
  /** `gone`: the gateway said that it has not got what it was asked for last. */
  readonly lastAnswer: "here" | "gone" | "silent"
  /** What the broker holds of changes of the log's key. @throws HardwareError `ERR_LINK` */
  handovers(): Promise<readonly string[]>
  /** Retained. @throws HardwareError `ERR_LINK` */
  publish(topic: string, payload: Uint8Array): Promise<void>
}

/** What a source stands on. */
export interface CollectSourceDeps {
  readonly link: SharedLink
  readonly gateway: string
  readonly clock: Pick<Clock, "after" | "monotonicMs">
  /** A random name for an answer. */
  readonly nonce: () => string
  /** So long is waited for what should come. Default 3 s. */
  readonly waitMs?: number
}

/** A gateway's log by one connection to a broker. `close` gives up what it listens to. */
export function createCollectSource(deps: CollectSourceDeps): CollectSource & { close(): void } {
  const { link, gateway, clock, waitMs = 3_000 } = deps
  const [view, handoverView] = [link.view(), link.view()]
  const atBroker = createMqttSource({ link: view, gateway, clock, waitMs })
  let lastAnswer: CollectSource["lastAnswer"] = "silent"
  let askedMs = -Infinity

  async function answerTo(path: string): Promise<Uint8Array | null> {
    await pause(clock, ASK_EVERY_MS - (clock.monotonicMs() - askedMs))
    askedMs = clock.monotonicMs()
    const nonce = deps.nonce()
    const topic = answerTopic(gateway, nonce)
    const filters = [topic, `${topic}/part/+`]
    let take: (payload: Uint8Array | null) => void = () => undefined
    const answer = new Promise<Uint8Array | null>((resolve) => (take = resolve))
    const parts = new Map<number, Uint8Array>()
    const deaf = link.listen((at, payload) => {
      if (at === topic) return take(payload)
      const part = at.startsWith(`${topic}/part/`) ? Number(at.slice(topic.length + 6)) : NaN
      const whole = part >= 0 && part < 255 ? joinParts(parts.set(part, payload)) : null
      if (whole !== null) take(whole)
    })
    try {
      await view.subscribe(filters)
      await view.publish(gatewayTopic(gateway, "log/request"), encodeLogRequest({ path, nonce }), false)
      const cancel = clock.after(waitMs, () => take(null))
      return await answer.finally(cancel)
    } finally {
      deaf()
      await view.unsubscribe(filters).catch(() => undefined)
    }
  }

  return {
    link: link.name,
    checkpoint: () => atBroker.checkpoint(),
    get first() {
      return atBroker.first
    },
    get lastAnswer() {
      return lastAnswer
    },
    piece: (path) => atBroker.piece(path),
    async ask(path) {
      const piece = parsePiecePath(path)
      if (piece.width < TILE_WIDTH) return null
      const answer = await answerTo(path)
      lastAnswer = answer === null ? "silent" : answer.length === 0 ? "gone" : "here"
      return answer === null || answer.length === 0 ? null : unpackPiece(piece, answer)
    },
    handovers: handoversOver(handoverView, gateway, clock),
    publish: (topic, payload) => view.publish(topic, payload, true),
    close() {
      view.close()
      handoverView.close()
    },
  }
}

function pause(clock: Pick<Clock, "after">, ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => void clock.after(ms, resolve))
}
