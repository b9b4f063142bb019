import type { Storage } from "../../hal/storage.ts"

/**
 * The same files under `audit/`, wherever the log lies in the folder: a gateway's state folder has it there, a copy of the log alone
 * (`checkpoint`, `tile/`, `tail`) has it at the top.
 */
export async function logFolder(storage: Pick<Storage, "read" | "list">): Promise<Pick<Storage, "read" | "list">> {
  const names = await storage.list("")
  if (names.includes("audit/") || !names.some((name) => name === "tile/" || name === "checkpoint")) return storage
  const at = (path: string): string => path.replace(/^audit\/?/, "")
  return { read: (path) => storage.read(at(path)), list: (folder) => storage.list(at(folder)) }
}
