import type { PayloadWatch } from "./boundary.ts"
import type { RecordWish } from "./judge.ts"
import type { SessionContext } from "./session-context.ts"
import { printable } from "./text.ts"

/** A cryptographic hash that is fed piece by piece, so that nobody can make two payloads look alike to the log. */
export interface Hash {
  update(bytes: Uint8Array): unknown
  /** Printable; once. */
  digest(): string
}

/** An allowed message that its rule wants recorded, after all of it has passed. Holds nothing of the payload. */
export interface RecordedMessage {
  readonly action: "publish" | "receive" | "will"
  readonly rule: string
  /** The topic, cut to 128 characters, control characters replaced. */
  readonly object: string
  readonly payloadBytes: number
  /** Hashes of topic and payload if only changes are recorded; null if each message is. */
  readonly change: { readonly topic: string; readonly payload: string } | null
}

/**
 * Watches the payload of a message that is to be recorded as it passes, and tells of it at its end. A message whose end
 * never comes is not told of: nobody has received it.
 */
export class Recording implements PayloadWatch {
  /** True from `begin` to `end`. */
  active = false
  readonly #context: SessionContext
  #message: Omit<RecordedMessage, "change"> | null = null
  #topicHash = ""
  #hash: Hash | null = null

  constructor(context: SessionContext) {
    this.#context = context
  }

  /** The message to the topic [start, end) of `topic` was allowed by a rule that wants it recorded. */
  begin(
    { rule, changesOnly }: RecordWish,
    action: RecordedMessage["action"],
    topic: Uint8Array,
    start: number,
    end: number,
    payloadBytes: number,
  ): void {
    this.active = true
    this.#message = { action, rule, object: printable(topic, start, end), payloadBytes }
    this.#hash = null
    if (!changesOnly) return
    const { deps } = this.#context
    const topicHash = deps.newHash()
    topicHash.update(topic.subarray(start, end))
    this.#topicHash = topicHash.digest()
    this.#hash = deps.newHash()
  }

  /** The next piece of the payload is [start, end) of `bytes`. */
  payload(bytes: Uint8Array, start: number, end: number): void {
    this.#hash?.update(bytes.subarray(start, end))
  }

  /** All of it has passed. */
  end(): void {
    this.active = false
    const message = this.#message
    if (message === null) return
    const change = this.#hash === null ? null : { topic: this.#topicHash, payload: this.#hash.digest() }
    this.#message = this.#hash = null
    this.#context.port.recorded({ ...message, change })
  }
}
