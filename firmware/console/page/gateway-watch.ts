/** One gateway as the worker follows it: its log, its signs of life, its alarms, and the verdict over all of that. */
import { LockgateError, StateError } from "../../../policy/base/errors.ts"
import { MAX_EDGE_BYTES, parseEdge, type ParsedEdge } from "../../../policy/audit/edge-message.ts"
import { createEdgeInbox, type EdgeInbox } from "../../../policy/audit/edge-parts.ts"
import { MAX_ENTRY_BYTES, parseEntry } from "../../../policy/audit/entry.ts"
import { followHandovers, type KeyChain } from "../../../policy/audit/key-chain.ts"
import type { Heartbeat } from "../../../policy/audit/heartbeat.ts"
import { originOf } from "../../../policy/audit/tlog/checkpoint.ts"
import { leafHash, sameHash, type Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { FaultList } from "../../../policy/audit/tlog/log-verdict.ts"
import type { NoteKey, VerifySignature } from "../../../policy/audit/tlog/note.ts"
import { MAX_PROOF_BYTES } from "../../../policy/audit/proof-file.ts"
import { TILE_WIDTH } from "../../../policy/audit/tlog/tile.ts"
import { signedCheckpoint } from "../../../policy/audit/tlog/verify-log.ts"
import { joinParts, pieceAt } from "../../../policy/audit/topics.ts"
import { diagnose } from "./diagnosis.ts"
import { readAlarm, verifyHeartbeat } from "./heartbeat.ts"
import { LogTree, nameOf, type Seen } from "./log-tree.ts"
import type { Alarm, EntryProof, Fault, Finding, GatewayReport, Verdict } from "./messages.ts"
import { proofPath } from "./proof-path.ts"
import { entryIn, rowOf, type Row } from "./rows.ts"

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
  readonly believe: (seen: Seen, keys: readonly NoteKey[]) => void
}

const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
const MAX_PENDING = 4_096
const MAX_FINDINGS = 100
const MAX_ALARMS = 500
const MAX_HANDOVERS = 256
/** Before a first heartbeat says its interval. */
const DEFAULT_INTERVAL_S = 60

/** Follows one gateway. `take` what comes, then `settle`; `report` at any time. */
export class GatewayWatch {
  readonly #deps: WatchDeps
  readonly #tree: LogTree
  readonly #handovers = new Map<string, string>()
  readonly #since: number
  readonly #edges: EdgeInbox
  readonly #parts = new Map<string, Map<number, Uint8Array>>()
  readonly #pending = new Map<number, Uint8Array>()
  readonly #faults = new Map<string, Fault>()
  readonly #findings: Finding[] = []
  readonly #alarms = new Map<string, Alarm>()
  #known: (Seen & { readonly at: number }) | null
  #lateEdge: ParsedEdge | null = null
  /** Signed, and yet not the root of what comes with it. */
  #refusedEdge: ParsedEdge | null = null
  /** One that no trusted key has signed: the key may be vouched for yet. */
  #heldEdge: Uint8Array | null = null
  #chain: KeyChain
  #unplacedHandovers: KeyChain["checkpoints"] = []
  /** What is wrong, named as `verifyLog` names it; null if that is not known of this state. */
  #named: { readonly state: string; readonly faults: readonly Fault[] } | null = null
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
    this.#chain = { keys: deps.keys, retired: [], checkpoints: [] }
    this.#edges = createEdgeInbox(deps.sha256, deps.gateway)
    this.#known = deps.known
    this.#since = deps.now()
    if (deps.otherKey)
      this.#say(
        "key",
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
      else if (rest.startsWith("log/handover/")) await this.#takeHandover(rest.slice("log/handover/".length), payload)
      else if (rest.startsWith("alarm/")) this.#takeAlarm(rest.slice("alarm/".length), payload)
      else await this.#takePiece(topic, payload)
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      const where = rest === "log/edge" ? "checkpoint" : rest
      const code = rest === "log/edge" ? "ERR_LOG_NO_CHECKPOINT" : (error as LockgateError).code
      this.#say(rest === "log/edge" ? "edge" : where, where, code, `${wordFor(rest)}: ${error.message}`)
    }
  }

  /** Judge what came since. `isBusy`: more is waiting, so that faults need not be named yet, which costs a walk through all that is here. */
  async settle(isBusy = false): Promise<void> {
    const edge = this.#lateEdge
    this.#lateEdge = null
    if (edge !== null) {
      const fault = this.#tree.takeEdge(edge)
      this.#refusedEdge = fault === null ? null : edge
    }
    for (const index of this.#tree.settle()) this.#rowsOf(index, 0)
    if (edge !== null && this.#refusedEdge === null) this.#edgeRows(edge)
    await this.#compare()
    await this.#placeHeartbeat()
    await this.#placeHandovers()
    if (this.#fresh.length > 0) this.#deps.rows(this.#fresh)
    this.#fresh = []
    if (!isBusy) await this.#nameFaults()
  }

  /** Everything that does not fit is named as `lockgate audit verify` would. */
  async #nameFaults(): Promise<void> {
    const { sha256, verify } = this.#deps
    const edge = this.#refusedEdge ?? this.#tree.edge
    const state = this.#state()
    if (edge === null || this.#named?.state === state) return
    const isWhole = this.#refusedEdge === null && this.#tree.faults.length === 0
    const keys = [...this.#chain.keys, ...this.#chain.retired.map(({ key }) => key)]
    const faults = isWhole ? [] : await diagnose({ sha256, verify, keys }, this.#tree, edge, this.#known)
    this.#named = { state, faults }
    for (const fault of this.#pieceFaults()) this.#find(fault)
  }

  /** What changes with what is wrong. */
  #state(): string {
    const { size } = (this.#refusedEdge ?? this.#tree.edge)?.said ?? { size: -1 }
    const { missing } = this.#tree.progress()
    return `${this.#tree.changes} ${missing.length === 0} ${size} ${this.#refusedEdge !== null}`
  }

  #pieceFaults(): readonly Fault[] {
    const named = this.#named !== null && this.#named.state === this.#state() ? this.#named.faults : []
    if (named.length > 0 || this.#refusedEdge === null) return named.length > 0 ? named : this.#tree.faults
    const text = "the newest entries do not make up the tree that was signed"
    return [{ where: "checkpoint", code: "ERR_LOG_OTHER_ROOT", text }, ...this.#tree.faults]
  }

  /** Paths of the pieces that are to be asked for. */
  wanted(): readonly string[] {
    return this.#tree.wanted()
  }

  /** Everything that is known now. */
  report(): GatewayReport {
    const own = [...this.#faults.values()]
    const faults = [...own, ...this.#pieceFaults().filter((one) => !own.some(({ where }) => where === one.where))]
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
    try {
      const proof = await this.#tree.prove(seq)
      return { ...said, tree: proofPath(this.#deps, seq, line, { size, root }, proof) }
    } catch (error) {
      if (error instanceof StateError) return { ...said, tree: null }
      throw error
    }
  }

  async #takeEdge(payload: Uint8Array | null): Promise<void> {
    if (payload === null) return
    const { gateway, sha256, verify } = this.#deps
    this.#heldEdge = null
    if (payload.length === 0) {
      this.#say("edge", "checkpoint", "ERR_LOG_CLEARED", "somebody cleared the log's edge at the broker")
      return
    }
    const edge = parseEdge(await this.#deps.inflate(payload, MAX_EDGE_BYTES))
    const found = new FaultList()
    const signed = await signedCheckpoint(
      { sha256, verify, keys: this.#deps.keys },
      this.#chain,
      edge.checkpoint,
      found,
    )
    const [fault] = found.found
    if (signed === null && fault !== undefined) {
      this.#heldEdge = payload
      this.#say("edge", fault.where, fault.code, fault.text)
      return
    }
    if (edge.said.origin !== originOf(gateway)) {
      this.#say("edge", "checkpoint", "ERR_LOG_OTHER_LOG", `the checkpoint is of another log: ${edge.said.origin}`)
      return
    }
    this.#faults.delete("edge")
    this.#lateEdge = edge
  }

  /** A change of keys: followed from the key that was given, and what it says of the tree held against the tree. */
  async #takeHandover(size: string, payload: Uint8Array): Promise<void> {
    if (!/^\d{1,15}$/.test(size) || (payload.length > 0 && this.#handovers.size >= MAX_HANDOVERS)) return
    const name = `handover-${size}`
    if (payload.length === 0) this.#handovers.delete(name)
    else this.#handovers.set(name, new TextDecoder().decode(payload.subarray(0, MAX_PROOF_BYTES + 1)))
    const found = new FaultList()
    const all = [...this.#handovers].map(([where, text]) => ({ where, text }))
    this.#chain = await followHandovers(this.#deps, all, found)
    this.#unplacedHandovers = this.#chain.checkpoints
    for (const where of [name, ...this.#handovers.keys()]) this.#faults.delete(where)
    for (const { where, code, text } of found.found) this.#say(where, where, code, text)
    if (this.#heldEdge !== null) await this.#takeEdge(this.#heldEdge)
  }

  async #placeHandovers(): Promise<void> {
    const left: KeyChain["checkpoints"][number][] = []
    for (const checkpoint of this.#unplacedHandovers) {
      const { size } = checkpoint
      const fits = size > (this.#tree.edge?.said.size ?? -1) ? null : await this.#tree.beginsWith(checkpoint)
      if (fits === null) left.push(checkpoint)
      const text = `the change of keys at entry ${size - 1} is of another tree than the signed checkpoint`
      if (fits === false) this.#say(`handover-${size}`, "checkpoint", "ERR_LOG_FORKED", text)
    }
    this.#unplacedHandovers = left
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
    if (packed.length === 0) {
      this.#tree.takePiece(at.path, null)
      return
    }
    const isBundle = at.path.startsWith("tile/entries/")
    try {
      this.#tree.takePiece(at.path, isBundle ? await this.#deps.inflate(packed, MAX_BUNDLE_BYTES) : packed)
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      this.#tree.refuse(at.path, (error as LockgateError).code, `${nameOf(at.path)}: ${error.message}`)
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
      this.#fresh.push(rowOf(seq, entryIn(line), false))
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
      const seq = index * TILE_WIDTH + k
      const entry = entryIn(line)
      const row = rowOf(seq, entry, true)
      this.#fresh.push(row)
      if (entry?.seq !== seq || entry.gateway !== this.#deps.gateway) {
        const text = `entry ${seq} is signed, and is not an entry of this gateway with that number`
        this.#say(`entry ${seq}`, `entry ${seq}`, "ERR_LOG_ENTRY_WRONG", text)
      }
      const waiting = this.#pending.get(row.seq)
      if (waiting !== undefined) this.#sameLine(row.seq, waiting, line)
      this.#pending.delete(row.seq)
    }
  }

  #sameLine(seq: number, told: Uint8Array, there: Uint8Array): void {
    if (sameHash(told, there)) return
    const text = `somebody told a line for entry ${seq} that is not the one in the log; the log's own is shown`
    this.#say(`entry ${seq}`, `entry ${seq}`, "ERR_LIVE_LINE", text)
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
      this.#say("memory", "checkpoint", shorter ? "ERR_LOG_REWOUND" : "ERR_LOG_FORKED", text)
      return
    }
    this.#faults.delete("memory")
    if (known !== null && known.size === now.size) return
    this.#known = { ...now, at: this.#deps.now() }
    this.#deps.believe(now, [...this.#deps.keys, ...this.#chain.keys.filter((key) => !this.#deps.keys.includes(key))])
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
      this.#say(
        "heartbeat",
        "heartbeat",
        "ERR_LOG_FORKED",
        "the signed heartbeat names another tree than the signed checkpoint",
      )
  }

  #doubt(done: number, of: number, missing: readonly string[]): string {
    if (this.#tree.edge === null) return "no signed checkpoint has come from the broker yet"
    const [first] = missing
    if (first !== undefined)
      return first.startsWith("tile/entries/")
        ? `${of - done} of ${of} bundles have not come from the broker, first ${nameOf(first)}`
        : `${nameOf(first)} has not come from the broker`
    return this.#fits === null
      ? "a piece is missing that would show that the log goes on from what was seen before"
      : ""
  }

  #seenText(): string {
    const known = this.#deps.known
    const handed = this.#chain.checkpoints.map(({ size }) => ` Its key changed at entry ${size - 1}, vouched for by the key before.`) // prettier-ignore
    if (known === null) return `This browser has not seen this log before.${handed.join("")}`
    return `This browser has seen ${known.size} entries of it on ${new Date(known.at).toLocaleString()}.${handed.join("")}`
  }

  #life(): GatewayReport["life"] {
    if (this.#offline) return "offline"
    const patience = 3_000 * (this.#heartbeat?.intervalSeconds ?? DEFAULT_INTERVAL_S)
    if (this.#deps.now() - (this.#lastSignAt ?? this.#since) > patience) return "silent"
    return this.#lastSignAt === null ? "unknown" : "alive"
  }

  /** `slot`: what is to come right for this fault to go. */
  #say(slot: string, where: string, code: string, text: string): void {
    this.#faults.set(slot, { where, code, text })
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
