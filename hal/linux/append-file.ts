import { open } from "node:fs/promises"
import { HardwareError, InvariantError } from "../../policy/base/errors.ts"
import type { AppendFile } from "../storage.ts"
import { ioError, writeAll } from "./durable.ts"

/**
 * Opens (or makes, mode 0600) a file for appending. The caller brings the file's name to disk.
 *
 * After a failed write or fsync the file only accepts `close`: what the page cache then shows is not what is on disk.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function openAppendFile(path: string, closed: () => void): Promise<AppendFile> {
  const handle = await open(path, "a", 0o600).catch((error: unknown) => {
    throw ioError("open", path, error)
  })
  let size = (await handle.stat()).size
  let failed = false
  let busy = false
  let isClosed = false

  async function exclusively(operation: string, action: () => Promise<void>): Promise<void> {
    if (failed || isClosed) throw new HardwareError("ERR_FAILED_BEFORE", `${operation} ${path}: open it anew`)
    if (busy) throw new InvariantError("ERR_APPEND_OVERLAP", "two operations on one append file at once")
    busy = true
    try {
      await action()
    } catch (error) {
      failed = true
      throw ioError(operation, path, error)
    } finally {
      busy = false
    }
  }

  return {
    get size() {
      return size
    },
    append: (bytes) =>
      exclusively("append", async () => {
        await writeAll(handle, bytes)
        // The length is part of what fdatasync brings to disk; times are not, and are not needed.
        await handle.datasync()
        size += bytes.length
      }),
    truncate: (to) =>
      exclusively("truncate", async () => {
        await handle.truncate(to)
        await handle.sync()
        size = to
      }),
    async close() {
      if (isClosed) return
      isClosed = true
      closed()
      await handle.close().catch((error: unknown) => {
        throw ioError("close", path, error)
      })
    },
  }
}
