/**
 * Connections whose handshake has not ended: at most `max`. One more displaces the oldest of the network that has most, so
 * that who opens many and finishes none stands in its own way: an honest handshake takes milliseconds.
 *
 * @see IEC 62443-4-2 CR 7.1
 */
export class HalfOpen {
  readonly #max: number
  readonly #sourceOf = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#sourceOf.size
  }

  /** Note a connection by a name of its own; returns the name of the one that has to go for it, or null. */
  begin(connection: string, source: string): string | null {
    const displaced = this.#sourceOf.size < this.#max ? null : this.#oldestOf(this.#greediest())
    if (displaced !== null) this.end(displaced)
    this.#sourceOf.set(connection, source)
    this.#counts.set(source, (this.#counts.get(source) ?? 0) + 1)
    return displaced
  }

  /** Its handshake ended, one way or the other. False if it was not half open. */
  end(connection: string): boolean {
    const source = this.#sourceOf.get(connection)
    if (source === undefined) return false
    this.#sourceOf.delete(connection)
    const left = (this.#counts.get(source) ?? 1) - 1
    if (left === 0) this.#counts.delete(source)
    else this.#counts.set(source, left)
    return true
  }

  #greediest(): string {
    let [found, most] = ["", 0]
    for (const [source, count] of this.#counts) if (count > most) [found, most] = [source, count]
    return found
  }

  #oldestOf(source: string): string | null {
    for (const [connection, of] of this.#sourceOf) if (of === source) return connection
    return null
  }
}
