import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { policyCheck } from "../../../firmware/cli/policy-check.ts"
import { policySchema } from "../../../firmware/cli/policy-schema.ts"
import { gatewayJsonSchema } from "../../../firmware/config/gateway-shape.ts"
import { casesJsonSchema } from "../../../policy/analysis/cases-shape.ts"
import { policyJsonSchema } from "../../../policy/language/policy-shape.ts"

const test = suite("firmware/cli/policy-check")

const example = fileURLToPath(new URL("../../../policy/examples/packaging-line.yaml", import.meta.url))

interface Run {
  readonly exitCode: number
  readonly lines: readonly string[]
  readonly errors: readonly string[]
}

async function run(command: typeof policyCheck, ...args: string[]): Promise<Run> {
  const lines: string[] = []
  const errors: string[] = []
  const into = (list: string[]) => (text: string) => void list.push(text.replace(/\n$/, ""))
  const io = { out: into(lines), err: into(errors), isTTY: false, signal: new AbortController().signal }
  return { exitCode: await command(args, io), lines, errors }
}

test("a good policy is summed up, exit code 0", async () => {
  const { exitCode, lines, errors } = await run(policyCheck, example)
  assert.is(exitCode, 0)
  assert.equal(lines, [`${example}: ok: 2 zones, 3 roles, 3 subject entries, 1 conduit, 9 rules`])
  assert.equal(errors, [])
})

test("[CR 3.5] every fault of every file is a line, exit code 2", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockgate-check-"))
  try {
    const bad = join(folder, "bad.yaml")
    const text = await readFile(example, "utf8")
    await writeFile(
      bad,
      text.replace("retain: true", "retain: yes").replace("roles: [quality], topics", "roles: [qualty], topics"),
    )
    const { exitCode, lines, errors } = await run(policyCheck, bad, example, join(folder, "none.yaml"))
    assert.is(exitCode, 2)
    assert.is(lines.length, 1)
    assert.is(errors.length, 3)
    assert.match(
      errors[0]!,
      /bad\.yaml:\d+:\d+: rules\[5\]\.retain: expected true or false, found "yes" \(write true\)$/,
    )
    assert.match(errors[1]!, /rules\[6\]\.roles\[0\]: there is no role "qualty" \(did you mean "quality"\?\)$/)
    assert.match(errors[2]!, /none\.yaml:1:1: cannot be read: there is no such file$/)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test("findings follow the summary; with --strict a warning is exit code 1; --posture prints the table", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lockgate-check-"))
  try {
    const weak = join(folder, "weak.yaml")
    await writeFile(weak, (await readFile(example, "utf8")).replace('"spBv1.0/line3/#"', '"#"'))
    const { exitCode, lines } = await run(policyCheck, weak)
    assert.is(exitCode, 0)
    assert.is(lines.length, 2)
    assert.match(lines[1]!, /^ {2}warning {2}rule watch: it opens #: .+ -> name the first levels/)
    assert.is((await run(policyCheck, "--strict", weak)).exitCode, 1)
    assert.is((await run(policyCheck, "--strict", example)).exitCode, 0)
    const posture = await run(policyCheck, example, "--posture")
    assert.match(posture.lines.join("\n"), /island +closed +open +NDR 5\.2/)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test("cases among the policies are read as what they are", async () => {
  const cases = example.replace(".yaml", ".cases.yaml")
  const { exitCode, lines } = await run(policyCheck, example, cases)
  assert.is(exitCode, 0)
  assert.match(lines.at(-1)!, /\.cases\.yaml: ok: \d+ cases; ask them with: lockgate policy test$/)
  const folder = await mkdtemp(join(tmpdir(), "lockgate-check-"))
  try {
    const bad = join(folder, "bad.yaml")
    await writeFile(bad, "lockgate-cases: 1\ncases: 7\n")
    const faulty = await run(policyCheck, bad)
    assert.is(faulty.exitCode, 2)
    assert.is(faulty.errors.length, 1)
    assert.match(faulty.errors[0]!, "bad.yaml:2:8: cases: expected a list")
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test("wrong arguments are told, exit code 2", async () => {
  for (const args of [[], ["--fix"], ["-"]]) assert.is((await run(policyCheck, ...args)).exitCode, 2)
  for (const args of [["plant"], ["policy", "x"]]) assert.is((await run(policySchema, ...args)).exitCode, 2)
})

test("the schemas are printed as JSON", async () => {
  const printed = await run(policySchema)
  assert.is(printed.exitCode, 0)
  assert.equal(JSON.parse(printed.lines.join("\n")), policyJsonSchema())
  assert.equal(JSON.parse((await run(policySchema, "cases")).lines.join("\n")), casesJsonSchema())
  assert.equal(JSON.parse((await run(policySchema, "gateway")).lines.join("\n")), gatewayJsonSchema())
})

test.run()
