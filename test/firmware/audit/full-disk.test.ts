import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"

const test = suite("firmware/audit/full-disk")

const CHILD = fileURLToPath(new URL("../../support/full-disk.ts", import.meta.url))
const MOUNTED = `mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" "$3" "$1"`
const mayMount =
  spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt && mount -o remount,ro /mnt"]).status === 0

if (!mayMount) console.error("skipped: a disk that is really full takes root, to mount one")
else {
  test("[CR 2.9] [CR 2.10] a real disk that is full, is filled by others, and is read-only: the log goes on by itself and says what it lost", () => {
    const folder = mkdtempSync(join(tmpdir(), "lockgate-full-disk-"))
    const args = ["--mount", "--propagation", "private", "sh", "-c", MOUNTED, "sh", folder, process.execPath, CHILD]
    const { stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", timeout: 60_000 })
    rmSync(folder, { recursive: true, force: true })
    assert.ok(stdout.startsWith("{"), stderr)
    const seen = JSON.parse(stdout) as Record<string, unknown> & { kept: { lost: number }; told: string[] } // prettier-ignore
    // It kept within the disk: the oldest made room, and nothing was lost.
    assert.is(seen.kept.lost, 0)
    assert.ok(seen.told.includes("audit.overwritten disk"), stdout)
    assert.is(seen["failing"], true)
    assert.ok(seen.told.includes("audit.lost failing"), stdout)
    assert.equal([seen["readOnly"], seen["damage"]], ["ERR_IO", 0])
  })
}

test.run()
