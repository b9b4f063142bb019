/**
 * What the demo needs on disk: authorities, certificates, keys, policy, board file, plant file. Made at the first run,
 * kept afterwards, never committed.
 *
 *     .demo/demo.json             what this folder is, and whether it is whole
 *           gateway.yaml          the board file        policy.yaml, policy.jws   the policy, and its signed bundle
 *           plant.json            the plant file        state/                    the gateway's own
 *           modbus-scene.json     the drive and its panels
 *           owner/  gateway/  plant/  by-hand/          keys and certificates of each
 *           log-server/         the witness: its keys, and under store/ its verified copy of the gateway's log
 */
import { generateKeyPairSync } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { StateError } from "../../policy/base/errors.ts"
import { createAuthority, issue, type Authority } from "../../provisioning/owner/authority.ts"
import { encodeNoteKey } from "../../policy/audit/tlog/note.ts"
import { makeCosignerKey, parseCosignerSecret } from "../audit/collect-key.ts"
import { nodeSha256 } from "../audit/note-functions.ts"
import { signBundle } from "../bundles/sign.ts"
import { readSigningKey } from "../bundles/signer-key.ts"
import { choosePort, writeWhole } from "./files.ts"
import { PUMP, type CredentialFiles, type PlantClient, type PlantConfig } from "./plant-config.ts"
import { controlUri, DEMO_POLICY, demoBoardFile, deviceUri, type DemoPorts } from "./policy-text.ts"

/** Where the demo's things lie; all paths are absolute. */
export interface DemoPaths {
  readonly folder: string
  readonly gatewayConfig: string
  readonly stateFolder: string
  readonly commandSocket: string
  readonly policy: string
  readonly bundle: string
  readonly plant: string
  /** What the Modbus scene reads. */
  readonly modbusScene: string
  /** Authorities of the zones, to check the gateway's and the broker's certificate by. */
  readonly fieldAuthority: string
  readonly controlAuthority: string
  /** The owner's key that signs policy. */
  readonly policySigner: string
  /** A sensor for the reader to be. */
  readonly byHand: PlantClient
  /** A client at the broker for the reader to be. */
  readonly desk: PlantClient
  readonly gatewayName: string
  /** Who cosigns the gateway's log: a client of the broker, its key as cosigner, and where it keeps its copies. */
  readonly witness: PlantClient & { readonly cosignerKey: string; readonly store: string }
  readonly gatewayPort: number
  readonly brokerPort: number
  readonly modbusPort: number
  readonly drivePort: number
}

/** Choices for the demo; each has a default. */
export interface DemoOptions {
  /** Where to begin looking for free ports: by default where they were, at first 8883 and 18883. */
  readonly gatewayPort?: number
  readonly brokerPort?: number
  /** Wall clock. */
  readonly nowAt?: number
}

/** Raised with every change of what the folder holds: an older folder is then made anew. */
const FORMAT = 5
const GATEWAY = "demo-gateway"
const WITNESS = "log-server"
const [GATEWAY_PORT, BROKER_PORT, MODBUS_PORT, DRIVE_PORT] = [8883, 18_883, 8802, 15_020]
const SENSORS = [PUMP, "flow", "tank-level", "temperature"]
const DAY_MS = 86_400_000

interface Marker extends DemoPorts {
  readonly format: number
  readonly state: "making" | "ready"
  /** When the certificates end. */
  readonly notAfterAt: number
}

/**
 * Makes the demo's folder, or finds it made, and says where things are. An interrupted first run, an older format and
 * certificates about to end are healed by making all anew. Ports move if others took them.
 *
 * @throws StateError `ERR_DEMO_FOLDER` if the folder holds something that is not ours: nothing in it is touched.
 */
export async function prepareDemo(folder: string, options: DemoOptions = {}): Promise<DemoPaths> {
  const nowAt = options.nowAt ?? Date.now()
  const root = resolve(folder)
  const marker = readMarker(root)
  if (marker === null && existsSync(root) && readdirSync(root).length > 0)
    throw new StateError("ERR_DEMO_FOLDER", `${root} is not empty and no demo folder: name another one, or empty it`)
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const usable = marker?.format === FORMAT && marker.state === "ready" && marker.notAfterAt - nowAt > 7 * DAY_MS
  const gatewayPort = await choosePort(options.gatewayPort ?? (usable ? marker.gatewayPort : GATEWAY_PORT))
  const brokerPort = await choosePort(options.brokerPort ?? (usable ? marker.brokerPort : BROKER_PORT), [gatewayPort])
  const others = [gatewayPort, brokerPort]
  const modbusPort = await choosePort(usable ? marker.modbusPort : MODBUS_PORT, others)
  const drivePort = await choosePort(usable ? marker.drivePort : DRIVE_PORT, [...others, modbusPort])
  const ports: DemoPorts = { gatewayPort, brokerPort, modbusPort, drivePort }
  const paths = pathsOf(root, ports)
  if (usable) {
    if (PORTS.some((port) => ports[port] !== marker[port])) {
      movePorts(paths, marker)
      writeMarker(root, { ...marker, ...ports })
    }
    return paths
  }
  const notAfterAt = nowAt + 365 * DAY_MS
  const making = { format: FORMAT, ...ports, notAfterAt }
  writeMarker(root, { ...making, state: "making" })
  // What an older gateway believed, and its witness, has nothing to do with the keys to come.
  for (const old of ["state", WITNESS]) rmSync(join(root, old), { recursive: true, force: true })
  await makeAll(paths, nowAt, notAfterAt)
  writeMarker(root, { ...making, state: "ready" })
  return paths
}

const PORTS = ["gatewayPort", "brokerPort", "modbusPort", "drivePort"] as const

function pathsOf(folder: string, ports: DemoPorts): DemoPaths {
  const at = (path: string): string => join(folder, path)
  return {
    folder,
    gatewayConfig: at("gateway.yaml"),
    stateFolder: at("state"),
    commandSocket: at("command.sock"),
    policy: at("policy.yaml"),
    bundle: at("policy.jws"),
    plant: at("plant.json"),
    modbusScene: at("modbus-scene.json"),
    fieldAuthority: at("owner/field-ca.pem"),
    controlAuthority: at("owner/control-ca.pem"),
    policySigner: at("owner/policy-signer.key.pem"),
    byHand: { name: "by-hand", ...credential(folder, "by-hand/by-hand") },
    desk: { name: "desk", ...credential(folder, "by-hand/desk") },
    gatewayName: GATEWAY,
    witness: {
      ...{ name: WITNESS, ...credential(folder, `${WITNESS}/${WITNESS}`) },
      ...{ cosignerKey: at(`${WITNESS}/cosigner.key`), store: at(`${WITNESS}/store`) },
    },
    ...ports,
  }
}

async function makeAll(paths: DemoPaths, nowAt: number, notAfterAt: number): Promise<void> {
  const { folder } = paths
  // From yesterday on: a machine whose clock lags a little shall not find its demo in the future.
  const validity = { notBeforeAt: nowAt - DAY_MS, notAfterAt }
  const [field, control, stranger] = await Promise.all(
    ["demo field CA", "demo control CA", "demo CA that nobody knows"].map((name) =>
      createAuthority({ name, validity }),
    ),
  )
  if (field === undefined || control === undefined || stranger === undefined) return
  const certify = async (
    path: string,
    by: Authority,
    usage: "client" | "server",
    uri: string,
    modbusRole?: string,
  ): Promise<void> => {
    const cn = path.split("/").at(-1) ?? path
    const here = usage === "server" ? { dns: ["localhost"], ip: ["127.0.0.1"] } : { uri: [uri] }
    const role = modbusRole === undefined ? {} : { modbusRole }
    const { key, certificate } = await issue(by, { ...validity, subject: { cn }, san: here, usage, ...role })
    const files = credential(folder, path)
    writeWhole(files.key, key)
    writeWhole(files.certificate, certificate)
  }
  const device = (name: string): string => deviceUri(name === PUMP ? "pump" : "sensor", name)
  await Promise.all([
    certify("gateway/field-end", field, "server", ""),
    certify("plant/broker", control, "server", ""),
    ...["control-end", "management"].map((name) => certify(`gateway/${name}`, control, "client", controlUri(name))),
    ...[...SENSORS, "rogue"].map((name) => certify(`plant/${name}`, field, "client", device(name))),
    certify("plant/panel", field, "client", deviceUri("panel", "panel"), "Operator"),
    certify("plant/display", field, "client", deviceUri("panel", "display"), "Viewer"),
    certify("plant/operator", control, "client", controlUri("operator")),
    certify("plant/stranger", stranger, "client", deviceUri("sensor", "flow")),
    certify(`${WITNESS}/${WITNESS}`, control, "client", controlUri(WITNESS)),
    certify("by-hand/by-hand", field, "client", deviceUri("sensor", "by-hand")),
    certify("by-hand/desk", control, "client", controlUri("operator")),
  ])
  for (const [path, authority] of [
    ["field-ca", field],
    ["control-ca", control],
  ] as const) {
    // prettier-ignore
    writeWhole(join(folder, `owner/${path}.pem`), authority.certificate)
    writeWhole(join(folder, `owner/${path}.key.pem`), authority.key)
  }
  await makePolicy(paths, nowAt, notAfterAt)
  const cosigner = makeCosignerKey(WITNESS)
  writeWhole(paths.witness.cosignerKey, cosigner)
  const { key } = parseCosignerSecret(cosigner)
  writeWhole(paths.gatewayConfig, demoBoardFile(paths.gatewayName, paths, encodeNoteKey(nodeSha256, key)))
  writePlant(paths)
}

/** The policy and its bundle, signed by a new key of the owner's. */
async function makePolicy(paths: DemoPaths, nowAt: number, notAfterAt: number): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  writeWhole(paths.policySigner, pem)
  writeWhole(
    join(paths.folder, "owner/policy-signer.pub.pem"),
    publicKey.export({ type: "spki", format: "pem" }).toString(),
  )
  writeWhole(paths.policy, DEMO_POLICY)
  const statement = {
    version: 1,
    issuedAt: nowAt,
    notBeforeAt: null,
    notAfterAt,
    gateways: [paths.gatewayName],
    predecessor: null,
    policy: DEMO_POLICY,
    cases: null,
  }
  writeWhole(paths.bundle, await signBundle(statement, await readSigningKey("policy-signer", pem)))
}

/** New ports in the files that name them; whatever else a reader has changed in the board file stays. */
function movePorts(paths: DemoPaths, old: Marker): void {
  const moved = new Map(PORTS.map((port) => [String(old[port]), paths[port]]))
  const text = readFileSync(paths.gatewayConfig, "utf8")
  writeWhole(
    paths.gatewayConfig,
    text.replace(/\b\d{1,5}\b/g, (number) => String(moved.get(number) ?? number)),
  )
  writePlant(paths)
}

function writePlant(paths: DemoPaths): void {
  writeWhole(paths.plant, `${JSON.stringify(plantConfig(paths), null, 2)}\n`)
  const { modbusPort, drivePort, fieldAuthority: authority } = paths
  const [panel, display] = ["panel", "display"].map((name) => credential(paths.folder, `plant/${name}`))
  writeWhole(paths.modbusScene, `${JSON.stringify({ modbusPort, drivePort, authority, panel, display }, null, 2)}\n`)
}

function plantConfig(paths: DemoPaths): PlantConfig {
  const client = (name: string): PlantClient => ({ name, ...credential(paths.folder, `plant/${name}`) })
  const { gatewayName: name, gatewayPort, brokerPort } = paths
  const clients = {
    conduit: controlUri("control-end"),
    management: controlUri("management"),
    operator: controlUri("operator"),
    witness: controlUri(WITNESS),
  }
  return {
    gateway: { name, host: "127.0.0.1", port: gatewayPort, authority: paths.fieldAuthority },
    broker: {
      ...credential(paths.folder, "plant/broker"),
      port: brokerPort,
      authority: paths.controlAuthority,
      clients,
    },
    sensors: SENSORS.map(client),
    operator: client("operator"),
    witness: WITNESS,
    rogue: client("rogue"),
    stranger: client("stranger"),
  }
}

function credential(folder: string, path: string): CredentialFiles {
  return { key: join(folder, `${path}.key.pem`), certificate: join(folder, `${path}.pem`) }
}

function writeMarker(folder: string, marker: Marker): void {
  writeWhole(join(folder, "demo.json"), `${JSON.stringify(marker)}\n`)
}

/** The marker, or null if there is none. One that cannot be read stands for a folder of ours that was left half-made. */
function readMarker(folder: string): Marker | null {
  const file = join(folder, "demo.json")
  if (!existsSync(file)) return null
  const noPorts: DemoPorts = { gatewayPort: 0, brokerPort: 0, modbusPort: 0, drivePort: 0 }
  const broken: Marker = { format: 0, state: "making", ...noPorts, notAfterAt: 0 }
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"))
    return typeof value === "object" && value !== null ? { ...broken, ...value } : broken
  } catch {
    return broken
  }
}
