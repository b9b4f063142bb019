import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { GATEWAY_COMMANDS } from "../../firmware/cli/commands/gateway.ts"
import { PEOPLE_COMMANDS } from "../../firmware/cli/commands/people.ts"
import { POLICY_COMMANDS } from "../../firmware/cli/commands/policy.ts"
import type { ShownAccounts } from "../../firmware/cli/gateway-accounts.ts"
import { askAs, identityOf } from "../../firmware/cli/person-identity.ts"
import { callLocal } from "../../firmware/management/local-client.ts"
import { runCli, type Ran } from "../support/cli-io.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/people")

/** Recordings ask for two persons: nothing else in these tests is called twice. */
const TWO = `${POLICY}people:\n  two-persons: [record]\n`

let rig: Rig
test.before(async () => {
  rig = await startRig({ policy: TWO })
})
test.after(() => rig.stop())

const keyOf = (name: string): string => join(rig.folder, `${name}.pem`)
const COMMANDS = [...GATEWAY_COMMANDS, ...PEOPLE_COMMANDS, ...POLICY_COMMANDS]
/** The command line as that person; in this process, or starting Node would be most of the test. */
async function by(name: string, ...args: readonly string[]): Promise<Ran> {
  const size = [3, 2, 1].find((n) => COMMANDS.some(({ words }) => words === args.slice(0, n).join(" ")))
  const entry = COMMANDS.find(({ words }) => words === args.slice(0, size ?? 0).join(" "))
  const rest = [...args.slice(size ?? 0), "--config", rig.config, "--as", name, "--key", keyOf(name)]
  const handler = await entry!.load()
  return runCli((io) => handler(rest, io))
}
const socket = (): string => join(rig.folder, "run", "command.sock")

test("[CR 1.3, CR 1.5] the first account is made with a key of its own, and ends the rule of who holds the machine", async () => {
  const none = await rig.lockgate("gateway", "accounts")
  assert.equal([none.code, none.err], [0, ""])
  assert.match(none.out, "nobody has an account yet")
  const add = ["gateway", "account", "add", "anna", "--roles", "security-admin,engineer", "--new-key", keyOf("anna")]
  const dry = await rig.lockgate(...add, "--dry-run")
  assert.equal([dry.code, dry.err], [0, ""])
  assert.match(dry.out, /anna would get an account[^]*done at once\nnothing was changed/)
  const unasked = await rig.lockgate(...add)
  assert.equal([unasked.code, unasked.out], [2, ""])
  assert.match(unasked.err, "--yes says it is meant")
  assert.throws(() => statSync(keyOf("anna")), "ENOENT")

  const made = await rig.lockgate(...add, "--yes")
  assert.equal([made.code, made.err], [0, ""])
  assert.match(made.out, /-----BEGIN PUBLIC KEY-----/)
  assert.is(statSync(keyOf("anna")).mode & 0o777, 0o600)
  assert.not.match(made.out, /PRIVATE/)
  const nobody = await rig.lockgate("status")
  assert.is(nobody.code, 1)
  assert.match(nobody.err, "say who you are, by --as <account> --key <key.pem>")
  const listed = await by("anna", "gateway", "accounts", "--json")
  const shown = JSON.parse(listed.out) as ShownAccounts
  assert.equal(shown.accounts.map(({ name, roles }) => [name, ...roles]), [["anna", "security-admin", "engineer"]]) // prettier-ignore
})

test("[CR 2.1] a second account, whose command is refused for lack of permission", async () => {
  const add = ["gateway", "account", "add", "ben", "--roles", "operator", "--new-key", keyOf("ben")]
  assert.is((await by("anna", ...add)).code, 0)
  const again = await by("anna", "gateway", "account", "add", "bert", "--roles", "operator", "--new-key", keyOf("ben"))
  assert.is(again.code, 2)
  assert.match(again.err, "is there already")
  // A key whose account was refused is not left behind.
  const twice = await by("anna", "gateway", "account", "add", "ben", "--roles", "operator", "--new-key", keyOf("b2"))
  assert.is(twice.code, 1)
  assert.throws(() => statSync(keyOf("b2")), "ENOENT")

  const refused = await by("ben", "gateway", "account", "change", "ben", "--roles", "security-admin")
  assert.equal([refused.code, refused.out], [1, ""])
  assert.match(refused.err, "ERR_NOT_PERMITTED")
  const dry = await by("ben", "gateway", "account", "change", "ben", "--roles", "security-admin", "--dry-run")
  assert.is(dry.code, 1)
  assert.match(dry.out, "it would be refused: this is not permitted to who asks")
  assert.match((await rig.entry((e) => e.event === "command.refused" && e.subject === "ben")).object ?? "", "account.change") // prettier-ignore
})

test("[CR 2.1 RE(4)] a command waits for a second person, who is shown it and lets it run; the log names both", async () => {
  assert.is((await by("anna", "gateway", "account", "change", "ben", "--roles", "operator,technician")).code, 0)
  const waits = await by("anna", "record", "start", "--minutes", "1")
  assert.equal([waits.code, waits.out], [3, ""])
  const hash = /approval give ([0-9a-f]{64})/.exec(waits.err)?.[1] ?? ""
  assert.match((await by("ben", "gateway", "approvals")).out, `${hash}\n    recording.start minutes=1  asked by anna`)

  const own = await by("anna", "gateway", "approval", "give", hash, "--yes")
  assert.is(own.code, 1)
  const unasked = await by("ben", "gateway", "approval", "give", hash)
  assert.is(unasked.code, 2)
  assert.match(unasked.err, "you approve: recording.start minutes=1, asked by anna")
  const given = await by("ben", "gateway", "approval", "give", hash, "--yes")
  assert.equal([given.code, given.err], [0, ""])
  const entry = await rig.entry((e) => e.event === "command.executed" && e.object === "recording.start")
  assert.equal([entry.subject, entry.detail?.["approvedBy"], entry.detail?.["hash"]], ["anna", "ben", hash])
  const gone = await by("ben", "gateway", "approval", "give", hash, "--yes")
  assert.is(gone.code, 1)
  assert.match(gone.err, "ERR_APPROVAL_UNKNOWN")

  const second = await by("anna", "record", "stop")
  const other = /approval give ([0-9a-f]{64})/.exec(second.err)?.[1] ?? ""
  assert.is((await by("anna", "gateway", "approval", "withdraw", other)).code, 0)
  assert.is((await by("ben", "gateway", "approvals")).out, "nothing waits\n")
})

test("[CR 1.7, CR 2.6] a session by password and key is listed and ended by an administrator; no password is in the log", async () => {
  const file = join(rig.folder, "password.txt")
  const password = "seven grey herons stand"
  writeFileSync(file, `${password}\n`, { mode: 0o600 })
  assert.is((await by("ben", "gateway", "account", "password", "ben", "--from", file)).code, 0)
  const opened = await rig.command("session.open", { account: "ben", password })
  assert.is(opened.ok, true)
  const { id } = (opened as { result: { id: string } }).result
  const listed = await by("anna", "gateway", "sessions")
  assert.match(listed.out, new RegExp(`^${id}  ben  local, by password  open`))
  const dry = await by("anna", "gateway", "session", "end", id, "--dry-run")
  assert.match(dry.out, `this would end: ${id}  ben`)
  assert.is((await by("anna", "gateway", "session", "end", id)).code, 2)
  const ended = await by("anna", "gateway", "session", "end", id, "--yes")
  assert.equal([ended.code, ended.out], [0, `the session ${id} of ben has ended\n`])
  assert.is((await by("anna", "gateway", "sessions")).out, "nobody is signed in\n")
  assert.not.match(JSON.stringify(await rig.audit()), password)
})

test("[CR 1.3] a disabled account opens nothing, at once; enabled it does; removed its name is gone for ever", async () => {
  const off = await by("anna", "gateway", "account", "disable", "ben", "--yes")
  assert.equal([off.code, off.err], [0, ""])
  assert.match(off.out, /before: ben {2}operator,technician {2}key[^]*now: {4}ben {2}operator,technician {2}DISABLED/)
  assert.is((await by("ben", "status")).code, 1)
  const person = await identityOf({ as: "ben", key: keyOf("ben") }, {})
  const answer = await askAs(person!, { command: "status", arguments: {} }, "gw-test", (message) =>
    callLocal(socket(), message, 15_000),
  )
  assert.is(answer.ok ? "" : answer.code, "ERR_NOT_AUTHENTICATED")
  assert.is((await by("anna", "gateway", "account", "enable", "ben")).code, 0)
  assert.is((await by("ben", "status")).code, 0)
  assert.is((await by("anna", "gateway", "account", "remove", "ben", "--yes")).code, 0)
  assert.match((await by("anna", "gateway", "accounts")).out, "removed for ever: ben")
  const last = await by("anna", "gateway", "account", "remove", "anna", "--yes")
  assert.is(last.code, 1)
  assert.match(last.err, "nobody could manage people any more")
  assert.not.match(readFileSync(keyOf("anna"), "utf8"), "PUBLIC")
})

test.run()
