import { open } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { StateError } from "../../policy/base/errors.ts"
import { ioError } from "./durable.ts"

const SQLITE_BUSY = 5

/**
 * Takes the one lock of a state folder, for this process and until it ends; returns what gives it back.
 *
 * The lock is the kernel's own (fcntl), so it is gone with its process however that dies: nothing stale to judge, no
 * process numbers to compare. Node reaches that kernel call only through its built-in SQLite, which is used for
 * nothing else here: the file stays empty.
 *
 * @throws StateError `ERR_STATE_FOLDER_IN_USE`
 * @throws HardwareError `ERR_IO`
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const path = join(folder, ".lock")
  try {
    await (await open(path, "a", 0o600)).close()
  } catch (error) {
    throw ioError("lock", path, error)
  }
  const lock = new DatabaseSync(path)
  try {
    lock.exec("BEGIN EXCLUSIVE")
  } catch (error) {
    lock.close()
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      throw new StateError("ERR_STATE_FOLDER_IN_USE", `another gateway uses ${folder}`, { detail: { folder } })
    }
    throw ioError("lock", path, error)
  }
  return () => lock.close()
}
