import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { onSmallDisk } from "../../peers/mount.ts"

const test = suite("firmware/audit/full-disk")

const CHILD = fileURLToPath(new URL("../../support/full-disk-child.ts", import.meta.url))

test("[CR 2.9] [CR 2.10] a real disk that is full, is filled by others, and is read-only: the log goes on by itself and says what it lost", async () => {
  const seen = (await onSmallDisk(CHILD, "2m")) as Record<string, unknown> & { kept: { lost: number }; told: string[] } // prettier-ignore
  // It kept within the disk: the oldest made room, and nothing was lost.
  assert.is(seen.kept.lost, 0)
  assert.ok(seen.told.includes("audit.overwritten disk"), JSON.stringify(seen))
  assert.is(seen["failing"], true)
  assert.ok(seen.told.includes("audit.lost failing"), JSON.stringify(seen))
  assert.equal([seen["readOnly"], seen["damage"]], ["ERR_IO", 0])
})

test.run()
