import { spawn } from "node:child_process"
import { mkdtempSync, mkdirSync, rmSync, statSync, writeFileSync, existsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openLinuxStorage, openReadOnlyStorage, type LinuxStorage } from "../../../hal/linux/storage.ts"
import { rejects } from "../../support/rejects.ts"
import { storageConformance } from "../storage-conformance.ts"

const test = suite("hal/linux/storage")
const top = mkdtempSync(join(tmpdir(), "lockgate-storage-"))
let made = 0
const folders = new WeakMap<object, string>()
const newFolder = (): string => join(top, `s${made++}`)

async function open(folder: string): Promise<LinuxStorage> {
  const storage = await openLinuxStorage(folder)
  folders.set(storage, folder)
  return storage
}

test.after(() => rmSync(top, { recursive: true }))

storageConformance(test, {
  fresh: () => open(newFolder()),
  reopen: async (storage) => {
    await storage.close()
    return open(folders.get(storage) ?? "")
  },
})

test("[CR 4.1] files are for their owner only", async () => {
  const folder = newFolder()
  const storage = await open(folder)
  await storage.write("keys/k.pem", new Uint8Array([1]))
  await (await storage.openAppend("audit/tail")).close()
  for (const file of ["keys/k.pem", "audit/tail", ".lock"]) {
    assert.is(statSync(join(folder, file)).mode & 0o777, 0o600, file)
  }
  for (const each of ["", "keys", "audit"]) assert.is(statSync(join(folder, each)).mode & 0o777, 0o700, each)
})

test("temporary files of a crash are swept at open", async () => {
  const folder = newFolder()
  mkdirSync(join(folder, "a/b"), { recursive: true })
  writeFileSync(join(folder, ".tmp-0-x"), "x")
  writeFileSync(join(folder, "a/b/.tmp-7-f"), "x")
  writeFileSync(join(folder, "a/b/f"), "kept")
  const storage = await open(folder)
  assert.not(existsSync(join(folder, ".tmp-0-x")))
  assert.not(existsSync(join(folder, "a/b/.tmp-7-f")))
  assert.equal(await storage.list("a/b"), ["f"])
})

test("one state folder has one owner, in this process too", async () => {
  const folder = newFolder()
  const storage = await open(folder)
  await rejects(() => openLinuxStorage(folder), "ERR_STATE_FOLDER_IN_USE")
  assert.equal(await openReadOnlyStorage(folder).list(""), [])
  await storage.close()
  await (await open(folder)).close()
})

test("another process is kept out while it lives, and its lock is gone when it is killed", async () => {
  const folder = newFolder()
  const module = new URL("../../../hal/linux/storage.ts", import.meta.url).href
  const script = `const { openLinuxStorage } = await import(${JSON.stringify(module)})
    await openLinuxStorage(${JSON.stringify(folder)}); console.log("locked"); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] })
  await new Promise((resolve) => child.stdout.once("data", resolve))
  await rejects(() => openLinuxStorage(folder), "ERR_STATE_FOLDER_IN_USE")
  const ended = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGKILL")
  await ended
  await (await open(folder)).close()
})

test("a folder in the place of a file is an I/O error that names operation and path", async () => {
  const storage = await open(newFolder())
  await storage.write("a/b", new Uint8Array([1]))
  const error = await rejects(() => storage.write("a", new Uint8Array([1])), "ERR_IO")
  assert.equal(error.detail, { operation: "write", path: "a", errno: "EISDIR" })
  assert.equal(await storage.list(""), ["a/"])
})

test.run()
