/** Two gateways that witness each other over a real mosquitto; one of them is put back to an older copy of its state. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { timeSign } from "../../firmware/cli/time-sign.ts"
import type { CosignerStatus } from "../../firmware/audit/witnessed.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { parseCosignerKey } from "../../policy/audit/witness/cosignature.ts"
import { readRefusal } from "../../policy/audit/witness/refusal.ts"
import { mosquittoPub } from "../peers/mosquitto-clients.ts"
import { startRig, type Rig } from "../support/rig.ts"
import { secondGateway, type SecondGateway } from "../support/second-gateway.ts"

const test = suite("storm/witness")
let rig: Rig
let other: SecondGateway
let key = ""

const WAIT_MS = 30_000

/** What the board file said before any line was added. */
const bare = new Map<string, string>()
function board(file: string, lines: string): void {
  const text = bare.get(file) ?? readFileSync(file, "utf8")
  bare.set(file, text)
  writeFileSync(file, `${text}\n${lines}\n`)
}

async function until<T>(what: string, look: () => Promise<T | null>, timeoutMs = WAIT_MS): Promise<T> {
  const endMs = performance.now() + timeoutMs
  for (;;) {
    const found = await look().catch(() => null)
    if (found !== null) return found
    if (performance.now() > endMs)
      throw new Error(`waited in vain until ${what}; ${JSON.stringify((await rig.status()).audit)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const line = async (of: Rig | SecondGateway, option?: string): Promise<string> => {
  const { out, err } = await of.lockgate("audit", "key", ...(option === undefined ? [] : [option]))
  assert.match(out, /^\S+\+[0-9a-f]{8}\+\S+\n$/, err)
  return out.trim()
}

/** Our witness, as our status shows it. */
async function witness(fits: (one: CosignerStatus) => boolean): Promise<CosignerStatus> {
  return until("the witness is shown so", async () => {
    const [one] = (await rig.status()).audit.witnesses?.by ?? []
    return one !== undefined && fits(one) ? one : null
  })
}

/** The owner signs the time for the witness: else it signs nothing. It holds until the witness is started anew. */
async function tellTime(): Promise<void> {
  const [nonce, owner, signed] = ["nonce.json", "owner.pem", "time.jws"].map((name) => join(rig.folder, name)) as [
    string,
    string,
    string,
  ]
  rmSync(nonce, { force: true })
  rmSync(signed, { force: true })
  writeFileSync(owner, rig.signer.privatePem, { mode: 0o600 })
  assert.is((await other.lockgate("time", "nonce", "--out", nonce)).code, 0)
  const io = { out: () => undefined, err: () => undefined, isTTY: false, signal: new AbortController().signal }
  assert.is(await timeSign([nonce, "--key", owner, "--out", signed], io), 0)
  assert.is((await other.lockgate("time", "set", signed)).code, 0)
}

const grow = async (count = 20): Promise<void> => {
  for (let k = 0; k < count; k++) await rig.command("policy.confirm", { version: 999 })
}

async function noAlarm(): Promise<void> {
  const bad = ["witness.refused", "witness.rolled-back", "witness.accused", "witness.held-up", "witness.invalid"]
  for (const entries of [await rig.audit(), other.audit()]) assert.equal(entries.filter(({ event }) => bad.includes(event)), []) // prettier-ignore
}

test.before(async () => {
  rig = await startRig()
  other = secondGateway(rig, "gw-2")
  await other.start()
  const [ownLog, otherLog] = [await line(rig), await line(other)]
  await rig.gateway.stop()
  await other.stop()
  board(rig.config, `audit: { witness-for: [{ gateway: gw-2, key: "${otherLog}" }] }`)
  board(other.config, `audit: { witness-for: [{ gateway: gw-test, key: "${ownLog}" }] }`)
  await rig.gateway.start()
  await other.start()
  key = await line(other, "--cosigner")
  const ownKey = await line(rig, "--cosigner")
  await rig.gateway.stop()
  await other.stop()
  board(rig.config, `audit: { witnesses: ["${key}"], witness-for: [{ gateway: gw-2, key: "${otherLog}" }] }`)
  board(other.config, `audit: { witnesses: ["${ownKey}"], witness-for: [{ gateway: gw-test, key: "${ownLog}" }] }`)
  await other.start()
  await tellTime()
  await rig.gateway.start()
})
test.after(async () => {
  await other.stop()
  await rig.stop()
})

test("[CR 3.9] two gateways look at each other's logs; the one that knows the time cosigns, and status says so", async () => {
  const one = await witness(({ size }) => size !== null)
  assert.equal([one.name, one.kind, one.putBack, one.refused], ["gw-2", "witness", false, null])
  // We do not know the time, and so cosign nothing; but we do look, and say so.
  await until("the other's log is looked at", async () => (await rig.status()).audit.witnesses?.of[0]?.size ?? null)
  await rig.entry(({ event }) => event === "witness.clock-uncertain", WAIT_MS)
  assert.match((await rig.lockgate("status")).out, /witnessed by gw-2 at size \d+/)
  await noAlarm()
}) // prettier-ignore

test("[CR 3.9] honest: a restart, kill -9, a witness that was away", async () => {
  await rig.gateway.stop()
  await rig.gateway.start()
  await grow()
  await rig.gateway.kill9()
  await rig.gateway.start()
  const before = (await rig.status()).audit.entries
  await witness(({ size }) => size !== null && size >= before)
  await other.stop()
  await grow(300)
  await other.start()
  await tellTime()
  const { entries } = (await rig.status()).audit
  const after = await witness(({ size }) => size !== null && size >= entries)
  assert.is(after.putBack, false)
  await noAlarm()
})

test("[CR 3.9] somebody else's words in the name of the witness count for nothing, and are told", async () => {
  const at = { host: "127.0.0.1", port: rig.broker.tlsPort, version: "5" as const, qos: 1 as const, tls: { ca: rig.controlCa.cert, ...rig.desk } } // prettier-ignore
  await mosquittoPub({ ...at, topic: "lockgate/gw-test/witness/gw-2", message: "I saw it", retain: false })
  const told = await rig.entry(({ event }) => event === "witness.invalid", 10_000)
  assert.is(told.object, "gw-2")
  assert.is((await rig.status()).audit.witnesses?.by[0]?.putBack, false)
})

test("[CR 3.9] put back to an older copy: the witness refuses, both say so, and normal flows close", async () => {
  await rig.gateway.stop()
  const copy = join(rig.folder, "old-state")
  cpSync(rig.stateFolder, copy, { recursive: true })
  await rig.gateway.start()
  await grow(60)
  const { entries } = (await rig.status()).audit
  await witness(({ size }) => size !== null && size >= entries)
  await rig.gateway.stop()
  rmSync(rig.stateFolder, { recursive: true })
  cpSync(copy, rig.stateFolder, { recursive: true })
  const words = await rig.watch("lockgate/gw-test/witness/gw-2/refused")
  await rig.gateway.start()
  const own = await rig.entry(({ event }) => event === "witness.rolled-back", WAIT_MS)
  assert.equal([own.object, own.reason, own.detail?.["signed"]], ["gw-2", "ahead", "by-our-key"])
  assert.ok(
    !(await rig.audit()).some(({ event }) => event === "audit.rolled-back"),
    "nothing on its own board could tell",
  )
  const status = await rig.status()
  assert.ok(status.posture.because.includes("integrity-failure"), JSON.stringify(status.posture))
  const accused = await rig.entry(({ event }) => event === "witness.accused", WAIT_MS)
  assert.is(accused.object, "gw-2")
  const theirs = await until("the witness tells", async () => other.audit().find(({ event }) => event === "witness.refused") ?? null) // prettier-ignore
  assert.is(theirs.object, "gw-test")
  assert.ok(["rewind", "fork"].includes(theirs.reason ?? ""), theirs.reason)
  const [message] = await words.take(1)
  await words.stop()
  const functions = { sha256: nodeSha256, verify: verifyNoteSignature }
  const refusal = await readRefusal(functions, "lockgate/gw-test/log", parseCosignerKey(nodeSha256, key), message!.payload.toString()) // prettier-ignore
  assert.ok(refusal?.evidence !== null && refusal !== null, "what convicts the log is enclosed")
  assert.match((await rig.lockgate("status")).out, /PUT BACK OR COPIED/)
})

test.run()
