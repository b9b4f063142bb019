/** Two gateways that cosign each other's logs at one broker; one of them hands its log over to a new key. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openLogKey } from "../../firmware/audit/log-key.ts"
import { nodeSha256 } from "../../firmware/audit/note-functions.ts"
import { unpackEdge } from "../../firmware/audit/retained-log.ts"
import { openCosigner } from "../../firmware/audit/witness-key.ts"
import { auditVerify } from "../../firmware/cli/audit-verify.ts"
import { timeSign } from "../../firmware/cli/time-sign.ts"
import { createSimulatedBoard } from "../../hal/linux/simulated-board.ts"
import { parseEdge } from "../../policy/audit/edge-message.ts"
import { encodeNoteKey, keyIdOf, parseNote, parseNoteKey } from "../../policy/audit/tlog/note.ts"
import { runCli } from "../support/cli-io.ts"
import { startRig, type Rig } from "../support/rig.ts"
import { secondGateway, type SecondGateway } from "../support/second-gateway.ts"

const test = suite("system/witness")
const top = mkdtempSync(join(tmpdir(), "lockgate-witness-"))
let rig: Rig
let other: SecondGateway

/** A state folder with the keys of a gateway in it: a board file can name them before it has ever run. */
async function withKeys(name: string) {
  const folder = join(top, name)
  const { keyStore, close } = await createSimulatedBoard(folder)
  const [log, cosigner] = [(await openLogKey(keyStore, name)).key, (await openCosigner(keyStore, name)).key]
  await close()
  return { folder, log: encodeNoteKey(nodeSha256, log), cosigner: encodeNoteKey(nodeSha256, cosigner) }
}

/** The owner signs the time: a gateway that does not know it cosigns nothing. */
async function tellTime(gateway: Pick<SecondGateway, "lockgate">, name: string): Promise<void> {
  const [nonce, owner, signed] = [`${name}.nonce`, `${name}.pem`, `${name}.jws`].map((file) => join(top, file)) as [string, string, string] // prettier-ignore
  writeFileSync(owner, rig.signer.privatePem, { mode: 0o600 })
  assert.is((await gateway.lockgate("time", "nonce", "--out", nonce)).code, 0)
  assert.is((await runCli((io) => timeSign([nonce, "--key", owner, "--out", signed], io))).code, 0)
  assert.is((await gateway.lockgate("time", "set", signed)).code, 0)
}

async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const endMs = performance.now() + 25_000
  for (;;) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const sizeBy = async (of: { status: Rig["status"] }, least: number): Promise<number | null> => {
  const size = (await of.status()).audit.witnesses?.by[0]?.size ?? null
  return size !== null && size >= least ? size : null
}

/** Whether an edge bears the line of this key; that it is right, the verifier says. */
function isBy(payload: Uint8Array, key: string): boolean {
  const bytes = unpackEdge(payload)
  if (bytes === null) return false
  const { signatures } = parseNote(parseEdge(bytes).checkpoint)
  const keyId = keyIdOf(nodeSha256, parseNoteKey(nodeSha256, key))
  return signatures.some((one) => one.keyId === keyId)
}

test.after(async () => {
  await other.stop()
  await rig.stop()
  rmSync(top, { recursive: true, force: true })
})

test("[CR 3.9] two gateways cosign each other's logs, and go on when one of them changes its key", async () => {
  const [own, theirs] = [await withKeys("gw-test"), await withKeys("gw-2")]
  rig = await startRig({
    board: `audit: { witnesses: ["${theirs.cosigner}"], witness-for: [{ gateway: gw-2, key: "${theirs.log}" }] }`,
    beforeStart: (stateFolder) => cpSync(own.folder, stateFolder, { recursive: true }),
  })
  other = secondGateway(rig, "gw-2")
  cpSync(theirs.folder, other.stateFolder, { recursive: true })
  const lines = `audit: { witnesses: ["${own.cosigner}"], witness-for: [{ gateway: gw-test, key: "${own.log}" }] }`
  writeFileSync(other.config, `${readFileSync(other.config, "utf8")}\n${lines}\n`)
  await tellTime(rig, "gw-test")
  await other.start()
  await tellTime(other, "gw-2")
  const edges = await rig.watch("lockgate/gw-test/log/edge")

  const [one] = [await until("we are cosigned", () => sizeBy(rig, 1)), await until("they are", () => sizeBy(other, 1))]
  assert.match((await rig.lockgate("status")).out, /witnessed by gw-2 at size \d+/)

  const ran = await rig.lockgate("audit", "key", "--rotate")
  assert.is(ran.code, 0, ran.err)
  const next = ran.out.trim()
  assert.is.not(next, own.log)
  assert.is((await rig.lockgate("audit", "key")).out.trim(), next)
  const changed = await rig.entry(({ event }) => event === "audit.key-changed")
  const told = await rig.entry((entry) => entry.event === "command.executed" && entry.object === "audit.rotate-key")
  assert.equal([told.detail?.["before"], told.detail?.["after"], told.subject], [own.log, next, "local:owner"])
  assert.is(changed.detail?.["key"], next)
  const after = await until("the witness follows to the new key", () => sizeBy(rig, changed.seq + 2))
  assert.ok(after > one)
  assert.ok(other.audit().some(({ event }) => event === "witness.key-followed"))

  await rig.gateway.stop()
  await until("the last edge is there", async () => edges.messages.find(({ payload }) => isBy(payload, next)) ?? null)
  await edges.stop()
  const verdict = await runCli((io) => auditVerify([rig.stateFolder, "--key", own.log], io))
  assert.is(verdict.code, 0, verdict.out + verdict.err)
  assert.ok(verdict.out.includes(next), "the old key leads to the new one")
  const bad = ["witness.refused", "witness.rolled-back", "witness.accused", "witness.invalid"]
  for (const entries of [await rig.audit(), other.audit()]) assert.equal(entries.filter(({ event }) => bad.includes(event)), []) // prettier-ignore
})

test.run()
