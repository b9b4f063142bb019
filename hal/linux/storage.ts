import { lstat, mkdir, open, readdir, readFile, rename, rmdir, statfs, unlink, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { LockgateError, StateError } from "../../policy/base/errors.ts"
import { checkFolder, checkPath, folderOf, foldersAbove, nameOf } from "../storage-path.ts"
import { inBlocks, type Space, type Storage } from "../storage.ts"
import { openAppendFile } from "./append-file.ts"
import { errnoOf, ioError, makeFolder, syncFolder, writeAll } from "./durable.ts"
import { lockFolder } from "./folder-lock.ts"

const TEMPORARY = ".tmp-"

/** Storage in a folder of a Linux file system; `close` gives the folder's lock back. */
export interface LinuxStorage extends Storage {
  close(): Promise<void>
}

/** What a reader beside the gateway may do: no lock, no change. */
export type ReadOnlyStorage = Pick<Storage, "read" | "list">

/**
 * Opens the state folder, alone: made if it is not there, locked, temporary files of a crash swept away.
 *
 * Files have mode 0600 and folders 0700. The lock ends with the process, however it ends.
 *
 * @throws StateError `ERR_STATE_FOLDER_IN_USE` if another process, or this one, has it open
 * @throws HardwareError `ERR_IO`
 */
export async function openLinuxStorage(root: string): Promise<LinuxStorage> {
  try {
    await mkdir(root, { mode: 0o700, recursive: true })
    await syncFolder(dirname(resolve(root)))
  } catch (error) {
    throw ioError("make", root, error)
  }
  const unlock = await lockFolder(root)
  try {
    await sweep(root)
  } catch (error) {
    unlock()
    throw ioError("sweep", root, error)
  }
  return linuxStorage(root, unlock)
}

/** Reads a state folder that a gateway may be writing at the same time. Takes no lock and changes nothing. */
export function openReadOnlyStorage(root: string): ReadOnlyStorage {
  return { read: (path) => readWhole(root, path), list: (folder) => listFolder(root, folder) }
}

function linuxStorage(root: string, unlock: () => void): LinuxStorage {
  const openFiles = new Set<string>()
  // Folders whose own names are known to be on disk. Not "exists": a crash may have left one in the page cache only.
  const durable = new Set<string>()
  let temporaries = 0

  async function prepareFolders(path: string): Promise<void> {
    for (const folder of foldersAbove(path)) {
      if (folder === "" || durable.has(folder)) continue
      await makeFolder(join(root, folder))
      await syncFolder(join(root, folderOf(folder)))
      durable.add(folder)
    }
  }

  async function guarded<T>(operation: string, path: string, action: () => Promise<T>): Promise<T> {
    checkPath(path)
    try {
      return await action()
    } catch (error) {
      throw error instanceof LockgateError ? error : ioError(operation, path, error)
    }
  }

  async function remove(path: string): Promise<void> {
    try {
      await unlink(join(root, path))
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error
    }
    // Even if it was gone: an earlier removal may not have reached the disk.
    try {
      await syncFolder(join(root, folderOf(path)))
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error
    }
  }

  return {
    read: (path) => readWhole(root, path),
    list: (folder) => listFolder(root, folder),

    write: (path, bytes) =>
      guarded("write", path, async () => {
        await prepareFolders(path)
        const temporary = join(root, folderOf(path), `${TEMPORARY}${temporaries++}-${nameOf(path).slice(0, 64)}`)
        try {
          const file = await open(temporary, "wx", 0o600)
          try {
            await writeAll(file, bytes)
            await file.sync()
          } finally {
            await file.close()
          }
          await rename(temporary, join(root, path))
        } catch (error) {
          await unlink(temporary).catch(() => undefined)
          throw error
        }
        await syncFolder(join(root, folderOf(path)))
      }),

    writeCached: (path, bytes) =>
      guarded("write", path, async () => {
        await prepareFolders(path)
        const temporary = join(root, folderOf(path), `${TEMPORARY}${temporaries++}-${nameOf(path).slice(0, 64)}`)
        try {
          await writeFile(temporary, bytes, { flag: "wx", mode: 0o600 })
          await rename(temporary, join(root, path))
        } catch (error) {
          await unlink(temporary).catch(() => undefined)
          throw error
        }
      }),

    removeCached: (path) =>
      guarded("remove", path, async () => {
        const folder = folderOf(path)
        try {
          await unlink(join(root, path))
          if (folder !== "") await rmdir(join(root, folder))
          durable.delete(folder)
        } catch (error) {
          if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error))) throw error
        }
      }),

    rename: (from, to) =>
      guarded("rename", from, async () => {
        checkPath(to)
        await prepareFolders(to)
        await rename(join(root, from), join(root, to))
        // The new name first: if power fails between, the file has two names rather than none.
        await syncFolder(join(root, folderOf(to)))
        if (folderOf(from) !== folderOf(to)) await syncFolder(join(root, folderOf(from)))
      }),

    remove: (path) => guarded("remove", path, () => remove(path)),

    erase: (path) =>
      guarded("erase", path, async () => {
        await blank(join(root, path))
        await remove(path)
      }),

    space: (path) => spaceOf(root, path),

    async openAppend(path) {
      checkPath(path)
      if (openFiles.has(path)) throw new StateError("ERR_ALREADY_OPEN", `${path} has an owner`, { detail: { path } })
      openFiles.add(path)
      try {
        return await guarded("open", path, async () => {
          await prepareFolders(path)
          const file = await openAppendFile(join(root, path), () => openFiles.delete(path))
          await syncFolder(join(root, folderOf(path)))
          return file
        })
      } catch (error) {
        openFiles.delete(path)
        throw error
      }
    },

    async close() {
      unlock()
    },
  }
}

async function readWhole(root: string, path: string): Promise<Uint8Array | null> {
  checkPath(path)
  try {
    const bytes = await readFile(join(root, path))
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return null
    throw ioError("read", path, error)
  }
}

/** Zeros over the bytes of a file where they lie, synced; nothing if there is no file. */
async function blank(path: string): Promise<void> {
  let file
  try {
    file = await open(path, "r+")
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return
    throw error
  }
  try {
    await writeAll(file, new Uint8Array((await file.stat()).size))
    await file.sync()
  } finally {
    await file.close()
  }
}

async function listFolder(root: string, folder: string): Promise<readonly string[]> {
  checkFolder(folder)
  try {
    const entries = await readdir(join(root, folder), { withFileTypes: true })
    const names = entries
      .filter((entry) => !entry.name.startsWith("."))
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    return names.sort()
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return []
    throw ioError("list", folder, error)
  }
}

async function spaceOf(root: string, path: string): Promise<Space> {
  checkPath(path)
  try {
    const { bavail, bsize } = await statfs(root)
    return { usedBytes: await usedBelow(join(root, path)), freeBytes: bavail * bsize }
  } catch (error) {
    throw ioError("space", path, error)
  }
}

/** What goes while it is looked at counts as gone. */
async function usedBelow(path: string): Promise<number> {
  try {
    const found = await lstat(path)
    if (!found.isDirectory()) return inBlocks(found.size)
    let used = 0
    for (const name of await readdir(path)) used += await usedBelow(join(path, name))
    return used
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return 0
    throw error
  }
}

/** Remove what a crash left of whole-file writes. */
async function sweep(root: string): Promise<void> {
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && entry.name.startsWith(TEMPORARY)) await unlink(join(entry.parentPath, entry.name))
  }
}
