import { createPublicKey } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseSealed } from "../../hal/sealed-file.ts"
import { bareEd25519 } from "../audit/note-functions.ts"

/**
 * The public half of the Ed25519 key that a state folder holds in `slot`, 32 bytes; null if there is none or it may not be read. A key's
 * file shows it beside what is encrypted, so that this needs no secret; files of format 1 are read too. It is as true as the folder is.
 */
export async function ownPublicKey(stateFolder: string, slot: string): Promise<Uint8Array | null> {
  const path = join(stateFolder, "identity/keys", slot)
  try {
    const sealed = await readFile(`${path}.key`).catch(() => null)
    if (sealed !== null) return bareEd25519(new Uint8Array(parseSealed("key", slot, sealed).open))
    return bareEd25519(createPublicKey(await readFile(`${path}.pem`)).export({ format: "der", type: "spki" }))
  } catch {
    // A copy of a log has no key, and not everybody may read that of a gateway.
    return null
  }
}
