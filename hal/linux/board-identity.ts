import { createHmac } from "node:crypto"
import { readFile } from "node:fs/promises"
import type { BoardIdentity } from "../board-identity.ts"

/** Where the kernel and the system say what the board is. */
export interface IdentityFiles {
  readonly model: readonly string[]
  readonly serial: string
  readonly machineId: string
}

const FILES: IdentityFiles = {
  model: ["/proc/device-tree/model", "/sys/class/dmi/id/product_name"],
  serial: "/proc/device-tree/serial-number",
  machineId: "/etc/machine-id",
}

/**
 * What the board says of itself: the device tree's model and serial number, or on boards without one the product's
 * name and a name derived from `/etc/machine-id`. That id is meant to stay on its machine, so a keyed hash is shown.
 * What nothing tells is `unknown`: a board without a name still has to do its work.
 */
export async function readLinuxIdentity(files: IdentityFiles = FILES): Promise<BoardIdentity> {
  let model: string | null = null
  for (const file of files.model) model ??= await readText(file)
  const serial = (await readText(files.serial)) ?? derived(await readText(files.machineId))
  return { model: model ?? "unknown", serial: serial ?? "unknown" }
}

/**
 * What the files of the key store are bound to: the device tree's serial number, which no disk holds, or on boards without one
 * `/etc/machine-id` itself, never shown; empty where nothing tells. The model is left out: a new kernel may word it otherwise.
 */
export async function readBoardBinding(files: IdentityFiles = FILES): Promise<string> {
  return (await readText(files.serial)) ?? (await readText(files.machineId)) ?? ""
}

function derived(machineId: string | null): string | null {
  if (machineId === null) return null
  return createHmac("sha256", machineId).update("lockgate board serial").digest("hex").slice(0, 32)
}

/** The file's printable ASCII, at most 64 characters; null if there is none. Device-tree strings end in NUL. */
async function readText(path: string): Promise<string | null> {
  const bytes = await readFile(path).catch(() => null)
  const text = bytes
    ?.toString("latin1")
    .replace(/[^\x20-\x7e]/g, "")
    .trim()
    .slice(0, 64)
  return text === undefined || text === "" ? null : text
}
