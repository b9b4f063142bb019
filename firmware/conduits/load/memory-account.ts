/**
 * What a connection is counted at that holds nothing: two TLS sockets and the session between them, with what the runtime allots
 * for them. An estimate on the safe side and no measurement: two TLS sockets at some 50 KiB each, and the session.
 */
export const CONNECTION_BYTES: number = 128 * 1024

/** After shedding this much of the bound is in use at most, so that not every byte sheds again. */
const RELIEF = 0.9

/** What one connection holds. */
export interface Holding {
  /** Beyond `CONNECTION_BYTES`. */
  readonly heldBytes: number
  readonly essential: boolean
}

/** What all of them hold. */
export function totalBytes(holdings: readonly Holding[]): number {
  return holdings.reduce((sum, { heldBytes }) => sum + heldBytes + CONNECTION_BYTES, 0)
}

/**
 * Who has to go so that all hold no more than nine tenths of `boundBytes`: nobody while they hold no more than the bound;
 * the greediest first, and no essential connection before the last other one.
 *
 * @see IEC 62443-4-2 CR 7.1, CR 7.2
 */
export function shedFor<T extends Holding>(holdings: readonly T[], boundBytes: number): readonly T[] {
  let total = totalBytes(holdings)
  if (total <= boundBytes) return []
  const order = [...holdings].sort((a, b) => Number(a.essential) - Number(b.essential) || b.heldBytes - a.heldBytes)
  const going: T[] = []
  for (const holding of order) {
    if (total <= boundBytes * RELIEF) break
    going.push(holding)
    total -= holding.heldBytes + CONNECTION_BYTES
  }
  return going
}

/** How long something has waited for a peer that reads nothing of it. */
export interface Stall {
  readonly waitingBytes: number
  readonly sinceMs: number
}

/** The stall after another look: from now on if anything moved or nothing waits, else from when it was. */
export function stallAfter(before: Stall, waitingBytes: number, nowMs: number): Stall {
  const stands = waitingBytes > 0 && waitingBytes === before.waitingBytes
  return stands ? before : { waitingBytes, sinceMs: nowMs }
}
