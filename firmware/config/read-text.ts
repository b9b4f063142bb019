import { open, stat } from "node:fs/promises"
import type { Parsed } from "../../policy/language/fault.ts"

/** The text of a file of at most `maxBytes`, or the fault that kept it from being read. Never rejects. */
export async function readText(file: string, maxBytes: number): Promise<Parsed<string>> {
  const bytes = await readBytes(file, maxBytes)
  if (!(bytes instanceof Uint8Array)) return failure(file, bytes.reason)
  try {
    return { ok: true, value: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch {
    return failure(file, "the file is not UTF-8 text")
  }
}

function failure(file: string, message: string): Parsed<never> {
  return { ok: false, faults: [{ file, line: 1, column: 1, path: "", message, hint: null }] }
}

async function readBytes(file: string, maxBytes: number): Promise<Uint8Array | { readonly reason: string }> {
  try {
    // Before it is opened: opening a pipe that nobody writes to would wait for ever.
    if (!(await stat(file)).isFile()) return { reason: "cannot be read: it is not a file" }
    await using handle = await open(file, "r")
    // One byte more than allowed is enough to know; a file that grows meanwhile cannot fill the memory.
    const buffer = new Uint8Array(maxBytes + 1)
    let length = 0
    for (let more = true; more && length <= maxBytes;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
      length += bytesRead
      more = bytesRead > 0
    }
    return length > maxBytes ? { reason: `the file has more than ${maxBytes} bytes` } : buffer.subarray(0, length)
  } catch (error) {
    return { reason: `cannot be read: ${reasonOf(error)}` }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
}

/** Why the system refused, for a person. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown"
  return REASONS[code] ?? code
}
