import type { Test } from "uvu"
import * as assert from "uvu/assert"
import type { Storage } from "../../hal/storage.ts"
import { rejects } from "../support/rejects.ts"

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const text = (found: Uint8Array | null): string | null => (found === null ? null : Buffer.from(found).toString())

/** What every storage adapter must do. `fresh` gives an empty one, `reopen` the same after an orderly end. */
export function storageConformance<S extends Storage>(
  test: Test,
  adapter: { fresh(): Promise<S>; reopen(storage: S): Promise<S> },
): void {
  test("a file that is not there reads as null, a folder that is not there as empty", async () => {
    const storage = await adapter.fresh()
    assert.is(await storage.read("nothing"), null)
    assert.is(await storage.read("no/thing/here"), null)
    assert.equal(await storage.list("nothing"), [])
    await storage.remove("nothing")
    await storage.remove("no/thing")
  })

  test("a file is written whole, replaced whole, and folders are made as needed", async () => {
    const storage = await adapter.fresh()
    await storage.write("a/b/c.json", bytes("first"))
    await storage.write("a/b/c.json", bytes("2"))
    await storage.write("empty", bytes(""))
    assert.is(text(await storage.read("a/b/c.json")), "2")
    assert.is(text(await storage.read("empty")), "")
    const again = await adapter.reopen(storage)
    assert.is(text(await again.read("a/b/c.json")), "2")
  })

  test("[CR 4.2] a file that is erased is gone, and stays gone", async () => {
    const storage = await adapter.fresh()
    await storage.write("a/key", bytes("secret"))
    await storage.write("a/other", bytes("stays"))
    await storage.erase("a/key")
    await storage.erase("a/key")
    await storage.erase("no/thing")
    const again = await adapter.reopen(storage)
    assert.is(await again.read("a/key"), null)
    assert.equal(await again.list("a"), ["other"])
  })

  test("a file can be replaced whole without waiting for the disk, and its folder goes with the last one", async () => {
    const storage = await adapter.fresh()
    await storage.writeCached("a/b.p/1", bytes("first"))
    await storage.writeCached("a/b.p/1", bytes("2"))
    await storage.writeCached("a/b.p/2", bytes("3"))
    assert.is(text(await storage.read("a/b.p/1")), "2")
    await storage.removeCached("a/b.p/1")
    assert.equal(await storage.list("a/b.p"), ["2"])
    await storage.removeCached("a/b.p/2")
    assert.equal(await storage.list("a"), [])
    await storage.removeCached("a/b.p/2")
    await storage.removeCached("no/thing")
    await storage.writeCached("a/b.p/3", bytes("4"))
    assert.is(text(await storage.read("a/b.p/3")), "4")
  })

  test("what was handed out or in can be changed without changing the file", async () => {
    const storage = await adapter.fresh()
    const mine = bytes("one")
    await storage.write("f", mine)
    mine.fill(0)
    const read = await storage.read("f")
    read?.fill(0)
    assert.is(text(await storage.read("f")), "one")
  })

  test("a listing is sorted, marks folders, and shows no file of the adapter", async () => {
    const storage = await adapter.fresh()
    await storage.write("d/z", bytes(""))
    await storage.write("d/a", bytes(""))
    await storage.write("d/m/x", bytes(""))
    assert.equal(await storage.list("d"), ["a", "m/", "z"])
    assert.equal(await storage.list(""), ["d/"])
    assert.equal(await storage.list("d/a"), [])
  })

  test("a rename moves a file over another, into a new folder too", async () => {
    const storage = await adapter.fresh()
    await storage.write("a", bytes("new"))
    await storage.write("x/b", bytes("old"))
    await storage.rename("a", "x/b")
    assert.is(text(await storage.read("x/b")), "new")
    assert.is(await storage.read("a"), null)
    await storage.rename("x/b", "y/z/c")
    assert.is(text(await storage.read("y/z/c")), "new")
    await rejects(() => storage.rename("nothing", "a"), "ERR_IO")
  })

  test("[CR 2.9] what a file or a folder takes is told in whole blocks, and what the disk has left", async () => {
    const storage = await adapter.fresh()
    await storage.write("a/one", new Uint8Array(1))
    await storage.write("a/b/two", new Uint8Array(4097))
    assert.is((await storage.space("a")).usedBytes, 3 * 4096)
    assert.is((await storage.space("a/b/two")).usedBytes, 2 * 4096)
    assert.is((await storage.space("a/nothing/here")).usedBytes, 0)
    assert.ok((await storage.space("a")).freeBytes > 0)
    await storage.remove("a/b/two")
    assert.is((await storage.space("a")).usedBytes, 4096)
  })

  test("a removed file is gone", async () => {
    const storage = await adapter.fresh()
    await storage.write("d/a", bytes("1"))
    await storage.remove("d/a")
    assert.is(await storage.read("d/a"), null)
    assert.equal(await storage.list("d"), [])
  })

  test("appends add up, over a reopening too, and truncate cuts", async () => {
    const storage = await adapter.fresh()
    const file = await storage.openAppend("log/tail")
    assert.is(file.size, 0)
    await file.append(bytes("abc"))
    await file.append(bytes("def"))
    assert.is(file.size, 6)
    await file.truncate(4)
    await file.append(bytes("X"))
    assert.is(text(await storage.read("log/tail")), "abcdX")
    await file.close()
    const again = await adapter.reopen(storage)
    const reopened = await again.openAppend("log/tail")
    assert.is(reopened.size, 5)
    await reopened.append(bytes("!"))
    assert.is(text(await again.read("log/tail")), "abcdX!")
    await reopened.close()
  })

  test("an append file has one owner, and none after it is closed", async () => {
    const storage = await adapter.fresh()
    const file = await storage.openAppend("tail")
    await rejects(() => storage.openAppend("tail"), "ERR_ALREADY_OPEN")
    await file.close()
    await rejects(() => file.append(bytes("x")), "ERR_FAILED_BEFORE")
    await (await storage.openAppend("tail")).close()
  })

  test("two appends at once are a fault of ours and are told", async () => {
    const storage = await adapter.fresh()
    const file = await storage.openAppend("tail")
    const first = file.append(bytes("one"))
    await rejects(() => file.append(bytes("two")), "ERR_APPEND_OVERLAP")
    await first
    assert.is(text(await storage.read("tail")), "one")
    await file.close()
  })

  test("an append file that is renamed keeps its bytes, and a new one begins in its place", async () => {
    const storage = await adapter.fresh()
    const file = await storage.openAppend("tail")
    await file.append(bytes("full"))
    await file.close()
    await storage.rename("tail", "tile/000")
    const next = await storage.openAppend("tail")
    assert.is(next.size, 0)
    await next.append(bytes("new"))
    assert.is(text(await storage.read("tile/000")), "full")
    assert.is(text(await storage.read("tail")), "new")
    await next.close()
  })

  test("[CR 3.4] no path leads out of the tree or to the adapter's own files", async () => {
    const storage = await adapter.fresh()
    for (const path of ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", ".lock", "a/.tmp-0", "a\\b", "a\0b", "é"]) {
      await rejects(() => storage.write(path, bytes("x")), "ERR_STORAGE_PATH")
      await rejects(() => storage.read(path), "ERR_STORAGE_PATH")
      await rejects(() => storage.remove(path), "ERR_STORAGE_PATH")
      await rejects(() => storage.openAppend(path), "ERR_STORAGE_PATH")
      await rejects(() => storage.rename("a", path), "ERR_STORAGE_PATH")
    }
    await rejects(() => storage.list(".."), "ERR_STORAGE_PATH")
  })

  test("writes to one path at the same time leave one of them whole", async () => {
    const storage = await adapter.fresh()
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(1000 + i))
    await Promise.all(texts.map((t) => storage.write("deep/er/f", bytes(t))))
    assert.ok(texts.includes(text(await storage.read("deep/er/f")) ?? ""))
    assert.equal(await storage.list("deep/er"), ["f"])
  })
}
