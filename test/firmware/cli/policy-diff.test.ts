import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { policyDiff } from "../../../firmware/cli/policy-diff.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-diff")

const example = fileURLToPath(new URL("../../../policy/examples/pumping-station.yaml", import.meta.url))

const run = (...args: string[]) => runCli((io) => policyDiff(args, io))

test("exit code 0 and one line for policies that mean the same, 1 and the changes for others", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockgate-diff-"))
  try {
    const other = join(folder, "other.yaml")
    const text = await readFile(example, "utf8")
    await writeFile(other, `# another comment\n${text.replace("id: report", "id: reports")}`)
    const same = await run(example, other)
    assert.is(same.code, 0)
    assert.match(same.out, "no change: nobody could tell them apart")
    await writeFile(
      other,
      text.replace("payload: 4KiB", "payload: 8KiB").replace('["plant/#"]', '["plant/#", "line/#"]'),
    )
    const { code, out } = await run(example, other)
    assert.is(code, 1)
    assert.match(out, /: 2 now allowed, \d+ on other terms\n/)
    assert.match(
      out,
      "+ now allowed: receive line/#\n    for       historian on telemetry\n    example   line\n    rules     none -> history",
    )
    assert.match(out, "payload 4KiB -> 8KiB")
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test("wrong arguments and faulty files are told, exit code 2", async () => {
  for (const args of [[], [example], ["--fix", example], ["--state", "/nowhere", example, example]]) {
    const { code, err } = await run(...args)
    assert.is(code, 2)
    assert.match(err, "usage: lockgate policy diff")
  }
  assert.match((await run(example, "/nowhere.yaml")).err, "there is no such file")
  assert.match((await run("--state", "/nowhere", example)).err, "no policy is in force")
})

test.run()
