import { mkdtempSync } from "node:fs"
import { rm, writeFile } from "node:fs/promises"
import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { askGateway } from "../../../firmware/cli/gateway-call.ts"
import { askAs, identityOf } from "../../../firmware/cli/person-identity.ts"
import { makePersonKey, readPersonKey } from "../../../firmware/cli/person-key.ts"
import { createLocalSocket, type LocalSocket } from "../../../firmware/management/local-socket.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { parseAccountKey } from "../../../firmware/people/account-key.ts"
import { createSignedDoor } from "../../../firmware/people/signed-door.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { AccountsWorld } from "../../support/accounts.ts"
import { recordingHandlers } from "../../support/commands.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/cli/person-identity")
const top = mkdtempSync(join(tmpdir(), "lockgate-identity-"))
const doors: LocalSocket[] = []
test.after(async () => {
  await Promise.all(doors.map((door) => door.stop()))
  await rm(top, { recursive: true, force: true })
})

test("[CR 1.1] a command of the command line is signed for who is named, and the log says who it was", async () => {
  const { privatePem, publicPem } = makePersonKey("four green doors")
  const file = join(top, "anna.pem")
  await writeFile(file, privatePem, { mode: 0o600 })
  const world = new AccountsWorld()
  const accounts = await world.open()
  const key = { ...parseAccountKey(publicPem), onToken: false }
  await accounts.create({ name: "anna", roles: ["security-admin", "operator"], expiresAt: null, key }, "local:owner")
  world.now = { earliestAt: Date.now() - 1000, latestAt: Date.now() + 1000 }
  const clock = new MemoryClock()
  const audit = world.log.audit
  const commands = createManagement({ handlers: recordingHandlers([]), audit })
  const random = (n: number): Uint8Array => randomBytes(n)
  const interval = () => world.now
  const signed = createSignedDoor({ gateway: "melter-7", accounts, commands, clock, audit, interval, random })
  const socket = join(top, "door", "command.sock")
  const door = createLocalSocket({ path: socket, commands, clock, audit, signed })
  doors.push(door)
  await door.start()

  const said: string[] = []
  const env = { LOCKGATE_KEY_PASSPHRASE: "four green doors" }
  const io = {
    out: () => undefined,
    err: (t: string) => said.push(t),
    isTTY: false,
    env,
    signal: new AbortController().signal,
  }
  const request = { command: "island", arguments: { state: "on" } }
  const answer = await askGateway({ socket, as: "anna", key: file }, request, io)
  assert.equal([said, "result" in answer], [[], true])
  assert.is(world.log.events.at(-1)?.subject, "anna")
  const byEnv = { ...io, env: { ...env, LOCKGATE_AS: "bob", LOCKGATE_KEY: file } }
  const refused = await askGateway({ socket }, request, byEnv)
  assert.is("exitCode" in refused ? refused.exitCode : 0, 1)
  assert.match(said.join(""), "ERR_NOT_AUTHENTICATED")
})

test("who asks takes an account and a key; half of it is a fault, and none is nobody", async () => {
  assert.is(await identityOf({}, {}), null)
  await rejects(() => identityOf({ as: "anna" }, {}), "ERR_IDENTITY")
  await rejects(() => identityOf({}, { LOCKGATE_KEY: "x" }), "ERR_IDENTITY")
  await rejects(() => identityOf({ as: "anna", key: join(top, "none.pem") }, {}), "ERR_FILE")
})

test("[CR 3.8] nothing is signed for a gateway that is another than the one meant, nor for what is no number", async () => {
  const identity = { account: "anna", key: await readPersonKey(makePersonKey(null).privatePem, null) }
  const request = { command: "status", arguments: {} }
  let sent = 0
  const saying = (result: unknown) => () => {
    sent++
    return Promise.resolve({ ok: true, result } as const)
  }
  await rejects(
    () => askAs(identity, request, "melter-7", saying({ gateway: "melter-8", nonce: "n" })),
    "ERR_OTHER_GATEWAY",
  )
  await rejects(() => askAs(identity, request, null, saying(null)), "ERR_ANSWER_MALFORMED")
  assert.is(sent, 2)
})

test.run()
