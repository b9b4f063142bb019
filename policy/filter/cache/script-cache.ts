/* eslint-disable @typescript-eslint/no-non-null-assertion -- packet offsets are checked against `end`, slots lie in arrays made here */
import { InvariantError } from "../../base/errors.ts"
import { decide, payloadSpan } from "../decide.ts"
import type { FilterState } from "../state.ts"
import type { Verdict } from "../verdict.ts"
import * as flow from "./flow.ts"
import type { FlowCache, FlowCacheOptions, Flows } from "./flow.ts"
import { FlowNumbers } from "./flow-numbers.ts"

// V8 folds a module's own constants into the code, but reads imported ones from memory each time.
const WAYS = flow.WAYS
const MAX_TOPIC = flow.MAX_TOPIC
const MISS = flow.MISS
const ADMIT = flow.ADMIT
const UNFIT = flow.UNFIT
const CHALLENGES = flow.CHALLENGES
const FULL_CREDIT = flow.FULL_CREDIT
const GAIN = flow.GAIN

/** A set in the index: the tags of its entries, then those of topics that were seen once, 16 bits each. */
const SET_TAGS = 2 * WAYS
const CANDIDATES = WAYS
/** A record: number (2), used, flags and length, verdict, least and most payload bytes, then the topic. */
const RECORD_WORDS = 32
const META = 2
const VERDICT = 3
const LEAST = 4
const MOST = 5
const TOPIC = 6
const USED = 1 << 31

/** The flow cache in plain TypeScript: where WebAssembly is not to be had, and what the other is checked against. */
export class ScriptFlowCache implements FlowCache {
  readonly #index: Uint16Array
  readonly #records: Int32Array
  readonly #mask: number
  readonly #seedA: number
  readonly #seedB: number
  readonly #factorA: number
  readonly #factorB: number
  /** The topic that is looked for, in words; zero past its end. */
  readonly #key = new Int32Array(MAX_TOPIC / 4)
  readonly #span = new Int32Array(2)
  readonly #numbers: FlowNumbers
  #challenges = 0
  #coin = 1
  // What the last look that ended in ADMIT found.
  #slot = 0
  #tag = 0
  #meta = 0
  #topic = 0
  #payloadBytes = 0

  constructor({ seed, sets = flow.DEFAULT_SETS, firstNumber = 1 }: FlowCacheOptions) {
    if (sets < 1 || sets > 1 << 20 || (sets & (sets - 1)) !== 0)
      throw new InvariantError("ERR_FLOW_CACHE_SETS", "the number of sets must be a power of two")
    this.#index = new Uint16Array(sets * SET_TAGS)
    this.#records = new Int32Array(sets * WAYS * RECORD_WORDS)
    this.#mask = sets - 1
    this.#seedA = seed[0]! | 0
    this.#seedB = seed[2]! | 0
    this.#factorA = flow.factorOf(seed[4]! | 0)
    this.#factorB = flow.factorOf(seed[6]! | 0)
    this.#numbers = new FlowNumbers(firstNumber)
  }

  open(state: FilterState): Flows {
    return flow.newFlows(state, this.#numbers.fresh())
  }

  join(state: FilterState): Flows {
    return flow.newFlows(state, this.#numbers.of(state, null))
  }

  decide(flows: Flows, bytes: Uint8Array, start: number, end: number, nowMs: number): Verdict {
    const { state } = flows
    if (flows.rest > 0) {
      flows.rest--
      return decide(state.table, state, bytes, start, end, nowMs)
    }
    const found = this.#look(flows, bytes, start, end)
    if (found >= 0) {
      if (flows.credit < FULL_CREDIT) flows.credit += GAIN
      return found
    }
    flow.missed(flows)
    const verdict = decide(state.table, state, bytes, start, end, nowMs)
    if (found === ADMIT) this.#admit(flows, bytes, verdict)
    return verdict
  }

  /** The verdict that is known, or MISS, ADMIT, UNFIT. Reads what `decide` reads, in the same bounds. */
  #look(flows: Flows, bytes: Uint8Array, start: number, end: number): number {
    if (start < 0 || end > bytes.length || end - start < 4) return MISS
    const first = bytes[start]!
    if (first >> 4 !== 3 || (first & 6) === 6) return MISS
    let at = (start + 1) | 0
    let remaining = bytes[at]! | 0
    at = (at + 1) | 0
    if (remaining >= 0x80) {
      remaining &= 0x7f
      for (let shift = 7; ; shift += 7) {
        if (shift > 21 || at >= end) return MISS
        const byte = bytes[at]! | 0
        at = (at + 1) | 0
        remaining |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
    }
    const stop = (at + remaining) | 0
    if (end - at < 2 || remaining < 2) return MISS
    const length = (bytes[at]! << 8) | bytes[(at + 1) | 0]!
    if (length === 0 || length > MAX_TOPIC) return MISS
    const topic = (at + 2) | 0
    const topicEnd = (topic + length) | 0
    at = (first & 6) === 0 ? topicEnd : (topicEnd + 2) | 0
    if (at > end || at > stop) return MISS
    if (flows.version5) {
      let size = 0
      for (let shift = 0; ; shift += 7) {
        if (shift > 21 || at >= end || at >= stop) return MISS
        const byte = bytes[at]! | 0
        at = (at + 1) | 0
        size |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      at = (at + size) | 0
      if (at > stop) return MISS
    }
    const payloadBytes = (stop - at) | 0
    const meta = ((first & 7) << 16) | length

    const key = this.#key
    let a = this.#seedA ^ flows.low
    let b = this.#seedB ^ flows.high ^ (meta << 7)
    const factorA = this.#factorA
    const factorB = this.#factorB
    let words = 0
    let k = topic
    for (const pairs = (topicEnd - 8) | 0; k <= pairs; k = (k + 8) | 0) {
      const one = bytes[k]! | (bytes[(k + 1) | 0]! << 8) | (bytes[(k + 2) | 0]! << 16) | (bytes[(k + 3) | 0]! << 24)
      const two =
        bytes[(k + 4) | 0]! | (bytes[(k + 5) | 0]! << 8) | (bytes[(k + 6) | 0]! << 16) | (bytes[(k + 7) | 0]! << 24)
      key[words] = one
      key[(words + 1) | 0] = two
      words = (words + 2) | 0
      a = Math.imul(a ^ one, factorA)
      a = (a << 13) | (a >>> 19)
      b = Math.imul(b ^ two, factorB)
      b = (b << 15) | (b >>> 17)
    }
    if (((topicEnd - k) | 0) >= 4) {
      const one = bytes[k]! | (bytes[(k + 1) | 0]! << 8) | (bytes[(k + 2) | 0]! << 16) | (bytes[(k + 3) | 0]! << 24)
      key[words] = one
      words = (words + 1) | 0
      k = (k + 4) | 0
      a = Math.imul(a ^ one, factorA)
      a = (a << 13) | (a >>> 19)
    }
    if (k < topicEnd) {
      let two = bytes[k]! | 0
      if (((k + 1) | 0) < topicEnd) two |= bytes[(k + 1) | 0]! << 8
      if (((k + 2) | 0) < topicEnd) two |= bytes[(k + 2) | 0]! << 16
      key[words] = two
      words = (words + 1) | 0
      b = Math.imul(b ^ two, factorB)
      b = (b << 15) | (b >>> 17)
    }
    let hash = Math.imul(a ^ (b >>> 15) ^ b, 0x2c1b3c6d)
    hash = Math.imul(hash ^ (hash >>> 15), 0x297a2d39)
    hash ^= hash >>> 15
    // Never zero, which is an empty way.
    const tag = (hash >>> 16) | 1

    const index = this.#index
    const records = this.#records
    const set = hash & this.#mask
    const base = (set * SET_TAGS) | 0
    // An entry lies at the place its hash asks for, or behind it: most are found at the first look.
    const wanted = (hash >>> 14) & (WAYS - 1)
    let empty = -1
    for (let step = 0; step < WAYS; step = (step + 1) | 0) {
      const way = (wanted + step) & (WAYS - 1)
      const here = index[base + way]!
      if (here === 0) {
        // Ways are never emptied, so nothing lies behind the first empty one.
        empty = way
        break
      }
      if (here !== tag) continue
      const record = ((set * WAYS + way) * RECORD_WORDS) | 0
      const entry = records[record + META]!
      if ((entry & ~USED) !== meta || records[record] !== flows.low || records[record + 1] !== flows.high) continue
      let word = 0
      while (word < words && records[record + TOPIC + word] === key[word]) word = (word + 1) | 0
      if (word < words) continue
      if (entry >= 0) records[record + META] = entry | USED
      if (payloadBytes >= records[record + LEAST]! && payloadBytes <= records[record + MOST]!)
        return records[record + VERDICT]!
      // Known for other sizes only. Now and then it learns this one instead, so that neither an odd first message nor a peer
      // that alternates costs much.
      this.#challenges = (this.#challenges + 1) | 0
      if (this.#challenges % CHALLENGES !== 0) return MISS
      return this.#remember(set, way, tag, meta, topic, payloadBytes)
    }
    const candidate = base + CANDIDATES + wanted
    const seen = index[candidate]!
    if (seen !== tag) {
      // Two topics that take turns would wipe each other out for ever: so a coin decides.
      this.#coin = (Math.imul(this.#coin, 1664525) + 1013904223) | 0
      if (seen === 0 || this.#coin < 0) index[candidate] = tag
      return MISS
    }
    const way = empty >= 0 ? empty : this.#victim(set)
    return way < 0 ? MISS : this.#remember(set, way, tag, meta, topic, payloadBytes)
  }

  /** The way of a full set that gives room, or -1: mostly what is there stays, and what was used of late stays once more. */
  #victim(set: number): number {
    this.#challenges = (this.#challenges + 1) | 0
    if (this.#challenges % CHALLENGES !== 0) return -1
    const records = this.#records
    const from = set * WAYS
    const turn = this.#challenges / CHALLENGES
    for (let step = 0; step < WAYS; step++) {
      const way = (turn + step) & (WAYS - 1)
      if (records[(from + way) * RECORD_WORDS + META]! >= 0) return way
    }
    for (let way = 0; way < WAYS; way++) records[(from + way) * RECORD_WORDS + META]! &= ~USED
    return -1
  }

  #remember(set: number, way: number, tag: number, meta: number, topic: number, payloadBytes: number): number {
    this.#slot = set * WAYS + way
    this.#tag = tag
    this.#meta = meta
    this.#topic = topic
    this.#payloadBytes = payloadBytes
    return ADMIT
  }

  /** Write what the last look asked for; its topic still stands in `#key`. */
  #admit({ state, low, high }: Flows, bytes: Uint8Array, verdict: Verdict): void {
    const length = this.#meta & 0xffff
    const topic = this.#topic
    const fit = payloadSpan(state.table, state, bytes, topic, topic + length, this.#payloadBytes, this.#span)
    const records = this.#records
    const record = this.#slot * RECORD_WORDS
    records[record] = low
    records[record + 1] = high
    records[record + META] = this.#meta
    records[record + VERDICT] = fit ? verdict : UNFIT
    records[record + LEAST] = fit ? this.#span[0]! : 0
    records[record + MOST] = fit ? this.#span[1]! : 0x7fffffff
    const words = (length + 3) >> 2
    for (let word = 0; word < words; word++) records[record + TOPIC + word] = this.#key[word]!
    const way = this.#slot & (WAYS - 1)
    this.#index[((this.#slot - way) / WAYS) * SET_TAGS + way] = this.#tag
  }
}
