import type { Clock } from "../../hal/clock.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"
import { linkError, type MqttLink, type MqttMessage } from "./mqtt-link.ts"
import type { PartLimit } from "./part-limit.ts"

const ACK_TIMEOUT_MS = 30_000
/** A broker that has shown neither the message nor that we are online by then lets us read nothing. */
const SHOW_MS = 10_000

/** What sending stands on. */
export interface RetainedSenderDeps {
  readonly link: Pick<MqttLink, "publish" | "subscribe" | "unsubscribe">
  readonly clock: Pick<Clock, "after">
  readonly gateway: string
  readonly limit: Pick<PartLimit, "taken" | "took">
}

/** Sends what is retained, and knows what of it got through. */
export interface RetainedSender {
  /**
   * Resolves when the broker has acknowledged, and a message larger than all before has been seen there.
   * @throws HardwareError `ERR_LINK`; reason `packet-too-large` if the broker acknowledged and dropped it
   */
  readonly send: (topic: string, payload: Uint8Array, retain?: boolean) => Promise<void>
  /** Everything that arrives, before it is looked at by others. */
  take(message: MqttMessage): void
  /** The largest payload that did not get through; 0 if all did. */
  readonly heaviest: number
}

/**
 * Sends, and where a message is larger than any that this broker has taken, makes sure that it is there.
 *
 * mosquitto with `message_size_limit` acknowledges what is too large on MQTT 3.1.1, and drops it. So the broker is asked for the
 * message and for `online`, in this order: if it shows only the second, it has no first.
 *
 * @see IEC 62443-4-2 CR 6.1
 */
export function createRetainedSender({ link, clock, gateway, limit }: RetainedSenderDeps): RetainedSender {
  const online = gatewayTopic(gateway, "online")
  const awaited = new Map<string, number>()
  let heaviest = 0
  let isBlind = false
  let onShown: () => void = () => undefined
  let sawOnline = false
  let turn: Promise<void> = Promise.resolve()

  async function acknowledged(topic: string, payload: Uint8Array, retain: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = clock.after(ACK_TIMEOUT_MS, () => reject(linkError("no-acknowledgement")))
      link.publish(topic, payload, retain).then(resolve, reject).finally(cancel)
    })
  }

  /** One at a time: an answer belongs to one question. */
  function prove(topic: string, bytes: number): Promise<void> {
    const own = turn.then(() => (awaited.has(topic) && bytes > limit.taken && !isBlind ? ask(topic) : undefined))
    turn = own.catch(() => undefined)
    return own
  }

  async function ask(topic: string): Promise<void> {
    sawOnline = false
    const answered = new Promise<boolean>((resolve) => {
      const cancel = clock.after(SHOW_MS, () => resolve(false))
      onShown = () => {
        cancel()
        resolve(true)
      }
    })
    await link.subscribe([topic, online])
    const isAnswered = await answered
    await link.unsubscribe([topic, online])
    if (!awaited.has(topic)) return
    // A broker that shows nothing at all has an access list that is told of elsewhere.
    if (!isAnswered) isBlind = true
    else throw linkError("packet-too-large")
  }

  return {
    async send(topic, payload, retain = true) {
      const isNew = retain && !isBlind && payload.length > limit.taken
      if (isNew) awaited.set(topic, payload.length)
      try {
        await acknowledged(topic, payload, retain)
        if (isNew) await prove(topic, payload.length)
        if (payload.length > 0) limit.took(payload.length)
      } catch (error) {
        heaviest = Math.max(heaviest, payload.length)
        throw error
      } finally {
        awaited.delete(topic)
      }
    },
    take({ topic, payload, retained }) {
      if (awaited.get(topic) === payload.length) {
        awaited.delete(topic)
        onShown()
      } else if (topic === online && retained && !sawOnline) {
        sawOnline = true
        onShown()
      }
    },
    get heaviest() {
      return heaviest
    },
  }
}
