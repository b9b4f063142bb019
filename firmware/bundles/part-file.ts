import { createHash } from "node:crypto"

/**
 * The pieces of a bundle as they came, one after the other, in a file that only grows:
 *
 *      0            4                    36         36+length
 *      +------------+--------------------+---- - - ---+
 *      | length, BE | SHA-256 of piece   | piece      |   and so on
 *      +------------+--------------------+---- - - ---+
 *
 * Each piece bears its own hash, so that after a power cut the torn tail is told from what was acknowledged.
 */
export interface Pieces {
  readonly pieces: readonly Uint8Array[]
  /** Bytes of all pieces. */
  readonly have: number
  /** Where the last whole piece ends in the file; beyond it nothing is good. */
  readonly end: number
}

const HEAD = 4 + 32

/** A piece as it stands in the file. */
export function encodePiece(piece: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD + piece.length)
  new DataView(bytes.buffer).setUint32(0, piece.length)
  bytes.set(digest(piece), 4)
  bytes.set(piece, HEAD)
  return bytes
}

/** The whole pieces at the beginning of a file, views of it. Stops at the first that is not whole. */
export function readPieces(file: Uint8Array): Pieces {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const pieces: Uint8Array[] = []
  let have = 0
  let at = 0
  while (at + HEAD <= file.length) {
    const length = view.getUint32(at)
    const piece = file.subarray(at + HEAD, at + HEAD + length)
    if (length === 0 || piece.length !== length || !digest(piece).equals(file.subarray(at + 4, at + HEAD))) break
    pieces.push(piece)
    have += length
    at += HEAD + length
  }
  return { pieces, have, end: at }
}

/** SHA-256 over all pieces, lower-case hex. */
export function hashOf(pieces: readonly Uint8Array[]): string {
  const hash = createHash("sha256")
  for (const piece of pieces) hash.update(piece)
  return hash.digest("hex")
}

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest()
}
