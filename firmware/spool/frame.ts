import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto"
import { IntegrityError } from "../../policy/base/errors.ts"

const LENGTH_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Bytes that a frame takes beyond what it holds. */
export const FRAME_OVERHEAD = LENGTH_BYTES + NONCE_BYTES + TAG_BYTES

/** Encrypts and decrypts the frames of one queue. */
export interface FrameSeal {
  /** A frame that holds `plain` as number `seq` of this queue. */
  seal(seq: number, plain: Uint8Array): Uint8Array
  /** What the frame holds. @throws IntegrityError `ERR_SPOOL_FRAME` if it is not number `seq` of this queue, unaltered */
  open(seq: number, frame: Uint8Array): Uint8Array
}

/**
 * Frames under AES-256-GCM, with a key of the queue's own.
 *
 *     +--------+-------+------------+-----+
 *     | length | nonce | ciphertext | tag |     length: of what follows it
 *     | 4      | 12    |            | 16  |
 *     +--------+-------+------------+-----+
 *
 * Queue and number are authenticated, so that a frame cannot be put elsewhere. Nonces are random: an old copy of the folder
 * that is put back and written on must not use one twice.
 *
 * @see NIST SP 800-38D section 8.2.2; RFC 5869
 */
export function createFrameSeal(secret: Uint8Array, queue: string): FrameSeal {
  const key = new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(0), `lockgate spool 1 ${queue}`, 32))
  const bound = (seq: number): Buffer => Buffer.from(`${queue} ${seq}`)
  return {
    seal(seq, plain) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(bound(seq))
      const text = Buffer.concat([cipher.update(plain), cipher.final()])
      const head = Buffer.alloc(LENGTH_BYTES)
      head.writeUInt32BE(NONCE_BYTES + text.length + TAG_BYTES)
      return Buffer.concat([head, nonce, text, cipher.getAuthTag()])
    },
    open(seq, frame) {
      try {
        const nonceEnd = LENGTH_BYTES + NONCE_BYTES
        const tagAt = frame.length - TAG_BYTES
        const decipher = createDecipheriv("aes-256-gcm", key, frame.subarray(LENGTH_BYTES, nonceEnd))
        decipher.setAAD(bound(seq)).setAuthTag(frame.subarray(tagAt))
        return new Uint8Array(Buffer.concat([decipher.update(frame.subarray(nonceEnd, tagAt)), decipher.final()]))
      } catch (cause) {
        throw new IntegrityError("ERR_SPOOL_FRAME", `stored message ${seq} is damaged`, { cause, detail: { seq } })
      }
    },
  }
}

/** The whole frames at the beginning of `bytes`, as views; what is left behind them is torn. */
export function splitFrames(bytes: Uint8Array): readonly Uint8Array[] {
  const frames: Uint8Array[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  while (at + LENGTH_BYTES <= bytes.length) {
    const length = view.getUint32(at)
    const next = at + LENGTH_BYTES + length
    if (length < NONCE_BYTES + TAG_BYTES || next > bytes.length) break
    frames.push(bytes.subarray(at, next))
    at = next
  }
  return frames
}
