import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify as verifyWith,
  type KeyObject,
} from "node:crypto"
import { encodeCheckpoint, originOf, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import type { Sha256 } from "../../policy/audit/tlog/hash.ts"
import { encodeNote, keyIdOf, type NoteKey, type VerifySignature } from "../../policy/audit/tlog/note.ts"

const SPKI = Buffer.from("302a300506032b6570032100", "hex")

export const sha256: Sha256 = (bytes) => createHash("sha256").update(bytes).digest()

/** Ed25519 only. */
export const verify: VerifySignature = async (_type, publicKey, message, signature) =>
  verifyWith(null, message, createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }), signature) // prettier-ignore

/** A key made now, that signs checkpoints of the log of `gateway`. */
export interface TestLogKey {
  readonly key: NoteKey
  note(checkpoint: Omit<Checkpoint, "origin">): string
}

/** @see TestLogKey */
export function testLogKey(gateway = "gw"): TestLogKey {
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync("ed25519")
  const name = originOf(gateway)
  const key: NoteKey = {
    ...{ name, type: "ed25519" },
    publicKey: Uint8Array.from(publicKey.export({ format: "der", type: "spki" }).subarray(-32)),
  }
  return {
    key,
    note(checkpoint) {
      const text = encodeCheckpoint({ origin: name, ...checkpoint })
      const signature = sign(null, Buffer.from(text), privateKey)
      return encodeNote(text, [{ name, keyId: keyIdOf(sha256, key), signature }])
    },
  }
}
