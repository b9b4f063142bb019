import { HardwareError, LockgateError } from "../policy/base/errors.ts"
import type { Clock } from "../hal/clock.ts"
import type { KeyStore } from "../hal/key-store.ts"
import type { Storage } from "../hal/storage.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import { gatewayClientId } from "../policy/audit/topics.ts"
import type { AuditLog } from "./audit/log.ts"
import type { MqttLink } from "./audit/mqtt-link.ts"
import { pause } from "./audit/pause.ts"
import type { Retention } from "./audit/retention.ts"
import type { CosignerStatus } from "./audit/witnessed.ts"
import type { GatewayConfig } from "./config/gateway-config.ts"
import { ROOMS } from "./rooms.ts"
import type { TimeKeeper } from "./time-keeper.ts"
import { dialTrusted, type Dialled } from "./tls/dial.ts"
import { factsFromPem } from "./tls/pem.ts"
import type { TrustKeeper } from "./trust/keeper.ts"

const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000

/** What witnessing stands on. */
export interface WitnessingDeps {
  readonly config: GatewayConfig
  readonly trust: Pick<TrustKeeper, "material" | "revoked">
  readonly log: AuditLog
  readonly keyStore: KeyStore
  readonly storage: Storage
  readonly clock: Clock
  readonly time: Pick<TimeKeeper, "interval" | "cosigned">
  readonly retention: Pick<Retention, "collected">
  report(event: AuditEvent): void
  /** Our log is not what a cosigner has seen. */
  putBack(): void
  /** How the broker of the log is dialled. Default: by the trust in force. */
  readonly dial?: () => Promise<MqttLink>
  /** A log is looked at no more often. Default 10 s. */
  readonly paceMs?: number
}

/** What `status` tells of it. */
export interface WitnessingStatus {
  /** Who cosigns our log. */
  readonly by: readonly CosignerStatus[]
  /** Whose logs we cosign, and up to where; null before the first look. */
  readonly of: readonly { readonly gateway: string; readonly size: number | null }[]
}

/** Witnesses of this gateway, and the logs that it witnesses itself. */
export interface Witnessing {
  readonly status: WitnessingStatus
  /** Whether a cosigner has seen more of our log than there is, or another one. */
  readonly isPutBack: boolean
  /** The trust has changed: the connection is made anew, and judged by what holds now. CR 1.9. */
  trustChanged(): void
  stop(): Promise<void>
}

const OFF: Witnessing = {
  status: { by: [], of: [] },
  isPutBack: false,
  trustChanged: () => undefined,
  stop: () => Promise.resolve(),
}

/**
 * Start what the board file says of witnesses, over a connection of its own to the broker of the log; nothing if it says nothing.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 3.9
 */
export async function startWitnessing(deps: WitnessingDeps): Promise<Witnessing> {
  const { config, clock, log, keyStore } = deps
  const report = (event: AuditEvent): void => deps.report(event)
  const { witnesses, collectors, witnessFor } = config.audit
  const isNamed = witnesses.length + collectors.length + witnessFor.length > 0
  if (!isNamed || config.management.mqtt === null) return OFF
  const [{ dialReader }, { openWitnessed }, { shareLink }] = await ROOMS.witnesses()
  const witnessed = await openWitnessed({
    ...{ gateway: config.gateway, log, keyStore, clock, report, witnesses, collectors },
    cosigned: (at) => deps.time.cosigned(at),
    collected: (size) => deps.retention.collected(size),
    putBack: () => deps.putBack(),
  })
  const witness =
    witnessFor.length === 0
      ? null
      : await (
          await ROOMS.witness()
        ).openWitness({
          ...{ gateway: config.gateway, logs: witnessFor, keyStore, clock, report },
          interval: () => deps.time.interval(),
          ...(deps.paceMs === undefined ? {} : { paceMs: deps.paceMs }),
        })
  const stopping = new AbortController()
  const { signal } = stopping
  let open: Dialled | null = null

  async function stream(): Promise<Dialled["socket"]> {
    const { end, credential } = deps.trust.material.management ?? notThere()
    const dialled = dialTrusted({
      ...{ ...end, credential, revoked: deps.trust.revoked(end.authority) },
      anchors: factsFromPem(deps.trust.material.authorities[end.authority] ?? ""),
      now: () => deps.time.interval(),
      timeoutMs: config.limits.connectTimeoutMs,
      after: (delayMs, action) => clock.after(delayMs, action),
    })
    await dialled.trusted
    open = dialled
    return dialled.socket
  }

  const dialByTrust = (): Promise<MqttLink> =>
    dialReader({ clientId: `${gatewayClientId(config.gateway)}-witness`, openStream: stream })

  async function session(): Promise<void> {
    const link = await (deps.dial ?? dialByTrust)()
    const over = new AbortController()
    const end = (): void => over.abort()
    link.onLost(end)
    signal.addEventListener("abort", end, { once: true })
    if (signal.aborted) end()
    try {
      const shared = shareLink(link)
      await witnessed.listen(shared.part(), over.signal)
      if (witness === null) await ended(over.signal)
      else await witness.watch(shared, over.signal)
    } finally {
      signal.removeEventListener("abort", end)
      over.abort()
      if (signal.aborted) await link.close()
      link.destroy()
    }
  }

  async function run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    while (!isStopping()) {
      try {
        await session()
        retryMs = FIRST_RETRY_MS
      } catch (error) {
        // The publisher tells that the broker is lost; here it is only tried again.
        unlessOurs(error)
      }
      if (!isStopping()) await pause(clock, retryMs * (0.5 + Math.random() / 2), signal)
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
    }
  }

  function isStopping(): boolean {
    return signal.aborted
  }

  const running = run()
  return {
    get status() {
      return { by: witnessed.status, of: witness?.status() ?? [] }
    },
    get isPutBack() {
      return witnessed.isPutBack
    },
    trustChanged: () => open?.socket.destroy(),
    stop: async () => {
      stopping.abort()
      await running
      await witnessed.stop()
    },
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })
}

function notThere(): never {
  throw new HardwareError("ERR_LINK", "there is no way to the broker of the log", {
    detail: { reason: "no-credential" },
  })
}

function unlessOurs(error: unknown): void {
  if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
}
