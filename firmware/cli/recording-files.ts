import { createHash } from "node:crypto"
import { open } from "node:fs/promises"
import { LockgateError } from "../../policy/base/errors.ts"
import { parseRecording } from "../../policy/recording/parse.ts"
import { MAX_RECORDING_BYTES, type Recording } from "../../policy/recording/recording.ts"
import { reasonOf } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"

/** SHA-256 in lower-case hex. */
export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** The recordings in these files, or null after every fault was told. Tells, too, what a recording lacks. */
export async function readRecordings(files: readonly string[], io: CliIo): Promise<readonly Recording[] | null> {
  const recordings: Recording[] = []
  for (const file of files) {
    const bytes = await readBounded(file, io)
    if (bytes === null) continue
    try {
      const recording = parseRecording(bytes, sha256)
      recordings.push(recording)
      const { reason } = recording.end
      if (reason !== "time" && reason !== "command") io.err(`note: ${file} was cut short (${reason})\n`)
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      io.err(`${file}: ${error.message} (${error.code})\n`)
    }
  }
  return recordings.length === files.length ? recordings : null
}

async function readBounded(file: string, io: CliIo): Promise<Uint8Array | null> {
  try {
    const handle = await open(file)
    try {
      const buffer = Buffer.alloc(MAX_RECORDING_BYTES + 1)
      let length = 0
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
        if (bytesRead === 0) return buffer.subarray(0, length)
        length += bytesRead
      }
    } finally {
      await handle.close()
    }
  } catch (error) {
    io.err(`${file}: cannot be read: ${reasonOf(error)}\n`)
    return null
  }
}
