import { readFileSync } from "node:fs"
import { join } from "node:path"
import { bareEd25519, nodeSha256 } from "../../firmware/audit/note-functions.ts"
import { openLinuxStorage } from "../../hal/linux/storage.ts"
import { parseSealed } from "../../hal/sealed-file.ts"
import { encodeNoteKey } from "../../policy/audit/tlog/note.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { openTestLog, sampleEvent } from "./audit.ts"

/** Writes a log of `entries` entries, then the events, into a new state folder, and closes it: its last checkpoint covers all. */
export async function writeLog(
  folder: string,
  entries: number,
  events: readonly AuditEvent[] = [],
  gateway = "gw",
): Promise<void> {
  const storage = await openLinuxStorage(folder)
  const log = await openTestLog(storage, { gateway })
  for (let done = 0; done < entries; done += 1024)
    await Promise.all(
      Array.from({ length: Math.min(1024, entries - done) }, (_, k) => log.append(sampleEvent(`${done + k}`))),
    )
  for (const event of events) await log.append(event)
  await log.close()
  await storage.close()
}

/** The line of the key that signs the log in this state folder. */
export function keyLineOf(folder: string, gateway = "gw"): string {
  const file = readFileSync(join(folder, "identity/keys/audit-log.key"))
  const publicKey = bareEd25519(new Uint8Array(parseSealed("key", "audit-log", file).open))!
  return encodeNoteKey(nodeSha256, { name: `lockgate/${gateway}/log`, type: "ed25519", publicKey })
}
