import type { FlowCache, FlowCacheOptions } from "./flow.ts"
import { KernelFlowCache, type KernelOptions } from "./kernel-cache.ts"
import { kernelBytes } from "./kernel-module.ts"
import { ScriptFlowCache } from "./script-cache.ts"

/** The flow cache for this runtime: in WebAssembly, or in plain TypeScript where there is none. */
export function createFlowCache(options: FlowCacheOptions): FlowCache {
  return "WebAssembly" in globalThis ? createKernelFlowCache(options) : new ScriptFlowCache(options)
}

/** The flow cache in WebAssembly, with room for chunks. */
export function createKernelFlowCache(options: KernelOptions): KernelFlowCache {
  return new KernelFlowCache(kernelBytes(), options)
}
