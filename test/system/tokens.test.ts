/** People whose keys lie in tokens, at a real gateway: who has the token and knows its PIN gets where a key in a file does not. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { GATEWAY_COMMANDS } from "../../firmware/cli/commands/gateway.ts"
import { PEOPLE_COMMANDS } from "../../firmware/cli/commands/people.ts"
import { POLICY_COMMANDS } from "../../firmware/cli/commands/policy.ts"
import { openTokenKey } from "../../firmware/cli/token-key.ts"
import { openPkcs11Token } from "../../hal/linux/pkcs11-tool.ts"
import { pkcs11Tool } from "../peers/opensc.ts"
import { makeSoftToken } from "../peers/softhsm2.ts"
import { captureIo, type Ran } from "../support/cli-io.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/tokens")
/** Recordings ask for two factors. */
const TWO_FACTORS = `${POLICY}people:\n  two-factors: [record]\n`

let rig: Rig
const soft = makeSoftToken("people")
const pinFile = join(soft.folder, "pin")
const wrongFile = join(soft.folder, "wrong")
const uri = (object: string): string => `pkcs11:token=people;object=${object}?module-path=${soft.module}`
test.before(async () => {
  writeFileSync(pinFile, `${soft.pin}\n`, { mode: 0o600 })
  writeFileSync(wrongFile, "not-the-pin\n", { mode: 0o600 })
  const token = openPkcs11Token({ ...soft, tool: pkcs11Tool(), pin: () => Promise.resolve(soft.pin) })
  await token.generate("01", "ben")
  rig = await startRig({ policy: TWO_FACTORS })
})
test.after(async () => {
  await rig.stop()
  soft.remove()
})

const COMMANDS = [...GATEWAY_COMMANDS, ...PEOPLE_COMMANDS, ...POLICY_COMMANDS]
const ANNA = (): string[] => ["--as", "anna", "--key", join(rig.folder, "anna.pem")]
const BEN = ["--as", "ben", "--key", uri("ben")]
/** The command line in this process. */
async function lockgate(...args: readonly string[]): Promise<Ran> {
  const size = [3, 2, 1].find((n) => COMMANDS.some(({ words }) => words === args.slice(0, n).join(" "))) ?? 0
  const handler = await COMMANDS.find(({ words }) => words === args.slice(0, size).join(" "))!.load()
  const io = { ...captureIo(), env: soft.env }
  return { code: await handler([...args.slice(size), "--config", rig.config], io), out: io.text(), err: io.errors() }
}

test("[CR 1.1 RE(2)] a key in a token is enrolled from the token, and is two factors; a key in a file is one", async () => {
  const first = ["gateway", "account", "add", "anna", "--roles", "security-admin,engineer,operator"]
  const anna = await lockgate(...first, "--new-key", join(rig.folder, "anna.pem"), "--yes")
  assert.is(anna.code, 0, anna.err)
  const ben = await lockgate("gateway", "account", "add", "ben", "--roles", "operator,engineer", "--public-key", uri("ben"), ...ANNA()) // prettier-ignore
  assert.is(ben.code, 0, ben.err)
  assert.match(ben.out, "on the token")
  assert.match((await lockgate("gateway", "accounts", ...ANNA())).out, /ben.*token/)

  const oneFactor = await lockgate("record", "start", "--minutes", "1", ...ANNA())
  assert.is(oneFactor.code, 1)
  assert.match(oneFactor.err, "ERR_SECOND_FACTOR")
  const started = await lockgate("record", "start", "--minutes", "1", ...BEN, "--pin-file", pinFile)
  assert.is(started.code, 0, started.err)
  const entry = await rig.entry((e) => e.event === "command.executed" && e.object === "recording.start")
  assert.is(entry.subject, "ben")
})

test("[CR 1.1 RE(2)] with a wrong PIN, with none, and with another key of the token nobody is let in", async () => {
  const wrong = await lockgate("status", ...BEN, "--pin-file", wrongFile)
  assert.is(wrong.code, 1)
  assert.match(wrong.err, "ERR_TOKEN_PIN")
  assert.not.match(wrong.err + wrong.out, "not-the-pin")
  const none = await lockgate("status", ...BEN)
  assert.equal([none.code, /ERR_TOKEN_PIN/.test(none.err)], [1, true])
  const token = openPkcs11Token({ ...soft, tool: pkcs11Tool(), pin: () => Promise.resolve(soft.pin) })
  await token.generate("02", "stranger")
  const stranger = await lockgate("status", "--as", "ben", "--key", uri("stranger"), "--pin-file", pinFile)
  assert.equal([stranger.code, /ERR_NOT_AUTHENTICATED/.test(stranger.err)], [1, true])
  assert.is((await lockgate("status", ...BEN, "--pin-file", pinFile)).code, 0)
})

test("[CR 1.3] without its key's account a token opens nothing, at once", async () => {
  const { thumbprint } = await openTokenKey(uri("ben"), { env: soft.env })
  const removed = await lockgate("gateway", "account", "key-remove", "ben", thumbprint, "--yes", ...ANNA())
  assert.is(removed.code, 0, removed.err)
  assert.match((await lockgate("status", ...BEN, "--pin-file", pinFile)).err, "ERR_NOT_AUTHENTICATED")
})

test.run()
