import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { commandPath } from "../peers/packages.ts"
import { ROOT } from "../support/source-tree.ts"

const test = suite("firmware/lockgate.service")
const unit = readFileSync(join(ROOT, "firmware/lockgate.service"), "utf8")

test("[CR 3.6] the process that holds the outputs is not ended with the gateway", () => {
  assert.match(unit, /^KillMode=process$/m)
})

/** The flags that the launcher gives the runtime. */
function launcherFlags(): readonly string[] {
  const launcher = readFileSync(join(ROOT, "firmware/launcher.js"), "utf8")
  return [...(/^const FLAGS = (\[[^\]]*\])/m.exec(launcher)?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(
    ([, flag = ""]) => flag,
  )
}

test("[NDR 2.4] the runtime is started as the launcher does it, with no options from elsewhere", () => {
  const flags = launcherFlags()
  assert.ok(flags.length >= 3)
  assert.match(
    unit,
    `ExecStart=/opt/lockgate/node_modules/.bin/node ${flags.join(" ")} /opt/lockgate/firmware/cli.ts run `,
  )
  assert.match(unit, /^UnsetEnvironment=.*\bNODE_OPTIONS\b/m)
})

test("`make` starts the runtime with the same flags, and under them the console, which has Node strip the types, says nothing but its own", async () => {
  const makefile = readFileSync(join(ROOT, "Makefile"), "utf8")
  assert.equal(/^NODE := \$\(BIN\) (.*)$/m.exec(makefile)?.[1], launcherFlags().join(" "))
  const child = spawn(process.execPath, [...launcherFlags(), join(ROOT, "firmware/cli.ts"), "console", "--port", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] },
  })
  let [out, err] = ["", ""]
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()))
  await new Promise<void>((resolve) => {
    child.once("exit", () => resolve())
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
      if (out.includes("Ctrl-C")) child.kill("SIGINT")
    })
  })
  assert.match(out, /^the console is at http/)
  assert.is(err, "")
})

if (commandPath("systemd-analyze") !== null)
  test("systemd finds nothing wrong with it", () => {
    const folder = mkdtempSync(join(tmpdir(), "lockgate-unit-"))
    const file = join(folder, "lockgate.service")
    writeFileSync(file, unit.replace("/opt/lockgate/node_modules/.bin/node", process.execPath))
    const { stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" })
    rmSync(folder, { recursive: true })
    assert.not.match(stderr, /lockgate\.service/)
  })

test.run()
