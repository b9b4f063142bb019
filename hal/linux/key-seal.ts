import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto"
import { IntegrityError } from "../../policy/base/errors.ts"
import { encodeSealed, parseSealed, sealDamaged, sealedWith, type SealedKind } from "../sealed-file.ts"
import type { Storage } from "../storage.ts"

const SEAL = "identity/seal"
const SALT_BYTES = 32

/** Closes and opens the files of a key store. */
export interface KeySeal {
  close(kind: SealedKind, slot: string, bytes: Uint8Array, open?: Uint8Array): Uint8Array
  /** @throws IntegrityError `ERR_KEY_DAMAGED` naming the slot */
  open(kind: SealedKind, slot: string, bytes: Uint8Array): { readonly bytes: Uint8Array; readonly open: Uint8Array }
}

/** What the seal's own file says: where a store of format 1 is on its way, and the salt. */
export interface SealFile {
  readonly state: "moving" | "sealed"
  readonly salt: Uint8Array
}

/**
 * The seal under the key HKDF-SHA-256(what the board says of itself, salt of this store).
 *
 * Worth: a copy of the state folder alone is closed. Who has the salt and can read, or guess, what the board says of itself opens it.
 *
 * @see RFC 5869
 */
export function keySealOf(boundTo: string, salt: Uint8Array): KeySeal {
  const key = Buffer.from(hkdfSync("sha256", boundTo, salt, "lockgate key store 2", 32))
  return {
    close(kind, slot, bytes, open = new Uint8Array()) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 })
      cipher.setAAD(sealedWith(kind, slot, open))
      const closed = Buffer.concat([cipher.update(bytes), cipher.final()])
      return encodeSealed(kind, { open, nonce, closed, tag: cipher.getAuthTag() })
    },
    open(kind, slot, bytes) {
      const { open, nonce, closed, tag } = parseSealed(kind, slot, bytes)
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 })
      decipher.setAAD(sealedWith(kind, slot, open))
      decipher.setAuthTag(tag)
      try {
        return { bytes: new Uint8Array(Buffer.concat([decipher.update(closed), decipher.final()])), open: open.slice() }
      } catch {
        throw sealDamaged(slot)
      }
    },
  }
}

/** The seal's file; null if there is none. @throws IntegrityError `ERR_KEY_DAMAGED` */
export async function readSealFile(storage: Pick<Storage, "read">): Promise<SealFile | null> {
  const bytes = await storage.read(SEAL)
  if (bytes === null) return null
  const found = /^lockgate seal 2 (moving|sealed)\n$/.exec(
    Buffer.from(bytes.subarray(0, -SALT_BYTES)).toString("latin1"),
  )
  if (found === null) {
    throw new IntegrityError("ERR_KEY_DAMAGED", `the salt of the key store (${SEAL}) is damaged`, {
      detail: { slot: "*" },
    })
  }
  return { state: found[1] as SealFile["state"], salt: bytes.slice(-SALT_BYTES) }
}

/** Puts the seal's file on disk. @throws HardwareError `ERR_IO` */
export async function writeSealFile(storage: Storage, { state, salt }: SealFile): Promise<void> {
  await storage.write(SEAL, Buffer.concat([Buffer.from(`lockgate seal 2 ${state}\n`, "latin1"), salt]))
}

/** Takes the salt away: whatever block of a sealed file is still somewhere is noise from then on. @throws HardwareError `ERR_IO` */
export async function eraseSealFile(storage: Storage): Promise<void> {
  await storage.erase(SEAL)
}

/** A new salt. */
export function newSalt(): Uint8Array {
  return new Uint8Array(randomBytes(SALT_BYTES))
}
