import { spawnSync } from "node:child_process"
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

test("[NDR 2.4] the runtime is started as the launcher does it, with no options from elsewhere", () => {
  const launcher = readFileSync(join(ROOT, "firmware/launcher.js"), "utf8")
  const flags = [...(/^const FLAGS = (\[[^\]]*\])/m.exec(launcher)?.[1] ?? "").matchAll(/"([^"]+)"/g)].map((m) => m[1])
  assert.ok(flags.length >= 3)
  assert.match(
    unit,
    `ExecStart=/opt/lockgate/node_modules/.bin/node ${flags.join(" ")} /opt/lockgate/firmware/cli.ts run `,
  )
  assert.match(unit, /^UnsetEnvironment=.*\bNODE_OPTIONS\b/m)
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
