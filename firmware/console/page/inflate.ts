import { InputError } from "../../../policy/base/errors.ts"

/** Unpacked bytes of a gzip payload. Stops at `maxBytes`, so that a small message cannot fill the memory. @throws InputError `ERR_GZIP` */
export async function inflate(packed: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const reader = new Blob([new Uint8Array(packed)]).stream().pipeThrough(new DecompressionStream("gzip")).getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      length += value.length
      if (length > maxBytes) throw new InputError("ERR_GZIP", "it unpacks to more than there can be")
      chunks.push(value)
    }
  } catch (cause) {
    if (cause instanceof InputError) {
      await reader.cancel()
      throw cause
    }
    throw new InputError("ERR_GZIP", "it cannot be unpacked", { cause })
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
