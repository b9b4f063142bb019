/* eslint-disable @typescript-eslint/no-non-null-assertion -- packet offsets are checked against `end`; what the kernel writes lies in its memory */
import { InvariantError } from "../../base/errors.ts"
import { decide, payloadSpan } from "../decide.ts"
import type { FilterState } from "../state.ts"
import { RECORD_NONE } from "../table.ts"
import { isAllowed, ruleOf, type Verdict } from "../verdict.ts"
import * as flow from "./flow.ts"
import type { FlowCache, FlowCacheOptions, Flows } from "./flow.ts"
import { FlowNumbers } from "./flow-numbers.ts"

// V8 folds a module's own constants into the code, but reads imported ones from memory each time.
const MISS = flow.MISS
const ADMIT = flow.ADMIT
const UNFIT = flow.UNFIT
const FULL_CREDIT = flow.FULL_CREDIT
const GAIN = flow.GAIN

// The memory, in words where it is read in words. The same numbers stand in `kernel.as.ts`.
const STAGE = 0x100
/** What is read of a packet whose topic may be remembered: header, topic, id, length of the properties. */
const STAGE_BYTES = 1 + 4 + 2 + flow.MAX_TOPIC + 2 + 4
const MISSES_WORD = 0x200 >> 2
const RESULTS_WORD = 0x1000 >> 2
const INDEX = 0x10000
const SET_BYTES = 32
const RECORD_BYTES = 128
const PAGE = 0x10000

/** What is used of WebAssembly; the runtime's types know it only together with a browser's. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

/** What `kernel.as.ts` exports. */
interface Kernel {
  setup(sets: number): void
  seed(a: bigint, b: bigint, c: bigint, d: bigint): void
  look(low: number, high: number, version5: number, at: number, end: number): number
  lookAgain(low: number, high: number, version5: number, at: number, end: number): number
  admit(low: number, high: number, verdict: number, least: number, most: number, plain: number): void
  topicAt(): number
  topicBytes(): number
  payload(): number
  chunk(low: number, high: number, version5: number, rest: number, at: number, end: number, origin: number): number
  pass(low: number, high: number, version5: number, at: number, end: number, maxBytes: number): number
}

/** As for any flow cache, and how many bytes of chunks there is room for. */
export interface KernelOptions extends FlowCacheOptions {
  /** For chunks that are brought over. */
  readonly inputBytes?: number
  /** For chunks that are received there, behind the others; takes memory only as it is written. */
  readonly landingBytes?: number
}

/**
 * The flow cache in WebAssembly. Makes its module and memory at once, in about a millisecond.
 *
 * Packets that stand in `input`, where a read may put them, are judged where they lie: a whole chunk by `decideChunk`, one
 * by `decideInput`. For a packet elsewhere `decide` brings its head over.
 */
export class KernelFlowCache implements FlowCache {
  /** Room for received bytes, in the module's memory. Never moves. */
  readonly input: Uint8Array<ArrayBuffer>
  /** Where the part of `input` begins that reads may put chunks into: before it is room for those that are brought over. */
  readonly landingAt: number
  /** After `decideChunk`: for each packet where it ends in `input`, then its verdict. */
  readonly results: Int32Array
  readonly #kernel: Kernel
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #words: Int32Array
  readonly #base: number
  readonly #span = new Int32Array(2)
  readonly #numbers: FlowNumbers

  constructor(bytes: Uint8Array<ArrayBuffer>, options: KernelOptions) {
    const { seed, sets = flow.DEFAULT_SETS, firstNumber = 1, inputBytes = 0x10000, landingBytes = 0 } = options
    if (sets < 1 || sets > 1 << 16 || (sets & (sets - 1)) !== 0)
      throw new InvariantError("ERR_FLOW_CACHE_SETS", "the number of sets must be a power of two")
    const tables = sets * (SET_BYTES + flow.WAYS * RECORD_BYTES)
    this.#base = INDEX + tables
    const pages = Math.ceil((this.#base + inputBytes + landingBytes) / PAGE)
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    const module = new WebAssembly.Module(bytes)
    const kernel = new WebAssembly.Instance(module, { env: { memory } }).exports as Kernel
    const pair = (k: number): bigint => (BigInt(seed[k + 1]!) << 32n) | BigInt(seed[k]!)
    const factor = (k: number): bigint =>
      (BigInt(flow.factorOf(seed[k + 1]!) >>> 0) << 32n) | BigInt(flow.factorOf(seed[k]!) >>> 0)
    kernel.setup(sets)
    kernel.seed(pair(0), pair(2), factor(4), factor(6))
    this.#kernel = kernel
    this.#bytes = new Uint8Array(memory.buffer)
    this.#words = new Int32Array(memory.buffer)
    this.input = this.#bytes.subarray(this.#base, this.#base + inputBytes + landingBytes)
    this.landingAt = inputBytes
    this.results = this.#words.subarray(RESULTS_WORD, INDEX >> 2)
    this.#numbers = new FlowNumbers(firstNumber)
  }

  open(state: FilterState): Flows {
    return flow.newFlows(state, this.#numbers.fresh())
  }

  join(state: FilterState, records: Uint8Array | null = null): Flows {
    return flow.newFlows(state, this.#numbers.of(state, records), records)
  }

  decide(flows: Flows, bytes: Uint8Array, start: number, end: number, nowMs: number): Verdict {
    const { state } = flows
    if (flows.rest > 0) {
      flows.rest--
      return decide(state.table, state, bytes, start, end, nowMs)
    }
    let found = MISS
    if (start >= 0 && end <= bytes.length) {
      const memory = this.#bytes
      const size = Math.min(end - start, STAGE_BYTES)
      for (let k = 0; k < size; k++) memory[STAGE + k] = bytes[start + k]!
      found = this.#kernel.look(flows.low, flows.high, flows.version5 ? 1 : 0, STAGE, STAGE + (end - start))
    }
    return found >= 0 ? this.#hit(flows, found) : this.#miss(flows, bytes, start, end, nowMs, found)
  }

  /** As `decide`, for a packet in `input`. */
  decideInput(flows: Flows, start: number, end: number, nowMs: number): Verdict {
    const { state } = flows
    if (flows.rest > 0) {
      flows.rest--
      return decide(state.table, state, this.input, start, end, nowMs)
    }
    const base = this.#base
    const found =
      start < 0 || end > this.input.length
        ? MISS
        : this.#kernel.look(flows.low, flows.high, flows.version5 ? 1 : 0, base + start, base + end)
    return found >= 0 ? this.#hit(flows, found) : this.#miss(flows, this.input, start, end, nowMs, found)
  }

  #hit(flows: Flows, verdict: Verdict): Verdict {
    if (flows.credit < FULL_CREDIT) flows.credit += GAIN
    return verdict
  }

  #miss(flows: Flows, bytes: Uint8Array, start: number, end: number, nowMs: number, found: number): Verdict {
    const { state } = flows
    flow.missed(flows)
    const verdict = decide(state.table, state, bytes, start, end, nowMs)
    if (found === ADMIT) this.#admit(flows, verdict)
    return verdict
  }

  /**
   * Judge every whole PUBLISH in `input[start, end)` up to the first packet that is something else, at most 4,096. Returns
   * how many; `results` says where each ends and what `decide` says of it. None: the first packet is not a PUBLISH, or
   * not wholly in hand.
   */
  decideChunk(flows: Flows, start: number, end: number, nowMs: number): number {
    const count = this.lookChunk(flows, start, end)
    if (count > 0 && this.#words[MISSES_WORD]! > 0) this.#settleAll(flows, start, count, nowMs)
    return count
  }

  /**
   * As `decideChunk`, but what is not known stays a negative number in `results`, for `settle` to be asked in turn when that
   * packet is dealt with: so nothing that depends on time, on a rate or on what came before is decided ahead of its turn.
   */
  lookChunk(flows: Flows, start: number, end: number): number {
    const base = this.#base
    if (start < 0 || end > this.input.length) return 0
    const rest = flows.rest > 0
    const { low, high, version5 } = flows
    const count = this.#kernel.chunk(low, high, version5 ? 1 : 0, rest ? 1 : 0, base + start, base + end, base)
    if (rest) flows.rest = Math.max(0, flows.rest - count)
    else this.#account(flows, count)
    return count
  }

  /**
   * Where in `input[start, end)` the first packet stands that is not whole, of QoS 0 and without properties, at most `maxBytes`
   * long, and known to pass unrecorded; `passed` says how many stand before it. Nothing is decided: of what it passes over
   * `lookChunk` says the same.
   */
  passChunk(flows: Flows, start: number, end: number, maxBytes: number): number {
    this.passed = 0
    if (start < 0 || end > this.input.length || flows.rest > 0) return start
    const base = this.#base
    const { low, high, version5 } = flows
    const stop = this.#kernel.pass(low, high, version5 ? 1 : 0, base + start, base + end, maxBytes) - base
    const count = this.#words[MISSES_WORD]!
    flows.credit = Math.min(FULL_CREDIT, flows.credit + GAIN * count)
    this.passed = count
    return stop
  }

  /** Packets before the place that `passChunk` has returned. */
  passed = 0

  /** The verdict on the packet `input[start, end)`, of which `lookChunk` has said `found`; it stands there still. */
  settle(flows: Flows, found: number, start: number, end: number, nowMs: number): Verdict {
    if (found >= 0) return found
    const { state, low, high } = flows
    const verdict = decide(state.table, state, this.input, start, end, nowMs)
    const base = this.#base
    if (
      found === ADMIT &&
      this.#kernel.lookAgain(low, high, flows.version5 ? 1 : 0, base + start, base + end) === ADMIT
    )
      this.#admit(flows, verdict)
    return verdict
  }

  /** What a look at `count` packets does to a peer's credit. */
  #account(flows: Flows, count: number): void {
    const misses = this.#words[MISSES_WORD]!
    flows.credit = Math.min(FULL_CREDIT, flows.credit + GAIN * (count - misses)) - misses + 1
    flow.missed(flows)
  }

  /** A verdict in place of each miss. */
  #settleAll(flows: Flows, start: number, count: number, nowMs: number): void {
    const { results } = this
    let at = start
    for (let k = 0; k < count * 2; k += 2) {
      const end = results[k]!
      if (results[k + 1]! < 0) results[k + 1] = this.settle(flows, results[k + 1]!, at, end, nowMs)
      at = end
    }
  }

  /** Remember what the last look asked for: its topic still stands where the kernel found it. */
  #admit({ state, low, high, records }: Flows, verdict: Verdict): void {
    const kernel = this.#kernel
    const at = kernel.topicAt()
    const end = at + kernel.topicBytes()
    const fit = payloadSpan(state.table, state, this.#bytes, at, end, kernel.payload(), this.#span)
    const plain = isAllowed(verdict) && (records === null || records[ruleOf(verdict)] === RECORD_NONE)
    if (fit) kernel.admit(low, high, verdict, this.#span[0]!, this.#span[1]!, plain ? 1 : 0)
    else kernel.admit(low, high, UNFIT, 0, 0x7fffffff, 0)
  }
}
