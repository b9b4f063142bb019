/** People at a whole gateway: the first account, signing in by key and by password, and how sessions end. */
import { createPrivateKey, type KeyObject } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { RowResult } from "../../firmware/assess/run.ts"
import { makePersonKey } from "../../firmware/cli/person-key.ts"
import { signSessionProof } from "../../firmware/people/session-proof.ts"
import { codeOf, field, Talk } from "../support/people-socket.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/sessions")
const NOBODY = "ERR_NOT_AUTHENTICATED"
const NOTICE = "Property of the plant. Every command is written down."
const PEOPLE = `
people:
  notice: ${NOTICE}
  sessions: { per-person: 2 }
  attempts: { free: 2, longest: 10s }
  passwords: { longest-days: 90, shortest-hours: 0 }
`
const BOB = { account: "bob", password: "two ravens sit in rain" }
const ROWS = ["CR 1.10", "CR 1.11", "CR 1.12", "CR 2.5", "CR 2.6", "CR 2.7", "CR 3.8"]

let rig: Rig
let annasKey: KeyObject
const talks: Talk[] = []
const secrets = new Set<string>([BOB.password])
test.before(async () => {
  rig = await startRig({ policy: POLICY + PEOPLE, board: "limits: { half-open-time: 1s }\ntime: { network: none }" })
})
test.after(async () => {
  for (const one of talks) one.destroy()
  await rig.stop()
})

async function talk(): Promise<Talk> {
  const made = await Talk.to(join(rig.folder, "run", "command.sock"))
  talks.push(made)
  return made
}
/** A connection that is that person's from now on. */
async function as(account: "anna" | "bob"): Promise<{ mine: Talk; token: string }> {
  const mine = await talk()
  const token = await mine.token(account === "bob" ? BOB : { account, proof: await proof(mine) })
  secrets.add(token)
  assert.is(codeOf(await mine.say({ session: token })), "ok")
  return { mine, token }
}
async function proof(mine: Talk): Promise<string> {
  const asked = await mine.say({ command: "session.challenge", arguments: { account: "anna" } })
  const challenge = field(asked, "challenge")
  return signSessionProof({ gateway: field(asked, "gateway"), account: "anna", challenge }, annasKey)
}
const sessionsOf = async (mine: Talk): Promise<readonly { id: string; account: string; state: string }[]> => {
  const answer = await mine.say({ command: "session.list", arguments: {} })
  assert.ok(answer.ok)
  return (answer.result as { sessions: { id: string; account: string; state: string }[] }).sessions
}
const hangUp = async (mine: Talk): Promise<void> => {
  assert.is(await mine.ask("session.close"), "ok")
  mine.destroy()
}

test("[CR 1.1, CR 1.12] with the first account the owner of the machine is nobody, who may read the notice and sign in by key", async () => {
  const pair = makePersonKey(null)
  annasKey = createPrivateKey(pair.privatePem)
  const mine = await talk()
  assert.is(await mine.ask("status"), "ok")
  assert.is(await mine.ask("account.create", { name: "anna", roles: "security-admin operator", key: pair.publicPem }), "ok") // prettier-ignore
  assert.equal([await mine.ask("status"), await mine.ask("island", { state: "on" })], [NOBODY, NOBODY])
  assert.equal(await mine.say({ command: "notice", arguments: {} }), { ok: true, result: { notice: NOTICE } })
  const { mine: annas } = await as("anna")
  assert.is(await annas.ask("status"), "ok")
  assert.is((await rig.entry((e) => e.event === "session.opened")).subject, "anna")
  mine.destroy()
  await hangUp(annas)
})

test("[CR 1.5, CR 1.7] a password that an administrator gave lets its person choose another and nothing else", async () => {
  const { mine: annas } = await as("anna")
  const given = { account: "bob", password: "a mole digs at dusk" }
  secrets.add(given.password)
  assert.is(await annas.ask("account.create", { name: "bob", roles: "operator" }), "ok")
  assert.is(await annas.ask("account.password-set", { name: "bob", password: given.password }), "ok")
  const first = await talk()
  const token = await first.token(given)
  secrets.add(token)
  await first.say({ session: token })
  assert.is(await first.ask("status"), "ERR_NOT_PERMITTED")
  assert.is(await first.ask("account.password", { password: BOB.password, current: given.password }), "ok")
  assert.is(await first.ask("status"), NOBODY, "a new password ends what the old one opened")
  assert.is(await first.ask("session.open", given), NOBODY)
  first.destroy()
  const { mine } = await as("bob")
  assert.equal([await mine.ask("status"), await mine.ask("account.list")], ["ok", "ERR_NOT_PERMITTED"])
  await hangUp(mine)
  await hangUp(annas)
})

test("[CR 2.5, CR 2.6, CR 2.7] lock, unlock, one session too many, and the end by an administrator", async () => {
  const { mine } = await as("bob")
  assert.is(await mine.ask("session.lock"), "ok")
  assert.is(await mine.ask("status"), NOBODY)
  assert.is(await mine.ask("session.unlock", { password: BOB.password }), "ok")
  assert.is(await mine.ask("status"), "ok")
  const { mine: second } = await as("bob")
  assert.is(await second.ask("session.open", BOB), "ERR_COMMAND_STATE")
  const { mine: annas } = await as("anna")
  const bobs = (await sessionsOf(annas)).filter(({ account }) => account === "bob")
  assert.equal(bobs.map(({ state }) => state), ["open", "open"]) // prettier-ignore
  assert.is(await mine.ask("session.end", { id: bobs[1]!.id }), "ERR_NOT_PERMITTED")
  assert.is(await annas.ask("session.end", { id: bobs[0]!.id }), "ok")
  assert.equal([await mine.ask("status"), await second.ask("status")], [NOBODY, "ok"])
  const ended = await rig.entry((e) => e.event === "session.ended" && e.reason === "ended")
  assert.equal([ended.subject, ended.object], ["anna", "bob"])
  mine.destroy()
  await hangUp(second)
  await hangUp(annas)
})

test("[CR 1.11] who guesses is locked out for a time, which the log tells, and let in after it", async () => {
  const mine = await talk()
  for (let n = 0; n < 3; n++) assert.is(await mine.ask("session.open", { ...BOB, password: "guess" }), NOBODY)
  assert.is(await mine.ask("session.open", BOB), NOBODY, "not even by the right one")
  const told = await rig.entry((e) => e.event === "session.locked-out")
  assert.equal([told.object, told.detail?.["failures"]], ["bob", 3])
  const { mine: annas } = await as("anna")
  await hangUp(annas)
  const until = performance.now() + 8_000
  for (;;) {
    const answer = await mine.say({ command: "session.open", arguments: BOB })
    if (answer.ok) {
      secrets.add(field(answer, "token"))
      await mine.say({ session: field(answer, "token") })
      break
    }
    assert.ok(performance.now() < until, "never let in again")
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  await hangUp(mine)
})

test(`${ROWS.map((row) => `[${row}]`).join(" ")} the rows of signing in are met where people have accounts`, async () => {
  const { mine: annas } = await as("anna")
  const answer = await annas.say({ command: "assess", arguments: {} })
  assert.ok(answer.ok, JSON.stringify(answer))
  const rows = (answer.result as { rows?: RowResult[] }).rows ?? (answer.result as RowResult[])
  const found = rows.filter(({ requirement }) => ROWS.includes(requirement))
  assert.equal(found.flatMap(({ probes }) => probes).filter(({ result }) => result.outcome !== "passed"), []) // prettier-ignore
  assert.equal(found.map(({ requirement, result }) => `${requirement} ${result}`), ROWS.map((row) => `${row} met`)) // prettier-ignore
  assert.equal((await sessionsOf(annas)).map(({ account }) => account), ["anna"], "nobody of a rehearsal is left") // prettier-ignore
  await hangUp(annas)
})

test("[CR 3.8] a restart makes tokens worthless and leaves nobody's secrets behind; the owner does not come back", async () => {
  const { mine, token } = await as("bob")
  assert.is(await mine.ask("status"), "ok")
  await rig.gateway.stop()
  await rig.gateway.start()
  const later = await talk()
  assert.is(codeOf(await later.say({ session: token })), NOBODY)
  assert.equal([await later.ask("status"), await later.ask("account.list")], [NOBODY, NOBODY])
  later.destroy()
  const { mine: again } = await as("bob")
  assert.is(await again.ask("status"), "ok")
  await hangUp(again)
  const files = readdirSync(rig.stateFolder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  const kept = files.map((one) => readFileSync(join(one.parentPath, one.name), "latin1")).join("\n") + rig.gateway.output() // prettier-ignore
  assert.match(kept, /session\.opened/)
  for (const secret of secrets) assert.not.ok(kept.includes(secret), "a password or a token is on the disk")
})

test.run()
