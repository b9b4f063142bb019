import { suite } from "uvu"
import * as assert from "uvu/assert"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { verifyBroker } from "../../firmware/cli/audit-broker.ts"
import { auditVerify } from "../../firmware/cli/audit-verify.ts"
import { EXIT } from "../../firmware/cli/exit-codes.ts"
import { auditAcl } from "../../firmware/cli/audit-acl.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { parseHeartbeat } from "../../policy/audit/heartbeat.ts"
import { encodeNoteKey, parseNote, verifyNote, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { ownPublicKey } from "../../firmware/cli/own-public-key.ts"
import { LOG_SLOT } from "../../firmware/audit/log-key.ts"
import { mosquittoPub, mosquittoSub } from "../peers/mosquitto-clients.ts"
import { startMosquitto } from "../peers/mosquitto.ts"
import { opensslCertificate } from "../peers/openssl.ts"
import { captureIo } from "../support/cli-io.ts"
import { auditOnDisk, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/audit-retained")
let rig: Rig
let key: NoteKey
test.before(async () => {
  rig = await startRig()
})
test.after(() => rig.stop())

const pem = (file: string): string => readFileSync(file, "utf8")
const login = (version: "3.1.1" | "5" = "3.1.1") => ({
  url: `mqtts://127.0.0.1:${rig.broker.tlsPort}`,
  ...{ ca: pem(rig.controlCa.cert), cert: pem(rig.desk.cert), key: pem(rig.desk.key), version },
})
const atBroker = () => ({
  ...{ host: "127.0.0.1", port: rig.broker.tlsPort, version: "5" as const, qos: 1 as const },
  tls: { ca: rig.controlCa.cert, ...rig.desk },
})

async function logKey(): Promise<NoteKey> {
  const publicKey = (await ownPublicKey(rig.stateFolder, LOG_SLOT))!
  return { name: originOf("gw-test"), type: "ed25519", publicKey }
}

test("[CR 6.2] the sign of life is retained, and signed by the key of the log", async () => {
  key = await logKey()
  const sub = await mosquittoSub({ ...atBroker(), topics: ["lockgate/gw-test/heartbeat"] })
  const [message] = await sub.take(1)
  await sub.stop()
  const note = parseNote(message!.payload.toString())
  assert.is((await verifyNote(nodeSha256, note, [key], verifyNoteSignature)).length, 1)
  const { gateway, policy, intervalSeconds } = parseHeartbeat(note.text)
  assert.equal([gateway, policy, intervalSeconds], ["gw-test", 1, 30])
})

test("[CR 6.1] [CR 6.1 RE(1)] the gateway stops, and its whole log is verified from the real broker alone", async () => {
  for (let i = 0; i < 330; i += 2) await rig.command("policy.confirm", { version: 999 })
  await rig.gateway.stop()
  const { lines } = auditOnDisk(rig.stateFolder)
  for (const version of ["3.1.1", "5"] as const) {
    const verdict = await verifyBroker(login(version), [key])
    assert.equal(verdict.faults, [], version)
    // What the gateway writes after it has left the broker is not there: at most its last words.
    assert.ok(verdict.entries > 330 && verdict.entries >= lines.length - 3, `${verdict.entries} of ${lines.length}`)
  }
})

test("[CR 3.9] a retained tile that somebody overwrites is named by the verifier; the gateway, back, puts it right and alarms", async () => {
  const topic = "lockgate/gw-test/log/tile/0/000"
  const forged = Buffer.alloc(8192, 7)
  await mosquittoPub({ ...atBroker(), topic, message: forged, retain: true })
  const verdict = await verifyBroker(login(), [key])
  assert.ok(verdict.faults.length > 0)
  assert.match(JSON.stringify(verdict.faults), "tile/0/000")
  const io = captureIo()
  const files = ["--ca", rig.controlCa.cert, "--cert", rig.desk.cert, "--cert-key", rig.desk.key]
  const args = ["--broker", login().url, "--key", encodeNoteKey(nodeSha256, key), ...files]
  assert.is(await auditVerify(args, io), EXIT.wrong)
  assert.match(io.text(), /tile\/0\/000[^]*WRONG/)
  await rig.gateway.start()
  const told = await rig.entry((entry) => entry.event === "audit.retained-altered", 10_000)
  assert.equal([told.reason, told.object], ["overwritten", "tile/0/000"])
  const endMs = performance.now() + 8_000
  while ((await verifyBroker(login(), [key])).faults.length > 0) {
    assert.ok(performance.now() < endMs, "it is put right")
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
})

test("[CR 3.9] [CR 6.1] under the ACL that is printed an operator reads; who is not named gets nothing and changes nothing", async () => {
  const io = captureIo()
  const args = ["--config", rig.config, "--operator", "anna", "--identity", "control-end=gateway-control"]
  assert.is(await auditAcl(args, io), 0, io.errors())
  const pki = join(rig.folder, "pki")
  const who = (name: string) => {
    const { cert, key: own } = opensslCertificate(pki, name, { issuer: rig.controlCa, usage: "client" })
    return { ca: rig.controlCa.cert, cert, key: own }
  }
  const [anna, bob] = [who("anna"), who("bob")]
  const own = (name: string) => join(pki, name)
  const tls = { ca: rig.controlCa.cert, cert: own("broker.crt"), key: own("broker.key"), requireCert: true }
  const broker = await startMosquitto({ tls, acl: io.text() })
  writeFileSync(own("acl"), io.text())
  const at = (files: typeof anna) => ({ host: "127.0.0.1", port: broker.tlsPort, version: "5" as const, tls: files })
  const gateway = { ca: rig.controlCa.cert, cert: own("gateway-control.crt"), key: own("gateway-control.key") }
  const topics = ["lockgate/gw-test/#"]
  const [annas, bobs] = [
    await mosquittoSub({ ...at(anna), topics, qos: 1 }),
    await mosquittoSub({ ...at(bob), topics, qos: 1 }),
  ]
  const topic = "lockgate/gw-test/log/edge"
  const published = await mosquittoPub({ ...at(gateway), topic, message: "edge", qos: 1, retain: true })
  assert.is(published.code, 0, published.output)
  assert.is((await annas.take(1))[0]?.payload.toString(), "edge")
  for (const files of [anna, bob])
    assert.match((await mosquittoPub({ ...at(files), topic, message: "forged", qos: 1, retain: true })).output, /[Nn]ot authori[sz]ed/) // prettier-ignore
  const late = await mosquittoSub({ ...at(bob), topics, qos: 1 })
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.equal([bobs.messages.length, late.messages.length, annas.messages.length], [0, 0, 1])
  for (const sub of [annas, bobs, late]) await sub.stop()
  await broker.stop()
})

test.run()
