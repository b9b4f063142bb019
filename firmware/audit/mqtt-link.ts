import type { Duplex } from "node:stream"
import { MqttClient } from "mqtt"
import { HardwareError, LockgateError } from "../../policy/base/errors.ts"
import { gatewayClientId, gatewayTopic } from "../../policy/audit/topics.ts"

/** One connection to a broker, from CONNACK until it ends. It never reconnects: a new one is dialled. */
export interface MqttLink {
  /** Publish with QoS 1; resolves when the broker has acknowledged. @throws HardwareError `ERR_LINK` when the link ends before */
  publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void>
  /** Called once, when the link has ended other than by `close`; at once if it has ended already. */
  onLost(listener: (reason: string) => void): void
  /** End in order: the broker forgets the will. Never rejects. */
  close(): Promise<void>
  /** End at once: the broker publishes the will. */
  destroy(): void
}

/** What a link is dialled with. */
export interface DialOptions {
  readonly gateway: string
  /** A connection to the broker on which nothing was written yet, its peer already judged. */
  readonly openStream: () => Promise<Duplex>
  readonly connackTimeoutMs?: number
  readonly keepaliveSeconds?: number
}

/**
 * Dials the broker as the gateway, MQTT 3.1.1 (which both kinds of broker speak), clean session, with the retained will
 * `offline` on `lockgate/<gateway>/online`. Resolves when the broker has accepted.
 *
 * @throws HardwareError `ERR_LINK`; `detail.reason` says why in one word
 */
export async function dialMqtt(options: DialOptions): Promise<MqttLink> {
  const stream = await options.openStream()
  const client = new MqttClient(() => stream, {
    clientId: gatewayClientId(options.gateway),
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: options.connackTimeoutMs ?? 10_000,
    keepalive: options.keepaliveSeconds ?? 30,
    will: { topic: gatewayTopic(options.gateway, "online"), payload: Buffer.from("offline"), qos: 1, retain: true },
  })
  let reason: string | null = null
  client.on("error", (error) => (reason ??= reasonOf(error)))
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
  return linkOf(client, stream, () => reason)
}

function linkOf(client: MqttClient, stream: Duplex, reason: () => string | null): MqttLink {
  const waiting = new Set<(error: Error) => void>()
  const listeners = new Set<(reason: string) => void>()
  let state: "open" | "closing" | "lost" = "open"

  client.on("close", () => {
    const why = reason() ?? "closed"
    const wasOpen = state === "open"
    if (wasOpen) state = "lost"
    for (const reject of waiting) reject(linkError(why))
    waiting.clear()
    if (wasOpen) for (const listener of listeners) listener(why)
  })

  return {
    publish: (topic, payload, retain) =>
      new Promise((resolve, reject) => {
        if (state === "lost") {
          reject(linkError(reason() ?? "closed"))
          return
        }
        waiting.add(reject)
        const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
        client.publish(topic, bytes, { qos: 1, retain }, (error) => {
          waiting.delete(reject)
          if (error === undefined || (error as unknown) === null) resolve()
          else reject(linkError(reasonOf(error)))
        })
      }),
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
