import type { Duplex } from "node:stream"
import { MqttClient, type IClientOptions, type IPublishPacket } from "mqtt"
import { HardwareError, LockgateError } from "../../policy/base/errors.ts"
import { gatewayClientId, gatewayTopic } from "../../policy/audit/topics.ts"

/** Why a link ended on which more was sent than the broker takes. */
export const TOO_LARGE = "packet-too-large"

/** One connection to a broker, from CONNACK until it ends. It never reconnects: a new one is dialled. */
export interface MqttLink {
  /**
   * Publish with QoS 1; resolves when the broker has acknowledged. `correlation` goes with it where MQTT 5 is spoken.
   * @throws HardwareError `ERR_LINK` when the link ends before
   */
  publish(topic: string, payload: Uint8Array, retain: boolean, correlation?: Uint8Array): Promise<void>
  /** Ask for what these filters match, with QoS 1. @throws HardwareError `ERR_LINK`, also when the broker refuses one of them */
  subscribe(filters: readonly string[]): Promise<void>
  /** @throws HardwareError `ERR_LINK` */
  unsubscribe(filters: readonly string[]): Promise<void>
  /**
   * One who takes what arrives, beside those before. Nothing further is read until what all of them return has settled, so that a slow one
   * slows the broker and fills no memory: hence it must not wait for an acknowledgement.
   */
  onMessage(listener: (message: MqttMessage) => Promise<void>): void
  /** The largest packet that the broker takes, as far as it says: MQTT 5 only. */
  readonly maxPacketBytes: number
  /** Called once, when the link has ended other than by `close`; at once if it has ended already. */
  onLost(listener: (reason: string) => void): void
  /** End in order: the broker forgets the will. Never rejects. */
  close(): Promise<void>
  /** End at once: the broker publishes the will. */
  destroy(): void
}

/** A message as it arrived. */
export interface MqttMessage {
  readonly topic: string
  readonly payload: Uint8Array
  /** It was kept at the broker before we asked. */
  readonly retained: boolean
  /** Where an answer is wanted, as its sender says: MQTT 5 only. */
  readonly reply?: ReplyTo
}

/** Response Topic and Correlation Data of a request. @see MQTT 5.0 section 4.10 */
export interface ReplyTo {
  readonly topic: string
  readonly correlation?: Uint8Array
}

/** What a link is dialled with. */
export interface DialOptions {
  /** A connection to the broker on which nothing was written yet, its peer already judged. */
  readonly openStream: () => Promise<Duplex>
  readonly connackTimeoutMs?: number
  readonly keepaliveSeconds?: number
  /** Default `3.1.1`, which both kinds of broker speak. */
  readonly version?: "3.1.1" | "5"
}

/**
 * Dials the broker as the gateway, clean session, with the retained will `offline` on `lockgate/<gateway>/online`. Resolves
 * when the broker has accepted.
 *
 * @throws HardwareError `ERR_LINK`; `detail.reason` says why in one word
 */
export async function dialMqtt(options: DialOptions & { readonly gateway: string }): Promise<MqttLink> {
  const { gateway } = options
  const will = {
    topic: gatewayTopic(gateway, "online"),
    payload: Buffer.from("offline"),
    qos: 1,
    retain: true,
  } as const
  return dial(options, { clientId: gatewayClientId(gateway), will })
}

/** Dials the broker as somebody who reads the log: clean session, no will. @throws HardwareError `ERR_LINK` */
export async function dialReader(options: DialOptions & { readonly clientId: string }): Promise<MqttLink> {
  return dial(options, { clientId: options.clientId })
}

async function dial(options: DialOptions, who: Pick<IClientOptions, "clientId" | "will">): Promise<MqttLink> {
  const stream = await options.openStream()
  const client = new MqttClient(() => stream, {
    ...who,
    protocolVersion: options.version === "5" ? 5 : 4,
    clean: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: options.connackTimeoutMs ?? 10_000,
    keepalive: options.keepaliveSeconds ?? 30,
  })
  let reason: string | null = null
  let maxPacketBytes = Infinity
  client.once("connect", ({ properties }) => (maxPacketBytes = properties?.maximumPacketSize ?? Infinity))
  client.on("error", (error) => {
    // mosquitto refuses so what its `message_size_limit` forbids; MQTT 5 has no such PUBACK, and the client hangs on it.
    const isRefusal = error.message === "Invalid puback reason code"
    reason ??= isRefusal ? TOO_LARGE : reasonOf(error)
    if (isRefusal) stream.destroy()
  })
  client.on("disconnect", ({ reasonCode }) => {
    if (reasonCode === 0x95) reason ??= TOO_LARGE
  })
  await new Promise<void>((resolve, reject) => {
    const failed = (): void => {
      stream.destroy()
      reject(linkError(reason ?? "closed"))
    }
    client.once("connect", () => {
      client.off("close", failed)
      resolve()
    })
    client.once("close", failed)
  })
  return linkOf(client, stream, maxPacketBytes, () => reason)
}

function linkOf(client: MqttClient, stream: Duplex, maxPacketBytes: number, reason: () => string | null): MqttLink {
  const waiting = new Set<(error: Error) => void>()
  const listeners = new Set<(reason: string) => void>()
  const takers: ((message: MqttMessage) => Promise<void>)[] = []
  let state: "open" | "closing" | "lost" = "open"

  client.on("close", () => {
    const why = reason() ?? "closed"
    const wasOpen = state === "open"
    if (wasOpen) state = "lost"
    for (const reject of waiting) reject(linkError(why))
    waiting.clear()
    if (wasOpen) for (const listener of listeners) listener(why)
  })

  /** What the client does, or the end of the link, whichever comes first. */
  const whileOpen = (act: (done: (error?: unknown) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      if (state === "lost") {
        reject(linkError(reason() ?? "closed"))
        return
      }
      waiting.add(reject)
      act((error) => {
        waiting.delete(reject)
        if (error === undefined || error === null) resolve()
        else reject(linkError(reasonOf(error)))
      })
    })

  return {
    maxPacketBytes,
    publish: (topic, payload, retain, correlation) => {
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
      const with5 = client.options.protocolVersion === 5 && correlation !== undefined
      const properties = with5 ? { properties: { correlationData: Buffer.from(correlation) } } : {}
      return whileOpen((done) => client.publish(topic, bytes, { qos: 1, retain, ...properties }, done))
    },
    subscribe: (filters) =>
      whileOpen((done) =>
        client.subscribe([...filters], { qos: 1 }, (error, granted) => {
          const isRefused = granted?.some(({ qos }) => (qos as number) >= 0x80) === true
          done(error ?? (isRefused ? linkError("refused") : undefined))
        }),
      ),
    unsubscribe: (filters) => whileOpen((done) => client.unsubscribe([...filters], done)),
    onMessage(listener) {
      takers.push(listener)
      if (takers.length > 1) return
      client.handleMessage = ({ topic, payload, retain, properties }, done) => {
        const bytes = typeof payload === "string" ? Buffer.from(payload) : payload
        const message = { topic, payload: bytes, retained: retain, ...replyIn(properties) }
        Promise.all(takers.map((take) => take(message))).then(
          () => done(),
          (error: unknown) => done(error instanceof Error ? error : linkError("failed")),
        )
      }
    },
    onLost(listener) {
      if (state === "lost") listener(reason() ?? "closed")
      else listeners.add(listener)
    },
    async close() {
      if (state !== "open") return
      state = "closing"
      await client.endAsync().catch(() => undefined)
    },
    destroy() {
      stream.destroy()
      client.end(true)
    },
  }
}

function replyIn(properties: IPublishPacket["properties"]): Pick<MqttMessage, "reply"> {
  const { responseTopic: topic, correlationData: correlation } = properties ?? {}
  if (topic === undefined) return {}
  return { reply: correlation === undefined ? { topic } : { topic, correlation } }
}

/** One stable word for why a link failed; never the message of a foreign library. */
export function reasonOf(error: unknown): string {
  if (error instanceof LockgateError) {
    const { detail, code } = error as LockgateError
    return typeof detail["reason"] === "string" ? detail["reason"] : code
  }
  if (error instanceof Error && "code" in error) {
    if (typeof error.code === "string") return error.code
    if (typeof error.code === "number") return `connack-${error.code}`
  }
  if (error instanceof Error && error.message === "connack timeout") return "timeout"
  return "failed"
}

/** The error of a link that ended. */
export function linkError(reason: string): HardwareError<"ERR_LINK"> {
  return new HardwareError("ERR_LINK", `the link to the broker ended: ${reason}`, { detail: { reason } })
}
