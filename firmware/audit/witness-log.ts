/**
 * One log of another gateway, witnessed: look at the edge that the broker shows, decide, store, sign, publish; in this order.
 *
 * | killed                    | next start                                                                |
 * |---------------------------|---------------------------------------------------------------------------|
 * | before the store          | the same checkpoint, or a later one, is judged again from the old size     |
 * | after the store, unsigned | the size is known: it is signed, nothing else of that size ever is         |
 * | after the signature       | likewise; the same text is signed again                                    |
 *
 * What decides is `policy/audit/witness/cosigner.ts`; nothing here does.
 *
 * @see IEC 62443-4-2 CR 3.9; C2SP tlog-witness
 */
import type { AuditEvent } from "../../policy/audit/event.ts"
import { isSameKey } from "../../policy/audit/proof-file.ts"
import { encodeNoteKey, type Note, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { consistencyOf } from "../../policy/audit/witness/consistency.ts"
import {
  decideCosigner,
  isAccusation,
  openSigned,
  type CosignerDecision,
  type Refusal,
} from "../../policy/audit/witness/cosigner.ts"
import { followKeys } from "../../policy/audit/witness/handover.ts"
import { refusedTopic, witnessTopic } from "../../policy/audit/witness/place.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { MqttSource } from "./mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "./note-functions.ts"
import type { Cosigner } from "./witness-key.ts"
import type { Remembered, WitnessMemory } from "./witness-memory.ts"

/** A clock that is off by more than this signs nothing. */
export const WIDEST_INTERVAL_MS = 3_600_000
/** What is known is signed again so often: a sign of life where the log is quiet. */
export const SIGN_AGAIN_MS = 15 * 60_000
/** A smaller size is looked at twice before anything is said: a broker may show an old message late. */
const LOOK_TWICE_MS = 2_000
/** Refusals are told at most so often; the time doubles with each, up to the second. */
const TELL_MS = 60_000
const LONGEST_TELL_MS = 3_600_000

const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }

/** A log that the board file names. */
export interface WitnessedLog {
  readonly gateway: string
  readonly key: NoteKey
  /** A higher number than before: forget what is known, and begin anew. */
  readonly begin: number
}

/** What the witness of one log stands on. */
export interface WitnessLogDeps {
  readonly log: WitnessedLog
  readonly cosigner: Cosigner
  readonly memory: WitnessMemory
  readonly interval: () => TimeInterval
  readonly monotonicMs: () => number
  readonly report: (event: AuditEvent) => void
}

/** The way to the broker, as long as it lasts. */
export interface WitnessLink {
  readonly source: Pick<MqttSource, "checkpoint" | "piece">
  /** What is retained of changes of the log's key, in any order. */
  readonly handovers: () => Promise<readonly string[]>
  readonly publish: (topic: string, payload: Uint8Array) => Promise<void>
  readonly pause: (ms: number) => Promise<void>
}

/** How a look ended: `waits` is to be looked at again although nothing new is shown. */
export type Look = "settled" | "waits"

/** Witnesses one log; one look at a time. */
export interface WitnessLog {
  /** Look at the broker now. @throws LockgateError what disk, key store or link throw: nothing was signed that is not stored */
  look(link: WitnessLink): Promise<Look>
  /** A new link: what was published over the last one is published again. */
  linked(): void
  /** The newest size that is known; null before the first. */
  readonly size: number | null
}

/** @see WitnessLog */
export async function openWitnessLog(deps: WitnessLogDeps): Promise<WitnessLog> {
  const { log, cosigner, memory, report } = deps
  const origin = originOf(log.gateway)
  const board = { key: encodeNoteKey(nodeSha256, log.key), begin: log.begin }
  let known = await memory.read()
  // A person vouches for another log: what was known of the last one says nothing of it.
  if (known !== null && !goesOn(known, log, board.key)) known = null
  else if (known !== null && known.board.key !== board.key) known = { ...known, board }
  let signed: { readonly size: number; readonly atMs: number } | null = null
  let told: { readonly what: string; readonly atMs: number; readonly waitMs: number } | null = null
  let isClockTold = false

  const event = (id: AuditEvent["id"], outcome: AuditEvent["outcome"], more: Partial<AuditEvent> = {}): void =>
    report({ id, outcome, source: "witness", object: log.gateway, ...more })

  /** The key that has signed `note`: the one that is believed, or one that it has handed over to. */
  async function keyFor(note: string, link: WitnessLink): Promise<NoteKey> {
    const key = known?.key ?? log.key
    const opened = await openSigned(FUNCTIONS, { origin, keys: [key] }, note)
    if (!("reason" in opened) || opened.reason !== "unknown-key") return key
    for (const next of (await followKeys(FUNCTIONS, key, await link.handovers())).slice(1)) {
      const by = await openSigned(FUNCTIONS, { origin, keys: [next] }, note)
      if (!("reason" in by)) return next
    }
    return key
  }

  async function judge(note: string, link: WitnessLink): Promise<[CosignerDecision, NoteKey]> {
    const key = await keyFor(note, link)
    const opened = await openSigned(FUNCTIONS, { origin, keys: [key] }, note)
    // Nothing is fetched for what the log has not signed.
    const shown =
      "reason" in opened || known === null
        ? { proof: null }
        : await consistencyOf(nodeSha256, known.tree.size, opened.checkpoint.size, (path) => link.source.piece(path))
    return [
      await decideCosigner(FUNCTIONS, { origin, keys: [key], known: known?.tree ?? null }, { note, ...shown }),
      key,
    ]
  }

  async function sign(note: Note, size: number, link: WitnessLink): Promise<Look> {
    const { earliestAt, latestAt } = deps.interval()
    if (!(latestAt - earliestAt <= WIDEST_INTERVAL_MS)) {
      if (!isClockTold) event("witness.clock-uncertain", "failure", { detail: { size } })
      isClockTold = true
      return "waits"
    }
    isClockTold = false
    const text = await cosigner.cosign(note, Math.max(0, Math.floor(earliestAt / 1000)))
    await link.publish(witnessTopic(log.gateway, cosigner.key.name), new TextEncoder().encode(text))
    signed = { size, atMs: deps.monotonicMs() }
    if (known?.refused === true) {
      await link.publish(refusedTopic(log.gateway, cosigner.key.name), new Uint8Array())
      await store({ ...known, refused: false })
      event("witness.resumed", "success", { detail: { size } })
    }
    // What is refused again and again between is told no more often for that.
    if (told !== null) told = { ...told, what: "" }
    return "settled"
  }

  async function store(next: Remembered): Promise<void> {
    await memory.keep(next)
    known = next
  }

  async function refuse(
    decision: CosignerDecision & { verdict: "refuse" },
    note: string,
    link: WitnessLink,
  ): Promise<void> {
    const { reason, checkpoint } = decision
    const what = `${reason} ${checkpoint === null ? "" : Buffer.from(checkpoint.root).toString("hex")}`
    const nowMs = deps.monotonicMs()
    if (told !== null && (told.what === what || nowMs - told.atMs < told.waitMs)) return
    const isFresh = told === null || nowMs - told.atMs >= LONGEST_TELL_MS
    told = {
      what,
      atMs: nowMs,
      waitMs: isFresh || told === null ? TELL_MS : Math.min(LONGEST_TELL_MS, told.waitMs * 2),
    }
    tellRefusal(reason, checkpoint?.size ?? null)
    const evidence = isAccusation(reason) && known !== null ? { known: known.note, shown: note } : null
    const statement = { origin, reason, known: known?.tree ?? null, shown: checkpoint, evidence }
    // A lower bound of the time is enough here: who cannot say how late it is must not keep silent about a fork.
    const text = await cosigner.refuse(statement, Math.max(0, Math.floor(deps.interval().earliestAt / 1000)))
    if (known !== null && !known.refused) await store({ ...known, refused: true })
    await link.publish(refusedTopic(log.gateway, cosigner.key.name), new TextEncoder().encode(text))
  }

  function tellRefusal(reason: Refusal, shown: number | null): void {
    const detail = { ...(known === null ? {} : { known: known.tree.size }), ...(shown === null ? {} : { shown }) }
    if (isAccusation(reason)) event("witness.refused", "denied", { reason, detail })
    else event("witness.held-up", "failure", { reason, detail })
  }

  return {
    get size() {
      return known?.tree.size ?? null
    },
    linked: () => (signed = null),
    async look(link) {
      let note = await link.source.checkpoint()
      if (note === null) return "settled"
      let [decision, key] = await judge(note, link)
      if (decision.verdict === "refuse" && decision.reason === "rewind") {
        await link.pause(LOOK_TWICE_MS)
        note = await link.source.checkpoint()
        if (note === null) return "waits"
        ;[decision, key] = await judge(note, link)
      }
      if (decision.verdict === "refuse") {
        await refuse(decision, note, link)
        return "waits"
      }
      const { checkpoint } = decision
      const before = known
      if (decision.verdict === "cosign" || before === null || !isSameKey(key, before.key)) {
        await store({ tree: checkpoint, note, key, board, refused: before?.refused ?? false })
        if (before === null) event("witness.begun", "success", { detail: { size: checkpoint.size } })
        else if (!isSameKey(key, before.key))
          event("witness.key-followed", "success", { detail: { key: encodeNoteKey(nodeSha256, key) } })
      }
      const isDue = signed?.size !== checkpoint.size || deps.monotonicMs() - signed.atMs >= SIGN_AGAIN_MS
      return isDue ? sign(decision.note, checkpoint.size, link) : "settled"
    },
  }
}

/** Whether what is known is of the log that the board file names now. */
function goesOn({ board, key }: Remembered, log: WitnessedLog, named: string): boolean {
  if (log.begin > board.begin) return false
  return board.key === named || isSameKey(key, log.key)
}
