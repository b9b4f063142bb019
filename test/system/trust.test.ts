import { suite } from "uvu"
import * as assert from "uvu/assert"
import { once } from "node:events"
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect as connectTls } from "node:tls"
import { connect, type MqttClient } from "mqtt"
import { mosquittoPub } from "../peers/mosquitto-clients.ts"
import { opensslAuthority, opensslCertificate, opensslCrl, type Issued } from "../peers/openssl.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/trust")
let rig: Rig
let other: Issued
const keyLog = join("/tmp", `lockgate-keylog-${process.pid}`)
const pki = (name: string): string => join(rig.folder, "pki", name)
const extraCa = join("/tmp", `lockgate-extra-ca-${process.pid}.pem`)

test.before(async () => {
  rig = await startRig({
    trust: (folder, fieldCa) => {
      opensslCrl(folder, "field.crl", { issuer: fieldCa, number: 1 })
      other = opensslAuthority(folder, "extra-ca")
      copyFileSync(other.cert, extraCa)
      return "crls: { field-ca: pki/field.crl }"
    },
    env: { NODE_EXTRA_CA_CERTS: extraCa, SSLKEYLOGFILE: keyLog },
  })
})
test.after(async () => {
  await rig.stop()
  rmSync(extraCa, { force: true })
})

const as = (name: string, peer: Issued = rig.peer(name)) => ({
  host: "127.0.0.1",
  port: rig.port,
  id: name,
  tls: rig.tls(peer),
})
const says = (name: string, peer?: Issued) => mosquittoPub({ ...as(name, peer), topic: `plant/${name}/x`, message: "x", qos: 1 }) // prettier-ignore

/** A client that stays, and says when it is cut off. */
async function staying(name: string, peer = rig.peer(name)): Promise<{ client: MqttClient; cut: Promise<unknown> }> {
  const { key, cert } = rig.tls(peer)
  const client = connect({
    protocol: "mqtts",
    host: "127.0.0.1",
    port: rig.port,
    clientId: name,
    key: readFileSync(key),
    cert: readFileSync(cert),
    rejectUnauthorized: false,
    reconnectPeriod: 0,
  })
  client.on("error", () => undefined)
  await within5s(
    new Promise((resolve, reject) => {
      client.once("connect", resolve)
      client.once("close", () => reject(new Error(`${name} was not let in`)))
    }),
  )
  return { client, cut: within5s(new Promise((resolve) => client.once("close", () => resolve(null)))) }
}

/** Whether the gateway lets this peer in. Whom the peer believes is not asked: its authority is exchanged here. */
async function letIn(name: string, peer = rig.peer(name)): Promise<boolean> {
  try {
    await (await staying(name, peer)).client.endAsync()
    return true
  } catch {
    return false
  }
}

/** What hangs here must not hang the run. */
function within5s(event: Promise<unknown>): Promise<unknown> {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("nothing happened in 5 s")), 5_000).unref())
  const either = Promise.race([event, late])
  either.catch(() => undefined)
  return either
}

/** The fingerprint that the listener shows to a new peer. */
async function shown(): Promise<string> {
  const socket = connectTls({ host: "127.0.0.1", port: rig.port, rejectUnauthorized: false })
  socket.on("error", () => undefined)
  await once(socket, "secureConnect")
  const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? ""
  socket.destroy()
  return fingerprint
}

const reload = () => rig.command("trust.reload")
const offer = (file: string) => rig.command("trust.crl", { list: readFileSync(file, "utf8") })
const crl = (number: number, revoked: readonly Issued[], issuer = rig.fieldCa, name = "field.crl"): string =>
  opensslCrl(join(rig.folder, "pki"), name, { issuer, number, revoked })

test("[CR 1.9] a live session is cut when its certificate is revoked, and refused from then on; others lose nothing", async () => {
  const seen = await rig.watch("plant/honest/#")
  const honest = await staying("honest")
  const thief = await staying("thief")
  let sent = 0
  let going = true
  const stream = (async () => {
    while (going) {
      await honest.client.publishAsync("plant/honest/n", String(sent++), { qos: 1 })
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  await new Promise((resolve) => setTimeout(resolve, 200))
  crl(2, [rig.peer("thief")])
  const done = await rig.lockgate("trust", "reload")
  assert.is(done.code, 0, done.err)
  assert.match(done.out, /field-ca: list 2 of CN=field-ca is in force, 1 revoked/)
  await thief.cut
  // The gateway's own certificates are exchanged under the stream, too.
  const before = await shown()
  const san = ["IP:127.0.0.1", "DNS:localhost"]
  opensslCertificate(join(rig.folder, "pki"), "gateway-field", { issuer: rig.fieldCa, usage: "server", san })
  opensslCertificate(join(rig.folder, "pki"), "gateway-control", { issuer: rig.controlCa, usage: "client", san: ["URI:urn:test:gateway"] }) // prettier-ignore
  const rotated = await reload()
  const uses = ["conduit/telemetry", "upstream/telemetry", "management/mqtt"]
  assert.equal(rotated, { ok: true, result: { certificates: uses, authorities: [], lists: [] } })
  assert.is.not(await shown(), before)
  await new Promise((resolve) => setTimeout(resolve, 200))
  going = false
  await within5s(stream)
  const arrived = await seen.take(sent)
  assert.ok(sent > 50, `${sent}`)
  assert.equal(arrived.map((m) => Number(m.payload.toString())), Array.from({ length: sent }, (_, n) => n)) // prettier-ignore
  await seen.stop()
  await honest.client.endAsync()

  const entry = await rig.entry((e) => e.event === "conduit.peer-distrusted")
  assert.equal([entry.subject, entry.reason, entry.conduit], ["thief", "revoked", "telemetry"])
  assert.match(String(entry.detail?.["fingerprint"]), /^[0-9a-f]{64}$/)
  assert.is(entry.detail?.["issuer"], "CN=field-ca")
  assert.match(String(entry.detail?.["serial"]), /^[0-9a-f]+$/)
  assert.is.not((await says("thief")).code, 0)
  const refused = await rig.entry((e) => e.event === "conduit.peer-refused" && e.reason === "revoked")
  assert.is(refused.detail?.["serial"], entry.detail?.["serial"])
  assert.is((await says("honest")).code, 0)
})

test("[CR 1.9] a peer below a revoked intermediate is refused, and so is one that the intermediate itself revoked", async () => {
  const folder = join(rig.folder, "pki")
  const sub = opensslAuthority(folder, "sub-ca", rig.fieldCa)
  const low = rig.peer("low", { issuer: sub })
  const bad = rig.peer("bad", { issuer: sub })
  assert.equal([(await says("low", low)).code, (await says("bad", bad)).code], [0, 0])
  const own = readFileSync(opensslCrl(folder, "sub.crl", { issuer: sub, number: 1, revoked: [bad] }), "utf8")
  writeFileSync(pki("sub.pem"), own + readFileSync(sub.cert, "utf8"))
  assert.is((await offer(pki("sub.crl"))).ok, false)
  const taken = await rig.lockgate("trust", "crl", pki("sub.pem"))
  assert.is(taken.code, 0, taken.err)
  assert.is.not((await says("bad", bad)).code, 0)
  assert.is((await says("low", low)).code, 0)
  const { client, cut } = await staying("low", low)
  crl(3, [rig.peer("thief"), sub])
  assert.is((await reload()).ok, true)
  await cut
  await client.endAsync()
  assert.is.not((await says("low", low)).code, 0)
  const entry = await rig.entry((e) => e.event === "conduit.peer-distrusted" && e.subject === "low")
  assert.is(entry.reason, "revoked")
})

test("[CR 1.9] older, forged and damaged lists change nothing, in a file or by command", async () => {
  const folder = join(rig.folder, "pki")
  const forger = opensslAuthority(folder, "forger", null)
  const older = opensslCrl(folder, "older.crl", { issuer: rig.fieldCa, number: 2 })
  writeFileSync(pki("damaged.crl"), readFileSync(pki("field.crl"), "utf8").replace(/[A-Za-z]{8}/, "AAAAAAAA"))
  for (const file of [older, opensslCrl(folder, "forged.crl", { issuer: forger, number: 9 }), pki("damaged.crl")]) {
    const answer = await offer(file)
    assert.equal([answer.ok, answer.ok ? "" : answer.code], [false, "ERR_COMMAND_ARGUMENT"], file)
  }
  const reasons = (await rig.audit()).filter((e) => e.outcome === "failure" && e.object === "trust.crl")
  assert.equal(reasons.slice(-3).map((e) => e.reason), ["older", "unknown-issuer", "ERR_CRL"]) // prettier-ignore
  copyFileSync(pki("damaged.crl"), pki("field.crl"))
  assert.is((await reload()).ok, false)
  // An old file on disk is no fault: what is known is newer.
  copyFileSync(older, pki("field.crl"))
  assert.equal(await reload(), { ok: true, result: { certificates: [], authorities: [], lists: [] } })
  assert.is.not((await says("thief")).code, 0)
})

test("[CR 1.8] a reload with a fault changes nothing, and says what is wrong", async () => {
  const before = await shown()
  const key = readFileSync(pki("gateway-field.key"))
  copyFileSync(pki("gateway-control.key"), pki("gateway-field.key"))
  assert.is((await reload()).ok, false)
  const refused = (await rig.audit()).findLast((e) => e.event === "command.executed" && e.outcome === "failure")
  assert.equal([refused?.object, refused?.reason], ["trust.reload", "ERR_CREDENTIAL_EMPTY"])
  assert.match(String(refused?.detail?.["text"]), /credential field-end/)
  assert.is(await shown(), before)
  writeFileSync(pki("gateway-field.key"), key)
  assert.is((await reload()).ok, true)
  assert.is((await says("honest")).code, 0)
})

test("[CR 1.9] what is revoked stays so over a restart, with an old file on disk or none", async () => {
  await rig.gateway.kill9()
  await rig.gateway.start()
  assert.is.not((await says("thief")).code, 0)
  assert.is((await says("honest")).code, 0)
  const status = await rig.lockgate("trust", "status")
  assert.match(status.out, /revoked {2}2, list 3 of CN=field-ca\n {11}next list by .*: (fresh|PERHAPS)/)
  assert.match(status.out, /own {8}conduit\/telemetry {2}CN=gateway-field, until /)
})

test("[CR 1.2, CR 4.1] the environment adds no authority and writes no keys", async () => {
  const foreign = rig.peer("foreign", { issuer: other })
  assert.is.not((await says("foreign", foreign)).code, 0)
  await rig.entry((e) => e.event === "conduit.peer-refused" && e.reason === "unknown-issuer")
  assert.throws(() => readFileSync(keyLog), /ENOENT/)
})

test("[CR 1.9] an authority that is exchanged cuts those it alone vouched for", async () => {
  const { client, cut } = await staying("honest")
  const next = opensslAuthority(join(rig.folder, "pki"), "next-ca")
  const fresh = rig.peer("fresh", { issuer: next })
  const old = readFileSync(pki("field-ca.crt"))
  writeFileSync(pki("field-ca.crt"), Buffer.concat([old, readFileSync(next.cert)]))
  assert.equal(await reload(), { ok: true, result: { certificates: [], authorities: ["field-ca"], lists: [] } })
  assert.ok(await letIn("fresh", fresh))
  assert.ok(client.connected)
  copyFileSync(next.cert, pki("field-ca.crt"))
  rmSync(pki("field.crl"))
  assert.is((await reload()).ok, false)
  assert.ok(client.connected)
  opensslCrl(join(rig.folder, "pki"), "field.crl", { issuer: next, number: 1 })
  assert.is((await reload()).ok, true)
  await cut
  await client.endAsync()
  assert.ok(await letIn("fresh", fresh))
  assert.not.ok(await letIn("honest"))
  // Back again: what was revoked before is still known.
  writeFileSync(pki("field-ca.crt"), Buffer.concat([old, readFileSync(next.cert)]))
  assert.is((await reload()).ok, true)
  assert.ok(await letIn("honest"))
  assert.not.ok(await letIn("thief"))
})

test("[CR 1.9] an upstream whose certificate is revoked is cut at once, and not dialled again", async () => {
  const { client, cut } = await staying("honest")
  const broker = { cert: pki("broker.crt"), key: "", chain: "" }
  const list = opensslCrl(join(rig.folder, "pki"), "control.crl", {
    issuer: rig.controlCa,
    number: 1,
    revoked: [broker],
  })
  assert.is((await offer(list)).ok, true)
  await cut
  await client.endAsync()
  const gone = await rig.entry((e) => e.event === "conduit.upstream-distrusted" && e.conduit === "telemetry")
  assert.equal([gone.reason, gone.detail?.["issuer"]], ["revoked", "CN=control-ca"])
  await rig.entry((e) => e.event === "conduit.upstream-distrusted" && e.source === "management/mqtt")
  assert.is.not((await says("honest")).code, 0)
})

test.run()
