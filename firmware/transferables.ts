import type { Transferable } from "node:worker_threads"

/**
 * The buffers of all typed arrays in a tree of plain values, each once: to be moved to another thread with the message
 * instead of copied. Whoever posts them has them no longer. Shared memory is left out: it cannot move.
 */
export function buffersOf(value: unknown): Transferable[] {
  const found = new Set<ArrayBuffer>()
  collect(value, found)
  return [...found]
}

function collect(value: unknown, found: Set<ArrayBuffer>): void {
  if (typeof value !== "object" || value === null) return
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer)
    return
  }
  for (const inner of Object.values(value)) collect(inner, found)
}
