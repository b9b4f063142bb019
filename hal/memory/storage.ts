import { HardwareError, InvariantError, StateError } from "../../policy/base/errors.ts"
import { checkFolder, checkPath, folderOf, foldersAbove, nameOf } from "../storage-path.ts"
import { inBlocks, type AppendFile, type Space, type Storage } from "../storage.ts"
import { folderAt, ioError, MemoryDisk, newFolder, type FileNode, type FolderNode } from "./disk.ts"
import type { Failure, FaultPlan, StepKind, Unsynced } from "./fault-plan.ts"

const TEMPORARY = ".tmp-"

/**
 * Storage in memory with a power-cut model: the same steps in the same order as the Linux adapter, on a disk that
 * loses what was not synced.
 */
export class MemoryStorage implements Storage {
  readonly #disk: MemoryDisk
  readonly #open = new Set<string>()
  #temporaries = 0
  /** What `space` says that the disk has left. It bounds nothing: `fail` makes writes fail. */
  freeBytes = Infinity

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.#disk = disk
    sweep(disk.top)
  }

  /** The power cut to come; null for none. */
  get plan(): FaultPlan | null {
    return this.#disk.plan
  }

  set plan(plan: FaultPlan | null) {
    this.#disk.plan = plan
  }

  /** Steps taken so far: a sweep runs `cutAt` from 1 to what a whole run takes. */
  get steps(): number {
    return this.#disk.steps
  }

  /** File syncs that reached the disk. */
  get syncs(): number {
    return this.#disk.syncs
  }

  /** Awaited before each step, to hold one back. */
  set gate(gate: ((step: StepKind, path: string) => Promise<void>) | null) {
    this.#disk.gate = gate
  }

  /** Plan a failure without a power cut. */
  fail(failure: Failure): void {
    this.#disk.fail(failure)
  }

  /** Drop every failure that was planned. */
  heal(): void {
    this.#disk.heal()
  }

  /** Cut the power, unless the plan has; returns the storage as the next boot finds it. This one is dead from then on. */
  powerCut(unsynced: Unsynced = "lost"): MemoryStorage {
    return new MemoryStorage(new MemoryDisk(this.#disk.powerCut(unsynced)))
  }

  /** The storage as the next process finds it when this one is killed: the disk is the same, what is not synced is still seen. */
  processKill(): MemoryStorage {
    return new MemoryStorage(this.#disk)
  }

  async read(path: string): Promise<Uint8Array | null> {
    checkPath(path)
    this.#disk.checkPower("read", path)
    return this.#file(path)?.seen.slice() ?? null
  }

  async list(folder: string): Promise<readonly string[]> {
    checkFolder(folder)
    this.#disk.checkPower("list", folder)
    const node = this.#folder(folder)
    if (node === null) return []
    const names = [...node.seen].map(([name, child]) => (child.kind === "folder" ? `${name}/` : name))
    return names.filter((name) => !name.startsWith(".")).sort()
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const folder = await this.#replace(path, bytes, true)
    await this.#disk.sync(folderOf(path), folder)
  }

  async writeCached(path: string, bytes: Uint8Array): Promise<void> {
    await this.#replace(path, bytes, false)
  }

  /** Under another name first, then renamed; resolves to the folder. */
  async #replace(path: string, bytes: Uint8Array, synced: boolean): Promise<FolderNode> {
    checkPath(path)
    const folder = await this.#prepare(path)
    const temporary = `${TEMPORARY}${this.#temporaries++}`
    const file: FileNode = { kind: "file", seen: new Uint8Array(), disk: new Uint8Array() }
    await this.#disk.makeName("create", path, folder, temporary, file)
    try {
      await this.#disk.write(path, file, bytes)
      if (synced) await this.#disk.sync(path, file)
      await this.#disk.rename(path, folder, temporary, folder, nameOf(path))
    } catch (error) {
      folder.seen.delete(temporary)
      throw error
    }
    return folder
  }

  async removeCached(path: string): Promise<void> {
    checkPath(path)
    const folder = this.#folder(folderOf(path))
    if (folder?.seen.has(nameOf(path)) !== true) return
    await this.#disk.removeName(path, folder, nameOf(path))
    const above = this.#folder(folderOf(folderOf(path)))
    if (folder.seen.size > 0 || folder === this.#disk.top || above === null) return
    await this.#disk.removeName(path, above, nameOf(folderOf(path)))
  }

  async rename(from: string, to: string): Promise<void> {
    checkPath(from)
    checkPath(to)
    const target = await this.#prepare(to)
    const source = this.#folder(folderOf(from))
    if (source === null) throw ioError("rename", from, "ENOENT")
    await this.#disk.rename(from, source, nameOf(from), target, nameOf(to))
    await this.#disk.sync(folderOf(to), target)
    if (source !== target) await this.#disk.sync(folderOf(from), source)
  }

  async remove(path: string): Promise<void> {
    checkPath(path)
    const folder = this.#folder(folderOf(path))
    if (folder === null) return
    if (folder.seen.has(nameOf(path))) await this.#disk.removeName(path, folder, nameOf(path))
    await this.#disk.sync(folderOf(path), folder)
  }

  async erase(path: string): Promise<void> {
    checkPath(path)
    const file = this.#file(path)
    if (file !== null) {
      await this.#disk.blank(path, file)
      await this.#disk.sync(path, file)
    }
    await this.remove(path)
  }

  async space(path: string): Promise<Space> {
    checkPath(path)
    this.#disk.checkPower("space", path)
    const folder = this.#folder(path)
    return {
      usedBytes: folder === null ? inBlocks(this.#file(path)?.seen.length ?? 0) : usedBelow(folder),
      freeBytes: this.freeBytes,
    }
  }

  async openAppend(path: string): Promise<AppendFile> {
    checkPath(path)
    if (this.#open.has(path)) throw new StateError("ERR_ALREADY_OPEN", `${path} has an owner`, { detail: { path } })
    this.#open.add(path)
    try {
      const folder = await this.#prepare(path)
      let file = this.#file(path)
      if (file === null) {
        file = { kind: "file", seen: new Uint8Array(), disk: new Uint8Array() }
        await this.#disk.makeName("create", path, folder, nameOf(path), file)
      }
      await this.#disk.sync(folderOf(path), folder)
      return new MemoryAppendFile(this.#disk, path, file, () => this.#open.delete(path))
    } catch (error) {
      this.#open.delete(path)
      throw error
    }
  }

  /** The folder that holds `path`, it and all above it made and synced. */
  async #prepare(path: string): Promise<FolderNode> {
    let folder = this.#disk.top
    for (const above of foldersAbove(path)) {
      if (above === "") continue
      const known = folder.seen.get(nameOf(above))
      if (known?.kind === "file") throw ioError("open", path, "ENOTDIR")
      const next = known ?? newFolder()
      if (known === undefined) await this.#disk.makeName("folder", above, folder, nameOf(above), next)
      // Also if it was there: its maker may not have synced it yet.
      if (folder.disk.get(nameOf(above)) !== next) await this.#disk.sync(folderOf(above), folder)
      folder = next
    }
    return folder
  }

  #folder(path: string): FolderNode | null {
    return folderAt(this.#disk.top, path)
  }

  #file(path: string): FileNode | null {
    const node = this.#folder(folderOf(path))?.seen.get(nameOf(path))
    return node?.kind === "file" ? node : null
  }
}

class MemoryAppendFile implements AppendFile {
  readonly #disk: MemoryDisk
  readonly #path: string
  readonly #file: FileNode
  readonly #closed: () => void
  #state: "open" | "busy" | "failed" = "open"
  size: number

  constructor(disk: MemoryDisk, path: string, file: FileNode, closed: () => void) {
    this.#disk = disk
    this.#path = path
    this.#file = file
    this.#closed = closed
    this.size = file.seen.length
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#exclusively(() => this.#disk.write(this.#path, this.#file, bytes))
    this.size += bytes.length
  }

  async truncate(size: number): Promise<void> {
    await this.#exclusively(() => this.#disk.truncate(this.#path, this.#file, size))
    this.size = size
  }

  async close(): Promise<void> {
    this.#state = "failed"
    this.#closed()
  }

  async #exclusively(action: () => Promise<void>): Promise<void> {
    if (this.#state === "failed") throw new HardwareError("ERR_FAILED_BEFORE", `${this.#path}: open it anew`)
    if (this.#state === "busy") {
      throw new InvariantError("ERR_APPEND_OVERLAP", "two operations on one append file at once")
    }
    this.#state = "busy"
    try {
      await action()
      await this.#disk.sync(this.#path, this.#file)
      this.#state = "open"
    } catch (error) {
      this.#state = "failed"
      throw error
    }
  }
}

function usedBelow(folder: FolderNode): number {
  let used = 0
  for (const node of folder.seen.values()) used += node.kind === "folder" ? usedBelow(node) : inBlocks(node.seen.length)
  return used
}

/** What the Linux adapter does at open: temporary files of a crash are removed. */
function sweep(folder: FolderNode): void {
  for (const [name, node] of folder.seen) {
    if (node.kind === "folder") sweep(node)
    else if (name.startsWith(TEMPORARY)) {
      folder.seen.delete(name)
      folder.disk.delete(name)
    }
  }
}
