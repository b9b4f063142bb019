import type { Clock } from "../hal/clock.ts"
import type { Storage } from "../hal/storage.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import type { TimeInterval } from "../policy/time/interval.ts"
import type { AuditLog } from "./audit/log.ts"
import { dialMqtt } from "./audit/mqtt-link.ts"
import { createAuditPublisher } from "./audit/publisher.ts"
import type { GatewayConfig } from "./config/gateway-config.ts"
import type { Material } from "./material.ts"
import { dialTrusted } from "./tls/dial.ts"
import { factsFromPem } from "./tls/pem.ts"

/** What publishing stands on. */
export interface PublishingDeps {
  readonly config: GatewayConfig
  readonly material: Material
  readonly log: AuditLog
  readonly storage: Storage
  readonly clock: Clock
  interval(): TimeInterval
  report(event: AuditEvent): void
}

/** The log on its way to the operators. */
export interface Publishing {
  /** `off`: the board file names no broker for it. */
  readonly state: "yes" | "no" | "off"
  stop(): Promise<void>
}

/** Publish the log to the broker that the board file names, if it names one; starts at once, never fails. */
export function startPublishing(deps: PublishingDeps): Publishing {
  const { config, material, log, storage, clock } = deps
  if (material.management === null) return { state: "off", stop: () => Promise.resolve() }
  const { end, credential } = material.management
  const anchors = factsFromPem(material.authorities[end.authority] ?? "")
  const publisher = createAuditPublisher({
    log,
    storage,
    clock,
    gateway: config.gateway,
    report: (event) => deps.report(event),
    connect: () =>
      dialMqtt({
        gateway: config.gateway,
        openStream: async () => {
          const { socket, trusted } = dialTrusted({
            ...end,
            credential,
            anchors,
            now: () => deps.interval(),
            timeoutMs: config.limits.connectTimeoutMs,
            after: (delayMs, action) => clock.after(delayMs, action),
          })
          await trusted
          return socket
        },
      }),
  })
  const stopping = new AbortController()
  const running = publisher.start(stopping.signal)
  return {
    get state() {
      return publisher.status.online ? "yes" : "no"
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
