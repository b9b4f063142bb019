/** A broker that lives in the test, where every acknowledgement and every loss is decided, and a publisher before it. */
import { linkError, type MqttLink } from "../../firmware/audit/mqtt-link.ts"
import { createAuditPublisher, type AuditPublisher, type AuditPublisherDeps } from "../../firmware/audit/publisher.ts"
import type { AuditLog } from "../../firmware/audit/log.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { parseEntry } from "../../policy/audit/entry.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { openTestLog, sampleEvent, settled } from "./audit.ts"

/** A message as the publisher handed it over. */
export interface Sent {
  readonly topic: string
  readonly text: string
  readonly retain: boolean
  acknowledge(): void
}

/** A broker that acknowledges by itself (`auto`) or when told. */
export class ScriptedBroker {
  sent: Sent[] = []
  dials = 0
  up = true
  auto = true
  closedInOrder = 0
  #lose: (() => void)[] = []

  readonly connect = async (): Promise<MqttLink> => {
    this.dials++
    if (!this.up) throw linkError("ECONNREFUSED")
    const waiting = new Set<(error: Error) => void>()
    const listeners: ((reason: string) => void)[] = []
    let lost = false
    const lose = (): void => {
      if (lost) return
      lost = true
      for (const reject of waiting) reject(linkError("ECONNRESET"))
      for (const listener of listeners) listener("ECONNRESET")
    }
    this.#lose.push(lose)
    return {
      publish: (topic, payload, retain) =>
        new Promise((resolve, reject) => {
          if (lost) {
            reject(linkError("ECONNRESET"))
            return
          }
          waiting.add(reject)
          const acknowledge = (): void => {
            if (!lost && waiting.delete(reject)) resolve()
          }
          this.sent.push({ topic, text: Buffer.from(payload).toString(), retain, acknowledge })
          if (this.auto) acknowledge()
        }),
      subscribe: () => Promise.resolve(),
      unsubscribe: () => Promise.resolve(),
      onMessage: () => undefined,
      maxPacketBytes: Infinity,
      onLost: (listener) => {
        if (lost) listener("ECONNRESET")
        else listeners.push(listener)
      },
      close: async () => {
        this.closedInOrder++
      },
      destroy: () => undefined,
    }
  }

  lose(): void {
    for (const lose of this.#lose) lose()
  }

  get entries(): number[] {
    return this.sent.filter((s) => s.topic === "lockgate/gw/audit/live").map((s) => parseEntry(Buffer.from(s.text)).seq)
  }

  get presence(): string[] {
    return this.sent
      .filter((s) => s.topic === "lockgate/gw/online")
      .map((s) => `${s.text}${s.retain ? " retained" : ""}`)
  }
}

/** A log, a broker, and the publisher between them. */
export interface Scene {
  readonly broker: ScriptedBroker
  readonly clock: MemoryClock
  readonly storage: MemoryStorage
  readonly log: AuditLog
  readonly publisher: AuditPublisher
  readonly reports: AuditEvent[]
  start(): void
  stop(): Promise<void>
}

/** `more` is what the publisher is given beside them. */
export async function scene(
  storage = new MemoryStorage(),
  more: (log: AuditLog, clock: MemoryClock) => Partial<AuditPublisherDeps> = () => ({}),
): Promise<Scene> {
  const [clock, broker] = [new MemoryClock(), new ScriptedBroker()]
  const log = await openTestLog(storage, { clock })
  const reports: AuditEvent[] = []
  const report = (event: AuditEvent): void => void reports.push(event)
  const publisher = createAuditPublisher({
    ...{ log, storage, clock, gateway: "gw", report },
    connect: broker.connect,
    random: () => 0.5,
    ...more(log, clock),
  })
  const ending = new AbortController()
  let running: Promise<void> = Promise.resolve()
  return {
    ...{ broker, clock, storage, log, publisher, reports },
    start: () => {
      running = publisher.start(ending.signal)
    },
    stop: async () => {
      ending.abort()
      for (let i = 0; i < 5; i++) {
        await settled()
        clock.advance(10_000)
      }
      await running
    },
  }
}

/** Entries that all wait for the disk at once. */
export async function appendMany(log: AuditLog, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => log.append(sampleEvent(`${i}`))))
}

/** 0, 1, .. */
export const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i)
