import { open } from "node:fs/promises"
import { InputError } from "../../policy/base/errors.ts"

/** Longest file of lists: nine lists of 1 MiB will not be in one, two in PEM may. */
export const MAX_CRL_FILE_BYTES = 2 * 1024 * 1024

/** A file of lists, whole. @throws InputError `ERR_FILE_UNREADABLE` naming the file, also if it is over 2 MiB */
export async function readCrlBytes(file: string): Promise<Uint8Array> {
  try {
    const handle = await open(file, "r")
    try {
      const { size } = await handle.stat()
      if (size > MAX_CRL_FILE_BYTES) throw new InputError("ERR_FILE_UNREADABLE", `${file}: larger than 2 MiB`)
      const bytes = await handle.readFile()
      return bytes.subarray(0, MAX_CRL_FILE_BYTES + 1)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof InputError) throw error
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable"
    throw new InputError("ERR_FILE_UNREADABLE", `${file}: ${code}`, { cause: error })
  }
}

/** The bytes of lists that came as text: PEM as it is, else DER in base64. @throws InputError `ERR_PEM` */
export function crlBytesOf(text: string): Uint8Array {
  if (text.includes("-----BEGIN ")) return Buffer.from(text, "latin1")
  const bytes = Buffer.from(text, "base64")
  if (bytes.length > 0 && bytes.toString("base64") === text.trim()) return bytes
  throw new InputError("ERR_PEM", "neither PEM nor DER in base64")
}

/** The text by which such bytes travel in a command. */
export function crlTextOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("latin1")
  return text.includes("-----BEGIN ") ? text : Buffer.from(bytes).toString("base64")
}
