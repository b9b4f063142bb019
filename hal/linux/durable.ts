import { open, mkdir, type FileHandle } from "node:fs/promises"
import { HardwareError } from "../../policy/base/errors.ts"

/** A HardwareError `ERR_IO` for what Node threw; `detail` holds operation, path and errno. */
export function ioError(operation: string, path: string, cause: unknown): HardwareError<"ERR_IO"> {
  const errno = errnoOf(cause)
  return new HardwareError("ERR_IO", `${operation} ${path}: ${errno}`, { detail: { operation, path, errno }, cause })
}

/** The system's name for what went wrong, e.g. `ENOSPC`; `unknown` if there is none. */
export function errnoOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"
}

/** Write all of `bytes` where the file stands. A short write is continued, not reported. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at)
    at += bytesWritten
  }
}

/** Bring the names of a folder to disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Make one folder with mode 0700; no error if it is there. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error
  }
}
