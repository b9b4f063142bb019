/** The layer table of the house and its other rules (see `README.md`, "The house"), held against the tree. */
import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { breaches, type Manifest } from "./support/house-rules.ts"
import { closure, importsOf, readTree, ROOT } from "./support/source-tree.ts"

const test = suite("architecture")
const json = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"))
const manifest: Manifest = {
  dependencies: Object.keys(json.dependencies),
  devDependencies: Object.keys(json.devDependencies),
}
const real = readTree(ROOT)

test("the tree keeps every rule of the house", () => {
  assert.equal(breaches(real, manifest), [])
})

const load = (name: string): string => `import { x } from "${name}"\n`
/** Spelt apart from its `new`, so that this file is not what it looks for. */
const BARE = "TLSSocket"
/** One file that breaks one rule, and what is said of it. */
const BREAKS: readonly (readonly [path: string, source: string, said: string])[] = [
  ["policy/base/a.ts", load("../time/interval.ts"), "may not import policy/time/interval.ts"],
  ["policy/filter/a.ts", load("node:fs"), "may not import node:fs"],
  ["policy/filter/a.ts", `export type { A } from "node:fs"\nlet a`, "may not import node:fs"],
  ["policy/filter/a.ts", `let a: import("jose").A`, "may not import jose"],
  ["policy/filter/a.ts", load("yaml"), "may not import yaml"],
  ["policy/filter/a.ts", load("../../hal/clock.ts"), "may not import hal/clock.ts"],
  ["policy/filter/a.ts", "const a = Date.now()", "reads a clock"],
  ["policy/filter/a.ts", "const a = Math.random()", "reads a clock"],
  ["policy/language/a.ts", load("yaml"), "may not import yaml"],
  ["policy/language/yaml-text.ts", load("zod"), "may not import zod"],
  ["hal/a.ts", load("node:fs"), "may not import node:fs"],
  ["hal/a.ts", load("./memory/a.ts"), "may not import hal/memory/a.ts"],
  ["hal/memory/a.ts", load("node:crypto"), "may not import node:crypto"],
  ["hal/memory/a.ts", load("../linux/a.ts"), "may not import hal/linux/a.ts"],
  ["hal/linux/a.ts", load("../../policy/time/interval.ts"), "may not import policy/time"],
  ["provisioning/owner/a.ts", load("node-forge"), "may not import node-forge"],
  ["provisioning/owner/a.ts", load("../../firmware/a.ts"), "may not import firmware/a.ts"],
  ["provisioning/device/a.ts", load("../owner/a.ts"), "may not import provisioning/owner/a.ts"],
  ["firmware/console/page/a.ts", load("node:fs"), "may not import node:fs"],
  ["firmware/console/page/a.ts", load("../server.ts"), "may not import firmware/console/server.ts"],
  ["firmware/a.ts", load("node-forge"), "node-forge belongs to provisioning/oem"],
  ["firmware/a.ts", load("yaml"), "yaml belongs to policy/language"],
  ["firmware/a.ts", load("../hal/linux/a.ts"), "no composition root"],
  ["hal/linux/board.ts", load("./serial.ts"), "loaded by the process lines alone"],
  ["firmware/cli/run.ts", load("../../hal/linux/serial.ts"), "loaded by the process lines alone"],
  ["hal/linux/a.ts", load("@serialport/bindings-cpp"), "may not import @serialport/bindings-cpp"],
  ["firmware/a.ts", load("@serialport/stream"), "loaded by the process lines alone"],
  ["firmware/a.ts", load("aedes"), "not installed on a gateway"],
  ["firmware/a.ts", load("../test/support/rejects.ts"), "only proves"],
  ["firmware/a.ts", `const a = await import("../bench/a.ts")`, "only proves"],
  ["firmware/a.ts", "const a = await import(name)", "imports a computed name"],
  ["firmware/a.ts", `const s = new ${BARE}(c, {\n  isServer: true })`, "fails open"],
  ["firmware/a.ts", `const s = new tls.${BARE}(c, { isServer: true })`, "fails open"],
  ["firmware/a.ts", `socket.on("keylog", (line) => line)`, "give away what TLS protects"],
  ["firmware/a.ts", `server.once(\n  'keylog', take)`, "give away what TLS protects"],
  ["bench/a.ts", "connect({ port, enableTrace: true })", "give away what TLS protects"],
  ["firmware/gateway.ts", load("./demo/plant.ts"), "would load firmware/demo/plant.ts"],
  ["firmware/gateway.ts", load("../provisioning/owner/a.ts"), "would load provisioning/owner/a.ts"],
  ["firmware/gateway.ts", load("aedes"), "would load aedes"],
  ["firmware/gateway.ts", `const w = new URL("./demo/w.ts", import.meta.url)`, "would load firmware/demo/w.ts"],
  ["test/a.test.ts", "test('x', () => {})", "does not end in .run()"],
  ["firmware/a.ts", "let a\n".repeat(501), "is over 500 lines"],
  ["firmware/a.ts", "export async function told() {}", "exports told without a docstring"],
  ["policy/a.ts", "/** Of another. */\nlet a\nexport interface Told {}", "exports Told without a docstring"],
  ["firmware/string-utils.ts", "let a", "a name that says nothing"],
  ["firmware/common.ts", "let a", "a name that says nothing"],
  ["firmware/sessionTable.ts", "let a", "not named in kebab-case"],
  ["firmware/index.ts", "let a", "is a barrel"],
  ["firmware/all.ts", `export { a } from "./a.ts"\nexport { b } from "./b.ts"`, "is a barrel"],
  ["firmware/new-room/a.ts", "let a", "firmware/new-room: has no README.md"],
  ["docs/a.md", "text", "docs: is not on the card"],
]
for (const [path, source, said] of BREAKS)
  test(`finds ${path} that does wrong: ${said}`, () => {
    const found = breaches(new Map([...real, [path, source]]), manifest)
    assert.ok(
      found.some((fault) => fault.includes(said)),
      `expected "${said}" in\n${found.join("\n")}`,
    )
  })

test("finds a top level that lacks something of the card", () => {
  const bare = new Map([...real].filter(([path]) => path !== "SECURITY.md"))
  assert.ok(breaches(bare, manifest).includes("SECURITY.md: is missing from the top level"))
})

test("reads imports in every form, and none in comments", () => {
  const forms = `import "a"\nimport {\n  b,\n} from "b"\nimport type { C } from "@c/c/d"\n// import "d"\n/* import "e" */`
  assert.equal(importsOf("firmware/x.ts", `${forms}\nconst url = "mqtts://x"\nawait import("f")`), [
    "a",
    "b",
    "@c/c",
    "f",
  ])
  const chain = new Map([["a.ts", load("./b.ts")], ["b.ts", load("./c.ts")], ["c.ts", load("./a.ts")]]) // prettier-ignore
  assert.equal([...closure("a.ts", (path) => chain.get(path))], ["a.ts", "b.ts", "c.ts"])
})

test.run()
