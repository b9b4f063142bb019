import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto"
import { InputError } from "../../policy/base/errors.ts"
import { fromBase64, toBase64 } from "../../policy/audit/tlog/base64.ts"
import { cosignedMessage, keyIdOf, SIGNATURE_TYPE, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { isCosignerName } from "../../policy/audit/witness/place.ts"
import { bareEd25519, nodeSha256 } from "./note-functions.ts"

/** What goes before the 32 bytes of an Ed25519 private key in PKCS#8 DER. @see RFC 8410 section 7 */
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex")
const SEED_BYTES = 32

/** Signs as a cosigner. */
export interface CosignerKey {
  readonly key: NoteKey
  /** Ed25519 over a text at a time, as cosignatures and refusals have it. */
  sign(text: string, atSeconds: number): Uint8Array
}

/**
 * A key made now, as the one line in which it is kept: `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`.
 *
 * @throws InputError `ERR_COSIGNER_KEY` if a cosigner cannot be called so
 */
export function makeCosignerKey(name: string): string {
  if (!isCosignerName(name)) throw new InputError("ERR_COSIGNER_KEY", "a name is 1 to 64 of A-Z a-z 0-9 . _ -")
  const { privateKey } = generateKeyPairSync("ed25519")
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(-SEED_BYTES)
  const { key } = cosignerOf(name, privateKey)
  const id = keyIdOf(nodeSha256, key).toString(16).padStart(8, "0")
  return `PRIVATE+KEY+${name}+${id}+${toBase64(Uint8Array.of(SIGNATURE_TYPE.cosignature, ...seed))}\n`
}

/** The key of such a line. @throws InputError `ERR_COSIGNER_KEY`; nothing of the line is in the message */
export function parseCosignerSecret(line: string): CosignerKey {
  const wrong = new InputError(
    "ERR_COSIGNER_KEY",
    "not the key of a cosigner, as `lockgate audit collect --new-key` makes it",
  )
  const [, name = "", id = "", encoded = ""] =
    /^PRIVATE\+KEY\+([A-Za-z0-9._-]{1,64})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/.exec(line.trim()) ?? []
  const bytes = fromBase64(encoded)
  if (bytes?.length !== 1 + SEED_BYTES || bytes[0] !== SIGNATURE_TYPE.cosignature) throw wrong
  const der = Buffer.concat([ED25519_PKCS8, bytes.subarray(1)])
  const found = cosignerOf(name, createPrivateKey({ key: der, format: "der", type: "pkcs8" }))
  if (keyIdOf(nodeSha256, found.key) !== Number(`0x${id}`)) throw wrong
  return found
}

function cosignerOf(name: string, privateKey: KeyObject): CosignerKey {
  const publicKey = bareEd25519(createPublicKey(privateKey).export({ format: "der", type: "spki" }))
  if (publicKey === null) throw new InputError("ERR_COSIGNER_KEY", "not an Ed25519 key")
  return {
    key: { name, type: "cosignature", publicKey },
    sign: (text, atSeconds) => sign(null, cosignedMessage(text, atSeconds), privateKey),
  }
}
