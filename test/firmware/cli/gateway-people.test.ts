/** What the commands about people do before and after a gateway is asked; a stand-in answers. The whole story: test/system/people.test.ts. */
import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { accountAdd, accountDisable, accountLines } from "../../../firmware/cli/gateway-accounts.ts"
import { accountPassword } from "../../../firmware/cli/gateway-account-secrets.ts"
import { approvalGive, hashIs } from "../../../firmware/cli/gateway-approvals.ts"
import type { CliHandler, CliInput, CliIo } from "../../../firmware/cli/handler.ts"
import type { CommandAnswer, CommandRequest } from "../../../policy/command/port.ts"
import { waitingText } from "../../../policy/people/approval.ts"
import { captureIo, type Ran } from "../../support/cli-io.ts"

const test = suite("firmware/cli/gateway-people")
const folder = mkdtempSync(join(tmpdir(), "lockgate-people-"))
const socket = join(folder, "command.sock")
let answers: Record<string, CommandAnswer> = {}
let asked: CommandRequest[] = []
let server: Server
test.before(async () => {
  server = createServer((one) => {
    one.on("data", (chunk) => {
      const request = JSON.parse(chunk.toString()) as CommandRequest
      asked.push(request)
      const nothing: CommandAnswer = { ok: false, code: "ERR_NOT_PERMITTED", entry: null }
      one.end(`${JSON.stringify(answers[request.command] ?? nothing)}\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
})
test.after(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})
test.before.each(() => {
  answers = {}
  asked = []
})

const ok = (result: unknown): CommandAnswer => ({ ok: true, result })
const FREE = ok({ refused: null, waitsFor: null })
const commands = (): string[] => asked.map(({ command }) => command)

/** The command at a terminal where these lines are typed, or at none. */
async function run(command: CliHandler, args: readonly string[], typed: readonly string[] | null = null): Promise<Ran> {
  const io = captureIo()
  const left = [...(typed ?? [])]
  const next = (): Promise<string | null> => Promise.resolve(left.shift() ?? null)
  const input: CliInput = { isTTY: typed !== null, ask: next, askHidden: next, readAll: async () => "from a pipe\n" }
  const at: CliIo = { ...io, input, env: {} }
  return { code: await command([...args, "--socket", socket], at), out: io.text(), err: io.errors() }
}

test("[CR 2.1] what cannot be taken back is done after yes alone, and not at all where nobody can be asked", async () => {
  answers = { "account.change": ok({ before: null, after: null }) }
  assert.is((await run(accountDisable, ["ben"])).code, 2)
  assert.is((await run(accountDisable, ["ben"], ["y"])).code, 1)
  assert.equal(commands(), [])
  assert.is((await run(accountDisable, ["ben"], ["yes"])).code, 0)
  assert.is((await run(accountDisable, ["ben", "--yes"])).code, 0)
  assert.equal(commands(), ["account.change", "account.change"])
})

test("[CR 2.1 RE(4)] a rehearsal asks for nothing, and tells done, waiting and refused apart by its exit code", async () => {
  const told = async (refused: string | null, waitsFor: string | null): Promise<Ran> => {
    answers = { "approval.needed": ok({ refused, waitsFor }) }
    return run(accountPassword, ["ben", "--dry-run", "--json"])
  }
  assert.is((await told(null, null)).code, 0)
  const waits = await told(null, "ERR_APPROVAL_NEEDED")
  assert.is(waits.code, 3)
  assert.is(JSON.parse(waits.out).waitsFor, "ERR_APPROVAL_NEEDED")
  assert.is((await told(null, "ERR_SECOND_FACTOR")).code, 1)
  assert.is((await told("ERR_NOT_PERMITTED", null)).code, 1)
  assert.equal([...new Set(commands())], ["approval.needed"])
})

test("[CR 1.5] a password is typed twice, or read; it is never taken from an argument", async () => {
  answers = { "account.password-set": ok({ before: null, after: null }) }
  assert.is((await run(accountPassword, ["ben"])).code, 2)
  assert.is((await run(accountPassword, ["ben", "seven grey herons"])).code, 2)
  assert.is((await run(accountPassword, ["ben"], ["one", "another"])).code, 1)
  assert.equal(asked, [])
  assert.is((await run(accountPassword, ["ben"], ["heron", "heron"])).code, 0)
  assert.is((await run(accountPassword, ["ben", "--from", "-"])).code, 0)
  const file = join(folder, "password")
  writeFileSync(file, "in a file\r\n")
  assert.is((await run(accountPassword, ["ben", "--from", file])).code, 0)
  const sent = asked.map((one) => (one.arguments as { password: string }).password)
  assert.equal(sent, ["heron", "from a pipe", "in a file"])
})

test("[CR 1.5] a new key is its user's alone, goes when the account is refused, and stays when the account waits", async () => {
  const key = join(folder, "key.pem")
  const args = ["ben", "--roles", "operator", "--new-key", key]
  answers = {
    "approval.needed": FREE,
    "account.list": ok({ unclaimed: false, fault: null, accounts: [], retired: [] }),
  }
  assert.is((await run(accountAdd, args)).code, 1)
  assert.not(existsSync(key))
  answers["account.create"] = { ok: false, code: "ERR_APPROVAL_NEEDED", entry: 7, waits: "ab".repeat(32) }
  const waits = await run(accountAdd, args)
  assert.is(waits.code, 3)
  assert.match(waits.err, `lockgate gateway approval give ${"ab".repeat(32)}`)
  assert.is(statSync(key).mode & 0o777, 0o600)
  const again = await run(accountAdd, args)
  assert.is(again.code, 2)
  assert.match(again.err, "ERR_FILE_EXISTS")
  assert.ok(existsSync(key))
  const give = asked.filter(({ command }) => command === "account.create").at(-1)?.arguments as { key: string }
  assert.match(give.key, "BEGIN PUBLIC KEY")
  assert.not.match(JSON.stringify(asked), "PRIVATE")
})

test("[CR 2.1 RE(4)] whoever approves is shown what the hash is of; another command under that hash is not approved", async () => {
  const shown = { command: "island", arguments: { state: "off" }, account: "0a", number: "17" }
  const hash = createHash("sha256").update(waitingText(shown)).digest("hex")
  const waiting = { ...shown, hash, by: "anna", permission: "island" as const, secondsLeft: 60 }
  answers = { "approval.give": ok(null), "approval.list": ok({ waiting: [waiting] }) }
  const given = await run(approvalGive, [hash], ["yes"])
  assert.equal([given.code, given.out], [0, "approved, and done as anna: island state=off\n"])
  answers["approval.list"] = ok({ waiting: [{ ...waiting, arguments: { state: "on" } }] })
  asked = []
  const lied = await run(approvalGive, [hash, "--yes"])
  assert.is(lied.code, 1)
  assert.match(lied.err, "ERR_APPROVAL_HASH")
  assert.equal(commands(), ["approval.list"])
  const secret = { ...waiting, number: null }
  const long = { ...waiting, arguments: { bundle: `9000 characters, SHA-256 ${"0".repeat(64)}` } }
  assert.equal([hashIs(waiting), hashIs(secret), hashIs(long)], ["right", "unknown", "unknown"])
})

test("where nobody has an account it is said how to make the first; a file that is not believed is said first", () => {
  const none = { unclaimed: true, fault: null, accounts: [], retired: [] }
  assert.match(accountLines(none, { config: "g.yaml" }).join("\n"), "--new-key <file.pem> --config g.yaml")
  const broken = accountLines({ ...none, unclaimed: false, fault: "ERR_X", retired: [{ id: "1", name: "old" }] }, {})
  assert.match(broken[0] ?? "", /^WARNING.*ERR_X$/)
  assert.is(broken.at(-1), "removed for ever: old")
})

test.run()
