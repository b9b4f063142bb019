import { lstat, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { policyFmt } from "../../../firmware/cli/policy-fmt.ts"
import { policy } from "../../support/policy-text.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-fmt")

const run = (...args: string[]) => runCli((io) => policyFmt(args, io))

/** A file with `text`, and its folder, gone afterwards. */
async function withFile(text: string, body: (file: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "lockgate-fmt-"))
  try {
    await writeFile(join(folder, "p.yaml"), text)
    await body(join(folder, "p.yaml"), folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const LOOSE = policy({ subjects: "subjects:   []   # nobody" })

test("prints the canonical layout and leaves the file alone", async () => {
  await withFile(LOOSE, async (file) => {
    const { code, out, err } = await run(file)
    assert.equal([code, err], [0, ""])
    assert.match(out, /\nsubjects: \[\] # nobody\n/)
    assert.is(await readFile(file, "utf8"), LOOSE)
  })
})

test("--write writes it whole, through a link, and has nothing to do the second time", async () => {
  await withFile(LOOSE, async (file, folder) => {
    const link = join(folder, "link.yaml")
    await symlink(file, link)
    assert.equal([(await run("--check", file)).code, (await run("--write", link)).code], [1, 0])
    assert.ok((await lstat(link)).isSymbolicLink())
    assert.match(await readFile(file, "utf8"), /\nsubjects: \[\] # nobody\n/)
    assert.equal(await run("--check", file), { code: 0, out: "", err: "" })
    assert.match((await run("--write", file)).out, "is in canonical layout")
    assert.equal((await readdir(folder)).toSorted(), ["link.yaml", "p.yaml"])
  })
})

test("--check tells what to do", async () => {
  await withFile(LOOSE, async (file) => {
    const { code, err } = await run(file, "--check")
    assert.is(code, 1)
    assert.match(err, `lockgate policy fmt --write ${file}`)
    assert.is(await readFile(file, "utf8"), LOOSE)
  })
})

test("[CR 3.5] a faulty policy is not touched, its faults are told", async () => {
  const faulty = policy({ roles: "roles: 7" })
  await withFile(faulty, async (file) => {
    const { code, out, err } = await run("--write", file)
    assert.equal([code, out], [2, ""])
    assert.match(err, /p\.yaml:\d+:\d+: roles: expected a map/)
    assert.is(await readFile(file, "utf8"), faulty)
    assert.match((await run(`${file}.none`)).err, "there is no such file")
  })
})

test("wrong arguments are told, exit code 2", async () => {
  for (const args of [[], ["a", "b"], ["--fix", "a"], ["--check", "--write", "a"]]) {
    const { code, err } = await run(...args)
    assert.is(code, 2)
    assert.match(err, "usage: lockgate policy fmt")
  }
})

test.run()
