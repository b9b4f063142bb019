import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs"
import { createServer } from "node:net"
import { dirname } from "node:path"
import { HardwareError } from "../../policy/base/errors.ts"

/** Writes a file whole (0600, folders 0700): after a power cut the old text or the new one is there. */
export function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const half = `${path}.tmp`
  const file = openSync(half, "w", 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(half, path)
  syncFolder(dirname(path))
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, "r")
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/**
 * `wanted` if nobody listens there on loopback, else the next port that is free and not in `taken`.
 * @throws HardwareError `ERR_DEMO_PORT` if the next hundred are all taken.
 */
export async function choosePort(wanted: number, taken: readonly number[] = []): Promise<number> {
  for (let port = wanted; port < wanted + 100 && port < 65_536; port++)
    if (!taken.includes(port) && (await isFree(port))) return port
  throw new HardwareError("ERR_DEMO_PORT", `no free port from ${wanted} on`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
}
