import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { execFileSync } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { formatFault } from "../../../policy/language/fault.ts"
import { readGatewayConfig } from "../../../firmware/config/read-gateway-config.ts"
import { readText } from "../../../firmware/config/read-text.ts"

const test = suite<{ folder: string }>("firmware/config/read-gateway-config")

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), "lockgate-config-"))
})
test.after.each(async ({ folder }) => rm(folder, { recursive: true, force: true }))

const DOCUMENT = `lockgate-gateway: 1
gateway: g
board: simulated
state: state
trust: { authorities: { ca: ca.pem }, policy-signers: { owner: owner.pem } }
credentials: { c: { key: keys/c.key.pem, certificate: keys/c.pem } }
conduits: {}
management: { socket: s.sock }
`

async function write(folder: string, text: string | Uint8Array): Promise<string> {
  const file = join(folder, "gateway.yaml")
  await writeFile(file, text)
  return file
}

async function faultsOf(file: string): Promise<string[]> {
  const parsed = await readGatewayConfig(file)
  return parsed.ok ? [] : parsed.faults.map((fault) => formatFault({ ...fault, file: "f" }))
}

test("a board file whose files are all there is read", async ({ folder }) => {
  const file = await write(folder, DOCUMENT)
  await mkdir(join(folder, "keys"))
  for (const name of ["ca.pem", "owner.pem", "keys/c.key.pem", "keys/c.pem"]) await writeFile(join(folder, name), "x")
  const parsed = await readGatewayConfig(file)
  assert.ok(parsed.ok)
  assert.is(parsed.value.trust.authorities["ca"], join(folder, "ca.pem"))
  assert.is(parsed.value.stateFolder, join(folder, "state"))
})

test("[CR 3.5] every file that is missing is a fault at the key that names it", async ({ folder }) => {
  const file = await write(folder, `${DOCUMENT}policy-bundle: p.jws\n`)
  await writeFile(join(folder, "ca.pem"), "x")
  await mkdir(join(folder, "owner.pem"))
  const faults = await faultsOf(file)
  assert.is(faults.length, 4)
  const column = DOCUMENT.split("\n")[4]!.indexOf("owner.pem") + 1
  assert.ok(faults[0]!.startsWith(`f:5:${column}: `), faults[0])
  assert.match(faults[0]!, /trust\.policy-signers\.owner: .*owner\.pem.*not a file/)
  assert.match(faults[1]!, /^f:6:26: credentials\.c\.key: .*no such file/)
  assert.match(faults[2]!, /^f:6:55: credentials\.c\.certificate: .*no such file/)
  assert.match(faults[3]!, /^f:9:16: policy-bundle: .*no such file/)
})

test("faults in the text come before any look at the files", async ({ folder }) => {
  const faults = await faultsOf(await write(folder, DOCUMENT.replace("simulated", "toaster")))
  assert.is(faults.length, 1)
  assert.match(faults[0]!, /^f:3:8: board: /)
})

test("a board file that is not there, a folder, a dangling link or unreadable is a fault", async ({ folder }) => {
  assert.match((await faultsOf(join(folder, "none.yaml")))[0]!, "no such file")
  assert.match((await faultsOf(folder))[0]!, "not a file")
  const link = join(folder, "link")
  await symlink(join(folder, "nowhere"), link)
  assert.match((await faultsOf(link))[0]!, "no such file")
  const file = await write(folder, DOCUMENT)
  await chmod(file, 0)
  // Root reads everything: then the files it names are what is missing.
  assert.match((await faultsOf(file))[0]!, process.getuid?.() === 0 ? "ca.pem" : "permission denied")
})

test("[CR 3.5] a pipe that nobody writes to does not hold the reader up", async ({ folder }) => {
  const pipe = join(folder, "pipe")
  execFileSync("mkfifo", [pipe])
  assert.match((await faultsOf(pipe))[0]!, "not a file")
  await writeFile(join(folder, "gateway.yaml"), DOCUMENT.replace("ca.pem", "pipe"))
  assert.match((await faultsOf(join(folder, "gateway.yaml")))[0]!, "not a file")
})

test("[CR 3.5] text that is not UTF-8 and text that is too long are faults", async ({ folder }) => {
  assert.match((await faultsOf(await write(folder, Uint8Array.of(0x61, 0xff))))[0]!, "not UTF-8")
  assert.match((await faultsOf(await write(folder, "#".repeat(256 * 1024 + 1))))[0]!, "more than 262144 bytes")
  const small = await write(folder, "abc")
  assert.equal(await readText(small, 3), { ok: true, value: "abc" })
  assert.not((await readText(small, 2)).ok)
})

test.run()
