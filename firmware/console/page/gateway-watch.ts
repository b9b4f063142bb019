/** One gateway as the worker follows it: its log, its signs of life, its alarms, and the verdict over all of that. */
import { LockgateError, StateError } from "../../../policy/base/errors.ts"
import { MAX_EDGE_BYTES, parseEdge, type ParsedEdge } from "../../../policy/audit/edge-message.ts"
import { createEdgeInbox, type EdgeInbox } from "../../../policy/audit/edge-parts.ts"
import { MAX_ENTRY_BYTES, parseEntry } from "../../../policy/audit/entry.ts"
import type { Heartbeat } from "../../../policy/audit/heartbeat.ts"
import { leafHash, nodeHash, sameHash, type Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { originOf } from "../../../policy/audit/tlog/checkpoint.ts"
import { parseNote, verifyNote, type NoteKey, type VerifySignature } from "../../../policy/audit/tlog/note.ts"
import { TILE_WIDTH } from "../../../policy/audit/tlog/tile.ts"
import { verifyInclusion } from "../../../policy/audit/tlog/verify.ts"
import { joinParts, pieceAt } from "../../../policy/audit/topics.ts"
import { readAlarm, verifyHeartbeat } from "./heartbeat.ts"
import { LogTree, nameOf, type Seen } from "./log-tree.ts"
import type { Alarm, EntryProof, Fault, Finding, GatewayReport, Verdict } from "./messages.ts"
import { rowOf, type Row } from "./rows.ts"

/** What a watch is given. */
export interface WatchDeps {
  readonly gateway: string
  readonly keys: readonly NoteKey[]
  readonly sha256: Sha256
  readonly verify: VerifySignature
  readonly inflate: (packed: Uint8Array, maxBytes: number) => Promise<Uint8Array>
  readonly now: () => number
  /** The last checkpoint that this browser believed. */
  readonly known: (Seen & { readonly at: number }) | null
  /** A key other than the pinned one was given. */
  readonly otherKey: boolean
  readonly hex: (bytes: Uint8Array) => string
  readonly rows: (rows: readonly Row[]) => void
  /** A checkpoint is believed: to be kept. */
  readonly believe: (seen: Seen) => void
}

const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
const MAX_PENDING = 4_096
const MAX_FINDINGS = 100
const MAX_ALARMS = 500
/** Before a first heartbeat says its interval. */
const DEFAULT_INTERVAL_S = 60

/** Follows one gateway. `take` what comes, then `settle`; `report` at any time. */
export class GatewayWatch {
  readonly #deps: WatchDeps
  readonly #tree: LogTree
  readonly #since: number
  readonly #edges: EdgeInbox
  readonly #parts = new Map<string, Map<number, Uint8Array>>()
  readonly #pending = new Map<number, Uint8Array>()
  readonly #faults = new Map<string, Fault>()
  readonly #findings: Finding[] = []
  readonly #alarms = new Map<string, Alarm>()
  #known: (Seen & { readonly at: number }) | null
  #lateEdge: ParsedEdge | null = null
  #fits: boolean | null = null
  #provenTo = 0
  #heartbeat: Heartbeat | null = null
  #unplaced: Heartbeat | null = null
  #lastSignAt: number | null = null
  #offline = false
  #fresh: Row[] = []

  constructor(deps: WatchDeps) {
    this.#deps = deps
    this.#tree = new LogTree(deps.sha256)
    this.#edges = createEdgeInbox(deps.sha256, deps.gateway)
    this.#known = deps.known
    this.#since = deps.now()
    if (deps.otherKey)
      this.#say(
        "key",
        "ERR_LOG_KEY",
        "this is not the key that this browser knew for the gateway; ask its owner which is right",
      )
  }

  /** Take one message. Never throws for what is in it. */
  async take(topic: string, payload: Uint8Array, retained: boolean): Promise<void> {
    const root = `lockgate/${this.#deps.gateway}/`
    const rest = topic.slice(root.length)
    try {
      if (rest === "log/edge" || rest.startsWith("log/edge/")) await this.#takeEdge(this.#edges.take(topic, payload))
      else if (rest === "audit/live") this.#takeLine(payload)
      else if (rest === "heartbeat") await this.#takeHeartbeat(payload, retained)
      else if (rest === "online") this.#offline = new TextDecoder().decode(payload.subarray(0, 16)) === "offline"
      else if (rest.startsWith("alarm/")) this.#takeAlarm(rest.slice("alarm/".length), payload)
      else await this.#takePiece(topic, payload)
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      this.#say(rest, (error as LockgateError).code, `${wordFor(rest)}: ${error.message}`)
    }
  }

  /** Judge what came since. */
  async settle(): Promise<void> {
    const edge = this.#lateEdge
    this.#lateEdge = null
    if (edge !== null) {
      const fault = this.#tree.takeEdge(edge)
      if (fault !== null) this.#say(fault.where, fault.code, fault.text)
      else this.#faults.delete("checkpoint")
    }
    for (const index of this.#tree.settle()) this.#rowsOf(index, 0)
    for (const fault of this.#tree.faults) this.#find(fault)
    if (edge !== null && !this.#faults.has("checkpoint")) this.#edgeRows(edge)
    await this.#compare()
    await this.#placeHeartbeat()
    if (this.#fresh.length > 0) this.#deps.rows(this.#fresh)
    this.#fresh = []
  }

  /** Paths of the pieces that are to be asked for. */
  wanted(): readonly string[] {
    return this.#tree.wanted()
  }

  /** Everything that is known now. */
  report(): GatewayReport {
    const faults = [...this.#faults.values(), ...this.#tree.faults]
    const edge = this.#tree.edge
    const { done, of, missing } = this.#tree.progress()
    const why = this.#doubt(done, of, missing)
    const verdict: Verdict = faults.length > 0 ? "wrong" : why === "" ? "verified" : "unverified"
    return {
      gateway: this.#deps.gateway,
      verdict,
      why,
      faults,
      findings: this.#findings,
      checkpoint:
        edge === null ? null : { size: edge.said.size, root: this.#deps.hex(edge.said.root), first: edge.first },
      done,
      of,
      seen: this.#seenText(),
      life: this.#life(),
      lastSignAt: this.#lastSignAt,
      heartbeat: this.#heartbeat,
      alarms: [...this.#alarms.values()],
    }
  }

  /** An entry with its proof; null if it is not here. */
  async prove(seq: number): Promise<EntryProof | null> {
    const { sha256, hex } = this.#deps
    const line = this.#tree.line(seq) ?? this.#pending.get(seq)
    if (line === undefined) return null
    const leaf = leafHash(sha256, line)
    const said = { seq, line: new TextDecoder().decode(line), leaf: hex(leaf) }
    const edge = this.#tree.edge
    if (edge === null || seq >= edge.said.size) return { ...said, tree: null }
    const { size, root } = edge.said
    let proof: readonly Uint8Array[]
    try {
      proof = await this.#tree.prove(seq)
    } catch (error) {
      if (error instanceof StateError) return { ...said, tree: null }
      throw error
    }
    let [fn, sn, hash] = [seq, size - 1, leaf]
    const steps = proof.map((beside) => {
      const isLeft = fn % 2 === 1 || fn === sn
      hash = isLeft ? nodeHash(sha256, beside, hash) : nodeHash(sha256, hash, beside)
      if (isLeft) while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
      ;[fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
      return { side: isLeft ? ("left" as const) : ("right" as const), hash: hex(beside), result: hex(hash) }
    })
    const holds = verifyInclusion(sha256, { index: seq, size, leaf, root, proof })
    return { ...said, tree: { size, root: hex(root), steps, holds } }
  }

  async #takeEdge(payload: Uint8Array | null): Promise<void> {
    if (payload === null) return
    const { gateway, keys, sha256, verify } = this.#deps
    if (payload.length === 0) {
      this.#say("checkpoint", "ERR_LOG_CLEARED", "somebody cleared the log's edge at the broker")
      return
    }
    const edge = parseEdge(await this.#deps.inflate(payload, MAX_EDGE_BYTES))
    const good = await verifyNote(sha256, parseNote(edge.checkpoint), keys, verify).catch((error: unknown) => {
      if (error instanceof LockgateError && error.kind === "input") return []
      throw error
    })
    if (good.length === 0 || edge.said.origin !== originOf(gateway)) {
      this.#say("checkpoint", "ERR_NOTE_SIGNATURE", "the checkpoint is not signed by the key of this gateway")
      return
    }
    this.#faults.delete("log/edge")
    this.#lateEdge = edge
  }

  async #takePiece(topic: string, payload: Uint8Array): Promise<void> {
    const at = pieceAt(this.#deps.gateway, topic)
    if (at === null) return
    let packed: Uint8Array | null = payload
    if (at.part !== null) {
      const parts = this.#parts.get(at.path) ?? new Map<number, Uint8Array>()
      this.#parts.set(at.path, parts)
      if (payload.length === 0) parts.delete(at.part)
      else parts.set(at.part, payload)
      packed = joinParts(parts)
      if (packed === null) return
      this.#parts.delete(at.path)
    }
    this.#faults.delete(at.path)
    if (packed.length === 0) {
      this.#tree.takePiece(at.path, null)
      return
    }
    const isBundle = at.path.startsWith("tile/entries/")
    try {
      this.#tree.takePiece(at.path, isBundle ? await this.#deps.inflate(packed, MAX_BUNDLE_BYTES) : packed)
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      this.#say(at.path, (error as LockgateError).code, `${nameOf(at.path)}: ${error.message}`)
    }
  }

  /** A line that was just written: shown at once, as not proven; compared when a checkpoint covers it. */
  #takeLine(payload: Uint8Array): void {
    if (payload.length > MAX_ENTRY_BYTES + 1) return
    const line = payload.at(-1) === 0x0a ? payload.slice(0, -1) : payload
    const { seq } = parseEntry(line)
    const there = this.#tree.line(seq)
    if (there !== null) this.#sameLine(seq, line, there)
    else if (seq >= (this.#tree.edge?.said.size ?? 0) && this.#pending.size < MAX_PENDING && !this.#pending.has(seq)) {
      this.#pending.set(seq, line)
      this.#fresh.push(rowOf(seq, line, false))
    }
  }

  async #takeHeartbeat(payload: Uint8Array, retained: boolean): Promise<void> {
    if (payload.length === 0) return
    const heartbeat = await verifyHeartbeat(this.#deps, this.#deps.gateway, payload)
    this.#faults.delete("heartbeat")
    // Older ones say nothing of now, who ever repeats them.
    if (this.#heartbeat !== null && heartbeat.size < this.#heartbeat.size) return
    if (this.#heartbeat?.at === heartbeat.at) return
    this.#heartbeat = heartbeat
    this.#unplaced = heartbeat
    // A retained one was sent some time ago: by its own clock, which may be wrong, never later than now.
    this.#lastSignAt = retained ? Math.min(heartbeat.at, this.#deps.now()) : this.#deps.now()
  }

  #takeAlarm(id: string, payload: Uint8Array): void {
    const alarm = readAlarm(id.slice(0, 80), payload)
    if (alarm === null) this.#alarms.delete(id.slice(0, 80))
    else if (this.#alarms.size < MAX_ALARMS) this.#alarms.set(alarm.id, alarm)
  }

  #edgeRows(edge: ParsedEdge): void {
    const index = Math.floor(edge.said.size / TILE_WIDTH)
    this.#rowsOf(index, Math.max(0, this.#provenTo - index * TILE_WIDTH))
    this.#provenTo = Math.max(this.#provenTo, edge.said.size)
    // What waited in bundles that came before the edge is compared there.
    for (const [seq, line] of this.#pending) {
      const there = this.#tree.line(seq)
      if (there === null) continue
      this.#sameLine(seq, line, there)
      this.#pending.delete(seq)
    }
  }

  #rowsOf(index: number, skip: number): void {
    const lines = this.#tree.bundle(index) ?? []
    for (const [k, line] of lines.entries()) {
      if (k < skip) continue
      const row = rowOf(index * TILE_WIDTH + k, line, true)
      this.#fresh.push(row)
      const waiting = this.#pending.get(row.seq)
      if (waiting !== undefined) this.#sameLine(row.seq, waiting, line)
      this.#pending.delete(row.seq)
    }
  }

  #sameLine(seq: number, told: Uint8Array, there: Uint8Array): void {
    if (sameHash(told, there)) return
    const text = `somebody told a line for entry ${seq} that is not the one in the log; the log's own is shown`
    this.#say(`entry ${seq}`, "ERR_LIVE_LINE", text)
  }

  /** Whether the log goes on from what was seen before; if so, that is what is remembered from now on. */
  async #compare(): Promise<void> {
    const edge = this.#tree.edge
    if (edge === null || this.#deps.otherKey) return
    const now = { size: edge.said.size, root: edge.said.root }
    const known = this.#known
    this.#fits = known === null ? true : await this.#tree.beginsWith(known)
    if (this.#fits === null) return
    if (!this.#fits && known !== null) {
      const shorter = now.size < known.size
      const text = shorter
        ? `the log was cut: ${now.size} entries are signed, and this browser has seen ${known.size}`
        : `the log was changed: its first ${known.size} entries are not those that this browser has seen`
      this.#say("memory", shorter ? "ERR_LOG_REWIND" : "ERR_LOG_FORK", text)
      return
    }
    this.#faults.delete("memory")
    if (known !== null && known.size === now.size) return
    this.#known = { ...now, at: this.#deps.now() }
    this.#deps.believe(now)
  }

  /** A heartbeat names size and root, too: they must be of this very tree. */
  async #placeHeartbeat(): Promise<void> {
    const heartbeat = this.#unplaced
    const size = this.#tree.edge?.said.size ?? -1
    if (heartbeat === null || heartbeat.size > size) return
    const fits = await this.#tree.beginsWith(heartbeat)
    if (fits === null) return
    this.#unplaced = null
    if (!fits)
      this.#say("heartbeat", "ERR_LOG_FORK", "the signed heartbeat names another tree than the signed checkpoint")
  }

  #doubt(done: number, of: number, missing: readonly string[]): string {
    if (this.#tree.edge === null) return "no signed checkpoint has come from the broker yet"
    const [first] = missing
    if (first !== undefined)
      return `${of - done} of ${of} bundles have not come from the broker, first ${nameOf(first)}`
    return this.#fits === null
      ? "a piece is missing that would show that the log goes on from what was seen before"
      : ""
  }

  #seenText(): string {
    const known = this.#deps.known
    if (known === null) return "This browser has not seen this log before."
    return `This browser has seen ${known.size} entries of it on ${new Date(known.at).toLocaleString()}.`
  }

  #life(): GatewayReport["life"] {
    if (this.#offline) return "offline"
    const patience = 3_000 * (this.#heartbeat?.intervalSeconds ?? DEFAULT_INTERVAL_S)
    if (this.#deps.now() - (this.#lastSignAt ?? this.#since) > patience) return "silent"
    return this.#lastSignAt === null ? "unknown" : "alive"
  }

  #say(where: string, code: string, text: string): void {
    this.#faults.set(where, { where, code, text })
    this.#find({ where, code, text })
  }

  #find(fault: Fault): void {
    if (this.#findings.some(({ where, code }) => where === fault.where && code === fault.code)) return
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push({ ...fault, at: this.#deps.now() })
  }
}

function wordFor(rest: string): string {
  if (rest === "log/edge") return "the log's edge"
  return rest === "audit/live" ? "a line told as written just now" : `the message at ${rest.slice(0, 80)}`
}
