/** What the board says of itself. Not a proof: the birth certificate is that. */
export interface BoardIdentity {
  readonly model: string
  /** Printable, 1..64 characters. */
  readonly serial: string
}
