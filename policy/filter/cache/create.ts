import type { KernelOptions } from "./kernel-cache.ts"
import { KernelFlowCache } from "./kernel-cache.ts"
import { kernelBytes } from "./kernel-module.ts"

/** The flow cache in WebAssembly, with room for chunks. */
export function createKernelFlowCache(options: KernelOptions): KernelFlowCache {
  return new KernelFlowCache(kernelBytes(), options)
}
