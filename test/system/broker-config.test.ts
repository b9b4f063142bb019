import { spawn, type ChildProcess } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext } from "../../firmware/assess/probe-context.ts"
import { brokerRefusesStrangers } from "../../firmware/assess/probes/broker.ts"
import { runProbe } from "../../firmware/assess/run.ts"
import { policyBroker } from "../../firmware/cli/policy-broker.ts"
import { policyFirewall } from "../../firmware/cli/policy-firewall.ts"
import type { ProbeResult } from "../../policy/requirements/control.ts"
import { mosquittoPub, mosquittoSub } from "../peers/mosquitto-clients.ts"
import { startMosquitto } from "../peers/mosquitto.ts"
import { opensslAuthority, opensslCertificate, type Issued } from "../peers/openssl.ts"
import { commandPath } from "../peers/packages.ts"
import { freePorts } from "../peers/ports.ts"
import { captureIo } from "../support/cli-io.ts"
import { POLICY } from "../support/rig.ts"

const test = suite("system/broker-config")
const top = mkdtempSync(join(tmpdir(), "lockgate-broker-"))
const at = (name: string): string => join(top, name)
const controlCa = opensslAuthority(top, "control-ca")
const otherCa = opensslAuthority(top, "other-ca")
const client = (name: string, issuer: Issued): Issued => opensslCertificate(top, name, { issuer, usage: "client" })
const gateway = client("pump-17-control", controlCa)
const neighbour = client("pump-18-control", controlCa)
const stranger = client("stranger", otherCa)
const [port = 0] = await freePorts(1)
let broker: ChildProcess
let log = ""

const BOARD = `
lockgate-gateway: 1
gateway: pump-17
board: linux
state: state
trust: { authorities: { field-ca: a.pem, control-ca: b.pem }, policy-signers: { owner: o.pem } }
credentials:
  field-end: { key: none.key, certificate: none.pem }
  control-end: { key: ${gateway.key}, certificate: ${gateway.cert} }
conduits:
  telemetry:
    listen: { address: 192.0.2.17, port: 8883, credential: field-end }
    upstream: { url: "mqtts://127.0.0.1:${port}", credential: control-end, authority: control-ca }
management:
  socket: command.sock
  mqtt: { url: "mqtts://127.0.0.1:${port}", credential: control-end, authority: control-ca }
`
writeFileSync(at("gateway.yaml"), BOARD)
writeFileSync(at("policy.yaml"), POLICY)

test.before(async () => {
  const io = captureIo()
  const args = [at("policy.yaml"), "--config", at("gateway.yaml"), "--files", top, "--listen", "127.0.0.1", "-o", top]
  assert.is(await policyBroker(args, io), 0, io.errors())
  const own = opensslCertificate(top, "broker", { issuer: controlCa, usage: "server", san: ["IP:127.0.0.1"] })
  copyFileSync(controlCa.cert, at("gateway-ca.pem"))
  copyFileSync(own.cert, at("broker.pem"))
  copyFileSync(own.key, at("broker.key.pem"))
  // What is no part of what is printed: started by root, mosquitto would become a user who may not read this folder.
  const extra = process.getuid?.() === 0 ? "user root\n" : ""
  writeFileSync(at("test.conf"), `${extra}log_dest stderr\n${readFileSync(at("lockgate.conf"), "utf8")}`)
  broker = spawn(commandPath("mosquitto") ?? "mosquitto", ["-c", at("test.conf")], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  broker.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()))
  for (let k = 0; k < 500 && !(await accepts()); k++) await new Promise((resolve) => setTimeout(resolve, 10))
})
test.after(async () => {
  const over = new Promise((resolve) => broker.once("close", resolve))
  broker.kill("SIGTERM")
  await over
  rmSync(top, { recursive: true })
})

function accepts(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })
}

let made = 0
const as = (who: Issued) => ({
  host: "127.0.0.1",
  port,
  id: `c${++made}`,
  version: "5" as const,
  tls: { ca: controlCa.cert, cert: who.cert, key: who.key },
})

test("[NDR 5.2] the printed configuration starts mosquitto, and the gateway may what the policy admits somebody", async () => {
  const seen = await mosquittoSub({ ...as(gateway), topics: ["all/+", "plant/+/set/+"], qos: 1 })
  // The gateway is the only one who may write; commands to pumps come from it in this test.
  const published = await mosquittoPub({ ...as(gateway), topic: "plant/p-1/set/speed", message: "3", qos: 1 })
  assert.equal(published, { code: 0, output: "" }, log)
  const [message] = await seen.take(1)
  assert.is(message?.topic, "plant/p-1/set/speed")
  await seen.stop()
})

test("[NDR 5.2] what no rule admits anybody is refused to the gateway too", async () => {
  const { output } = await mosquittoPub({ ...as(gateway), topic: "elsewhere/x", message: "1", qos: 1 })
  assert.match(output, /[Nn]ot authori[sz]ed/)
})

test("[NDR 5.2] lockgate/<gateway>/ is written by that gateway alone, and nobody else's by it", async () => {
  const own = await mosquittoPub({ ...as(gateway), topic: "lockgate/pump-17/audit/live", message: "1", qos: 1 })
  assert.equal(own, { code: 0, output: "" })
  const other = await mosquittoPub({ ...as(gateway), topic: "lockgate/pump-18/audit/live", message: "1", qos: 1 })
  assert.match(other.output, /[Nn]ot authori[sz]ed/)
  const forged = await mosquittoPub({ ...as(neighbour), topic: "lockgate/pump-17/audit/live", message: "1", qos: 1 })
  assert.match(forged.output, /[Nn]ot authori[sz]ed/)
})

test("[NDR 5.2] around the gateway nobody gets in: another's certificate may nothing, another authority's is not heard", async () => {
  const topic = "plant/p-1/set/speed"
  assert.match((await mosquittoPub({ ...as(neighbour), topic, message: "9", qos: 1 })).output, /[Nn]ot authori[sz]ed/)
  assert.is.not((await mosquittoPub({ ...as(stranger), topic, message: "9", qos: 1 })).code, 0)
})

async function assessed(brokerPort: number): Promise<ProbeResult> {
  const row = {
    name: "upstream/telemetry",
    direction: "dials",
    kind: "tcp-tls",
    at: `127.0.0.1:${brokerPort}`,
  } as const
  const context = { interfaces: [{ ...row, purpose: "", authentication: "" }] } as Partial<ProbeContext> as ProbeContext
  return runProbe(brokerRefusesStrangers, context)
}

test("[CR 5.1] the assessment finds nobody let in around the gateway by a broker with the printed configuration", async () => {
  const result = await assessed(port)
  assert.is(result.outcome, "passed", JSON.stringify(result))
})

test("[CR 5.1] a broker that hears strangers fails the assessment, whether it lets them in or not, and it says how to mend that", async () => {
  const own = opensslCertificate(top, "open", { issuer: controlCa, usage: "server", san: ["IP:127.0.0.1"] })
  const tls = { ca: controlCa.cert, cert: own.cert, key: own.key, requireCert: false }
  for (const config of [[], ["allow_anonymous false"]]) {
    const open = await startMosquitto({ tls, config })
    const result = await assessed(open.tlsPort)
    await open.stop()
    assert.is(result.outcome, "failed", JSON.stringify(result))
    assert.match(JSON.stringify(result), "lockgate policy broker")
  }
})

test("the command says which broker, which identity and which board file it lacks", async () => {
  const run = async (...args: readonly string[]) => {
    const io = captureIo()
    return { code: await policyBroker(args, io), out: io.text(), err: io.errors() }
  }
  assert.is((await run(at("policy.yaml"))).code, 2)
  const config = ["--config", at("gateway.yaml")]
  assert.match((await run(at("policy.yaml"), ...config, "--broker", "x:1")).err, /ERR_BROKER_UNKNOWN/)
  const printed = await run(at("policy.yaml"), ...config, "--identity", "control-end=somebody")
  assert.match(printed.out, /^# ---- lockgate\.conf\n[^]*# ---- lockgate\.acl\n[^]*\nuser somebody\n/)
  writeFileSync(at("desk.yaml"), BOARD.replace(gateway.cert, "not-here.pem"))
  assert.match((await run(at("policy.yaml"), "--config", at("desk.yaml"))).err, /ERR_BROKER_IDENTITY/)
})

test("the firewall of the same board file is printed; the kernel's settings apart", async () => {
  const run = async (...args: readonly string[]) => {
    const io = captureIo()
    return { code: await policyFirewall([at("policy.yaml"), "--config", at("gateway.yaml"), ...args], io), out: io.text(), err: io.errors() } // prettier-ignore
  }
  const { code, out, err } = await run()
  assert.equal([code, err], [0, ""])
  assert.match(out, /ip daddr 192\.0\.2\.17 fib daddr \. iif type local tcp dport 8883 ct state new accept/)
  assert.match((await run("--sysctl")).out, /ip_forward = 0/)
  assert.is((await run("--address", "nonsense")).code, 2)
})

test.run()
