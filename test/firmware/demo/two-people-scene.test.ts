/** The scene of two people, at the real gateway that it starts. */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { playTwoPeople } from "../../../firmware/demo/two-people-scene.ts"

const test = suite("firmware/demo/two-people-scene")
const folder = mkdtempSync(join(tmpdir(), "lockgate-two-"))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test("[CR 2.1 RE(4), CR 1.11] anna's command waits for ben, the log names both, and a guesser is locked out", async () => {
  const lines: string[] = []
  const { signal } = new AbortController()
  await playTwoPeople(folder, { afterMs: 0, stepMs: 0 }, (line) => void lines.push(line), signal)
  assert.is(lines.length, 4)
  assert.match(lines[1] ?? "", /anna closes: done; anna opens again: waits for a second person as [0-9a-f]{12}/)
  assert.match(lines[2] ?? "", /herself: refused \(ERR_COMMAND_STATE\); ben approves it: done; entry \d+ names anna and ben$/) // prettier-ignore
  assert.match(lines[3] ?? "", /: refused \(ERR_NOT_AUTHENTICATED\), and the guesser is locked out \(entry \d+\); ben's key meanwhile: done/) // prettier-ignore
  assert.not(existsSync(join(folder, "people")))
})

test("whoever ends the demo before has no second gateway started", async () => {
  const lines: string[] = []
  await playTwoPeople(folder, { afterMs: 60_000, stepMs: 0 }, (line) => void lines.push(line), AbortSignal.abort())
  assert.equal([lines, existsSync(join(folder, "people"))], [[], false])
})

test.run()
