import { InvariantError } from "../policy/base/errors.ts"

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/
const MAX_PATH = 1024

/**
 * Throws unless `path` is relative, `/`-separated and made of plain names: ASCII letters, digits, `.`, `_`, `-`.
 *
 * No name begins with a dot, so that `.`, `..` and the adapters' own files (`.lock`, `.tmp-...`) cannot be named.
 * A path is always made by our own code; a wrong one is a fault of ours, not of a peer.
 *
 * @throws InvariantError `ERR_STORAGE_PATH`
 */
export function checkPath(path: string): void {
  if (path.length <= MAX_PATH && path.split("/").every((name) => NAME.test(name))) return
  throw new InvariantError("ERR_STORAGE_PATH", "not a path of the state folder", { detail: { path } })
}

/** Like `checkPath`, but the empty string, which names the whole tree, is allowed. @throws InvariantError `ERR_STORAGE_PATH` */
export function checkFolder(folder: string): void {
  if (folder !== "") checkPath(folder)
}

/** Folders from the top down to the one that holds `path`, the top (`""`) included. */
export function foldersAbove(path: string): readonly string[] {
  const names = path.split("/").slice(0, -1)
  return ["", ...names.map((_, index) => names.slice(0, index + 1).join("/"))]
}

/** The folder that holds `path`; `""` for the top. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")))
}

/** The last name of `path`. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1)
}
