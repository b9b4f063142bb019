import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"

/** The project's own files by path from the top (`/`-separated): sources and READMEs with their text, others as "". */
export type Tree = ReadonlyMap<string, string>

/** The folder that holds `package.json`, with a trailing slash. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** Every file below `root`, without dotfiles, packages and stray logs. */
export function readTree(root: string): Tree {
  const tree = new Map<string, string>()
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.name.startsWith(".") || entry.name === "node_modules" || entry.name.endsWith(".log")) continue
      const path = folder + entry.name
      if (entry.isDirectory()) walk(`${path}/`)
      else tree.set(path, /\.(ts|js|md)$/.test(path) ? readFileSync(join(root, path), "utf8") : "")
    }
  }
  walk("")
  return tree
}

/** `source` without comments. Strings that hold `//` after a colon (addresses) survive. */
export function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1")
}

const IMPORTS = [
  /^\s*(?:import|export)(?:\s[\w\s{},*$]*?\sfrom)?\s*["']([^"']+)["']/gm,
  /\b(?:import|require)\(\s*["']([^"']+)["']/g,
  // A worker is imported too, in all but name.
  /new URL\(\s*["'](\.[^"']+\.[jt]s)["'],\s*import\.meta\.url/g,
]

/** What the file at `path` imports: paths from the top for our own files, names for packages (`node:fs`, `yaml`). */
export function importsOf(path: string, source: string): string[] {
  const text = withoutComments(source)
  return IMPORTS.flatMap((form) => [...text.matchAll(form)]).map((match) => {
    const name = match[1] ?? ""
    if (name.startsWith(".")) return normalize(join(dirname(path), name))
    return name.startsWith("node:") ? name : name.split("/", name.startsWith("@") ? 2 : 1).join("/")
  })
}

/** Everything that loading `entry` loads, `entry` included: our files and package names. */
export function closure(entry: string, read: (path: string) => string | undefined): Set<string> {
  const reached = new Set([entry])
  for (const path of reached) {
    const source = /\.[jt]s$/.test(path) ? read(path) : undefined
    if (source !== undefined) for (const name of importsOf(path, source)) reached.add(name)
  }
  return reached
}

/** `closure` over the files on disk. */
export function closureOnDisk(entry: string): Set<string> {
  return closure(entry, (path) => {
    const file = join(ROOT, path)
    return existsSync(file) ? readFileSync(file, "utf8") : undefined
  })
}
