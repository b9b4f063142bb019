import { accessSync, constants, readFileSync } from "node:fs"
import { join } from "node:path"
import { closureOnDisk, ROOT } from "../support/source-tree.ts"

/** A Debian package that tests need, and a command by which to see that it is there. */
export interface DebianPackage {
  readonly name: string
  readonly command: string
}

/** The list in `debian-packages.txt`. */
export function debianPackages(): DebianPackage[] {
  const lines = readFileSync(join(ROOT, "test/peers/debian-packages.txt"), "utf8").split("\n")
  return lines
    .map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
    .filter((words) => words.length === 2)
    .map(([name, command]) => ({ name: name!, command: command! }))
}

/** Where `command` lies, or null. Looks into `sbin` too, which Debian leaves out of a user's PATH. */
export function commandPath(command: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"]
  for (const folder of folders) {
    const path = join(folder, command)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return null
}

/** Names of the listed packages whose command is not on this machine. */
export function missingPackages(): string[] {
  return debianPackages()
    .filter((p) => commandPath(p.command) === null)
    .map((p) => p.name)
}

/**
 * The packages without which a test file (path from the top) cannot run: it imports `test/peers/<package>.ts`, itself
 * or through others.
 */
export function packagesNeededBy(testFile: string): string[] {
  const loaded = closureOnDisk(testFile)
  return debianPackages()
    .map((p) => p.name)
    .filter((name) => loaded.has(`test/peers/${name}.ts`))
}
