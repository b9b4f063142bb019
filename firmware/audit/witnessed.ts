import { InputError, LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import { rootFrom } from "../../policy/audit/witness/consistency.ts"
import { readCosigned, type Cosigned } from "../../policy/audit/witness/cosignature.ts"
import { isAccusation, openSigned, type Refusal } from "../../policy/audit/witness/cosigner.ts"
import { isPutBack, judgeCosigned, type CosignedVerdict } from "../../policy/audit/witness/judge.ts"
import { witnessAt, witnessFilter } from "../../policy/audit/witness/place.ts"
import { readRefusal } from "../../policy/audit/witness/refusal.ts"
import type { Clock } from "../../hal/clock.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import type { AuditLog } from "./log.ts"
import type { MqttMessage } from "./mqtt-link.ts"
import { nodeSha256, verifyNoteSignature } from "./note-functions.ts"
import { unlessOurs, type SharedLink } from "./witness-link.ts"
import { openWitnessedMemory, type HighestCosigned } from "./witnessed-memory.ts"

/** Longer messages are no note. */
const MAX_BYTES = 64 * 1024
/** A witness that says nothing new for so long, while we are connected, is silent. */
const SILENT_MS = 3_600_000
const LOOK_MS = 60_000
/** The same kind of thing is told of one cosigner at most so often. */
const TELL_MS = 60_000

const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }

/** Who cosigns this gateway's log, by its board file. */
export interface Cosigners {
  readonly witnesses: readonly NoteKey[]
  readonly collectors: readonly NoteKey[]
}

/** What listening to cosigners stands on. */
export interface WitnessedDeps extends Cosigners {
  readonly gateway: string
  readonly log: Pick<AuditLog, "key" | "size" | "piece">
  readonly keyStore: Pick<KeyStore, "remember" | "recall">
  readonly clock: Clock
  readonly report: (event: AuditEvent) => void
  /** A witness has signed at this time: it is at least so late. */
  readonly cosigned: (at: number) => void
  /** A collector holds everything below this size. @throws LockgateError */
  readonly collected: (size: number) => Promise<void>
  /** Called once: our log is not what it was. */
  readonly putBack: () => void
  /** Default 1 h. */
  readonly silentMs?: number
}

/** One cosigner, as `status` shows it. */
export interface CosignerStatus {
  readonly name: string
  readonly kind: "witness" | "collector"
  /** The highest size of ours that it has cosigned, by what we know; null for none. */
  readonly size: number | null
  /** When it last cosigned, by its clock, in milliseconds since 1970. */
  readonly at: number | null
  /** Entries that it has not seen. */
  readonly behind: number
  readonly silent: boolean
  /** It knows more of our log than there is, or another one. */
  readonly putBack: boolean
  /** Why it does not cosign what it was shown last; null if it does. */
  readonly refused: Refusal | null
}

/** Listens to those who cosign our log. */
export interface Witnessed {
  /** Listen over one link, until the signal. @throws HardwareError `ERR_LINK` */
  listen(link: SharedLink, signal: AbortSignal): Promise<void>
  readonly status: readonly CosignerStatus[]
  /** Whether a cosigner has seen more of our log than there is, or another one, since the start. */
  readonly isPutBack: boolean
  stop(): Promise<void>
}

interface Watched {
  readonly key: NoteKey
  readonly kind: "witness" | "collector"
  highest: HighestCosigned | null
  heardMs: number
  isSilent: boolean
  isPutBack: boolean
  refused: Refusal | null
  /** When each kind of event was told last. */
  readonly told: Map<string, number>
}

/**
 * Listens to cosigners. What a start already shows (a log that is shorter than what was cosigned) is told before this resolves.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 3.9
 */
export async function openWitnessed(deps: WitnessedDeps): Promise<Witnessed> {
  const { gateway, log, clock } = deps
  const origin = originOf(gateway)
  const memory = await openWitnessedMemory(deps.keyStore, [...deps.witnesses, ...deps.collectors])
  const firstKey = log.key
  let anyPutBack = false
  let cancelTick = (): void => undefined
  let isLinked = false
  let isStopped = false

  const watched: readonly Watched[] = (["witness", "collector"] as const).flatMap((kind) =>
    (kind === "witness" ? deps.witnesses : deps.collectors).map((key) => ({
      ...{ key, kind, highest: memory.of(key), heardMs: clock.monotonicMs(), isSilent: false, isPutBack: false },
      ...{ refused: null, told: new Map<string, number>() },
    })),
  )

  function tell(one: Watched, id: AuditEvent["id"], outcome: AuditEvent["outcome"], more: Partial<AuditEvent>): void {
    const what = `${id} ${more.reason ?? ""}`
    const lastMs = one.told.get(what) ?? -Infinity
    if (clock.monotonicMs() - lastMs < TELL_MS) return
    one.told.set(what, clock.monotonicMs())
    deps.report({ id, outcome, source: "witness", object: one.key.name, ...more })
  }

  async function verdictOn(said: { readonly size: number; readonly root: Uint8Array }): Promise<CosignedVerdict> {
    const rootThen = said.size > log.size ? null : await rootFrom(nodeSha256, said.size, (path) => log.piece(path))
    return judgeCosigned(log.size, said, rootThen)
  }

  function tellPutBack(one: Watched, verdict: CosignedVerdict, said: { readonly size: number }, signed: string): void {
    if (!one.isPutBack) one.told.clear()
    one.isPutBack = true
    tell(one, "witness.rolled-back", "failure", {
      reason: verdict,
      detail: { cosigned: said.size, own: log.size, signed },
    })
    if (anyPutBack) return
    anyPutBack = true
    deps.putBack()
  }

  async function takeCosigned(one: Watched, text: string): Promise<void> {
    const cosigned = await readCosigned(FUNCTIONS, origin, one.key, text)
    if (cosigned === null) throw new InputError("ERR_NOTE", "no checkpoint of ours with a line by this cosigner")
    const { checkpoint, at } = cosigned
    const verdict = await verdictOn(checkpoint)
    if (one.kind === "witness") deps.cosigned(at)
    const { highest } = one
    if (isPutBack(verdict)) {
      const opened = await openSigned(FUNCTIONS, { origin, keys: [log.key, firstKey] }, text)
      if (highest === null || at >= highest.at) remember(one, cosigned)
      tellPutBack(one, verdict, checkpoint, "reason" in opened ? "by-another-key" : "by-our-key")
      return
    }
    // An older line than the one that told so does not take it back.
    if (verdict === "unknown" || (one.isPutBack && highest !== null && at <= highest.at)) return
    heard(one, cosigned)
    one.isPutBack = false
    if (one.kind === "collector") await deps.collected(checkpoint.size)
  }

  function remember(one: Watched, { checkpoint: { size, root }, at }: Cosigned): void {
    one.highest = { size, root, at }
    memory.set(one.key, one.highest)
  }

  function heard(one: Watched, cosigned: Cosigned): void {
    const { highest } = one
    const { size } = cosigned.checkpoint
    // What stood at the broker all the time is no sign of life.
    if (highest !== null && cosigned.at <= highest.at && size <= highest.size) return
    // A cosigner that begins anew, after somebody has looked into it, begins lower.
    if (highest === null || size >= highest.size || one.isPutBack) remember(one, cosigned)
    else remember(one, { ...cosigned, checkpoint: { ...cosigned.checkpoint, ...highest } })
    one.heardMs = clock.monotonicMs()
    if (!one.isSilent) return
    one.isSilent = false
    deps.report({
      id: "witness.returned",
      outcome: "success",
      source: "witness",
      object: one.key.name,
      detail: { size },
    })
  }

  async function takeRefusal(one: Watched, text: string): Promise<void> {
    const refusal = await readRefusal(FUNCTIONS, origin, one.key, text)
    if (refusal === null) throw new InputError("ERR_REFUSAL", "no refusal of ours by this cosigner")
    const { reason, known, shown } = refusal
    one.refused = reason
    const detail = {
      ...(known === null ? {} : { known: known.size }),
      ...(shown === null ? {} : { shown: shown.size }),
    }
    tell(one, isAccusation(reason) ? "witness.accused" : "witness.objected", "failure", { reason, detail })
  }

  async function take({ topic, payload }: MqttMessage): Promise<void> {
    const place = witnessAt(gateway, topic)
    const own = watched.filter(({ key }) => key.name === place?.cosigner)
    if (place === null) return
    for (const one of own) {
      if (payload.length === 0) {
        if (place.says === "refused") one.refused = null
        continue
      }
      try {
        if (payload.length > MAX_BYTES) throw new InputError("ERR_NOTE", "too long")
        const text = Buffer.from(payload).toString("utf8")
        await (place.says === "refused" ? takeRefusal(one, text) : takeCosigned(one, text))
      } catch (error) {
        if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
        if (error.kind !== "input") continue
        tell(one, "witness.invalid", "denied", { reason: String(error.code), detail: { at: place.says } })
      }
    }
  }

  function look(): void {
    for (const one of watched) {
      if (!isLinked || one.isSilent || clock.monotonicMs() - one.heardMs < (deps.silentMs ?? SILENT_MS)) continue
      one.isSilent = true
      const { highest } = one
      const detail = {
        size: highest?.size ?? 0,
        ...(highest === null ? {} : { at: new Date(highest.at).toISOString() }),
      }
      deps.report({ id: "witness.silent", outcome: "failure", source: "witness", object: one.key.name, detail })
    }
    void memory.save().catch(unlessOurs)
    if (!isStopped) cancelTick = clock.after(Math.min(LOOK_MS, deps.silentMs ?? LOOK_MS), look)
  }

  for (const one of watched) {
    if (one.highest === null) continue
    const verdict = await verdictOn(one.highest)
    if (isPutBack(verdict)) tellPutBack(one, verdict, one.highest, "remembered")
  }
  look()
  return {
    get isPutBack() {
      return anyPutBack
    },
    get status() {
      return watched.map(({ key, kind, highest, isSilent, isPutBack: putBack, refused }) => ({
        ...{ name: key.name, kind, size: highest?.size ?? null, at: highest?.at ?? null },
        ...{ behind: Math.max(0, log.size - (highest?.size ?? 0)), silent: isSilent, putBack, refused },
      }))
    },
    async listen(link, signal) {
      link.onMessage(take)
      for (const one of watched) one.heardMs = clock.monotonicMs()
      isLinked = true
      signal.addEventListener("abort", () => (isLinked = false), { once: true })
      await link.subscribe([witnessFilter(gateway)])
    },
    async stop() {
      isStopped = true
      cancelTick()
      await memory.save().catch(unlessOurs)
    },
  }
}
