import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { COSIGNER_SLOT, openCosigner } from "../../../firmware/audit/witness-key.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { auditKey } from "../../../firmware/cli/audit-key.ts"
import { EXIT } from "../../../firmware/cli/exit-codes.ts"
import { createFileKeyStore } from "../../../hal/linux/key-store.ts"
import { openLinuxStorage } from "../../../hal/linux/storage.ts"
import { encodeCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { encodeNote, encodeNoteKey, parseNote, verifyNote } from "../../../policy/audit/tlog/note.ts"
import { parseCosignerKey } from "../../../policy/audit/witness/cosignature.ts"
import { runCli, type Ran } from "../../support/cli-io.ts"
import { keyLineOf, writeLog } from "../../support/cli-logs.ts"

const test = suite("firmware/cli: audit key --cosigner")
const top = mkdtempSync(join(tmpdir(), "lockgate-audit-key-"))
test.after(() => rmSync(top, { recursive: true }))

const key = (...args: string[]): Promise<Ran> => runCli((io) => auditKey(args, io))

/** The state folder of a gateway that witnesses others, and a note that it cosigned. */
async function witness(name: string): Promise<{ readonly folder: string; readonly cosigned: string }> {
  const folder = join(top, name)
  await writeLog(folder, 3, [], name)
  const storage = await openLinuxStorage(folder)
  const cosigner = await openCosigner(createFileKeyStore(storage), name)
  const text = encodeCheckpoint({ origin: "lockgate/other/log", size: 7, root: new Uint8Array(32).fill(1) })
  const note = encodeNote(text, [{ name: "lockgate/other/log", keyId: 7, signature: new Uint8Array(64) }])
  const cosigned = await cosigner.cosign(parseNote(note), 1_800_000_000)
  await storage.close()
  return { folder, cosigned }
}

/** How many lines of the note verify with this key. */
async function linesBy(keyLine: string, note: string): Promise<number> {
  const keys = [parseCosignerKey(nodeSha256, keyLine.trim())]
  return (await verifyNote(nodeSha256, parseNote(note), keys, verifyNoteSignature)).length
}

test("[CR 3.9] the line that is printed is the key that a board file takes, and what this gateway cosigned verifies with it", async () => {
  const { folder, cosigned } = await witness("gw-w")
  const { code, out, err } = await key("--cosigner", "--state", folder)
  assert.equal([code, err], [EXIT.done, ""])
  assert.match(out, /^gw-w\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\n$/)
  assert.is(encodeNoteKey(nodeSha256, parseCosignerKey(nodeSha256, out.trim())), out.trim())
  assert.is(await linesBy(out, cosigned), 1)
  const other = await key("--cosigner", "--state", (await witness("gw-v")).folder)
  assert.is(await linesBy(other.out, cosigned), 0)
  // Never the one that signs its own log, and nothing of its private half.
  const log = await key("--state", folder)
  assert.equal([log.code, log.out], [EXIT.done, `${keyLineOf(folder, "gw-w")}\n`])
  assert.is.not(log.out.trim().slice(-40), out.trim().slice(-40))
  assert.not.match(out + err, /PRIVATE/)
})

test("[CR 3.9] before it was told to witness anybody there is no key, and what to do is said", async () => {
  const folder = join(top, "alone")
  await writeLog(folder, 1)
  const before = readdirSync(join(folder, "identity/keys")).sort()
  const { code, out, err } = await key("--cosigner", "--state", folder)
  assert.equal([code, out], [EXIT.unreadable, ""])
  assert.match(err, /^lockgate audit key: no cosigner key yet.*audit: witness-for.*start the gateway once\n$/)
  assert.equal(readdirSync(join(folder, "identity/keys")).sort(), before, "asking makes none")
})

test("a key that is damaged, a folder without a log and a misspelt option each end with their own code, without a key", async () => {
  const { folder } = await witness("gw-d")
  const file = readdirSync(join(folder, "identity/keys")).find((name) => name.startsWith(COSIGNER_SLOT))!
  const path = join(folder, "identity/keys", file)
  writeFileSync(path, readFileSync(path).subarray(0, 40))
  const damaged = await key("--cosigner", "--state", folder)
  assert.equal([damaged.code, damaged.out], [EXIT.unreadable, ""])
  const empty = await key("--cosigner", "--state", join(top, "nowhere"))
  assert.equal([empty.code, empty.out], [EXIT.unreadable, ""])
  const misspelt = await key("--cosinger", "--state", folder)
  assert.equal([misspelt.code, misspelt.out], [EXIT.usage, ""])
  assert.match(misspelt.err, /--cosinger[^]*usage: lockgate audit key \[--cosigner\]/)
})

test.run()
