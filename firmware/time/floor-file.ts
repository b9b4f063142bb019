import type { Storage } from "../../hal/storage.ts"
import type { BoundSource, StoredFloor } from "../../policy/time/floor.ts"

/** Where the floor lies in the state folder. */
export const FLOOR_FILE = "time/floor.json"

const SOURCES: readonly BoundSource[] = [
  "firmware-build",
  "owner-signed",
  "certificate-not-before",
  "cosignature",
  "log-entry-earliest",
]

/** The floor in a file; null for none. A damaged file counts as none: the floor is then the build time, true as well, only weaker. */
export function readFloor(bytes: Uint8Array | null): StoredFloor | null {
  if (bytes === null) return null
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<StoredFloor & { format: number }>
    const source = SOURCES.find((known) => known === value.source)
    if (value.format !== 1 || typeof value.floorAt !== "number" || !(value.floorAt >= 0) || source === undefined)
      return null
    return { floorAt: value.floorAt, source }
  } catch {
    return null
  }
}

/** Write the floor; on disk when this resolves. @throws HardwareError `ERR_IO` */
export async function writeFloor(storage: Storage, floor: StoredFloor): Promise<void> {
  await storage.write(FLOOR_FILE, new TextEncoder().encode(JSON.stringify({ format: 1, ...floor })))
}
