/** One gateway as the worker follows it: its log, its signs of life, its alarms, and the verdict over all of that. */
import { LockgateError, StateError } from "../../../policy/base/errors.ts"
import type { ParsedEdge } from "../../../policy/audit/edge-message.ts"
import { leafHash } from "../../../policy/audit/tlog/hash.ts"
import type { NoteKey } from "../../../policy/audit/tlog/note.ts"
import { pieceAt } from "../../../policy/audit/topics.ts"
import { diagnose } from "./diagnosis.ts"
import { EdgeWatch, type EdgeDeps } from "./edge-watch.ts"
import { EntryRows } from "./entry-rows.ts"
import { FaultBook } from "./fault-book.ts"
import { LogTree, nameOf, type Seen } from "./log-tree.ts"
import type { EntryProof, Fault, GatewayReport, Verdict } from "./messages.ts"
import { OlderHistory, type OlderDeps } from "./older.ts"
import { PieceInbox } from "./piece-inbox.ts"
import { proofPath } from "./proof-path.ts"
import type { Row } from "./rows.ts"
import { SignsOfLife } from "./signs-of-life.ts"
import { WitnessWatch, type WitnessDeps } from "./witness-watch.ts"

/** What a watch is given. */
export interface WatchDeps extends EdgeDeps, WitnessDeps, OlderDeps {
  /** The last checkpoint that this browser believed. */
  readonly known: (Seen & { readonly at: number }) | null
  /** A key other than the pinned one was given. */
  readonly otherKey: boolean
  readonly hex: (bytes: Uint8Array) => string
  readonly rows: (rows: readonly Row[]) => void
  /** A checkpoint is believed: to be kept. */
  readonly believe: (seen: Seen, keys: readonly NoteKey[]) => void
}

/** Follows one gateway. `take` what comes, then `settle`; `report` at any time. */
export class GatewayWatch {
  readonly #deps: WatchDeps
  readonly #tree: LogTree
  readonly #faults: FaultBook
  readonly #edges: EdgeWatch
  readonly #pieces: PieceInbox
  readonly #entries: EntryRows
  readonly #signs: SignsOfLife
  readonly #witnesses: WitnessWatch
  readonly #older: OlderHistory
  #known: (Seen & { readonly at: number }) | null
  /** Signed, and yet not the root of what comes with it. */
  #refusedEdge: ParsedEdge | null = null
  /** What is wrong, named as `verifyLog` names it; null if that is not known of this state. */
  #named: { readonly state: string; readonly faults: readonly Fault[] } | null = null
  #fits: boolean | null = null

  constructor(deps: WatchDeps) {
    this.#deps = deps
    this.#tree = new LogTree(deps.sha256)
    this.#faults = new FaultBook(deps.now)
    this.#edges = new EdgeWatch(deps, this.#faults)
    this.#pieces = new PieceInbox(this.#tree, deps.inflate)
    this.#entries = new EntryRows(deps.gateway, this.#tree, this.#faults)
    this.#signs = new SignsOfLife(deps, this.#faults)
    this.#witnesses = new WitnessWatch(deps, this.#faults)
    this.#older = new OlderHistory(deps, this.#tree, this.#pieces, this.#faults)
    this.#known = deps.known
    const text = "this is not the key that this browser knew for the gateway; ask its owner which is right"
    if (deps.otherKey) this.#faults.say("key", "key", "ERR_LOG_KEY", text)
  }

  /** Take one message. Never throws for what is in it. */
  async take(topic: string, payload: Uint8Array, retained: boolean): Promise<void> {
    const root = `lockgate/${this.#deps.gateway}/`
    const rest = topic.slice(root.length)
    try {
      await this.#takeRest(rest, topic, payload, retained)
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      const where = rest === "log/edge" ? "checkpoint" : rest
      const code = rest === "log/edge" ? "ERR_LOG_NO_CHECKPOINT" : (error as LockgateError).code
      this.#faults.say(rest === "log/edge" ? "edge" : where, where, code, `${wordFor(rest)}: ${error.message}`)
    }
  }

  async #takeRest(rest: string, topic: string, payload: Uint8Array, retained: boolean): Promise<void> {
    if (rest === "log/edge" || rest.startsWith("log/edge/")) return this.#edges.take(topic, payload)
    if (rest === "audit/live") {
      this.#entries.takeLine(payload)
      return
    }
    if (rest === "heartbeat") return this.#signs.takeHeartbeat(payload, retained)
    if (rest === "online") {
      this.#signs.takeOnline(payload)
      return
    }
    if (rest.startsWith("log/answer/")) return this.#older.take(rest.slice("log/answer/".length), payload)
    if (rest.startsWith("log/handover/")) return this.#edges.takeHandover(rest.slice("log/handover/".length), payload)
    if (rest.startsWith("alarm/")) {
      this.#signs.takeAlarm(rest.slice("alarm/".length), payload)
      return
    }
    if (rest.startsWith("witness/")) {
      this.#witnesses.take(topic, payload)
      return
    }
    const at = pieceAt(this.#deps.gateway, topic)
    if (at !== null) await this.#pieces.take(at, payload)
  }

  /** Judge what came since. `isBusy`: more is waiting, so that faults need not be named yet, which costs a walk through all that is here. */
  async settle(isBusy = false): Promise<void> {
    const edge = this.#edges.late()
    if (edge !== null) {
      const fault = this.#tree.takeEdge(edge)
      this.#refusedEdge = fault === null ? null : edge
    }
    for (const index of this.#tree.settle()) this.#entries.addBundle(index)
    if (edge !== null && this.#refusedEdge === null) this.#entries.addEdge()
    this.#older.settle()
    await this.#compare()
    await this.#signs.place(this.#tree)
    await this.#edges.place(this.#tree)
    await this.#witnesses.place(this.#edges.chain, this.#tree)
    const fresh = this.#entries.fresh()
    if (fresh.length > 0) this.#deps.rows(fresh)
    if (!isBusy) await this.#nameFaults()
  }

  /** Judge what only time tells. To be called about once a second. */
  async tick(): Promise<void> {
    this.#older.tick()
    await this.#witnesses.hold(this.#tree)
  }

  /** Everything that does not fit is named as `lockgate audit verify` would. */
  async #nameFaults(): Promise<void> {
    const { sha256, verify } = this.#deps
    const edge = this.#refusedEdge ?? this.#tree.edge
    const state = this.#state()
    if (edge === null || this.#named?.state === state) return
    const isWhole = this.#refusedEdge === null && this.#tree.faults.length === 0
    const keys = [...this.#edges.chain.keys, ...this.#edges.chain.retired.map(({ key }) => key)]
    const faults = isWhole ? [] : await diagnose({ sha256, verify, keys }, this.#tree, edge, this.#known)
    this.#named = { state, faults }
    for (const fault of this.#pieceFaults()) this.#faults.note(fault)
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

  /** Ask the gateway for entries that the broker does not hold any more. */
  older(): void {
    this.#older.want(this.#signs.report().life === "offline")
  }

  /** The connection is another one. */
  restart(): void {
    this.#older.restart()
  }

  /** Everything that is known now. */
  report(): GatewayReport {
    const own = this.#faults.standing
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
      findings: this.#faults.findings,
      checkpoint:
        edge === null ? null : { size: edge.said.size, root: this.#deps.hex(edge.said.root), first: edge.first },
      done,
      of,
      seen: this.#seenText(),
      ...this.#signs.report(),
      witnesses: this.#witnesses.report(),
      older: this.#older.report(),
    }
  }

  /** An entry with its proof; null if it is not here. */
  async prove(seq: number): Promise<EntryProof | null> {
    const { sha256, hex } = this.#deps
    const line = this.#entries.line(seq)
    if (line === null) return null
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
      this.#faults.say("memory", "checkpoint", shorter ? "ERR_LOG_REWOUND" : "ERR_LOG_FORKED", text)
      return
    }
    this.#faults.mend("memory")
    if (known !== null && known.size === now.size) return
    this.#known = { ...now, at: this.#deps.now() }
    this.#deps.believe(now, [
      ...this.#deps.keys,
      ...this.#edges.chain.keys.filter((key) => !this.#deps.keys.includes(key)),
    ])
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
    const handed = this.#edges.chain.checkpoints.map(({ size }) => ` Its key changed at entry ${size - 1}, vouched for by the key before.`) // prettier-ignore
    if (known === null) return `This browser has not seen this log before.${handed.join("")}`
    return `This browser has seen ${known.size} entries of it on ${new Date(known.at).toLocaleString()}.${handed.join("")}`
  }
}

function wordFor(rest: string): string {
  if (rest === "log/edge") return "the log's edge"
  return rest === "audit/live" ? "a line told as written just now" : `the message at ${rest.slice(0, 80)}`
}
