import { IntegrityError } from "../policy/base/errors.ts"

/** What a sealed file holds. */
export type SealedKind = "key" | "secret" | "memory"

const MAGIC = "lockgate"
const FORMAT = 2
const KINDS: readonly SealedKind[] = ["key", "secret", "memory"]
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 12

/** One sealed file, taken apart. All are views of the bytes that were read. */
export interface SealedFile {
  /** Readable to all and covered by the seal: of a key its public half, SPKI DER; else empty. */
  readonly open: Uint8Array
  readonly nonce: Uint8Array
  readonly closed: Uint8Array
  readonly tag: Uint8Array
}

/**
 * The bytes of a sealed file.
 *
 *      0          8        9      10          12       12+n      24+n            -16
 *      +----------+--------+------+-----------+--------+---------+---- - - ---+-----+
 *      | lockgate | format | kind | length n  | open   | nonce   | ciphertext | tag |
 *      +----------+--------+------+-----------+--------+---------+---- - - ---+-----+
 *
 * AES-256-GCM; what is authenticated beside the ciphertext: `sealedWith`. Format 1 had no seal: PEM, 32 bytes, or bytes as remembered.
 */
export function encodeSealed(kind: SealedKind, { open, nonce, closed, tag }: SealedFile): Uint8Array {
  const out = new Uint8Array(HEAD_BYTES + open.length + NONCE_BYTES + closed.length + TAG_BYTES)
  out.set(headOf(kind, open.length))
  let at = HEAD_BYTES
  for (const part of [open, nonce, closed, tag]) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** A sealed file of this kind taken apart. Nothing of it is believed yet. @throws IntegrityError `ERR_KEY_DAMAGED` naming the slot */
export function parseSealed(kind: SealedKind, slot: string, bytes: Uint8Array): SealedFile {
  const openLength = bytes.length < HEAD_BYTES ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint16(10)
  const end = bytes.length - TAG_BYTES
  const closedAt = HEAD_BYTES + openLength + NONCE_BYTES
  if (closedAt > end || headOf(kind, openLength).some((byte, k) => byte !== bytes[k])) throw sealDamaged(slot)
  return {
    open: bytes.subarray(HEAD_BYTES, HEAD_BYTES + openLength),
    nonce: bytes.subarray(closedAt - NONCE_BYTES, closedAt),
    closed: bytes.subarray(closedAt, end),
    tag: bytes.subarray(end),
  }
}

/** What the seal covers beside the ciphertext: a file moved to another slot, or given out as another kind, does not open. */
export function sealedWith(kind: SealedKind, slot: string, open: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(slot)
  const out = new Uint8Array(HEAD_BYTES + open.length + name.length)
  out.set(headOf(kind, open.length))
  out.set(open, HEAD_BYTES)
  out.set(name, HEAD_BYTES + open.length)
  return out
}

/** The error for a file of `slot` that does not open. */
export function sealDamaged(slot: string): IntegrityError<"ERR_KEY_DAMAGED"> {
  return new IntegrityError("ERR_KEY_DAMAGED", `key slot ${slot} is damaged, or was sealed on another board`, {
    detail: { slot },
  })
}

function headOf(kind: SealedKind, openLength: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  head.set(new TextEncoder().encode(MAGIC))
  head.set([FORMAT, KINDS.indexOf(kind), openLength >> 8, openLength & 0xff], MAGIC.length)
  return head
}
