/** The board's clocks and timers. Everything that waits or reads time gets it from here. */
export interface Clock {
  /** Wall clock, milliseconds since 1970, and whether the board vouches for it (battery-backed and once set). */
  wall(): { readonly at: number; readonly trusted: boolean }
  /** Milliseconds since some fixed moment of this boot; never steps, fractions allowed. */
  monotonicMs(): number
  /** Call `action` once after `delayMs`; the returned function cancels. */
  after(delayMs: number, action: () => void): () => void
}
