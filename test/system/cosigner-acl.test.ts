/** A witness and a collector at a real mosquitto that lets each in by its certificate, with the ACL that `lockgate audit acl` prints. */
import { randomBytes } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect, type TLSSocket } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialMqtt, dialReader, type MqttLink } from "../../firmware/audit/mqtt-link.ts"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { runRetainedSession } from "../../firmware/audit/retained-session.ts"
import { openRetainedWindow } from "../../firmware/audit/retained-window.ts"
import { shareLink } from "../../firmware/audit/shared-link.ts"
import { openCosigner } from "../../firmware/audit/witness-key.ts"
import { openWitness } from "../../firmware/audit/witness.ts"
import { auditCollect } from "../../firmware/cli/audit-collect.ts"
import type { AuditLog } from "../../firmware/audit/log.ts"
import { createLinuxClock } from "../../hal/linux/clock.ts"
import { nodeKeyFunctions } from "../../hal/linux/key-functions.ts"
import { MemoryKeyStore } from "../../hal/memory/key-store.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { originOf } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { parseCosignerKey, readCosigned } from "../../policy/audit/witness/cosignature.ts"
import { witnessFilter } from "../../policy/audit/witness/place.ts"
import { writeAuditAcl } from "../../policy/export/audit-acl.ts"
import { mosquittoPub, mosquittoSub } from "../peers/mosquitto-clients.ts"
import { startMosquitto, type Mosquitto } from "../peers/mosquitto.ts"
import { opensslAuthority, opensslCertificate } from "../peers/openssl.ts"
import { openTestLog, sampleEvent } from "../support/audit.ts"
import { runCli } from "../support/cli-io.ts"

const test = suite("system/cosigner-acl")
const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }
const BUNDLES = 3
const clock = createLinuxClock()
const top = mkdtempSync(join(tmpdir(), "lockgate-cosigner-acl-"))
const ca = opensslAuthority(top, "ca", null, "EC")
const certified = (name: string, usage: "client" | "server", ...san: string[]) =>
  opensslCertificate(top, name, { issuer: ca, usage, algorithm: "EC", ...(san.length === 0 ? {} : { san }) })
const brokerEnd = certified("broker", "server", "IP:127.0.0.1")
const clients = {
  gateway: certified("gw-cn", "client"),
  witness: certified("gw-2-cn", "client"),
  collector: certified("siem-cn", "client"),
}
type Who = keyof typeof clients
const ACL = writeAuditAcl("gw", "gw-cn", { operators: [], collectors: ["siem-cn=siem"], witnesses: ["gw-2-cn=gw-2"] })

let broker: Mosquitto
let log: AuditLog
let gateway: { readonly link: MqttLink; stop(): Promise<void> }
let siem: NoteKey
const store = join(top, "store")

const tlsOf = (who: Who) => ({ ca: ca.cert, cert: clients[who].cert, key: clients[who].key })
const streamOf = (who: Who) => async (): Promise<TLSSocket> => {
  const { ca: root, cert, key } = tlsOf(who)
  const read = (file: string): string => readFileSync(file, "utf8")
  const socket = connect({ host: "127.0.0.1", port: broker.tlsPort, ca: read(root), cert: read(cert), key: read(key) })
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject))
  return socket
}

async function until(what: string, fits: () => boolean): Promise<void> {
  const endMs = performance.now() + 20_000
  while (!fits()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const startBroker = (acl: string): Promise<Mosquitto> =>
  startMosquitto({ quiet: true, acl, tls: { ca: ca.cert, cert: brokerEnd.cert, key: brokerEnd.key, requireCert: true } }) // prettier-ignore

async function startGateway(windowBytes = 1024 * 1024): Promise<typeof gateway> {
  const link = await dialMqtt({ gateway: "gw", openStream: streamOf("gateway") })
  const stopping = new AbortController()
  const session = runRetainedSession({
    ...{ link, log, clock, gateway: "gw", edgeEveryMs: 200, windowBytes: () => windowBytes },
    ...{ window: await openRetainedWindow(new MemoryStorage()), signal: stopping.signal, report: () => undefined },
  })
  return {
    link,
    async stop() {
      stopping.abort()
      await session.ended
      await link.close()
    },
  }
}

/** The sizes that a cosigner said it had seen, as the gateway hears and verifies them by its own rights. */
async function heard(key: () => NoteKey): Promise<number[]> {
  const sizes: number[] = []
  gateway.link.onMessage(async ({ topic, payload }) => {
    if (topic !== `lockgate/gw/witness/${key().name}`) return
    const said = await readCosigned(FUNCTIONS, originOf("gw"), key(), Buffer.from(payload).toString())
    if (said !== null) sizes.push(said.checkpoint.size)
  })
  await gateway.link.subscribe([witnessFilter("gw")])
  return sizes
}

const collect = (...more: string[]) =>
  runCli((io) => {
    const { ca: root, cert, key } = tlsOf("collector")
    const login = ["--broker", `mqtts://127.0.0.1:${broker.tlsPort}`, "--ca", root, "--cert", cert, "--cert-key", key]
    const whose = ["--gateway", `gw=${encodeNoteKey(nodeSha256, log.key)}`, "--key", join(top, "siem.key")]
    return auditCollect([...login, ...whose, "--store", store, "--clock-bound", "2", "--once", ...more], io)
  })

test.before(async () => {
  const made = await runCli((io) => auditCollect(["--new-key", join(top, "siem.key"), "--name", "siem"], io))
  siem = parseCosignerKey(nodeSha256, made.out.trim())
  log = await openTestLog(new MemoryStorage(), { gateway: "gw" })
  for (let n = 0; n < BUNDLES; n++)
    await Promise.all(Array.from({ length: 256 }, (_, k) => log.append({ ...sampleEvent(randomBytes(100).toString("hex")), count: k + 1 }))) // prettier-ignore
})

test.after(async () => {
  await gateway?.stop()
  await broker?.stop()
  await log?.close()
  rmSync(top, { recursive: true, force: true })
})

test("[CR 2.9] an acknowledgement that a real broker drops is told as held, with what to do; allowed, it arrives", async () => {
  broker = await startBroker(ACL.replace("topic write lockgate/gw/witness/siem\n", ""))
  gateway = await startGateway()
  const sizes = await heard(() => siem)
  const dropped = await collect()
  assert.is(dropped.code, 5, dropped.out + dropped.err)
  assert.match(dropped.out, /gw {2}held .*the broker drops what is published at lockgate\/gw\/witness\/siem/)
  assert.match(dropped.out, "lockgate audit acl --collector")
  assert.equal(sizes, [], "the gateway has heard nothing: it would drop what nobody vouches for")

  await gateway.stop()
  await broker.stop()
  broker = await startBroker(ACL)
  // So little stays at the broker that the oldest bundle is to be had by request alone.
  gateway = await startGateway(100 * 1024)
  const heardNow = await heard(() => siem)
  rmSync(store, { recursive: true })
  const asked = await mosquittoSub({ port: broker.tlsPort, tls: tlsOf("gateway"), id: "ears", topics: ["lockgate/gw/log/request"] }) // prettier-ignore
  const ran = await collect()
  assert.is(ran.code, 0, ran.out + ran.err)
  await asked.stop()
  assert.ok(asked.messages.length > 0, "what the broker no longer held was asked of the gateway")
  assert.match(ran.out, /gw {2}current .*cosigned/)
  await until("the gateway hears it", () => heardNow.at(-1) === log.size)
})

test("[CR 3.9] a witness does its work with the rights that the ACL gives it", async () => {
  const keyStore = new MemoryKeyStore(nodeKeyFunctions)
  const witness = await openWitness({
    ...{ gateway: "gw-2", logs: [{ gateway: "gw", key: log.key, begin: 0 }], keyStore, clock, paceMs: 50 },
    ...{ interval: () => ({ earliestAt: Date.now() - 1_000, latestAt: Date.now() + 1_000 }), report: () => undefined },
  })
  const { key } = await openCosigner(keyStore, "gw-2")
  const sizes = await heard(() => key)
  const link = await dialReader({ clientId: "lockgate-gw-2-witness", openStream: streamOf("witness") })
  const over = new AbortController()
  const watching = witness.watch(shareLink(link), over.signal)
  await until("the first size is cosigned", () => sizes.at(-1) === log.size)
  // The proof from the first size to the next is made of tiles at the broker.
  await log.append(sampleEvent("one more"))
  await until("the next one is", () => sizes.at(-1) === log.size)
  over.abort()
  await watching
  await link.close()
})

test("[CR 3.9] [CR 6.1] both are refused what the ACL does not give them, to write and to read", async () => {
  const own: Readonly<Record<"witness" | "collector", string>> = { witness: "gw-2", collector: "siem" }
  const hidden = { witness: ["audit/live", "alarm/a", "command/x"], collector: ["command/x"] }
  for (const who of ["witness", "collector"] as const) {
    const at = { port: broker.tlsPort, tls: tlsOf(who), version: "5", qos: 1, message: "{}" } as const
    const [mine, other] = [own[who], own[who === "witness" ? "collector" : "witness"]]
    for (const topic of [`witness/${mine}/refused`, "log/request"]) {
      const ran = await mosquittoPub({ ...at, topic: `lockgate/gw/${topic}` })
      assert.not.match(ran.output, /not authori[sz]ed/i, `${who} writes ${topic}`)
    }
    const refused = ["log/edge", "log/tile/0/000", "audit/live", "heartbeat", "online", "alarm/a", "command/x", `witness/${other}`, `witness/${mine}/more`] // prettier-ignore
    for (const topic of [...refused.map((one) => `lockgate/gw/${one}`), "lockgate/gw-3/log/request", "plant/x"]) {
      const ran = await mosquittoPub({ ...at, topic })
      assert.match(ran.output, /not authori[sz]ed/i, `${who} writes ${topic}`)
    }
    const sub = await mosquittoSub({ port: broker.tlsPort, tls: tlsOf(who), topics: ["#"], qos: 1 })
    for (const topic of [...hidden[who], "heartbeat"])
      await gateway.link.publish(`lockgate/gw/${topic}`, Buffer.from("{}"), false)
    await until("what it may read is there", () => sub.messages.some(({ topic }) => topic.endsWith("/heartbeat")))
    const seen = new Set(sub.messages.map(({ topic }) => topic))
    assert.ok(seen.has("lockgate/gw/log/edge"))
    for (const topic of hidden[who]) assert.not.ok(seen.has(`lockgate/gw/${topic}`), `${who} reads ${topic}`)
    assert.is(seen.has("lockgate/gw/witness/siem"), who === "collector", "a witness does not see what others cosign")
    await sub.stop()
  }
})

test.run()
