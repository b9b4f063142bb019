/**
 * The one owner of the gateway's recording: at most one runs, and the last one is kept until the next has begun to be
 * written.
 *
 * The file is written whole every minute, of long recordings every sixtieth of their time: a killed process leaves
 * what was written last, a whole file, and the next start ends it there (`restart`).
 */
import { createHash } from "node:crypto"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import { InputError, LockgateError, StateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { encodeRecording } from "../../policy/recording/encode.ts"
import { parseRecording } from "../../policy/recording/parse.ts"
import type {
  EndReason,
  RecordedPolicy,
  RecordedTime,
  Recording,
  RecordingHeader,
} from "../../policy/recording/recording.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Collected, EnginePort } from "../conduits/engine-port.ts"

export const RECORDING_PATH = "recording/traffic.rec"
/** Bytes of the file in one answer. */
const CHUNK_BYTES = 512 * 1024
const MAX_POLICIES = 1_024

/** What the keeper stands on. */
export interface RecordingKeeperDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly engine: Pick<EnginePort, "startRecording" | "collectRecording">
  readonly interval: () => TimeInterval
  readonly note: (event: AuditEvent) => void
  readonly gateway: string
}

/** What `recording.status` answers. Times by the gateway's clock. */
export interface RecordingStatus {
  readonly running: { readonly startedAt: number; readonly minutes: number; readonly endsAt: number } | null
  /** The file that can be read; null for none. `damaged`: it is there, but is no recording any more. */
  readonly file: RecordingFile | "damaged" | null
}

/** A recording that is on disk. */
export interface RecordingFile {
  readonly bytes: number
  readonly startedAt: number
  readonly endedAt: number
  readonly ended: EndReason
  readonly peers: number
  readonly flows: number
  readonly messages: number
  readonly missed: number
}

/** A piece of the file, base64. `sha256` is that of the whole: another one means that the file has changed meanwhile. */
export interface RecordingChunk {
  readonly offset: number
  readonly total: number
  readonly sha256: string
  readonly data: string
}

/** Starts, ends and hands out recordings. Calls may overlap; they are carried out one after the other. */
export interface RecordingKeeper {
  /** @throws StateError `ERR_RECORDING_RUNS` */
  start(minutes: number, by: string | null): Promise<RecordingStatus>
  /** End it now; resolves when it is on disk. @throws StateError `ERR_NO_RECORDING` */
  stop(by: string | null): Promise<RecordingStatus>
  status(): Promise<RecordingStatus>
  /** @throws StateError `ERR_NO_RECORDING` if there is no file. @throws InputError `ERR_OFFSET` past its end */
  read(offset: number): Promise<RecordingChunk>
  /** Which policy is in force from now on. */
  policyInForce(policy: RecordedPolicy | null): void
  /** The gateway stops: what was recorded is written. */
  close(): Promise<void>
}

interface Running {
  readonly header: RecordingHeader
  readonly startedMs: number
  readonly policies: RecordedPolicy[]
  /** As of the last write. */
  collected: Collected | null
  cancel: () => void
}

const NOTHING: Collected = { peers: [], messages: 0, missed: { peers: 0, messages: 0 } }

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** Open the keeper; a recording that a killed process left is ended as `restart`. */
export async function openRecordingKeeper(deps: RecordingKeeperDeps): Promise<RecordingKeeper> {
  const { storage, clock, engine, note } = deps
  let running: Running | null = null
  let policy: RecordedPolicy | null = null
  let turn: Promise<unknown> = Promise.resolve()

  /** One thing after the other. */
  function inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = turn.then(act)
    turn = done.catch(() => undefined)
    return done
  }

  function time(): RecordedTime {
    const { earliestAt, latestAt } = deps.interval()
    const whole = (at: number): number => Math.max(0, Math.floor(at))
    const wallAt = whole(clock.wall().at)
    return { earliestAt: whole(earliestAt), latestAt: Number.isFinite(latestAt) ? whole(latestAt) : null, wallAt }
  }

  /** Write what was collected. @throws HardwareError `ERR_IO` */
  async function write(now: Running, reason: EndReason): Promise<void> {
    const { peers, messages, missed } = now.collected ?? NOTHING
    const end = { reason, to: time(), messages, missed, policies: now.policies }
    await storage.write(RECORDING_PATH, encodeRecording({ header: now.header, peers, end }, sha256))
  }

  function schedule(now: Running): void {
    const lengthMs = now.header.minutes * 60_000
    const leftMs = now.startedMs + lengthMs - clock.monotonicMs()
    const stepMs = Math.max(60_000, lengthMs / 60)
    const last = leftMs <= stepMs
    now.cancel = clock.after(Math.max(0, last ? leftMs : stepMs), () => {
      void inTurn(async () => {
        if (running !== now) return
        if (last) return end(now, "time", null)
        await flush(now)
        if (running === now) schedule(now)
      })
    })
  }

  async function flush(now: Running): Promise<void> {
    const collected = await collect(false)
    if (collected === null) return end(now, "engine-died", null)
    now.collected = collected
    // A disk that fails now may take the next one; the end says whether it did.
    await write(now, "running").catch(notInvariant)
  }

  /** Null when the engine lost it, or is lost itself. */
  async function collect(stop: boolean): Promise<Collected | null> {
    return engine.collectRecording(stop).catch((error: unknown) => {
      notInvariant(error)
      return null
    })
  }

  async function end(now: Running, wanted: EndReason, by: string | null): Promise<void> {
    now.cancel()
    running = null
    const collected = wanted === "engine-died" ? null : await collect(true)
    now.collected = collected ?? now.collected
    const reason = collected === null ? "engine-died" : wanted
    const failed = await write(now, reason).then(
      () => null,
      (error: unknown) => {
        notInvariant(error)
        return error.code
      },
    )
    const { peers, messages, missed } = now.collected ?? NOTHING
    note({
      id: "recording.ended",
      outcome: failed === null && reason !== "engine-died" ? "success" : "failure",
      source: "recording",
      subject: by,
      reason: failed ?? reason,
      detail: { peers: peers.length, messages, missed: missed.messages },
    })
  }

  async function file(): Promise<RecordingFile | "damaged" | null> {
    const bytes = await storage.read(RECORDING_PATH)
    if (bytes === null) return null
    const recording = parsed(bytes)
    if (recording === null) return "damaged"
    const { header, peers, end: ending } = recording
    return {
      bytes: bytes.length,
      startedAt: header.from.wallAt,
      endedAt: ending.to.wallAt,
      ended: ending.reason,
      peers: peers.length,
      flows: peers.reduce((sum, peer) => sum + peer.flows.length, 0),
      messages: ending.messages,
      missed: ending.missed.messages,
    }
  }

  async function status(): Promise<RecordingStatus> {
    if (running === null) return { running: null, file: await file() }
    const { minutes, from } = running.header
    const endsAt = from.wallAt + minutes * 60_000
    return { running: { startedAt: from.wallAt, minutes, endsAt }, file: await file() }
  }

  async function endInterrupted(): Promise<void> {
    const bytes = await storage.read(RECORDING_PATH)
    const recording = bytes === null ? null : parsed(bytes)
    if (recording?.end.reason !== "running") return
    const ended: Recording = { ...recording, end: { ...recording.end, reason: "restart" } }
    await storage.write(RECORDING_PATH, encodeRecording(ended, sha256))
    const { messages, missed } = recording.end
    const detail = { peers: recording.peers.length, messages, missed: missed.messages }
    note({ id: "recording.ended", outcome: "failure", source: "recording", reason: "restart", detail })
  }

  await endInterrupted().catch(notInvariant)
  return {
    start: (minutes, by) =>
      inTurn(async () => {
        if (running !== null) throw new StateError("ERR_RECORDING_RUNS", "a recording runs already")
        await engine.startRecording()
        const header = { gateway: deps.gateway, policy, from: time(), minutes }
        running = { header, startedMs: clock.monotonicMs(), policies: [], collected: null, cancel: () => undefined }
        schedule(running)
        note({ id: "recording.started", outcome: "success", source: "recording", subject: by, detail: { minutes } })
        return status()
      }),
    stop: (by) =>
      inTurn(async () => {
        if (running === null) throw new StateError("ERR_NO_RECORDING", "no recording runs")
        await end(running, "command", by)
        return status()
      }),
    status: () => inTurn(status),
    read: (offset) =>
      inTurn(async () => {
        const bytes = await storage.read(RECORDING_PATH)
        if (bytes === null) throw new StateError("ERR_NO_RECORDING", "there is no recording")
        if (offset > bytes.length) throw new InputError("ERR_OFFSET", "the recording is not that long")
        const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).subarray(offset, offset + CHUNK_BYTES)
        return { offset, total: bytes.length, sha256: sha256(bytes), data: chunk.toString("base64") }
      }),
    policyInForce: (next) => {
      policy = next
      if (next !== null && running !== null && running.policies.length < MAX_POLICIES) running.policies.push(next)
    },
    close: () =>
      inTurn(async () => {
        if (running !== null) await end(running, "shutdown", null)
      }),
  }
}

function parsed(bytes: Uint8Array): Recording | null {
  try {
    return parseRecording(bytes, sha256)
  } catch (error) {
    notInvariant(error)
    return null
  }
}

function notInvariant(error: unknown): asserts error is LockgateError {
  if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
}
