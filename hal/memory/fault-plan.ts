/**
 * One power cut, planned: what the next boot finds is a function of the plan and of the steps taken.
 *
 * A step is one request to the device: make a folder, make a file, write, sync a file, rename, unlink, truncate, sync a folder.
 */
export interface FaultPlan {
  /** Power goes during this step; the first is 1. */
  readonly cutAt: number
  /** What of that step reaches the disk. */
  readonly landed: Landed
  /** What becomes of everything that was done before but not synced. */
  readonly unsynced: Unsynced
}

/**
 * `prefix`: the first n bytes of a write or of what a sync was to bring to disk (for a rename: the new name, while the
 * old one stays). `zeros`: the length has landed, the bytes have not.
 */
export type Landed = "none" | "all" | "zeros" | { readonly prefix: number }

/** `subset`: each thing survives or not by a coin thrown with this seed. */
export type Unsynced = "kept" | "lost" | { readonly subset: number }

/** A fault without a power cut: the step fails with `errno`, `times` in a row (default once). */
export interface Failure {
  readonly step: StepKind
  readonly errno: "EIO" | "ENOSPC"
  /** Only steps on paths that begin so. */
  readonly path?: string
  readonly times?: number
}

export type StepKind = "folder" | "create" | "write" | "sync" | "truncate" | "rename" | "unlink" | "sync-folder"

/** Coins of a seed, the same for the same seed (the mulberry32 generator). */
export function coins(seed: number): () => boolean {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) & 1) === 1
  }
}
