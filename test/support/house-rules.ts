import { closure, importsOf, withoutComments, type Tree } from "./source-tree.ts"

/** What `package.json` says that the rules need. */
export interface Manifest {
  readonly dependencies: readonly string[]
  readonly devDependencies: readonly string[]
}

const OURS = ["firmware", "hal", "policy", "provisioning", "bench", "test"]
const CARD = [...OURS, "package.json", "package-lock.json", "tsconfig.json", "Makefile"]
const PAPERS = ["README.md", "LICENSE", "SECURITY.md", "CHANGELOG.md"]

const PORTS = /^hal\/[^/]+\.ts$/
const BASE = /^policy\/base\//
const CERTIFICATES = /^(jose|@peculiar\/.+|reflect-metadata)$/
const FORGE = /^node-forge$/
const protocolAnd = (...more: RegExp[]): RegExp[] => [/^provisioning\/protocol\//, /^policy\//, PORTS, ...more]

/** The layer table: folder to what it may import. The first row that fits a file counts; firmware, bench and test follow below. */
const LAYERS: readonly (readonly [folder: RegExp, mayImport: readonly RegExp[]])[] = [
  [BASE, [BASE]],
  [/^policy\/language\/yaml-text\.ts$/, [/^policy\//, /^yaml$/]],
  [/^policy\//, [/^policy\//]],
  [/^hal\/linux\/serial\.ts$/, [/^hal\//, BASE, /^node:/, /^@serialport\/(stream|bindings-cpp)$/]],
  [/^hal\/linux\//, [/^hal\//, BASE, /^node:/]],
  [/^hal\/memory\//, [/^hal\/memory\//, PORTS, BASE]],
  [/^hal\//, [PORTS, BASE]],
  // Runs in the operator's browser.
  [/^firmware\/console\/page\//, [/^firmware\/console\/page\//, /^policy\//, /^(mqtt|uplot|@noble\/hashes)$/]],
  [/^provisioning\/protocol\//, protocolAnd(/^protobufjs$/)],
  [/^provisioning\/oem\//, protocolAnd(/^provisioning\/oem\//, CERTIFICATES, FORGE)],
  [/^provisioning\/device\//, protocolAnd(/^provisioning\/device\//, CERTIFICATES)],
  [/^provisioning\/technician\//, protocolAnd(/^provisioning\/technician\//, CERTIFICATES)],
  [/^provisioning\/owner\//, protocolAnd(/^provisioning\/owner\//, CERTIFICATES)],
  [/^provisioning\//, [/^provisioning\//, /^policy\//, PORTS, CERTIFICATES]],
]
const ROOTS = /^(firmware\/(gateway\.ts|lines\/process\.ts|cli[./-]|demo\/)|hal\/linux\/|test\/|bench\/)/
/** Loads a native addon. */
const ADDON = "hal/linux/serial.ts"
/** Written by `make generate`, read by nobody. */
const GENERATED = /\.generated(\.d)?\.[jt]s$/
const GATEWAY = "firmware/gateway.ts"
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.\w|\bset(Timeout|Interval|Immediate)\(|\bprocess\.\w|\bfetch\(|\bcrypto\.(subtle|getRandom|random)/

/** Listens for session keys, or has TLS written out in clear. */
const KEY_LOG = /\w+\(\s*["'`]keylog["'`]|\benableTrace\b|\bSSLKEYLOGFILE\b/

const EXPORTED = /^export (?:abstract )?(?:async )?(?:function\*?|class|interface) (\w+)/

/** Every breach of the house rules in `tree`, each as `path: what is wrong`. */
export function breaches(tree: Tree, manifest: Manifest): string[] {
  const found = [...topLevel(tree), ...readmes(tree), ...gatewayClosure(tree, manifest)]
  for (const [path, source] of tree) {
    if (!/\.[jt]s$/.test(path)) continue
    const say = (what: string): number => found.push(`${path}: ${what}`)
    for (const what of [...layer(path, source, manifest), ...form(path, source)]) say(what)
  }
  return found
}

function* layer(path: string, source: string, manifest: Manifest): Generator<string> {
  const row = LAYERS.find(([folder]) => folder.test(path))?.[1]
  for (const name of importsOf(path, source)) {
    if (row !== undefined && !row.some((form) => form.test(name))) yield `may not import ${name}`
    if (/^(test|bench)\//.test(name) && !/^(test|bench)\//.test(path)) yield `imports ${name}, which only proves`
    if (name === ADDON && !/^(firmware\/lines\/process\.ts$|test\/|bench\/)/.test(path))
      yield `imports ${name}: native addons are loaded by the process lines alone`
    if (name.startsWith("hal/linux/") && !ROOTS.test(path)) yield `names ${name}, but is no composition root`
    if (path.startsWith("firmware/")) {
      if (/^@serialport\//.test(name)) yield `imports ${name}: native addons are loaded by the process lines alone`
      if (FORGE.test(name)) yield "node-forge belongs to provisioning/oem"
      if (name === "yaml") yield "yaml belongs to policy/language"
      if (!path.startsWith("firmware/demo/") && manifest.devDependencies.includes(name))
        yield `imports ${name}, which is not installed on a gateway`
    }
  }
  if (path.startsWith("policy/") && IMPURE.test(withoutComments(source)))
    yield "reads a clock, randomness or the process"
}

function* form(path: string, source: string): Generator<string> {
  const text = withoutComments(source)
  const name = path.split("/").at(-1) ?? ""
  if (path.endsWith(".test.ts") && !source.trimEnd().endsWith(".run()"))
    yield "does not end in .run(): its tests never run"
  if (/new\s+(tls\.)?TLSSocket\([^;]*?isServer/.test(text))
    yield "a bare server-side TLSSocket fails open: use tls.Server"
  if (!path.startsWith("test/") && KEY_LOG.test(text)) yield "would give away what TLS protects"
  if (!path.startsWith("test/") && /\bimport\((?!\s*["'])/.test(text)) yield "imports a computed name"
  if (source.split("\n").length > 501 && !GENERATED.test(name)) yield "is over 500 lines"
  if (/(^|-)(utils?|helpers?|common|types|managers?|services?)[-.]/.test(name)) yield "has a name that says nothing"
  if (!/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(name)) yield "is not named in kebab-case"
  if (!/^(test|bench)\//.test(path) && !GENERATED.test(name))
    for (const what of unexplained(source)) yield `exports ${what} without a docstring`
  if (name === "index.ts" || /^export \* from/m.test(text)) yield "is a barrel"
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  if (lines.length > 0 && lines.every((line) => /^export .* from "/.test(line))) yield "is a barrel"
}

/** The exported functions, classes and interfaces of a source that nobody explains; of overloads the first must be. */
function unexplained(source: string): string[] {
  const seen = new Set<string>()
  const found: string[] = []
  const lines = source.split("\n")
  for (const [at, line] of lines.entries()) {
    const name = EXPORTED.exec(line)?.[1]
    if (name === undefined || seen.has(name)) continue
    seen.add(name)
    const above = lines.slice(0, at).findLast((before) => !before.startsWith("//"))
    if (above?.endsWith("*/") !== true) found.push(name)
  }
  return found
}

function topLevel(tree: Tree): string[] {
  const tops = new Set([...tree.keys()].map((path) => path.split("/", 1)[0] ?? ""))
  const card = [...CARD, ...PAPERS]
  return [
    ...[...tops].filter((top) => !card.includes(top)).map((top) => `${top}: is not on the card`),
    ...card.filter((top) => !tops.has(top)).map((top) => `${top}: is missing from the top level`),
  ]
}

/** Folders with sources explain themselves; one under `test/` that mirrors a source folder is explained there. */
function readmes(tree: Tree): string[] {
  const folders = new Set([...tree.keys()].filter((path) => /\/.*\.[jt]s$/.test(path)).map(folderOf))
  for (const folder of [...folders]) for (let up = folder; up !== ""; up = folderOf(up)) folders.add(up)
  const mirrors = (folder: string): boolean => folder.startsWith("test/") && folders.has(folder.slice("test/".length))
  return [...folders].filter((f) => !mirrors(f) && !tree.has(`${f}/README.md`)).map((f) => `${f}: has no README.md`)
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ""
}

function gatewayClosure(tree: Tree, manifest: Manifest): string[] {
  if (!tree.has(GATEWAY)) return []
  const banned = /^firmware\/demo\/|^provisioning\/(oem|technician|owner)\//
  return [...closure(GATEWAY, (path) => tree.get(path))]
    .filter((name) => banned.test(name) || manifest.devDependencies.includes(name))
    .map((name) => `${GATEWAY}: the gateway would load ${name}`)
}
