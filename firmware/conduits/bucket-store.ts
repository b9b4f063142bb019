import type { Buckets, FilterTable } from "../../policy/filter/table.ts"

/** Subjects whose buckets are kept after they left, so that reconnecting does not refill a rate. */
const MAX_KEPT = 10_000

/** Token buckets by subject: all connections of one subject share one set; a new policy starts with full buckets. */
export class BucketStore<Table = FilterTable> {
  private table: Table | null = null
  private readonly create: (table: Table) => Buckets
  private readonly bySubject = new Map<string, Buckets>()

  /** `create` makes the full buckets of one subject. */
  constructor(create: (table: Table) => Buckets) {
    this.create = create
  }

  /** The subject's buckets under `table`. Over 10,000 subjects the one unused for longest starts anew. */
  of(table: Table, subject: string): Buckets {
    if (this.table !== table) {
      this.table = table
      this.bySubject.clear()
    }
    const known = this.bySubject.get(subject)
    const buckets = known ?? this.create(table)
    this.bySubject.delete(subject)
    this.bySubject.set(subject, buckets)
    if (this.bySubject.size > MAX_KEPT) {
      for (const oldest of this.bySubject.keys()) {
        this.bySubject.delete(oldest)
        break
      }
    }
    return buckets
  }
}
