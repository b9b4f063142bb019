import type { FlowCache, FlowCacheOptions } from "./flow.ts"
import { KernelFlowCache, type KernelOptions } from "./kernel-cache.ts"
import { kernelBytes } from "./kernel-module.ts"
import { ScriptFlowCache } from "./script-cache.ts"

/** The flow cache for packets that come one at a time and lie anywhere: the quickest for these, see `README.md`. */
export function createFlowCache(options: FlowCacheOptions): FlowCache {
  return new ScriptFlowCache(options)
}

/** The flow cache in WebAssembly, with room for chunks. */
export function createKernelFlowCache(options: KernelOptions): KernelFlowCache {
  return new KernelFlowCache(kernelBytes(), options)
}
