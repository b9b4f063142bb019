/** The folder of kept requests. */
export const REQUESTS = "audit/requests"
/** The list of what is kept, the oldest first. */
export const ORDER = `${REQUESTS}/order`

/** Where the request of that hash lies. */
export function requestFile(hash: string): string {
  return `${REQUESTS}/${hash}`
}

/** A request that is kept. */
export interface KeptRequest {
  /** SHA-256, lower-case hex. */
  readonly hash: string
  readonly bytes: number
  readonly kind: "change" | "reading"
  /** Every entry that names it has a lower number; null while that is not known. */
  readonly until: number | null
}

const LINE = /^([0-9a-f]{64}) (?:gone|(\d{1,8}) (change|reading) (-|\d{1,15}))$/

/** What the order says: the requests that are kept, the oldest first, and those that were given up. A torn line is passed over. */
export function parseOrder(bytes: Uint8Array): {
  readonly kept: readonly KeptRequest[]
  readonly gone: ReadonlySet<string>
} {
  const kept = new Map<string, KeptRequest>()
  const gone = new Set<string>()
  for (const line of new TextDecoder().decode(bytes).split("\n")) {
    const [, hash, length, kind, until] = LINE.exec(line) ?? []
    if (hash === undefined) continue
    kept.delete(hash)
    gone.delete(hash)
    if (length === undefined) gone.add(hash)
    else {
      const read = kind === "change" ? ("change" as const) : ("reading" as const)
      kept.set(hash, { hash, bytes: Number(length), kind: read, until: until === "-" ? null : Number(until) })
    }
  }
  return { kept: [...kept.values()], gone }
}

/** The order anew, of what is kept alone. */
export function formatOrder(kept: readonly KeptRequest[]): Uint8Array {
  const lines = kept.map(({ hash, bytes, kind, until }) => `${hash} ${bytes} ${kind} ${until ?? "-"}\n`)
  return new TextEncoder().encode(lines.join(""))
}
