import type { Handover } from "../../policy/audit/key-chain.ts"
import { MAX_PROOF_BYTES } from "../../policy/audit/proof-file.ts"
import { encodeBundle, scanBundle } from "../../policy/audit/entry-bundle.ts"
import { HASH_BYTES } from "../../policy/audit/tlog/hash.ts"
import { parsePiecePath, piecePath, TILE_WIDTH } from "../../policy/audit/tlog/tile.ts"
import type { Storage } from "../../hal/storage.ts"
import { TAIL } from "./bundle-reader.ts"

/** The questions of `LogSource`, answered by a folder. */
export interface FolderSource {
  checkpoint(): Promise<string | null>
  piece(path: string): Promise<Uint8Array | null>
  /** The changes of the log's key, as proof files. */
  handovers(): Promise<readonly Handover[]>
}

/**
 * The log in a gateway's own folder, which may be growing, or in a copy of it: checkpoint, tiles and bundles as tlog-tiles has them.
 *
 * A partial piece that has grown since the checkpoint was read is found in what became of it: a wider one, the full one, or
 * the open bundle. Whoever reads judges it by its hash, not by where it came from.
 *
 * The checkpoint is read once: what is asked about later is the log as it stood then.
 *
 * @throws HardwareError `ERR_IO` from both
 * @see C2SP tlog-tiles
 */
export function createFolderSource(storage: Pick<Storage, "read" | "list">): FolderSource {
  let note: Promise<string | null> | null = null

  async function wider(path: string): Promise<Uint8Array | null> {
    const { level, index, width } = parsePiecePath(path)
    if (width === TILE_WIDTH) return null
    const full = piecePath({ level, index, width: TILE_WIDTH })
    const cut = (bytes: Uint8Array): Uint8Array | null => {
      if (level !== "entries") return bytes.length < width * HASH_BYTES ? null : bytes.subarray(0, width * HASH_BYTES)
      const { entries } = scanBundle(bytes, index * TILE_WIDTH)
      return entries.length < width ? null : encodeBundle(entries.slice(0, width))
    }
    const widths = (await storage.list(`audit/${full}.p`)).map(Number).filter((one) => one > width)
    const files = [
      ...widths.map((one) => `audit/${full}.p/${one}`),
      `audit/${full}`,
      ...(level === "entries" ? [TAIL] : []),
    ]
    for (const file of files) {
      const bytes = await storage.read(file)
      const found = bytes === null ? null : cut(bytes)
      if (found !== null) return found
    }
    return null
  }

  return {
    checkpoint() {
      note ??= storage
        .read("audit/checkpoint")
        .then((bytes) => (bytes === null ? null : new TextDecoder().decode(bytes)))
      return note
    },
    async handovers() {
      const found: Handover[] = []
      for (const where of await storage.list("audit")) {
        if (!/^handover-\d{1,15}$/.test(where)) continue
        const bytes = await storage.read(`audit/${where}`)
        if (bytes !== null)
          found.push({ where, text: new TextDecoder().decode(bytes.subarray(0, MAX_PROOF_BYTES + 1)) })
      }
      return found
    },
    async piece(path) {
      return (await storage.read(`audit/${path}`)) ?? wider(path)
    },
  }
}
