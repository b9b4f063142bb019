import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openBoardKeys } from "../../../hal/linux/board-keys.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { commandPath } from "../../peers/packages.ts"
import { pkcs11Tool } from "../../peers/opensc.ts"
import { makeSoftToken } from "../../peers/softhsm2.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/linux/board-keys")
const soft = makeSoftToken("board")
const before = process.env["SOFTHSM2_CONF"]
test.before(() => {
  // The board's own environment says where SoftHSM's token lies; a real one needs nothing.
  process.env["SOFTHSM2_CONF"] = soft.env["SOFTHSM2_CONF"]
})
test.after(() => {
  if (before === undefined) delete process.env["SOFTHSM2_CONF"]
  else process.env["SOFTHSM2_CONF"] = before
  soft.remove()
})

test("[CR 1.5 RE(1)] named slots are in the board's token, all others in files; without its PIN file nothing is signed", async () => {
  assert.is(pkcs11Tool(), commandPath("pkcs11-tool"))
  const pinFile = join(soft.folder, "pin")
  writeFileSync(pinFile, `${soft.pin}\n`, { mode: 0o600 })
  const storage = new MemoryStorage()
  const keys = openBoardKeys(storage, {
    token: { module: soft.module, token: soft.token, pinFile, slots: ["board"] },
    boundTo: "a board",
  })
  assert.is(keys.protection, "pkcs11")
  const spki = await keys.generate("board", "ES256")
  await keys.generate("log", "Ed25519")
  assert.equal(await storage.list("identity/keys"), ["log.key"])
  assert.is((await keys.sign("board", spki)).length, 64)
  assert.is((await keys.sign("log", spki)).length, 64)
  rmSync(pinFile)
  await rejects(() => keys.sign("board", spki), "ERR_IO")
  assert.is((await keys.sign("log", spki)).length, 64)
  assert.is(openBoardKeys(storage, { boundTo: "a board" }).protection, "file")
})

test.run()
