import { X509Certificate } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createBundleVerifier } from "../../../firmware/bundles/verify.ts"
import { readTrustedSigner } from "../../../firmware/bundles/signer-key.ts"
import { readGatewayConfig } from "../../../firmware/config/read-gateway-config.ts"
import { demoHints } from "../../../firmware/demo/hints.ts"
import { prepareDemo, type DemoPaths } from "../../../firmware/demo/material.ts"
import { readPlantConfig } from "../../../firmware/demo/plant-config.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { freePorts } from "../../peers/ports.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/demo/material")
const folders: string[] = []
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-demo-"))
  folders.push(folder)
  return folder
}
/** Made once for the tests that only look. */
let whole: DemoPaths
test.before(async () => {
  whole = await prepareDemo(newFolder(), await ports())
})
test.after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))
const ports = async () => {
  const [gatewayPort, brokerPort] = await freePorts(2)
  return { gatewayPort: gatewayPort!, brokerPort: brokerPort! }
}
const files = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: "utf8" })
const contents = (folder: string): Map<string, string> => {
  const plain = files(folder).filter((file) => statSync(join(folder, file)).isFile())
  return new Map(plain.map((file) => [file, readFileSync(join(folder, file), "utf8")]))
}

test("makes a policy, a board file and a bundle that the gateway's own readers take", async () => {
  const paths = whole
  const policy = parsePolicy(readFileSync(paths.policy, "utf8"), "policy.yaml")
  assert.ok(policy.ok, JSON.stringify(policy))
  const board = await readGatewayConfig(paths.gatewayConfig)
  assert.ok(board.ok, JSON.stringify(board))
  if (!board.ok) return
  assert.is(board.value.conduits["telemetry"]!.listen.port, paths.gatewayPort)
  assert.is(board.value.management.mqtt!.port, paths.brokerPort)
  const { authorities, policySigners } = board.value.trust
  const { credentials, policyBundleFile } = board.value
  const named = [...Object.values(authorities), ...Object.values(policySigners)]
  for (const file of [...named, ...Object.values(credentials).flatMap((c) => [c.keyFile, c.certificateFile])])
    assert.ok(existsSync(file), file)
  const signer = await readTrustedSigner("owner", readFileSync(policySigners["owner"]!, "utf8"))
  const bundle = await createBundleVerifier([signer])(readFileSync(policyBundleFile!, "utf8"))
  assert.is(bundle.statement.policy, readFileSync(paths.policy, "utf8"))
})

test("makes certificates of the right authority, purpose and name, and a stranger of none", async () => {
  const paths = whole
  const plant = readPlantConfig(paths.plant)
  const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file))
  const [field, control] = [read(paths.fieldAuthority), read(paths.controlAuthority)]
  for (const device of [...plant.sensors, plant.rogue, paths.byHand]) {
    const it = read(device.certificate)
    assert.ok(it.verify(field.publicKey), device.name)
    assert.match(it.subjectAltName!, new RegExp(`^URI:urn:lockgate-demo:(sensor|pump):${device.name}$`))
    assert.is(it.publicKey.asymmetricKeyDetails!.namedCurve, "prime256v1")
  }
  assert.ok(read(plant.operator.certificate).verify(control.publicKey))
  assert.ok(read(plant.broker.certificate).checkIP("127.0.0.1"))
  const stranger = read(plant.stranger.certificate)
  assert.not.ok(stranger.verify(field.publicKey) || stranger.verify(control.publicKey))
})

test("[CR 1.5] keys are for their owner's eyes, folders too", async () => {
  const { folder } = whole
  for (const name of files(folder)) {
    const { mode } = statSync(join(folder, name))
    assert.is(mode & 0o077, 0, name)
  }
})

test("a second run finds everything as it was", async () => {
  const { folder } = whole
  const before = contents(folder)
  assert.equal(await prepareDemo(folder), whole)
  assert.equal(contents(folder), before)
})

test("a first run interrupted at any file is healed, and so is an older format", async () => {
  const folder = newFolder()
  const where = await ports()
  await prepareDemo(folder, where)
  const complete = contents(folder)
  for (const marker of [`{"format":1,"state":"making"}`, "", `{"format":0,"state":"ready"}`]) {
    writeFileSync(join(folder, "demo.json"), marker)
    rmSync(join(folder, "plant"), { recursive: true, force: true })
    writeFileSync(join(folder, "policy.jws.tmp"), "torn")
    await prepareDemo(folder, where)
    const healed = contents(folder)
    for (const name of complete.keys()) assert.ok(healed.has(name), name)
    assert.is.not(healed.get("owner/field-ca.key.pem"), complete.get("owner/field-ca.key.pem"))
  }
})

test("certificates that end within the week are made anew, with what the gateway believed of the old ones", async () => {
  const folder = newFolder()
  const where = await ports()
  const paths = await prepareDemo(folder, where)
  const before = readFileSync(paths.fieldAuthority, "utf8")
  await prepareDemo(folder, { nowAt: Date.now() + 357 * 86_400_000 })
  assert.is(readFileSync(paths.fieldAuthority, "utf8"), before)
  writeFileSync(join(folder, "state"), "of the old gateway")
  await prepareDemo(folder, { nowAt: Date.now() + 359 * 86_400_000 })
  assert.is.not(readFileSync(paths.fieldAuthority, "utf8"), before)
  assert.not.ok(existsSync(join(folder, "state")))
})

test("ports that others took are left to them, in every file that names them, and edits stay", async () => {
  const folder = newFolder()
  const first = await prepareDemo(folder, await ports())
  writeFileSync(first.gatewayConfig, `${readFileSync(first.gatewayConfig, "utf8")}\nlimits: { max-connections: 77 }\n`)
  const squatter = createServer().listen(first.gatewayPort, "127.0.0.1")
  await new Promise((resolve) => squatter.once("listening", resolve))
  const second = await prepareDemo(folder)
  squatter.close()
  assert.is.not(second.gatewayPort, first.gatewayPort)
  assert.is(second.brokerPort, first.brokerPort)
  const text = readFileSync(second.gatewayConfig, "utf8")
  assert.ok(text.includes(`port: ${second.gatewayPort},`) && text.includes(`127.0.0.1:${second.brokerPort}`))
  assert.ok(text.includes("max-connections: 77"))
  assert.is(readPlantConfig(second.plant).gateway.port, second.gatewayPort)
})

test("a folder that is not ours is left alone", async () => {
  const folder = newFolder()
  writeFileSync(join(folder, "letter.txt"), "dear")
  await rejects(() => prepareDemo(folder), "ERR_DEMO_FOLDER")
  assert.equal(files(folder), ["letter.txt"])
})

test("the hints name files that exist", async () => {
  const paths = whole
  const hints = demoHints(paths, paths.folder)
  for (const [, file] of hints.join(" ").matchAll(/--(?:cafile|cert|key|config) (\S+)/g))
    assert.ok(existsSync(join(paths.folder, file!)), file)
})

test.run()
