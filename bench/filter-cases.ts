/** What the filter's bench measures: one run over a load by each filter, cache and floor. */
import { readFileSync } from "node:fs"
import { createKernelFlowCache } from "../policy/filter/cache/create.ts"
import type { FlowCache, Flows } from "../policy/filter/cache/flow.ts"
import type { ScriptFlowCache } from "../policy/filter/cache/script-cache.ts"
import type { KernelFlowCache } from "../policy/filter/cache/kernel-cache.ts"
import { decide, type FilterState } from "../policy/filter/decide.ts"
import type { FilterTable } from "../policy/filter/table.ts"
import { compileAssembly } from "../test/support/build-kernel.ts"
import { nullFilter, wordFilter, type Load } from "./filter-load.ts"
import type { Case } from "./harness.ts"

/** Keeps V8 from dropping what is measured. */
export const sink = { value: 0 }

/** The time as the engine has it: read once for a chunk, a number on the heap. */
const nowMs = performance.now() + 0.5

/** A secret of a cache, the same in every run. */
export const SEED = Uint32Array.from({ length: 8 }, (_, k) => Math.imul(k + 1, 0x9e3779b1) ^ 0x5bd1e995)

const FLOOR = await compileAssembly(readFileSync(new URL("floor.as.ts", import.meta.url), "utf8"))

/** FNV-1a, byte by byte. */
export function nullCase(load: Load): Case {
  const { bytes, starts, ends } = load
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) sink.value = (sink.value + nullFilter(bytes, starts[k]!, ends[k]!)) | 0
  }
  return { name: "null", operations: starts.length, run }
}

/** Four bytes a step in JavaScript. */
export function wordCase(load: Load): Case {
  const { bytes, starts, ends } = load
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) sink.value = (sink.value + wordFilter(bytes, starts[k]!, ends[k]!)) | 0
  }
  return { name: "words", operations: starts.length, run }
}

/** The filter without a cache. */
export function decideCase(table: FilterTable, load: Load): Case {
  const { bytes, starts, ends, states } = load
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) {
      sink.value = (sink.value + decide(table, states[k]!, bytes, starts[k]!, ends[k]!, nowMs)) | 0
    }
  }
  return { name: "decide", operations: starts.length, run }
}

/** The load's packets, one call each, through a cache that is handed bytes from anywhere. */
export function scriptCase(cache: ScriptFlowCache, load: Load, flows = flowsOf(cache, load)): Case {
  const { bytes, starts, ends } = load
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) {
      sink.value = (sink.value + cache.decide(flows[k]!, bytes, starts[k]!, ends[k]!, nowMs)) | 0
    }
  }
  return { name: "script", operations: starts.length, run }
}

/** The same by WebAssembly: a packet's topic is brought into the module's memory. */
export function kernelCase(cache: KernelFlowCache, load: Load, flows = flowsOf(cache, load)): Case {
  const { bytes, starts, ends } = load
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) {
      sink.value = (sink.value + cache.decide(flows[k]!, bytes, starts[k]!, ends[k]!, nowMs)) | 0
    }
  }
  return { name: "kernel", operations: starts.length, run }
}

/** One number for each client of a load. */
export function flowsOf(cache: FlowCache, { states }: Load): Flows[] {
  const known = new Map<FilterState, Flows>()
  return states.map((state) => {
    const flows = known.get(state) ?? cache.open(state)
    known.set(state, flows)
    return flows
  })
}

/** A cache in WebAssembly with the whole load in its memory, as reads would have put it there. */
export function kernelWith(load: Load): KernelFlowCache {
  const cache = createKernelFlowCache({ seed: SEED, inputBytes: load.bytes.length })
  cache.input.set(load.bytes)
  return cache
}

/** One call a packet, in the module's memory. */
export function inputCase(cache: KernelFlowCache, load: Load, flows = flowsOf(cache, load)): Case {
  const { starts, ends } = load
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) {
      sink.value = (sink.value + cache.decideInput(flows[k]!, starts[k]!, ends[k]!, nowMs)) | 0
    }
  }
  return { name: "input", operations: starts.length, run }
}

/** Where each client's packets begin and end: its chunk. First and last packet of each, one pair behind the other. */
function chunksOf({ states }: Load): Int32Array {
  const chunks: number[] = []
  states.forEach((state, k) => {
    if (k > 0 && states[k - 1] === state) chunks[chunks.length - 1] = k
    else chunks.push(k, k)
  })
  return Int32Array.from(chunks)
}

/** One call a chunk: all packets of one client. `copied`: the chunk is brought into the module's memory first. */
export function chunkCase(cache: KernelFlowCache, load: Load, flows = flowsOf(cache, load), copied = false): Case {
  const { starts, ends, bytes } = load
  const chunks = chunksOf(load)
  const { results, input } = cache
  const run = (): void => {
    let sum = 0
    for (let c = 0; c < chunks.length; c += 2) {
      const first = chunks[c]!
      const last = chunks[c + 1]!
      let start = starts[first]!
      let end = ends[last]!
      if (copied) {
        input.set(bytes.subarray(start, end))
        end -= start
        start = 0
      }
      const count = cache.decideChunk(flows[first]!, start, end, nowMs)
      for (let k = 1; k < count * 2; k += 2) sum = (sum + results[k]!) | 0
    }
    sink.value = (sink.value + sum) | 0
  }
  return { name: copied ? "chunk, copied" : "chunk", operations: starts.length, run }
}

interface Floor {
  floor(at: number, end: number, out: number): number
}
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer }
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

/** Eight bytes a step in WebAssembly, one call a chunk, or one a packet. */
export function floorCase(load: Load, single = false): Case {
  const { starts, ends, bytes } = load
  // Room for the results of a chunk, then the packets.
  const first = 0x10000
  const memory = new WebAssembly.Memory({ initial: Math.ceil((first + bytes.length) / 0x10000) })
  const { floor } = new WebAssembly.Instance(new WebAssembly.Module(FLOOR), { env: { memory } }).exports as Floor
  new Uint8Array(memory.buffer).set(bytes, first)
  const results = new Int32Array(memory.buffer, 0, first / 4)
  const chunks = single ? Int32Array.from({ length: starts.length * 2 }, (_, k) => k >> 1) : chunksOf(load)
  const run = (): void => {
    let sum = 0
    for (let c = 0; c < chunks.length; c += 2) {
      const count = floor(first + starts[chunks[c]!]!, first + ends[chunks[c + 1]!]!, 0)
      for (let k = 0; k < count; k++) sum = (sum + results[k]!) | 0
    }
    sink.value = (sink.value + sum) | 0
  }
  return { name: "floor", operations: starts.length, run }
}

/** What people write first: a Map from client and topic, as strings, to the verdict; limits and flags are left out. */
export function mapCase(table: FilterTable, load: Load): Case {
  const bytes = Buffer.from(load.bytes.buffer, load.bytes.byteOffset, load.bytes.length)
  const clients = new Map<FilterState, string>()
  for (const state of load.states) if (!clients.has(state)) clients.set(state, `client-${clients.size} `)
  const names = load.states.map((state) => clients.get(state)!)
  const known = new Map<string, number>()
  const { starts, ends, states } = load
  const run = (): void => {
    for (let k = 0; k < starts.length; k++) {
      let at = starts[k]! + 1
      while (bytes[at]! >= 0x80) at++
      const topic = at + 3
      const key = names[k]! + bytes.toString("latin1", topic, topic + ((bytes[at + 1]! << 8) | bytes[at + 2]!))
      let verdict = known.get(key)
      if (verdict === undefined) {
        verdict = decide(table, states[k]!, bytes, starts[k]!, ends[k]!, nowMs)
        known.set(key, verdict)
      }
      sink.value = (sink.value + verdict) | 0
    }
  }
  return { name: "Map", operations: starts.length, run }
}
