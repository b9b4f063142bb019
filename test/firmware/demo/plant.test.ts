/** The demo plant against a stand-in for the gateway that terminates TLS and forwards everything, or all but the rogue. */
import { spawn, type ChildProcessByStdio } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { connect as connectTls, createServer, type Server, type TLSSocket } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { PlantConfig } from "../../../firmware/demo/plant-config.ts"
import { parsePlantLine, type PlantReport } from "../../../firmware/demo/plant-report.ts"
import { mosquittoPub, mosquittoSub } from "../../peers/mosquitto-clients.ts"
import { opensslAuthority, opensslCertificate, type Issued } from "../../peers/openssl.ts"
import { freePorts } from "../../peers/ports.ts"
import { rejects } from "../../support/rejects.ts"
import { ROOT } from "../../support/source-tree.ts"

const test = suite("firmware/demo/plant")
const folder = mkdtempSync(join(tmpdir(), "lockgate-plant-"))
test.after(() => rmSync(folder, { recursive: true }))

const [field, control, unknown] = ["field", "control", "unknown"].map((name) => opensslAuthority(folder, name))
const issue = (name: string, issuer: Issued, usage: "client" | "server", ...san: string[]) => {
  const { key, chain, cert } = opensslCertificate(folder, name, { issuer, usage, ...(san.length > 0 ? { san } : {}) })
  return { name, key, certificate: chain, cert }
}
const conduit = issue("conduit", control!, "client", "URI:urn:test:conduit")
const management = issue("management", control!, "client", "URI:urn:test:management")
const witness = issue("witness", control!, "client", "URI:urn:test:witness")
const guest = issue("guest", control!, "client", "URI:urn:test:guest")
const gatewayServer = issue("gateway", field!, "server", "IP:127.0.0.1")

function plantConfig(gatewayPort: number, brokerPort: number): PlantConfig {
  const clients = {
    conduit: "urn:test:conduit",
    management: "urn:test:management",
    operator: "urn:test:operator",
    witness: "urn:test:witness",
  }
  return {
    gateway: { name: "gw", host: "127.0.0.1", port: gatewayPort, authority: field!.cert },
    broker: {
      ...issue("broker", control!, "server", "IP:127.0.0.1"),
      port: brokerPort,
      authority: control!.cert,
      clients,
    },
    sensors: ["pump-pressure", "flow", "tank-level", "temperature"].map((name) => issue(name, field!, "client")),
    witness: "log-server",
    operator: issue("operator", control!, "client", "URI:urn:test:operator"),
    rogue: issue("rogue", field!, "client"),
    stranger: issue("stranger", unknown!, "client"),
  }
}

/** Terminates TLS as the gateway does, and forwards what `admit` lets in: a gateway without a policy. */
async function standIn(port: number, brokerPort: number, admit: (name: string) => boolean): Promise<Server> {
  const tls = { key: readFileSync(gatewayServer.key), cert: readFileSync(gatewayServer.certificate) }
  const server = createServer({ ...tls, ca: readFileSync(field!.cert), requestCert: true }, (client: TLSSocket) => {
    const name = client.getPeerCertificate().subject?.CN
    if (!client.authorized || !admit(String(name))) return void client.destroy()
    const upstream = connectTls({
      port: brokerPort,
      host: "127.0.0.1",
      ca: readFileSync(control!.cert),
      key: readFileSync(conduit.key),
      cert: readFileSync(conduit.certificate),
    })
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on("error", () => (client.destroy(), upstream.destroy()))
    return undefined
  })
  server.on("tlsClientError", () => undefined)
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return server
}

interface Plant {
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  /** The first report for which `enough` holds. */
  until(enough: (report: PlantReport) => boolean): Promise<PlantReport>
  readonly ended: Promise<number | null>
}

function startPlant(config: PlantConfig): Plant {
  const file = join(folder, `plant-${config.broker.port}.json`)
  writeFileSync(file, JSON.stringify(config))
  const args = [...process.execArgv, join(ROOT, "firmware/demo/plant.ts"), file]
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })
  const watchers = new Set<(report: PlantReport) => void>()
  let rest = ""
  let last: PlantReport | null = null
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines.map(parsePlantLine)) {
      if (line.kind !== "report") continue
      last = line
      for (const watch of watchers) watch(line)
    }
  })
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  const until: Plant["until"] = async (enough) => {
    const report = await new Promise<PlantReport | null>((resolve) => {
      watchers.add((it) => enough(it) && resolve(it))
      void ended.then(() => resolve(null))
      setTimeout(() => resolve(null), 40_000).unref()
    })
    if (report === null) throw new Error(`the plant did not get there: ${JSON.stringify(last)}`)
    return report
  }
  return { child, until, ended }
}

test("with everything forwarded but the rogue, messages arrive, commands come down, and nothing is leaked", async () => {
  const [gatewayPort, brokerPort] = await freePorts(2)
  const config = plantConfig(gatewayPort!, brokerPort!)
  const gateway = await standIn(gatewayPort!, brokerPort!, (name) => name !== "rogue")
  const plant = startPlant(config)
  const report = await plant.until((r) => Object.keys(r.broker.byClient).length === 4 && r.operator.received > 0)
  assert.is(report.broker.leaked, 0)
  assert.is(report.sensors.connected, 4)
  assert.is(report.broker.byClient["rogue"], undefined)

  const tls = { ca: control!.cert, cert: management.certificate, key: management.key }
  const own = await mosquittoPub({ port: brokerPort!, tls, topic: "lockgate/gw/audit/live", message: "{}", qos: 1 })
  assert.is(own.code, 0, own.output)
  const other = await mosquittoPub({ port: brokerPort!, tls, topic: "lockgate/other/x", message: "{}", qos: 1 })
  assert.is.not(other.code, 0)
  const asOperator = { ca: control!.cert, cert: config.operator.certificate, key: config.operator.key }
  const sub = await mosquittoSub({ port: brokerPort!, tls: asOperator, topics: ["plant/+/telemetry"], id: "by-hand" })
  await sub.take(3)
  await sub.stop()
  const forged = { port: brokerPort!, tls: asOperator, topic: "lockgate/gw/audit/live", message: "{}", qos: 1 } as const
  assert.is.not((await mosquittoPub(forged)).code, 0)
  const asWitness = { ca: control!.cert, cert: witness.certificate, key: witness.key }
  for (const [topic, isOwn] of [
    ["witness/log-server", true],
    ["witness/log-server/refused", true],
    ["witness/other", false],
    ["log/edge", false],
  ] as const) {
    // prettier-ignore
    const said = { port: brokerPort!, tls: asWitness, topic: `lockgate/gw/${topic}`, message: "x", qos: 1 } as const
    assert.is((await mosquittoPub(said)).code === 0, isOwn, topic)
  }
  const stray = { port: brokerPort!, tls: asWitness, topic: "plant/pump-pressure/setpoint", message: "x", qos: 1 } as const // prettier-ignore
  assert.is.not((await mosquittoPub(stray)).code, 0)
  const asGuest = { ca: control!.cert, cert: guest.certificate, key: guest.key }
  assert.is.not((await mosquittoPub({ port: brokerPort!, tls: asGuest, topic: "x", message: "", qos: 1 })).code, 0)

  plant.child.kill("SIGTERM")
  assert.is(await plant.ended, 0)
  gateway.close()
})

test("a gateway that filters nothing shows as leaked, and the plant stops when its input closes", async () => {
  const [gatewayPort, brokerPort] = await freePorts(2)
  const plant = startPlant(plantConfig(gatewayPort!, brokerPort!))
  // The gateway comes late, as after a restart: the clients keep trying.
  await plant.until((r) => r.sensors.connected === 0)
  const gateway = await standIn(gatewayPort!, brokerPort!, () => true)
  const report = await plant.until((r) => r.broker.leaked >= 2)
  assert.ok(report.rogue.tried["other-topic"]! >= 1)
  plant.child.stdin.end()
  assert.is(await plant.ended, 0)
  gateway.close()
})

test("a plant file that is none, and a port that is taken, are told in one line", async () => {
  const run = (file: string) => {
    const child = spawn(process.execPath, [join(ROOT, "firmware/demo/plant.ts"), file], {
      stdio: ["pipe", "pipe", "pipe"],
    })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    return new Promise<[number | null, unknown]>((r) => child.on("close", (code) => r([code, JSON.parse(output)])))
  }
  writeFileSync(join(folder, "none.json"), "{}")
  const [code, line] = await run(join(folder, "none.json"))
  assert.is(code, 2)
  assert.is((line as { code: string }).code, "ERR_PLANT_FILE")

  const [gatewayPort, brokerPort] = await freePorts(2)
  const squatter = await standIn(brokerPort!, 1, () => false)
  writeFileSync(join(folder, "taken.json"), JSON.stringify(plantConfig(gatewayPort!, brokerPort!)))
  const [taken, fault] = await run(join(folder, "taken.json"))
  assert.is(taken, 1)
  assert.is((fault as { code: string }).code, "ERR_PLANT_PORT")
  squatter.close()
})

test("what is no line of the plant is an input error", async () => {
  await rejects(() => parsePlantLine("{"), "ERR_PLANT_LINE")
  await rejects(() => parsePlantLine(`{"kind":"other"}`), "ERR_PLANT_LINE")
  await rejects(() => parsePlantLine("null"), "ERR_PLANT_LINE")
})

test.run()
