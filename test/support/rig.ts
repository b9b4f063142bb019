/**
 * A whole gateway between real peers: its own process, mosquitto as the control zone's broker, certificates made by the
 * openssl command. Everything lies in one temporary folder and on free loopback ports.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { signBundle } from "../../firmware/bundles/sign.ts"
import { readSigningKey } from "../../firmware/bundles/signer-key.ts"
import { callLocal } from "../../firmware/management/local-client.ts"
import type { StatusReport } from "../../firmware/management/status-report.ts"
import type { CommandAnswer } from "../../policy/command/port.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import { expired, opensslAuthority, opensslCertificate, type Issued, type KeyAlgorithm } from "../peers/openssl.ts"
import { startMosquitto, type Mosquitto, type MosquittoOptions } from "../peers/mosquitto.ts"
import { mosquittoSub, type Subscription } from "../peers/mosquitto-clients.ts"
import { freePorts } from "../peers/ports.ts"
import { makeSigner, type Signer } from "./bundles.ts"
import { cpuMsOf, createPatience } from "./start-patience.ts"

const CLI = fileURLToPath(new URL("../../firmware/cli.ts", import.meta.url))

/** A gateway that is told to stop ends within this, on a machine that is busy with other tests too. */
const STOP_MS = 8_000

/** A policy of two roles that most tests can do with. */
export const POLICY = `
lockgate-policy: 1
name: test plant
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles:
  sensor: reports
  pump: reports and obeys
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [sensor] }
  - { zone: field, match: { san-uri: "urn:test:pump:{name}" }, roles: [sensor, pump], client-id: "%u*" }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
rules:
  - { id: report, allow: publish, roles: [sensor], topics: ["plant/%u/#"], qos: 2, retain: true, payload: 2MiB }
  - { id: no-secrets, deny: publish, roles: [sensor], topics: ["plant/+/secret"] }
  - { id: obey, allow: [subscribe, receive], roles: [pump], topics: ["plant/%u/set/+", "all/+"], qos: 2, payload: 2MiB }
  - { id: slow, allow: publish, roles: [pump], topics: ["slow/%u"], qos: 1, rate: 1/s burst 2 }
`

/** An entry of the audit log, as it was parsed from its line. */
export interface LoggedLine {
  readonly seq: number
  readonly event: string
  readonly category: string
  readonly outcome: string
  readonly source: string
  readonly subject?: string | null
  readonly conduit?: string
  readonly object?: string
  readonly rule?: string
  readonly reason?: string
  readonly count?: number
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

/** What of the plant is not the default. */
export interface RigOptions {
  readonly policy?: string
  /** Lines added to the board file. */
  readonly board?: string
  /** Lines of further conduits in the board file; of a function, with the broker's TLS port. */
  readonly conduits?: readonly string[] | ((brokerPort: number) => readonly string[])
  /** Conduits that do not listen at first, so that it is not waited for them. */
  readonly closedAtFirst?: readonly string[]
  /** Leave out the policy bundle: a first boot. */
  readonly withoutPolicy?: boolean
  /** Make files in the `pki` folder before the gateway starts; answers lines for the board file's `trust`. */
  readonly trust?: (pki: string, fieldCa: Issued, controlCa: Issued) => string
  /** Of every key: authorities', gateway's, broker's, peers'. Default EC, P-256. */
  readonly algorithm?: KeyAlgorithm
  /** Lines for mosquitto. */
  readonly brokerConfig?: readonly string[]
  /** The broker keeps sessions and messages over a stop, for `brokerBack`. */
  readonly brokerKeeps?: boolean
  /** Called with the state folder before the gateway starts for the first time. */
  readonly beforeStart?: (stateFolder: string) => void
  /** Environment of the gateway's process. */
  readonly env?: Readonly<Record<string, string>>
}

/** A plant on loopback: broker, certificates, state folder, and the gateway between them. */
export interface Rig {
  readonly folder: string
  readonly stateFolder: string
  /** The board file. */
  readonly config: string
  readonly port: number
  /** The one that runs, or ran last. */
  readonly broker: Mosquitto
  /** Start the broker again where it was, after `broker.stop()`. */
  brokerBack(): Promise<void>
  readonly fieldCa: Issued
  readonly controlCa: Issued
  readonly signer: Signer
  /** A client certificate of the control zone, for somebody at the broker. */
  readonly desk: { readonly cert: string; readonly key: string }
  /** A client certificate of the field zone with this URI; `issuer` and dates may differ. */
  peer(name: string, options?: { uri?: string; issuer?: Issued; expired?: boolean; modbusRole?: string }): Issued
  /** TLS files of a peer, as the mosquitto clients and the mqtt package want them. */
  tls(peer: Issued): { ca: string; cert: string; key: string }
  /** Subscribed at the broker itself: what really arrives there. */
  watch(...topics: string[]): Promise<Subscription>
  /** A signed bundle of a policy text. */
  bundle(version: number, policy?: string, change?: Partial<Statement>): Promise<string>
  command(command: string, args?: Record<string, unknown>): Promise<CommandAnswer>
  /** The real command line in a process of its own, told of this gateway by `--config`. */
  lockgate(
    ...args: readonly string[]
  ): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>
  status(): Promise<StatusReport>
  /** All lines of the audit log that are on disk, parsed. */
  audit(): Promise<LoggedLine[]>
  /** The first audit entry that fits, waited for up to `timeoutMs` (default 5 s). */
  entry(fits: (entry: LoggedLine) => boolean, timeoutMs?: number): Promise<LoggedLine>
  readonly gateway: GatewayProcess
  stop(): Promise<void>
}

/** The gateway as a process of its own. */
export interface GatewayProcess {
  readonly pid: number
  output(): string
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
  kill9(): Promise<void>
  /** Start again on the same state; resolves when it answers. */
  start(): Promise<void>
}

/** Start broker and gateway; resolves when the gateway answers commands (and listens, if it has a policy). */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-rig-"))
  const [port] = await freePorts(1)
  const pki = join(folder, "pki")
  mkdirSync(pki)
  const { algorithm = "EC" } = options
  const fieldCa = opensslAuthority(pki, "field-ca", null, algorithm)
  const controlCa = opensslAuthority(pki, "control-ca", null, algorithm)
  const san = ["IP:127.0.0.1", "DNS:localhost"]
  opensslCertificate(pki, "gateway-field", { issuer: fieldCa, usage: "server", san, algorithm })
  const upstream = { issuer: controlCa, usage: "client", san: ["URI:urn:test:gateway"], algorithm } as const
  opensslCertificate(pki, "gateway-control", upstream)
  const brokerCert = opensslCertificate(pki, "broker", { issuer: controlCa, usage: "server", san, algorithm })
  const watcher = opensslCertificate(pki, "watcher", { issuer: controlCa, usage: "client", algorithm })
  const trust = options.trust?.(pki, fieldCa, controlCa) ?? ""
  const kept = join(folder, "broker-kept")
  mkdirSync(kept)
  const brokerOptions: MosquittoOptions = {
    ...(options.brokerKeeps === true ? { persistence: kept } : {}),
    tls: { ca: controlCa.cert, cert: brokerCert.cert, key: brokerCert.key, requireCert: true },
    config: ["message_size_limit 0", "max_inflight_messages 100", ...(options.brokerConfig ?? [])],
  }
  let broker = await startMosquitto(brokerOptions)
  const signer = await makeSigner("owner")
  writeFileSync(join(pki, "owner.pub.pem"), signer.publicPem)
  const bundle = async (version: number, policy = options.policy ?? POLICY, change: Partial<Statement> = {}) =>
    signBundle(
      {
        version,
        issuedAt: Date.now(),
        notBeforeAt: null,
        notAfterAt: null,
        gateways: ["*"],
        predecessor: null,
        policy,
        cases: null,
        ...change,
      },
      await readSigningKey("owner", signer.privatePem),
    )
  if (options.withoutPolicy !== true) writeFileSync(join(folder, "policy.jws"), await bundle(1))
  const { conduits = [], closedAtFirst = [] } = options
  const conduitLines = typeof conduits === "function" ? conduits(broker.tlsPort) : conduits
  const stateFolder = join(folder, "state")
  const socket = join(folder, "run", "command.sock")
  const config = join(folder, "gateway.yaml")
  writeFileSync(
    config,
    `
lockgate-gateway: 1
gateway: gw-test
board: simulated
state: ${stateFolder}
trust:
  authorities: { field-ca: pki/field-ca.crt, control-ca: pki/control-ca.crt }
  policy-signers: { owner: pki/owner.pub.pem }
  policy-threshold: 1
  ${trust}
credentials:
  field-end: { key: pki/gateway-field.key, certificate: pki/gateway-field.chain }
  control-end: { key: pki/gateway-control.key, certificate: pki/gateway-control.chain }
${options.withoutPolicy === true ? "" : "policy-bundle: policy.jws"}
conduits:
  telemetry:
    listen: { address: 127.0.0.1, port: ${port}, credential: field-end }
    upstream: { url: "mqtts://127.0.0.1:${broker.tlsPort}", credential: control-end, authority: control-ca }
${conduitLines.map((line) => `  ${line}`).join("\n")}
management:
  socket: ${socket}
  mqtt: { url: "mqtts://127.0.0.1:${broker.tlsPort}", credential: control-end, authority: control-ca }
${options.board ?? ""}
`,
  )
  const peers = new Map<string, Issued>()
  const command = (id: string, args: Record<string, unknown> = {}) =>
    callLocal(socket, { command: id, arguments: args }, 15_000)
  const status = async (): Promise<StatusReport> => {
    const answer = await command("status")
    if (!answer.ok) throw new Error(`status: ${answer.code}`)
    return answer.result as StatusReport
  }
  const gateway = gatewayProcess(config, options.env ?? {}, async () => {
    const answer = await command("status")
    // People have accounts: nobody is told more than that somebody answers.
    if (!answer.ok && answer.code === "ERR_NOT_AUTHENTICATED") return true
    const now = await status()
    return (
      options.withoutPolicy === true ||
      now.posture.normal === "closed" ||
      now.conduits.every((c) => c.listening !== null || c.failed !== null || closedAtFirst.includes(c.name))
    )
  })
  const audit = async (): Promise<LoggedLine[]> => auditOnDisk(stateFolder).entries
  const rig: Rig = {
    folder,
    stateFolder,
    config,
    port: port!,
    get broker() {
      return broker
    },
    async brokerBack() {
      broker = await startMosquitto({ ...brokerOptions, tlsPort: broker.tlsPort })
    },
    fieldCa,
    controlCa,
    signer,
    desk: { cert: watcher.cert, key: watcher.key },
    gateway,
    peer(name, { uri = `urn:test:sensor:${name}`, issuer = fieldCa, expired: over = false, modbusRole } = {}) {
      const key = `${name}-${uri.replaceAll(/[^a-z0-9]/g, "_")}-${issuer === fieldCa ? "" : "other"}${over ? "-old" : ""}${modbusRole ?? ""}`
      const known = peers.get(key)
      if (known !== undefined) return known
      const dates = over ? expired() : {}
      const made = opensslCertificate(pki, key, {
        issuer,
        usage: "client",
        algorithm,
        san: [`URI:${uri}`],
        ...dates,
        ...(modbusRole === undefined ? {} : { modbusRole }),
      })
      peers.set(key, made)
      return made
    },
    tls: (peer) => ({ ca: fieldCa.cert, cert: peer.chain, key: peer.key }),
    watch: (...topics) =>
      mosquittoSub({
        port: broker.tlsPort,
        host: "127.0.0.1",
        topics,
        qos: 2,
        version: "5",
        tls: { ca: controlCa.cert, cert: watcher.cert, key: watcher.key },
      }),
    bundle,
    command,
    lockgate: (...args) => lockgate([...args, "--config", config]),
    status,
    audit,
    async entry(fits, timeoutMs = 5_000) {
      const until = performance.now() + timeoutMs
      for (;;) {
        const found = (await audit()).find(fits)
        if (found !== undefined) return found
        if (performance.now() > until) {
          const last = (await audit()).slice(-8).map((e) => JSON.stringify(e))
          throw new Error(`no such audit entry; the last are\n${last.join("\n")}\n${gateway.output()}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async stop() {
      await gateway.stop()
      await broker.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    options.beforeStart?.(stateFolder)
    await gateway.start()
  } catch (error) {
    await rig.stop()
    throw error
  }
  return rig
}

/** The real command line in a process of its own. */
export function lockgate(args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [...process.execArgv, CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  let out = ""
  let err = ""
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()))
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })))
}

/** A gateway by its board file; `ready` says when it has started. */
export function gatewayProcess(
  config: string,
  env: Readonly<Record<string, string>>,
  ready: () => Promise<boolean>,
): GatewayProcess {
  let child: ChildProcess | null = null
  let output = ""
  let ended: Promise<number | null> = Promise.resolve(0)
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    let hangs = false
    const patience = setTimeout(() => {
      hangs = true
      child?.kill("SIGKILL")
    }, STOP_MS)
    child?.kill(signal)
    const code = await ended
    clearTimeout(patience)
    // What keeps a stopped gateway alive is a defect, and would be so for systemd, too.
    if (hangs) throw new Error(`the gateway did not end within ${STOP_MS} ms of ${signal}:\n${output}`)
    return code
  }
  return {
    get pid() {
      return child?.pid ?? 0
    },
    output: () => output,
    stop: () => end("SIGTERM"),
    kill9: async () => {
      await end("SIGKILL")
    },
    async start() {
      const started = spawn(process.execPath, [...process.execArgv, CLI, "run", "--config", config], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...env },
      })
      child = started
      ended = new Promise((resolve) => started.once("close", (code) => resolve(code)))
      const killed = (): void => void started.kill("SIGKILL")
      process.once("exit", killed)
      void ended.then(() => process.off("exit", killed))
      const take = (chunk: Buffer): void => {
        output += chunk.toString()
      }
      started.stdout.on("data", take)
      started.stderr.on("data", take)
      const patience = createPatience({ nowMs: () => performance.now(), cpuMs: () => cpuMsOf(started.pid ?? 0) })
      let last: unknown = "it answers, and does not listen yet"
      for (;;) {
        if (started.exitCode !== null) throw new Error(`the gateway ended with ${started.exitCode}:\n${output}`)
        if (await ready().catch((error: unknown) => ((last = error), false))) return
        const why = patience.over()
        if (why !== null) throw new Error(`the gateway does not answer: ${why}; ${String(last)}\n${output}`)
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
    },
  }
}

/** The log as it lies on disk, by the layout that any tool can read: full bundles, then the open one. */
export function auditOnDisk(stateFolder: string): {
  readonly entries: LoggedLine[]
  /** Each entry's exact line. */
  readonly lines: string[]
  /** Bytes at the end that are no whole entry. */
  readonly tornBytes: number
} {
  let lines: string[] = []
  let tornBytes = 0
  const take = (file: string): boolean => {
    let bytes: Buffer
    try {
      bytes = readFileSync(join(stateFolder, "audit", file))
    } catch {
      return false
    }
    let at = 0
    while (at + 2 <= bytes.length) {
      const length = bytes.readUInt16BE(at)
      if (length === 0 || at + 2 + length > bytes.length) break
      lines.push(bytes.toString("utf8", at + 2, at + 2 + length))
      at += 2 + length
    }
    tornBytes += bytes.length - at
    return true
  }
  const bundle = (n: number): string => `tile/entries/${String(n).padStart(3, "0")}`
  for (;;) {
    lines = []
    tornBytes = 0
    let n = 0
    while (take(bundle(n))) n++
    take("tail")
    // A full tail may have become that bundle meanwhile, and what was read is the next one.
    if (!existsSync(join(stateFolder, "audit", bundle(n)))) break
  }
  return { entries: lines.map((line) => JSON.parse(line) as LoggedLine), lines, tornBytes }
}
