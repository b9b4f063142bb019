/**
 * A second opinion on a log's folder, written from the specifications (C2SP tlog-tiles, signed-note, tlog-checkpoint; RFC 6962) with
 * node:crypto and nothing else: it shares no code with policy/audit. Straight and slow: it hashes every entry and folds the whole tree.
 */
import { createHash, createPublicKey, verify } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Reads a file below the log's folder; null if there is none. */
export type ReadFile = (path: string) => Buffer | null | Promise<Buffer | null>

/** A folder of this machine. */
export function folderReader(folder: string): ReadFile {
  return (path) => (existsSync(join(folder, path)) ? readFileSync(join(folder, path)) : null)
}

const sha256 = (...parts: Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest()

/** MTH of RFC 6962 section 2.1. */
function treeHash(leaves: Buffer[]): Buffer {
  if (leaves.length === 0) return sha256()
  if (leaves.length === 1) return leaves[0]!
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)))
}

function tilePath(level: string, index: number, width: number): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, "0")
  const groups = digits.match(/\d{3}/g)!
  const name = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join("/")
  return `tile/${level}/${name}${width === 256 ? "" : `.p/${width}`}`
}

function entriesOf(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = []
  for (let at = 0; at < bundle.length;) {
    const length = bundle.readUInt16BE(at)
    if (at + 2 + length > bundle.length) throw new Error("a record is short")
    entries.push(bundle.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return entries
}

/** Checks the checkpoint's Ed25519 line, every entry bundle and every tile that a tree of this size has. Throws what is wrong. */
export async function verifyFolder(
  read: ReadFile,
  key: { readonly name: string; readonly publicKey: Uint8Array },
): Promise<{ readonly size: number; readonly entries: readonly string[] }> {
  const note = (await read("checkpoint"))?.toString("utf8")
  if (note === undefined) throw new Error("no checkpoint")
  const end = note.indexOf("\n\n")
  const text = note.slice(0, end + 1)
  const keyId = sha256(Buffer.from(`${key.name}\n`), Buffer.of(1), key.publicKey).subarray(0, 4)
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key.publicKey])
  const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" })
  const isSigned = note
    .slice(end + 2)
    .split("\n")
    .filter((line) => line.startsWith(`— ${key.name} `))
    .map((line) => Buffer.from(line.split(" ")[2]!, "base64"))
    .some((line) => line.subarray(0, 4).equals(keyId) && verify(null, Buffer.from(text), publicKey, line.subarray(4)))
  if (!isSigned) throw new Error("the checkpoint is not signed by this key")
  const [origin, count, root] = text.split("\n")
  if (origin !== key.name) throw new Error("another log")
  const size = Number(count)

  const entries: Buffer[] = []
  for (let index = 0; index * 256 < size; index++) {
    const path = tilePath("entries", index, Math.min(256, size - index * 256))
    const bundle = await read(path)
    if (bundle === null) throw new Error(`${path} is missing`)
    entries.push(...entriesOf(bundle))
  }
  if (entries.length !== size) throw new Error(`${entries.length} entries of ${size}`)
  const leaves = entries.map((entry) => sha256(Buffer.of(0), entry))
  if (treeHash(leaves).toString("base64") !== root) throw new Error("the entries are not those of the root")

  let row = leaves
  for (let level = 0; row.length > 0; level++) {
    for (let index = 0; index * 256 < row.length; index++) {
      const hashes = row.slice(index * 256, index * 256 + 256)
      const path = tilePath(String(level), index, hashes.length)
      if ((await read(path))?.equals(Buffer.concat(hashes)) !== true) throw new Error(`${path} is wrong`)
    }
    const above: Buffer[] = []
    for (let index = 0; (index + 1) * 256 <= row.length; index++)
      above.push(treeHash(row.slice(index * 256, index * 256 + 256)))
    row = above
  }
  return { size, entries: entries.map((entry) => entry.toString("utf8")) }
}
