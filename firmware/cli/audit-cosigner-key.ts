import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import { COSIGNER_SLOT } from "../audit/witness-key.ts"
import { ownPublicKey } from "./own-public-key.ts"

/** What to do where there is no key yet. */
export const NO_COSIGNER_KEY =
  "no cosigner key yet, or none that may be read: name a log under audit: witness-for in the board file and start the gateway once"

/** The key with which this gateway cosigns, where its state folder lies here and may be read; else null. Only the public half is kept. */
export async function ownCosignerKey(stateFolder: string, gateway: string): Promise<NoteKey | null> {
  const publicKey = await ownPublicKey(stateFolder, COSIGNER_SLOT)
  return publicKey === null ? null : { name: gateway, type: "cosignature", publicKey }
}
