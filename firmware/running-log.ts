import { randomUUID } from "node:crypto"
import type { Board } from "../hal/board.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import { openAlarms, type Alarms } from "./audit/alarms.ts"
import { openAuditLog, type AuditLog } from "./audit/log.ts"
import { dropWithLog, openKeptRequests, type KeptRequests } from "./audit/requests.ts"
import type { GatewayConfig } from "./config/gateway-config.ts"
import { resetEvent } from "./health/supervisor.ts"
import { createTimeKeeper, type TimeKeeper } from "./time-keeper.ts"
import { raiseByNewestEntry } from "./time/own-log.ts"
import { BUILT_AT, VERSION } from "./version.ts"

/** What everything else is written down with. */
export interface RunningLog {
  readonly time: TimeKeeper
  readonly log: AuditLog
  /** Names this run of the gateway in the log. */
  readonly bootId: string
  /** Write an event; resolves with its number once it is on disk. */
  readonly audit: (event: AuditEvent) => Promise<number>
  /** For what happened anyway: the log counts what it cannot take, and its state closes what must close. */
  readonly note: (event: AuditEvent) => void
  readonly requests: KeptRequests
  readonly alarms: Alarms
}

/** Time, log, kept requests and alarms of a gateway that starts, and the entry that says so. `closers` end them, the last first. */
export async function startLog(
  board: Board,
  config: GatewayConfig,
  closers: (() => void | Promise<void>)[],
): Promise<RunningLog> {
  const { clock, storage, identity, watchdog } = board
  const time = await createTimeKeeper({
    clock,
    storage,
    builtAt: BUILT_AT,
    sync: board.timeSync,
    network: config.time.network,
    ...(config.time.rtcErrorMs === null ? {} : { rtcErrorMs: config.time.rtcErrorMs }),
  })
  const bootId = randomUUID()
  const log = await openAuditLog({
    storage,
    clock,
    keyStore: board.keyStore,
    gateway: config.gateway,
    bootId,
    interval: () => time.logged(),
  })
  const audit = (event: AuditEvent): Promise<number> => log.append(event)
  const note = (event: AuditEvent): void => void log.append(event).catch(() => undefined)
  await raiseByNewestEntry(time, log)
  closers.push(async () => {
    note({ id: "gateway.stopped", outcome: "success", source: "gateway" })
    await log.close()
  })
  const requests = await openKeptRequests({ storage, audit, logSize: () => log.size })
  closers.push(() => requests.close())
  dropWithLog(requests, log)
  const alarms = await openAlarms({ log, storage, clock, audit })
  closers.push(() => alarms.stop())
  note({
    id: "gateway.started",
    outcome: "success",
    source: "gateway",
    detail: { version: VERSION, board: identity.model, serial: identity.serial, reset: watchdog.lastReset },
  })
  time.onEvent(note)
  const reset = resetEvent(watchdog.lastReset)
  if (reset !== null) note(reset)
  return { time, log, bootId, audit, note, requests, alarms }
}
