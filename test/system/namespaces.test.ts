/** Zones in network namespaces with a real gateway between them: nothing goes beside it, whatever state it is in. */
import type { ChildProcess } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { signBundle } from "../../firmware/bundles/sign.ts"
import { readSigningKey } from "../../firmware/bundles/signer-key.ts"
import { callLocal } from "../../firmware/management/local-client.ts"
import type { StatusReport } from "../../firmware/management/status-report.ts"
import "../peers/mosquitto-clients.ts"
import "../peers/mosquitto.ts"
import "../peers/nftables.ts"
import { opensslAuthority, opensslCertificate } from "../peers/openssl.ts"
import { commandPath } from "../peers/packages.ts"
import { aStatement, makeSigner } from "../support/bundles.ts"
import { ADDRESSES, makeZones, type Zones } from "../support/iproute2-zones.ts"
import { auditOnDisk, POLICY } from "../support/rig.ts"
import { SOCAT } from "../support/socat-present.ts"

const test = suite("system/namespaces")
const CLI = fileURLToPath(new URL("../../firmware/cli.ts", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "lockgate-zones-"))
const at = (name: string): string => join(folder, name)
const socket = at("run/command.sock")
const [BROKER] = ADDRESSES.control.own
const [LISTENER] = ADDRESSES.field.gateway
let zones: Zones
let broker: ChildProcess | null = null
let gateway: ChildProcess | null = null

test.before(async () => {
  assert.ok(commandPath(SOCAT) !== null)
  zones = makeZones()
  mkdirSync(at("pki"))
  const fieldCa = opensslAuthority(at("pki"), "field-ca")
  const controlCa = opensslAuthority(at("pki"), "control-ca")
  opensslCertificate(at("pki"), "gateway-field", { issuer: fieldCa, usage: "server", san: [`IP:${LISTENER}`] })
  opensslCertificate(at("pki"), "gateway-control", { issuer: controlCa, usage: "client" })
  opensslCertificate(at("pki"), "broker", { issuer: controlCa, usage: "server", san: [`IP:${BROKER}`] })
  opensslCertificate(at("pki"), "s1", { issuer: fieldCa, usage: "client", san: ["URI:urn:test:sensor:s1"] })
  const signer = await makeSigner("owner")
  writeFileSync(at("pki/owner.pub.pem"), signer.publicPem)
  const signing = await readSigningKey("owner", signer.privatePem)
  writeFileSync(
    at("policy.jws"),
    await signBundle(aStatement({ policy: POLICY, gateways: ["*"], cases: null }), signing),
  )
  writeFileSync(at("gateway.yaml"), BOARD)
  writeFileSync(
    at("mosquitto.conf"),
    `user root\nallow_anonymous true\npersistence false\nlistener 8883 ${BROKER}\ncafile ${controlCa.cert}\ncertfile ${at("pki/broker.crt")}\nkeyfile ${at("pki/broker.key")}\nrequire_certificate true\n`,
  )
  broker = zones.start("control", ["mosquitto", "-c", at("mosquitto.conf")], { stdio: "ignore" })
})
test.after(() => {
  gateway?.kill("SIGKILL")
  broker?.kill("SIGTERM")
  zones.close()
  rmSync(folder, { recursive: true, force: true })
})

const BOARD = `
lockgate-gateway: 1
gateway: gw-zones
board: linux
state: state
trust:
  authorities: { field-ca: pki/field-ca.crt, control-ca: pki/control-ca.crt }
  policy-signers: { owner: pki/owner.pub.pem }
credentials:
  field-end: { key: pki/gateway-field.key, certificate: pki/gateway-field.chain }
  control-end: { key: pki/gateway-control.key, certificate: pki/gateway-control.chain }
policy-bundle: policy.jws
packet-filter: apply
conduits:
  telemetry:
    listen: { address: ${LISTENER}, port: 8883, credential: field-end }
    upstream: { url: "mqtts://${BROKER}:8883", credential: control-end, authority: control-ca }
management: { socket: ${socket} }
`

function startGateway(): ChildProcess {
  const words = [process.execPath, ...process.execArgv, CLI, "run", "--config", at("gateway.yaml")]
  return zones.start("gateway", words, { stdio: "ignore" })
}

async function status(): Promise<StatusReport | null> {
  const answer = await callLocal(socket, { command: "status", arguments: {} }, 5_000).catch(() => null)
  return answer?.ok === true ? (answer.result as StatusReport) : null
}

async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const said = (event: string): boolean => auditOnDisk(at("state")).entries.some((entry) => entry.event === event)

/** Sends in both directions; what arrived since, by zone. */
async function across(): Promise<{ readonly field: number; readonly control: number }> {
  const before = { field: zones.arrived("field"), control: zones.arrived("control") }
  await Promise.all([zones.sendAcross("field"), zones.sendAcross("control")])
  return { field: zones.arrived("field") - before.field, control: zones.arrived("control") - before.control }
}
const NOTHING = { field: 0, control: 0 }

/** Sends frames in both directions over a bridge that joins the zones; what arrived below IP, by zone. */
async function overABridge(): Promise<{ readonly field: number; readonly control: number }> {
  const before = { field: zones.framesArrived("field"), control: zones.framesArrived("control") }
  zones.bridge(true)
  try {
    await Promise.all([zones.sendFrames("field"), zones.sendFrames("control")])
  } finally {
    zones.bridge(false)
  }
  return {
    field: zones.framesArrived("field") - before.field,
    control: zones.framesArrived("control") - before.control,
  }
}

test("without a gateway, a board that forwards lets everything across: what follows would be seen", async () => {
  zones.forward(true)
  const seen = await across()
  zones.forward(false)
  // TCP is answered, too, which counts on the way back.
  assert.ok(seen.field >= 6 && seen.control >= 6, JSON.stringify(seen))
})

test("without a gateway, a bridge between the zones lets every kind of frame across", async () => {
  const seen = await overABridge()
  assert.ok(seen.field >= 6 && seen.control >= 6, JSON.stringify(seen))
})

test("[CR 5.1] [NDR 5.2] while the gateway starts nothing arrives, and before it listens the rules are in force", async () => {
  gateway = startGateway()
  let sent = 0
  await until("the gateway listens", async () => {
    // Rules that nobody has ever set hold nothing back; from when the log says so, they do.
    const applied = said("boundary.applied")
    assert.equal(await across(), NOTHING)
    if (applied) assert.equal(await overABridge(), NOTHING)
    sent++
    return (await status())?.conduits[0]?.listening === `${LISTENER}:8883`
  })
  assert.ok(sent > 0)
  const { entries } = auditOnDisk(at("state"))
  const first = (event: string): number => entries.findIndex((entry) => entry.event === event)
  assert.ok(first("boundary.applied") >= 0 && first("boundary.applied") < first("conduit.listening"))
  assert.is((await status())?.boundary.packetFilter, "in force")
})

test("[NDR 5.2] the conduit itself works, and nothing else of the gateway answers", async () => {
  const tls = ["--cafile", at("pki/field-ca.crt"), "--cert", at("pki/s1.chain"), "--key", at("pki/s1.key")]
  zones.run(
    "field",
    "mosquitto_pub",
    "-h",
    LISTENER,
    "-p",
    "8883",
    "-i",
    "s1",
    "-q",
    "1",
    "-t",
    "plant/s1/x",
    "-m",
    "1",
    ...tls,
  )
  const open = (zone: "field" | "control", address: string): boolean => {
    const [host, port] = [address, zone === "field" ? "22" : "8883"]
    try {
      zones.run(zone, "socat", "-u", "OPEN:/dev/null", `TCP:${host}:${port},connect-timeout=0.3`)
      return true
    } catch {
      return false
    }
  }
  // The field's listener is not for the control zone, by whatever address of the gateway.
  assert.not.ok(open("field", LISTENER))
  assert.not.ok(open("control", LISTENER))
  assert.not.ok(open("control", ADDRESSES.control.gateway[0]))
})

test("[NDR 5.2 RE(1)] with forwarding switched on behind its back nothing arrives either; it is an alarm and switched off", async () => {
  zones.forward(true)
  assert.equal(await across(), NOTHING)
  await until("the alarm", () => said("boundary.forwarding"))
  await until("forwarding is off", () => !zones.forwards())
})

test("[CR 5.1] [NDR 5.2] over a bridge that somebody makes behind the running gateway's back no frame arrives", async () => {
  assert.equal(await overABridge(), NOTHING)
  assert.is((await status())?.boundary.packetFilter, "in force")
})

test("[CR 5.1] [NDR 5.2 RE(3)] rules that somebody deletes are an alarm, close the conduit, and come back", async () => {
  zones.run("gateway", commandPath("nft") ?? "nft", "delete", "table", "inet", "lockgate")
  await until("the alarm", () => said("boundary.lost"))
  await until("the rules are back", () => said("boundary.restored"))
  zones.forward(true)
  assert.equal(await across(), NOTHING)
  await until("open again", async () => (await status())?.conduits[0]?.listening !== null)
  assert.ok(auditOnDisk(at("state")).entries.some((e) => e.event === "gateway.posture" && e.reason === "boundary-lost"))
})

test("[CR 5.1] the assessment finds the live rules, and that they stop what goes around", async () => {
  await until("forwarding is off", () => !zones.forwards())
  const answer = await callLocal(socket, { command: "assess", arguments: {} }, 60_000)
  assert.ok(answer.ok)
  const rows = answer.result as readonly { requirement: string; result: string; probes: unknown }[]
  for (const id of ["CR 5.1", "CR 2.2", "NDR 1.6", "NDR 5.2"]) {
    const row = rows.find(({ requirement }) => requirement === id)
    assert.is(row?.result, "met", JSON.stringify(row))
  }
})

test("[CR 5.1] [NDR 5.2 RE(3)] after kill -9, with forwarding on, nothing arrives", async () => {
  const { pid } = (await status()) === null ? { pid: 0 } : { pid: gateway?.pid ?? 0 }
  assert.ok(pid > 0)
  const over = new Promise((resolve) => gateway?.once("close", resolve))
  gateway?.kill("SIGKILL")
  await over
  assert.is(await status(), null)
  zones.forward(true)
  assert.equal(await across(), NOTHING)
  assert.equal(await overABridge(), NOTHING)
})

test("[CR 5.1] [NDR 5.2] while it starts again neither forwarding nor a bridge takes anything across", async () => {
  gateway = startGateway()
  let sent = 0
  await until("the gateway listens", async () => {
    assert.equal(await across(), NOTHING)
    assert.equal(await overABridge(), NOTHING)
    sent++
    return (await status())?.conduits[0]?.listening === `${LISTENER}:8883`
  })
  assert.ok(sent > 0)
})

test.run()
