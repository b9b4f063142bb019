/** Which files the page consists of, and how they are made ready for a browser: no bundler, no build step. */
import { existsSync, readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { posix } from "node:path"
import { fileURLToPath } from "node:url"
import { StateError } from "../../policy/base/errors.ts"

/** One file as it is served. */
export interface PageFile {
  readonly type: string
  readonly body: Buffer
}

const ROOT = new URL("../../", import.meta.url)
const PAGE = "firmware/console/page/"
const MODULE = "text/javascript; charset=utf-8"
/** Where packages lie that the page imports by name; each is served as it was installed. */
const PACKAGES: Readonly<Record<string, string>> = {
  mqtt: "node_modules/mqtt/dist/mqtt.esm.js",
  uplot: "node_modules/uplot/dist/uPlot.esm.js",
  "@noble/hashes/sha2.js": "node_modules/@noble/hashes/sha2.js",
}
/** Modules that a browser is told to load, and from which all others are reached. */
const ENTRIES = [`${PAGE}main.ts`, `${PAGE}worker.ts`]
const CSS = "text/css; charset=utf-8"
const STYLES = ["theme", "elements", "layout", "verdict", "fleet", "timeline", "table", "detail"]
const PLAIN: Readonly<Record<string, readonly [path: string, type: string]>> = {
  "/": [`${PAGE}console.html`, "text/html; charset=utf-8"],
  "/icon.svg": [`${PAGE}icon.svg`, "image/svg+xml"],
  "/uplot.css": ["node_modules/uplot/dist/uPlot.min.css", CSS],
  ...Object.fromEntries(STYLES.map((name) => [`/style/${name}.css`, [`${PAGE}style/${name}.css`, CSS] as const])),
}
const IMPORT = /(\bfrom\s*|^import\s*)(["'])([^"'\n]+)\2/gm

/**
 * Every file of the page by the path it is served at; there are no others. Modules keep their `.ts` addresses and lose their
 * types; packages are named by address, since neither workers nor a strict policy take import maps.
 *
 * @throws StateError `ERR_CONSOLE_FILES` if a file is missing, e.g. because the packages are not installed
 */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>()
  for (const [url, [path, type]] of Object.entries(PLAIN)) files.set(url, { type, body: Buffer.from(read(path)) })
  const modules = new Set(ENTRIES)
  for (const path of modules) {
    const source = read(path)
    const stripped = path.endsWith(".ts") ? stripTypeScriptTypes(source, { mode: "strip" }) : source
    const isOurs = !path.startsWith("node_modules/")
    const text = stripped.replace(IMPORT, (whole: string, word: string, mark: string, name: string) => {
      const found = name.startsWith(".") ? posix.join(posix.dirname(path), name) : isOurs ? PACKAGES[name] : undefined
      // In packages the form may stand in a comment or a string.
      if (found === undefined || (!isOurs && !existsSync(fileURLToPath(new URL(found, ROOT))))) return whole
      modules.add(found)
      return `${word}${mark}/${found}${mark}`
    })
    files.set(`/${path}`, { type: MODULE, body: Buffer.from(text) })
  }
  return files
}

function read(path: string): string {
  try {
    return readFileSync(new URL(path, ROOT), "utf8")
  } catch (cause) {
    throw new StateError("ERR_CONSOLE_FILES", `the page lacks ${path}: run "make setup"`, { cause })
  }
}
