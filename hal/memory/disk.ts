import { HardwareError } from "../../policy/base/errors.ts"
import { coins, type Failure, type FaultPlan, type Landed, type StepKind, type Unsynced } from "./fault-plan.ts"

/** A file: what processes see, and what a power cut leaves. Arrays are replaced, never changed in place. */
export interface FileNode {
  readonly kind: "file"
  seen: Uint8Array
  disk: Uint8Array
}

/** A folder: names as processes see them, and as a power cut leaves them. */
export interface FolderNode {
  readonly kind: "folder"
  readonly seen: Map<string, Node>
  readonly disk: Map<string, Node>
}

export type Node = FileNode | FolderNode

/** A change that processes see and the disk does not hold yet. */
type Change =
  | { readonly kind: "bytes"; readonly node: FileNode; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "size"; readonly node: FileNode; readonly size: number }
  | { readonly kind: "name"; readonly node: FolderNode; readonly name: string; readonly to: Node }
  /** Never on disk before the change it follows: a rename does not lose the file by losing its new name. */
  | { readonly kind: "no-name"; readonly node: FolderNode; readonly name: string; readonly follows: Change | null }

/** An empty folder. */
export function newFolder(): FolderNode {
  return { kind: "folder", seen: new Map(), disk: new Map() }
}

/**
 * A file system in memory that knows what is on disk and what is only seen, with power cuts and failing steps.
 *
 * As on Linux: bytes are volatile until their file is synced, names until their folder is; after a failed sync the
 * bytes are still *seen*, are not on disk, and a further sync succeeds without bringing them there.
 */
export class MemoryDisk {
  readonly top: FolderNode
  plan: FaultPlan | null = null
  /** Steps taken so far. */
  steps = 0
  /** Syncs of files that reached the disk. */
  syncs = 0
  /** Awaited before each step: a test holds one back here. */
  gate: ((step: StepKind, path: string) => Promise<void>) | null = null

  #pending: Change[] = []
  #failures: { failure: Failure; left: number }[] = []
  #off = false

  constructor(top: FolderNode = newFolder()) {
    this.top = top
  }

  fail(failure: Failure): void {
    this.#failures.push({ failure, left: failure.times ?? 1 })
  }

  /** Drop every failure that was planned. */
  heal(): void {
    this.#failures = []
  }

  async makeName(step: "folder" | "create", path: string, folder: FolderNode, name: string, node: Node): Promise<void> {
    await this.#step(step, path, [{ kind: "name", node: folder, name, to: node }])
  }

  async removeName(path: string, folder: FolderNode, name: string): Promise<void> {
    await this.#step("unlink", path, [{ kind: "no-name", node: folder, name, follows: null }])
  }

  async rename(path: string, from: FolderNode, name: string, to: FolderNode, newName: string): Promise<void> {
    const node = from.seen.get(name)
    if (node === undefined) throw ioError("rename", path, "ENOENT")
    const made: Change = { kind: "name", node: to, name: newName, to: node }
    await this.#step("rename", path, [made, { kind: "no-name", node: from, name, follows: made }])
  }

  async write(path: string, file: FileNode, bytes: Uint8Array): Promise<void> {
    await this.#step("write", path, [{ kind: "bytes", node: file, at: file.seen.length, bytes: bytes.slice() }])
  }

  /** Zeros over all that is there, in place. */
  async blank(path: string, file: FileNode): Promise<void> {
    await this.#step("write", path, [{ kind: "bytes", node: file, at: 0, bytes: new Uint8Array(file.seen.length) }])
  }

  async truncate(path: string, file: FileNode, size: number): Promise<void> {
    await this.#step("truncate", path, [{ kind: "size", node: file, size }])
  }

  /** Bring a file's bytes, or a folder's names, to disk. */
  async sync(path: string, node: Node): Promise<void> {
    const step = node.kind === "file" ? "sync" : "sync-folder"
    await this.#begin(step, path)
    const [mine, others] = divide(this.#pending, (change) => change.node === node)
    if (this.#isCut()) {
      if (this.plan?.landed === "all") this.#pending = this.#settle(mine, others)
      else if (this.plan?.landed !== "none" && step === "sync") {
        for (const change of mine) land(change, this.plan?.landed ?? "none")
      }
      this.#cut()
    }
    const errno = this.#failing(step, path)
    if (errno !== null) {
      if (step === "sync") this.#pending = others
      throw ioError("sync", path, errno)
    }
    this.#pending = this.#settle(mine, others)
    if (step === "sync") this.syncs++
  }

  /** Cut the power now (or note that it was cut); returns what the next boot finds. May be called again. */
  powerCut(unsynced: Unsynced): FolderNode {
    if (!this.#off) this.#surviving(unsynced)
    this.#off = true
    return copyOf(this.top, new Map())
  }

  checkPower(operation: string, path: string): void {
    if (this.#off) throw ioError(operation, path, "power-cut")
  }

  async #step(step: StepKind, path: string, changes: readonly Change[]): Promise<void> {
    await this.#begin(step, path)
    if (this.#isCut()) {
      for (const change of landing(changes, this.plan?.landed ?? "none")) land(change, this.plan?.landed ?? "none")
      this.#cut()
    }
    const errno = this.#failing(step, path)
    if (errno !== null) {
      const [first] = changes
      // A disk that fills up takes a part of the bytes first.
      if (errno === "ENOSPC" && first?.kind === "bytes") {
        this.#take({ ...first, bytes: first.bytes.slice(0, first.bytes.length >> 1) })
      }
      throw ioError(step, path, errno)
    }
    for (const change of changes) this.#take(change)
  }

  async #begin(step: StepKind, path: string): Promise<void> {
    await this.gate?.(step, path)
    this.checkPower(step, path)
    this.steps++
  }

  #take(change: Change): void {
    apply(change, "seen")
    this.#pending.push(change)
  }

  #isCut(): boolean {
    return this.plan !== null && this.steps === this.plan.cutAt
  }

  #cut(): never {
    this.powerCut(this.plan?.unsynced ?? "lost")
    throw ioError("step", String(this.steps), "power-cut")
  }

  #failing(step: StepKind, path: string): string | null {
    const found = this.#failures.find(
      ({ failure, left }) => left > 0 && failure.step === step && path.startsWith(failure.path ?? ""),
    )
    if (found === undefined) return null
    found.left--
    return found.failure.errno
  }

  /** Bring `mine` to disk, and before each removal the change it follows; returns what stays pending. */
  #settle(mine: readonly Change[], others: readonly Change[]): Change[] {
    const first = new Set<Change>()
    for (const change of mine) if (change.kind === "no-name" && change.follows !== null) first.add(change.follows)
    const [followed, rest] = divide(others, (change) => first.has(change))
    for (const change of [...followed, ...mine]) apply(change, "disk")
    return rest
  }

  #surviving(unsynced: Unsynced): void {
    const lives = unsynced === "kept" ? () => true : unsynced === "lost" ? () => false : coins(unsynced.subset)
    const gone = new Set<Change>()
    for (const change of this.#pending) {
      const orphan = change.kind === "no-name" && change.follows !== null && gone.has(change.follows)
      if (lives() && !orphan) apply(change, "disk")
      else gone.add(change)
    }
    this.#pending = []
  }
}

/** A HardwareError `ERR_IO` as the Linux adapter throws it. */
export function ioError(operation: string, path: string, errno: string): HardwareError<"ERR_IO"> {
  return new HardwareError("ERR_IO", `${operation} ${path}: ${errno}`, { detail: { operation, path, errno } })
}

/** The folder node `path` as processes see it; null if there is none. */
export function folderAt(top: FolderNode, path: string): FolderNode | null {
  let folder = top
  for (const name of path === "" ? [] : path.split("/")) {
    const next = folder.seen.get(name)
    if (next?.kind !== "folder") return null
    folder = next
  }
  return folder
}

function divide<T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))]
}

/** Which changes of the step that power was cut in can land at all. */
function landing(changes: readonly Change[], landed: Landed): readonly Change[] {
  if (landed === "none") return []
  if (landed === "all" || changes.some((change) => change.kind === "bytes")) return changes
  // A step on names has no bytes: `prefix` is its first half, `zeros` nothing.
  return landed === "zeros" ? [] : changes.slice(0, 1)
}

function land(change: Change, landed: Landed): void {
  if (change.kind !== "bytes" || landed === "all" || landed === "none") {
    apply(change, "disk")
    return
  }
  const bytes = landed === "zeros" ? new Uint8Array(change.bytes.length) : change.bytes.slice(0, landed.prefix)
  apply({ ...change, bytes }, "disk")
}

function apply(change: Change, where: "seen" | "disk"): void {
  switch (change.kind) {
    case "bytes": {
      const old = change.node[where]
      const next = new Uint8Array(Math.max(old.length, change.at + change.bytes.length))
      next.set(old)
      next.set(change.bytes, change.at)
      change.node[where] = next
      return
    }
    case "size": {
      const next = new Uint8Array(change.size)
      next.set(change.node[where].subarray(0, change.size))
      change.node[where] = next
      return
    }
    case "name":
      change.node[where].set(change.name, change.to)
      return
    case "no-name":
      change.node[where].delete(change.name)
      return
  }
}

/** The tree that is on disk, as a boot sees it. A file with two names stays one file. */
function copyOf<T extends Node>(node: T, done: Map<Node, Node>): T
function copyOf(node: Node, done: Map<Node, Node>): Node {
  const known = done.get(node)
  if (known !== undefined) return known
  if (node.kind === "file") {
    const file: FileNode = { kind: "file", seen: node.disk, disk: node.disk }
    done.set(node, file)
    return file
  }
  const folder = newFolder()
  done.set(node, folder)
  for (const [name, child] of node.disk) {
    const copy = copyOf(child, done)
    folder.seen.set(name, copy)
    folder.disk.set(name, copy)
  }
  return folder
}
