/** Whether a hot path leaves garbage: what ten million operations add to the heap. */
import { getHeapStatistics } from "node:v8"
import { against, type Case } from "./harness.ts"

const OPERATIONS = 10_000_000

/**
 * Runs the case that often, and says by how much the heap has grown: once without a collection between, so that garbage shows, and
 * once after one. Needs `--expose-gc`, and says so.
 */
export function heapGrowth({ run, operations }: Case): string {
  const collect = (globalThis as { gc?: () => void }).gc
  if (collect === undefined) return "Heap growth: not measured, for node runs without --expose-gc."
  for (let k = 0; k < 100; k++) run()
  for (let k = 0; k < 4; k++) collect()
  const before = getHeapStatistics().used_heap_size
  let done = 0
  for (; done < OPERATIONS; done += operations) run()
  const during = getHeapStatistics().used_heap_size - before
  collect()
  const after = getHeapStatistics().used_heap_size - before
  const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`
  return `Heap growth over ${done.toLocaleString("en")} decisions: ${kib(during)} without a collection, ${kib(after)} after one (must 64 KiB, aim 0: ${against(after / 1024, 64, 1)}).`
}
