import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { policyTest } from "../../../firmware/cli/policy-test.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-test")

const example = fileURLToPath(new URL("../../../policy/examples/pumping-station.yaml", import.meta.url))

const run = (...args: string[]) => runCli((io) => policyTest(args, io))

test("the cases beside a policy are asked; all pass and every rule decides one", async () => {
  const { code, out, err } = await run(example)
  assert.is(code, 0, out + err)
  assert.match(out, /^(\d+) cases: \1 passed, 0 failed\n12 of 12 rules decided a case\n$/)
})

test("a case that fails is told with its line and why; rules that decided none are named", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockgate-cases-"))
  try {
    const cases = join(folder, "own.yaml")
    await writeFile(cases, "lockgate-cases: 1\ncases:\n  - { as: historian, publish: plant/a, expect: allow }\n")
    const { code, out } = await run(example, cases)
    assert.is(code, 1)
    assert.match(out, `FAILED  ${cases}:3: historian: publish plant/a\n        expected allow, found deny (no-rule)\n`)
    assert.match(out, "nearest   rule history")
    assert.match(
      out,
      "0 of 12 rules decided a case; none was decided by report, last-will, set-points, history, no-secrets",
    )
    await writeFile(cases, "lockgate-cases: 1\ncases:\n  - { as: historian }\n")
    const faulty = await run(example, cases)
    assert.is(faulty.code, 2)
    assert.match(faulty.err, `${cases}:3:5: cases[0]: a case needs the key`)
    const alone = join(folder, "alone.yaml")
    await writeFile(alone, await readFile(example, "utf8"))
    const none = (await run(alone)).err
    assert.match(none, "alone.cases.yaml:1:1: cannot be read: there is no such file")
    assert.match(none, "write its cases there, or name the file that has them")
    // One for the other.
    const other = await run(example, example)
    assert.equal(
      [other.code, other.err],
      [2, `${example}: this is a policy, not cases; policies are tested one at a time\n`],
    )
    const beside = example.replace(".yaml", ".cases.yaml")
    const turned = await run(beside)
    assert.equal(
      [turned.code, turned.err],
      [2, `${beside}: these are cases; name the policy that they are for, such as ${example}\n`],
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test("wrong arguments are told, exit code 2", async () => {
  for (const args of [[], ["--fix"], [example, "-x"]]) assert.is((await run(...args)).code, 2)
})

test.run()
