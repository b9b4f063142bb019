/** Bounds of a bundle that travels in pieces, the same on both ends. */

/** Bytes of every piece but the last. */
export const CHUNK_BYTES = 256 * 1024
/** Characters of a piece in base64. */
export const MAX_CHUNK_LENGTH = 4 * Math.ceil(CHUNK_BYTES / 3)
/** Bytes of a whole bundle: a policy of 16 MiB, quoted in its statement, in base64url, signed sixteen times. */
export const MAX_TRANSFER_BYTES = 32 * 1024 * 1024
/** Bundles up to this length go in one command; every transport must take it. */
export const MAX_INLINE_LENGTH = 2 * 1024 * 1024
