import { spawnSync } from "node:child_process"
import { accessSync, constants, globSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { closureOnDisk, ROOT } from "../support/source-tree.ts"

/** Where packages lie that cannot be installed beside what the machine has, unpacked. */
export const UNPACKED = join(homedir(), ".cache", "lockgate-peers")

/** A Debian package that tests need, and a command, or the path of a file, by which to see that it is there. */
export interface DebianPackage {
  readonly name: string
  readonly command: string
  /** What must succeed for its tests to say anything, words of a command line; empty: nothing. */
  readonly trial: readonly string[]
}

/** The list in `debian-packages.txt`. */
export function debianPackages(): DebianPackage[] {
  const lines = readFileSync(join(ROOT, "test/peers/debian-packages.txt"), "utf8").split("\n")
  return lines
    .map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
    .filter((words) => words.length >= 2)
    .map(([name, command, ...trial]) => ({ name: name!, command: command!, trial }))
}

/** Where `command` lies, or null; a path may have stars. Looks into `sbin` too, which Debian leaves out of a user's PATH. */
export function commandPath(command: string): string | null {
  // What brings no command is seen by a file.
  if (command.startsWith("/")) return globSync(command)[0] ?? null
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"]
  folders.push(join(UNPACKED, "usr/bin"), join(UNPACKED, "usr/sbin"))
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
 * Listed packages that are here and of no use, with what fails: a machine that permits no network namespaces has `nft`
 * and cannot ask it anything. A file that needs one is left out as if the package were missing.
 */
export function unusablePackages(listed: readonly DebianPackage[] = debianPackages()): ReadonlyMap<string, string> {
  const fails = ([command = "", ...args]: readonly string[]): boolean =>
    spawnSync(commandPath(command) ?? command, args).status !== 0
  const tried = listed.filter((p) => p.trial.length > 0 && commandPath(p.command) !== null)
  return new Map(tried.filter((p) => fails(p.trial)).map((p) => [p.name, p.trial.join(" ")]))
}

/**
 * The packages without which a test file (path from the top) cannot run: it imports `test/peers/<package>.ts` or
 * `test/support/<package>-....ts`, itself or through others.
 */
export function packagesNeededBy(testFile: string): string[] {
  const loaded = [...closureOnDisk(testFile)]
  return debianPackages()
    .map((p) => p.name)
    .filter((name) => loaded.some((f) => f === `test/peers/${name}.ts` || f.startsWith(`test/support/${name}-`)))
}
