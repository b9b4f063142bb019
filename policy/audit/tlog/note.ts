/**
 * Signed notes: a text, an empty line, and a line for each signature.
 *
 *     <text, ends in a line end>
 *     <empty line>
 *     — <key name> <base64(key id, 4 bytes || signature)>
 *
 * @see C2SP signed-note
 */
import { InputError } from "../../base/errors.ts"
import { fromBase64, toBase64 } from "./base64.ts"
import type { Sha256 } from "./hash.ts"

/** What signs a note: its first byte goes into the key id. */
export const SIGNATURE_TYPE = { ed25519: 0x01, ecdsa: 0x02, cosignature: 0x04 } as const
export type SignatureType = keyof typeof SIGNATURE_TYPE

/** More signatures, or a longer note, are refused. */
export const MAX_SIGNATURES = 64
const MAX_NOTE_CHARACTERS = 256 * 1024
/** Who signs: no space and no plus in it. */
const KEY_NAME = /^[^\s+\p{Z}]{1,128}$/u

/** One signature line; not verified. */
export interface NoteSignature {
  readonly name: string
  readonly keyId: number
  readonly signature: Uint8Array
}

/** A note taken apart; nothing of it is verified. */
export interface Note {
  /** Ends in a line end: the bytes that are signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** A key that signatures are verified with: 32 bytes for both kinds of Ed25519, SPKI DER for ECDSA. */
export interface NoteKey {
  readonly name: string
  readonly type: SignatureType
  readonly publicKey: Uint8Array
}

/** Whether `signature` over `message` is by `publicKey`. Ed25519 for all types but `ecdsa`, which is P-256 with SHA-256, DER. */
export type VerifySignature = (
  type: SignatureType,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => Promise<boolean>

/** First four bytes of the hash that names a key, as one number. */
export function keyIdOf(sha256: Sha256, { name, type, publicKey }: NoteKey): number {
  const head = new TextEncoder().encode(`${name}\n`)
  const named = new Uint8Array(head.length + 1 + publicKey.length)
  named.set(head)
  named[head.length] = SIGNATURE_TYPE[type]
  named.set(publicKey, head.length + 1)
  const hash = sha256(type === "ecdsa" ? publicKey : named)
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0)
}

/** A key as one line of text, `name+id+base64`, as operators are given it. */
export function encodeNoteKey(sha256: Sha256, key: NoteKey): string {
  const id = keyIdOf(sha256, key).toString(16).padStart(8, "0")
  return `${key.name}+${id}+${toBase64(Uint8Array.of(SIGNATURE_TYPE[key.type], ...key.publicKey))}`
}

/** @throws InputError `ERR_NOTE_KEY` if the line is not a key of a type known here, or its id is not that of the key */
export function parseNoteKey(sha256: Sha256, line: string): NoteKey {
  const wrong = new InputError("ERR_NOTE_KEY", "not a key for signed notes: name+id+base64")
  const found = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{4,400})$/.exec(line.trim())
  const bytes = fromBase64(found?.[3] ?? "")
  if (found === null || bytes === null) throw wrong
  const [name = "", id = ""] = found.slice(1)
  const type = (Object.keys(SIGNATURE_TYPE) as SignatureType[]).find((known) => SIGNATURE_TYPE[known] === bytes[0])
  if (type === undefined || !KEY_NAME.test(name) || (type !== "ecdsa" && bytes.length !== 33)) throw wrong
  const key = { name, type, publicKey: bytes.subarray(1) }
  if (keyIdOf(sha256, key) !== Number(`0x${id}`)) throw wrong
  return key
}

/** A note as text. */
export function encodeNote(text: string, signatures: readonly NoteSignature[]): string {
  return `${text}\n${signatures.map(signatureLine).join("")}`
}

/** One line, its line end included. */
export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  const bytes = new Uint8Array(4 + signature.length)
  new DataView(bytes.buffer).setUint32(0, keyId)
  bytes.set(signature, 4)
  return `— ${name} ${toBase64(bytes)}\n`
}

/** @throws InputError `ERR_NOTE` */
export function parseNote(note: string): Note {
  const wrong = (why: string): InputError => new InputError("ERR_NOTE", `not a signed note: ${why}`)
  if (note.length > MAX_NOTE_CHARACTERS) throw wrong("too long")
  if (Array.from(note).some((character) => character < " " && character !== "\n") || note.includes("\ufffd"))
    throw wrong("a control character")
  const at = note.lastIndexOf("\n\n")
  if (at < 0 || !note.endsWith("\n")) throw wrong("no signatures")
  const lines = note.slice(at + 2, -1).split("\n")
  if (lines.length > MAX_SIGNATURES) throw wrong("too many signatures")
  const signatures = lines.map((line) => {
    const [dash, name = "", encoded = "", ...more] = line.split(" ")
    const bytes = fromBase64(encoded)
    if (dash !== "—" || more.length > 0 || !KEY_NAME.test(name) || bytes === null || bytes.length < 5)
      throw wrong("a line that is no signature")
    return { name, keyId: new DataView(bytes.buffer).getUint32(0), signature: bytes.subarray(4) }
  })
  return { text: note.slice(0, at + 1), signatures }
}

/**
 * The signatures of `note` that `keys` vouch for, as [key, signature] pairs. Those of unknown keys are ignored.
 *
 * @throws InputError `ERR_NOTE_SIGNATURE` if a signature of a known key is wrong
 */
export async function verifyNote(
  sha256: Sha256,
  note: Note,
  keys: readonly NoteKey[],
  verify: VerifySignature,
): Promise<readonly { readonly key: NoteKey; readonly signature: Uint8Array }[]> {
  const good: { key: NoteKey; signature: Uint8Array }[] = []
  for (const key of keys) {
    const id = keyIdOf(sha256, key)
    for (const { name, keyId, signature } of note.signatures) {
      if (name !== key.name || keyId !== id) continue
      const [message, bare] = signedBy(key.type, note.text, signature)
      if (bare === null || !(await verify(key.type, key.publicKey, message, bare)))
        throw new InputError("ERR_NOTE_SIGNATURE", `the signature of ${key.name} is wrong`)
      good.push({ key, signature })
    }
  }
  return good
}

/** What a cosigner at `atSeconds` signs of the text of a checkpoint. @see C2SP tlog-cosignature */
export function cosignedMessage(text: string, atSeconds: number): Uint8Array {
  return new TextEncoder().encode(`cosignature/v1\ntime ${atSeconds}\n${text}`)
}

/** A cosignature as a note carries it: the time in seconds, 8 bytes, and the Ed25519 signature. */
export function encodeCosignature(atSeconds: number, ed25519: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + ed25519.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(atSeconds))
  bytes.set(ed25519, 8)
  return bytes
}

/** When a cosignature was made, in seconds since 1970; null if it is none. */
export function cosignatureTime(signature: Uint8Array): number | null {
  if (signature.length !== 8 + 64) return null
  const at = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0)
  return at > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(at)
}

function signedBy(type: SignatureType, text: string, signature: Uint8Array): [Uint8Array, Uint8Array | null] {
  if (type !== "cosignature") return [new TextEncoder().encode(text), signature]
  const at = cosignatureTime(signature)
  return at === null ? [new Uint8Array(0), null] : [cosignedMessage(text, at), signature.subarray(8)]
}
