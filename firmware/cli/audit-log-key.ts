import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { LockgateError } from "../../policy/base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNote, keyIdOf, parseNote, parseNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { bareEd25519, nodeSha256 } from "../audit/note-functions.ts"
import { LOG_SLOT, OTHER_SLOT } from "../audit/log-key.ts"
import { CHECKPOINT } from "../audit/tile-files.ts"
import { wrongUse } from "./audit-options.ts"
import { ownPublicKey } from "./own-public-key.ts"

/**
 * The keys that `--key` names: each a line `name+id+base64`, or a file with such lines.
 *
 * @throws InputError `ERR_ARGUMENT` that says which one is wrong
 */
export async function namedKeys(given: readonly string[]): Promise<readonly NoteKey[]> {
  const keys: NoteKey[] = []
  for (const one of given) {
    const isKey = /^[^\s+]+\+[0-9a-f]{8}\+/.test(one)
    const text = isKey ? one : await keyFile(one)
    for (const line of text.split("\n").filter((part) => part.trim() !== "" && !part.startsWith("#"))) {
      try {
        keys.push(parseNoteKey(nodeSha256, line))
      } catch (error) {
        if (!(error instanceof LockgateError) || error.kind !== "input") throw error
        throw wrongUse(`--key: ${isKey ? "" : `${one}: `}not the key of a log, which looks like name+id+base64`)
      }
    }
  }
  if (given.length > 0 && keys.length === 0) throw wrongUse("--key: no key in it")
  return keys
}

/**
 * A checkpoint that nobody vouches for, and a key that was made now and signs the same text: with them the rest of a log can be
 * held against what its checkpoint says, as long as it is told that the signature itself was not looked at. Null if the note
 * is not one of a log.
 */
export function vouchLocally(
  note: string,
): { readonly note: string; readonly key: NoteKey; readonly checkpoint: Checkpoint } | null {
  try {
    const { text } = parseNote(note)
    const checkpoint = parseCheckpoint(text)
    const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
      publicKeyEncoding: { format: "der", type: "spki" },
      privateKeyEncoding: { format: "der", type: "pkcs8" },
    })
    const raw = bareEd25519(publicKey)
    if (raw === null) return null
    const key: NoteKey = { name: checkpoint.origin, type: "ed25519", publicKey: raw }
    const secret = createPrivateKey({ key: privateKey, format: "der", type: "pkcs8" })
    const signature = sign(null, Buffer.from(text), secret)
    return { note: encodeNote(text, [{ name: key.name, keyId: keyIdOf(nodeSha256, key), signature }]), key, checkpoint }
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return null
    throw error
  }
}

async function keyFile(file: string): Promise<string> {
  try {
    const text = await readFile(file, "utf8")
    if (text.length <= 64 * 1024) return text
  } catch {
    throw wrongUse(`--key: ${file} is neither a key (name+id+base64) nor a file that can be read`)
  }
  throw wrongUse(`--key: ${file} is too long for a file of keys`)
}

/**
 * The key that signs this gateway's log, where its state folder lies here and may be read; else null. Only the public half is kept.
 * After a change of keys the folder holds two: the one that the newest checkpoint names.
 */
export async function ownLogKey(stateFolder: string, origin: string): Promise<NoteKey | null> {
  const keys: NoteKey[] = []
  for (const slot of [LOG_SLOT, OTHER_SLOT]) {
    const publicKey = await ownPublicKey(stateFolder, slot)
    if (publicKey !== null) keys.push({ name: origin, type: "ed25519", publicKey })
  }
  if (keys.length < 2) return keys[0] ?? null
  const signedBy = await signersOf(join(stateFolder, CHECKPOINT))
  return keys.find((key) => signedBy.includes(keyIdOf(nodeSha256, key))) ?? keys[0] ?? null
}

async function signersOf(checkpoint: string): Promise<readonly number[]> {
  try {
    return parseNote(await readFile(checkpoint, "utf8")).signatures.map(({ keyId }) => keyId)
  } catch {
    return []
  }
}
