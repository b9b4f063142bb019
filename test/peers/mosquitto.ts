import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePorts } from "./ports.ts"
import { commandPath } from "./packages.ts"

/** PEM text, or the path of a file that holds it. */
export type Pem = string

/** How a broker is set up. */
export interface MosquittoOptions {
  /** A TLS listener on loopback; with `requireCert` clients prove themselves and their common name is their user name. */
  readonly tls?: { readonly ca: Pem; readonly cert: Pem; readonly key: Pem; readonly requireCert: boolean }
  /** A listener without TLS. Default: only when there is no TLS listener. */
  readonly plain?: boolean
  /** Lines of an ACL file. Default: everybody may everything. */
  readonly acl?: string
  /** Folder in which the broker keeps sessions and retained messages. Default: none are kept. */
  readonly persistence?: string
  /** Ports of an earlier broker, to come back where it was. Default: free ones. */
  readonly port?: number
  readonly tlsPort?: number
  /** Further lines of configuration. */
  readonly config?: readonly string[]
}

/** A broker that runs, in a folder of its own. */
export interface Mosquitto {
  /** Without TLS; 0 if there is no such listener. */
  readonly port: number
  /** With TLS; 0 if there is no such listener. */
  readonly tlsPort: number
  /** What the broker has logged so far. */
  logs(): string
  /** Orderly stop; its folder is gone afterwards. May be called again. */
  stop(): Promise<void>
  /** SIGKILL, as a crash. `stop` still cleans up. */
  kill9(): void
}

const START_MS = 10_000

/** Starts the real mosquitto on loopback; answers once it takes connections. Tries again if a port was snatched away. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  for (let attempt = 1; ; attempt++) {
    const [port, tlsPort] = await freePorts(2)
    const broker = launch(options, options.port ?? port!, options.tlsPort ?? tlsPort!)
    if (await answers(broker)) return broker
    await broker.stop()
    if (attempt === 3 || !broker.logs().includes("in use"))
      throw new Error(`mosquitto did not start:\n${broker.logs()}`)
  }
}

function launch(options: MosquittoOptions, anyPort: number, anyTlsPort: number): Mosquitto & { ended(): boolean } {
  const command = commandPath("mosquitto")
  if (command === null) throw new Error("mosquitto is not installed: see test/peers/debian-packages.txt")
  const plain = options.plain ?? options.tls === undefined
  const [port, tlsPort] = [plain ? anyPort : 0, options.tls === undefined ? 0 : anyTlsPort]
  const folder = mkdtempSync(join(tmpdir(), "lockgate-mosquitto-"))
  writeFileSync(join(folder, "mosquitto.conf"), configuration(options, folder, port, tlsPort), { mode: 0o600 })

  let log = ""
  const child = spawn(command, ["-c", join(folder, "mosquitto.conf")], { stdio: ["ignore", "pipe", "pipe"] })
  const take = (chunk: Buffer): void => {
    log += chunk.toString()
  }
  child.stdout.on("data", take)
  child.stderr.on("data", take)
  const closed = new Promise<void>((resolve) => child.on("close", () => resolve()))
  const kill9 = (): void => void child.kill("SIGKILL")
  process.once("exit", kill9)
  return {
    port,
    tlsPort,
    logs: () => log,
    kill9,
    ended: () => hasEnded(child),
    async stop() {
      const patience = setTimeout(kill9, 5000)
      child.kill("SIGTERM")
      await closed
      clearTimeout(patience)
      process.off("exit", kill9)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function configuration(options: MosquittoOptions, folder: string, port: number, tlsPort: number): string {
  const file = (name: string, pem: Pem): string => {
    if (!pem.includes("-----BEGIN")) return pem
    writeFileSync(join(folder, name), pem, { mode: 0o600 })
    return join(folder, name)
  }
  const lines = ["log_dest stderr", "log_type all", "log_timestamp_format %H:%M:%S", "allow_anonymous true"]
  // Started by root it would become another user, who may not read our folder.
  if (process.getuid?.() === 0) lines.push("user root")
  if (options.persistence === undefined) lines.push("persistence false")
  else lines.push("persistence true", `persistence_location ${options.persistence}/`, "autosave_interval 1")
  if (options.acl !== undefined) {
    writeFileSync(join(folder, "acl"), options.acl, { mode: 0o600 })
    lines.push(`acl_file ${join(folder, "acl")}`)
  }
  if (port !== 0) lines.push(`listener ${port} 127.0.0.1`)
  if (options.tls !== undefined) {
    const { ca, cert, key, requireCert } = options.tls
    lines.push(`listener ${tlsPort} 127.0.0.1`, `cafile ${file("ca.pem", ca)}`)
    lines.push(`certfile ${file("cert.pem", cert)}`, `keyfile ${file("key.pem", key)}`)
    lines.push(`require_certificate ${requireCert}`)
    if (requireCert) lines.push("use_identity_as_username true")
  }
  return [...lines, ...(options.config ?? []), ""].join("\n")
}

/** Whether all its listeners take connections within the time; false if it ended. */
async function answers(broker: Mosquitto & { ended(): boolean }): Promise<boolean> {
  const until = performance.now() + START_MS
  while (performance.now() < until && !broker.ended()) {
    const ports = [broker.port, broker.tlsPort].filter((port) => port !== 0)
    // The log speaks for itself: another process could be the one that listens there.
    if (broker.logs().includes(" running\n") && (await Promise.all(ports.map(accepts))).every(Boolean)) return true
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return false
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
