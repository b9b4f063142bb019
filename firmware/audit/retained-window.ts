import { LockgateError } from "../../policy/base/errors.ts"
import type { BundleCost } from "../../policy/audit/retained-plan.ts"
import type { Storage } from "../../hal/storage.ts"

const FILE = "audit/retained"
/** More bundles are never kept account of. */
const MAX_BUNDLES = 100_000

/** Which bundles stand at the broker: the durable cursor of what is retained there. */
export interface RetainedWindow {
  /** The oldest bundle there. */
  readonly first: number
  /** The first that is not there yet. */
  readonly next: number
  readonly costs: readonly BundleCost[]
  readonly bytes: number
  /** Whether the broker was seen to have them, since a link to it came up. */
  readonly isSure: boolean
  costOf(bundle: number): BundleCost | null
  /** Bundle `next` is acknowledged by the broker. */
  add(cost: BundleCost): void
  /** Pieces of this bundle lie in so many messages now, if that is more than before. */
  widen(bundle: number, parts: number): void
  /** The oldest `count` leave. */
  leave(count: number): void
  /** A link came up: what is there is not known until somebody has looked. */
  doubt(): void
  /** Somebody has looked. */
  trust(): void
  /** Begin anew at this bundle, with nothing there. */
  restart(first: number): void
  /** On disk when this resolves, if there was a change. A disk that does not take it costs repetition only, hence never rejects with ERR_IO. */
  save(): Promise<void>
}

/** The account as it was saved; an empty one if the file is missing or damaged. @throws HardwareError `ERR_IO` */
export async function openRetainedWindow(storage: Pick<Storage, "read" | "write">): Promise<RetainedWindow> {
  let { first, costs, isSure } = parsed(await storage.read(FILE)) ?? { first: 0, costs: [], isSure: true }
  let bytes = costs.reduce((sum, cost) => sum + cost.bytes, 0)
  let isSaved = true
  return {
    get first() {
      return first
    },
    get next() {
      return first + costs.length
    },
    get costs() {
      return costs
    },
    get bytes() {
      return bytes
    },
    get isSure() {
      return isSure
    },
    costOf: (bundle) => costs[bundle - first] ?? null,
    add(cost) {
      costs.push(cost)
      bytes += cost.bytes
      isSaved = false
    },
    widen(bundle, parts) {
      const cost = costs[bundle - first]
      if (cost === undefined || cost.parts >= parts) return
      costs[bundle - first] = { ...cost, parts }
      isSaved = false
    },
    leave(count) {
      for (const cost of costs.splice(0, count)) {
        bytes -= cost.bytes
        first++
      }
      isSaved = false
    },
    doubt() {
      ;[isSure, isSaved] = [false, isSaved && !isSure]
    },
    trust() {
      ;[isSure, isSaved] = [true, isSaved && isSure]
    },
    restart(at) {
      ;[first, costs, bytes, isSaved] = [at, [], 0, false]
    },
    async save() {
      if (isSaved) return
      isSaved = true
      const text = JSON.stringify({
        format: 1,
        first,
        sure: isSure,
        costs: costs.map((cost) => [cost.bytes, cost.parts]),
      })
      try {
        await storage.write(FILE, new TextEncoder().encode(text))
      } catch (error) {
        isSaved = false
        if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
      }
    },
  }
}

function parsed(bytes: Uint8Array | null): { first: number; costs: BundleCost[]; isSure: boolean } | null {
  if (bytes === null) return null
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    const { format, first, costs, sure } = value
    if (format !== 1 || !isCount(first) || !Array.isArray(costs) || costs.length > MAX_BUNDLES) return null
    const read = (costs as unknown[]).map((pair) => {
      const [size, parts] = Array.isArray(pair) ? (pair as unknown[]) : []
      return isCount(size) && isCount(parts) ? { bytes: size, parts } : null
    })
    return read.includes(null) ? null : { first, costs: read as BundleCost[], isSure: sure !== false }
  } catch {
    return null
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
