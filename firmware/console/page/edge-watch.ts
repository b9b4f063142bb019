/** The log's edge and the changes of its key: who may have signed it is followed from the key that was given. */
import { MAX_EDGE_BYTES, parseEdge, type ParsedEdge } from "../../../policy/audit/edge-message.ts"
import { createEdgeInbox, type EdgeInbox } from "../../../policy/audit/edge-parts.ts"
import { followHandovers, type KeyChain } from "../../../policy/audit/key-chain.ts"
import { MAX_PROOF_BYTES } from "../../../policy/audit/proof-file.ts"
import { originOf } from "../../../policy/audit/tlog/checkpoint.ts"
import { FaultList } from "../../../policy/audit/tlog/log-verdict.ts"
import { signedCheckpoint, type VerifyLogDeps } from "../../../policy/audit/tlog/verify-log.ts"
import type { FaultBook } from "./fault-book.ts"
import type { LogTree } from "./log-tree.ts"
import type { Inflate } from "./piece-inbox.ts"

const MAX_HANDOVERS = 256

/** What an edge is judged by. */
export interface EdgeDeps extends VerifyLogDeps {
  readonly gateway: string
  readonly inflate: Inflate
}

/** Takes edges and handovers of one log; an edge that a trusted key has signed waits in `late`. */
export class EdgeWatch {
  readonly #deps: EdgeDeps
  readonly #faults: FaultBook
  readonly #edges: EdgeInbox
  readonly #handovers = new Map<string, string>()
  /** One that no trusted key has signed: the key may be vouched for yet. */
  #held: Uint8Array | null = null
  #late: ParsedEdge | null = null
  #chain: KeyChain
  #unplaced: KeyChain["checkpoints"] = []

  constructor(deps: EdgeDeps, faults: FaultBook) {
    this.#deps = deps
    this.#faults = faults
    this.#edges = createEdgeInbox(deps.sha256, deps.gateway)
    this.#chain = { keys: deps.keys, retired: [], checkpoints: [] }
  }

  get chain(): KeyChain {
    return this.#chain
  }

  /** The newest edge since the last call, its signature verified; null if none came. */
  late(): ParsedEdge | null {
    const edge = this.#late
    this.#late = null
    return edge
  }

  /** Take what came at or below `log/edge`. @throws InputError `ERR_EDGE`, `ERR_GZIP` */
  async take(topic: string, payload: Uint8Array): Promise<void> {
    const whole = this.#edges.take(topic, payload)
    if (whole !== null) await this.#takeWhole(whole)
  }

  async #takeWhole(payload: Uint8Array): Promise<void> {
    const { gateway, sha256, verify, keys } = this.#deps
    this.#held = null
    const say = (code: string, text: string): void => this.#faults.say("edge", "checkpoint", code, text)
    if (payload.length === 0) {
      say("ERR_LOG_CLEARED", "somebody cleared the log's edge at the broker")
      return
    }
    const edge = parseEdge(await this.#deps.inflate(payload, MAX_EDGE_BYTES))
    const found = new FaultList()
    const signed = await signedCheckpoint({ sha256, verify, keys }, this.#chain, edge.checkpoint, found)
    const [fault] = found.found
    if (signed === null && fault !== undefined) {
      this.#held = payload
      this.#faults.say("edge", fault.where, fault.code, fault.text)
      return
    }
    if (edge.said.origin !== originOf(gateway)) {
      say("ERR_LOG_OTHER_LOG", `the checkpoint is of another log: ${edge.said.origin}`)
      return
    }
    this.#faults.mend("edge")
    this.#late = edge
  }

  /** A change of keys: followed from the key that was given. `size`: what stands behind `log/handover/`. */
  async takeHandover(size: string, payload: Uint8Array): Promise<void> {
    if (!/^\d{1,15}$/.test(size) || (payload.length > 0 && this.#handovers.size >= MAX_HANDOVERS)) return
    const name = `handover-${size}`
    if (payload.length === 0) this.#handovers.delete(name)
    else this.#handovers.set(name, new TextDecoder().decode(payload.subarray(0, MAX_PROOF_BYTES + 1)))
    const found = new FaultList()
    const all = [...this.#handovers].map(([where, text]) => ({ where, text }))
    this.#chain = await followHandovers(this.#deps, all, found)
    this.#unplaced = this.#chain.checkpoints
    for (const where of [name, ...this.#handovers.keys()]) this.#faults.mend(where)
    for (const { where, code, text } of found.found) this.#faults.say(where, where, code, text)
    if (this.#held !== null) await this.#takeWhole(this.#held)
  }

  /** What was signed at a change of keys must be of this very tree. */
  async place(tree: LogTree): Promise<void> {
    const left: KeyChain["checkpoints"][number][] = []
    for (const checkpoint of this.#unplaced) {
      const { size } = checkpoint
      const fits = size > (tree.edge?.said.size ?? -1) ? null : await tree.beginsWith(checkpoint)
      if (fits === null) left.push(checkpoint)
      const text = `the change of keys at entry ${size - 1} is of another tree than the signed checkpoint`
      if (fits === false) this.#faults.say(`handover-${size}`, "checkpoint", "ERR_LOG_FORKED", text)
    }
    this.#unplaced = left
  }
}
