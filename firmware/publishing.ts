import type { Clock } from "../hal/clock.ts"
import type { Storage } from "../hal/storage.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import type { TimeInterval } from "../policy/time/interval.ts"
import type { Alarms } from "./audit/alarms.ts"
import type { AuditView } from "./assess/probe-context.ts"
import { createFolderSource } from "./audit/folder-source.ts"
import type { AuditLog } from "./audit/log.ts"
import type { KeptState } from "./audit/publisher.ts"
import type { GatewayConfig } from "./config/gateway-config.ts"
import type { Dialled } from "./tls/dial.ts"
import type { CommandPeople } from "./people/command-link.ts"
import type { TrustKeeper } from "./trust/keeper.ts"
import { certificateDetail } from "./conduits/trust-in-force.ts"
import { ROOMS } from "./rooms.ts"
import { dialTrusted } from "./tls/dial.ts"
import { factsFromPem } from "./tls/pem.ts"

/** What publishing stands on. */
export interface PublishingDeps {
  readonly config: GatewayConfig
  readonly trust: Pick<TrustKeeper, "material" | "revoked">
  readonly log: AuditLog
  readonly alarms: Alarms
  readonly storage: Storage
  readonly clock: Clock
  interval(): TimeInterval
  report(event: AuditEvent): void
  /** What the heartbeat says beside the log. */
  readonly firmware: string
  policyVersion(): number | null
  /** How much of the log the broker keeps, by the policy in force. */
  windowBytes(): number
}

/** The log on its way to the operators. */
export interface Publishing {
  /** `off`: the board file names no broker for it. */
  readonly state: "yes" | "no" | "off"
  /** The first entry that the broker has not acknowledged; null where there is none. */
  readonly next: number | null
  /** How the log is kept at the broker; `nothing` also where there is none. */
  readonly kept: KeptState
  /** The trust has changed: a connection to a broker whose certificate is revoked is cut, any other stays. CR 1.9. */
  trustChanged(): void
  /** Whether the broker, asked just now, shows the edge of the log as it was published. */
  readBack: AuditView["readBack"]
  /** From the first account on, answer signed commands over the same link. Returns what ends that. CR 1.1. */
  answerCommands(people: CommandPeople): () => void
  stop(): Promise<void>
}

const OFF: Publishing = {
  state: "off",
  next: null,
  kept: "nothing",
  trustChanged: () => undefined,
  readBack: () => Promise.resolve("off"),
  answerCommands: () => () => undefined,
  stop: () => Promise.resolve(),
}

/** Publish the log to the broker that the board file names, if it names one; starts at once, never fails. */
export async function startPublishing(deps: PublishingDeps): Promise<Publishing> {
  const { config, trust, log, storage, clock } = deps
  const first = trust.material.management
  if (first === null) return OFF
  const { end } = first
  const [
    { dialMqtt },
    { createAuditPublisher },
    { makeHeartbeat, HEARTBEAT_SECONDS },
    { publishAlarms },
    { createCommandLink },
  ] = await ROOMS.publication()
  let open: Dialled | null = null
  const commands = createCommandLink({
    ...{ clock, gateway: config.gateway, report: (event) => deps.report(event) },
    sign: (text) => log.signText(text),
  })
  const publisher = createAuditPublisher({
    log,
    storage,
    clock,
    gateway: config.gateway,
    broker: `${end.host}:${end.port}`,
    report: (event) => deps.report(event),
    retained: {
      log,
      windowBytes: () => deps.windowBytes(),
      handovers: () => createFolderSource(storage).handovers(),
    },
    heartbeat: {
      everyMs: HEARTBEAT_SECONDS * 1000,
      make: () =>
        makeHeartbeat({
          ...{ log, clock, gateway: config.gateway, firmware: deps.firmware },
          interval: () => deps.interval(),
          policy: () => deps.policyVersion(),
          alarms: () => deps.alarms.open,
        }),
    },
    beside: async (link, signal) => {
      const alarms = {
        ...{ link, signal, alarms: deps.alarms, clock, gateway: config.gateway },
        report: (event: AuditEvent) => deps.report(event),
      }
      await Promise.all([publishAlarms(alarms), commands.serve(link, signal)])
    },
    connect: () =>
      dialMqtt({
        gateway: config.gateway,
        version: config.management.mqttVersion,
        openStream: async () => {
          const { material } = trust
          const dialled = dialTrusted({
            ...end,
            credential: material.management?.credential ?? first.credential,
            anchors: factsFromPem(material.authorities[end.authority] ?? ""),
            revoked: trust.revoked(end.authority),
            now: () => deps.interval(),
            timeoutMs: config.limits.connectTimeoutMs,
            after: (delayMs, action) => clock.after(delayMs, action),
          })
          await dialled.trusted
          open = dialled
          return dialled.socket
        },
      }),
  })
  const stopping = new AbortController()
  const running = publisher.start(stopping.signal)
  return {
    get state() {
      return publisher.status.online ? "yes" : "no"
    },
    get next() {
      return publisher.status.next
    },
    get kept() {
      return publisher.status.retained
    },
    trustChanged: () => {
      const revoked = trust.revoked(end.authority)
      const gone = open?.path().find(({ issuerDer, serial }) => revoked(issuerDer, serial))
      if (gone === undefined) return
      deps.report({
        id: "conduit.upstream-distrusted",
        outcome: "failure",
        source: "management/mqtt",
        object: `${end.host}:${end.port}`,
        reason: "revoked",
        detail: certificateDetail(gone),
      })
      open?.socket.destroy()
      open = null
    },
    readBack: async () => {
      for (let k = 0; k < 20 && !publisher.status.online; k++)
        await new Promise<void>((resolve) => void clock.after(100, resolve))
      if (!publisher.status.online) return "offline"
      return (await publisher.readBack()) ? "shown" : "not-shown"
    },
    answerCommands: (people) => commands.open(people),
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
