/**
 * Runs the benches: every `bench/*.bench.ts`, or those whose name contains an argument. Each in a process of its own, one
 * after the other, so that none feels another's heap or the code that V8 made for it.
 */
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL(".", import.meta.url))
const wanted = process.argv.slice(2)
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".bench.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((word) => name.includes(word)))
  .sort()

if (names.length === 0) {
  console.error(`no bench matches ${wanted.join(" ")}`)
  process.exitCode = 1
}
for (const name of names) {
  const { status } = spawnSync(process.execPath, [...process.execArgv, "--expose-gc", `${folder}${name}`], {
    stdio: "inherit",
  })
  if (status !== 0) {
    console.error(`${name} failed`)
    process.exitCode = 1
  }
}
