import { spawn, spawnSync, type ChildProcess } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePorts } from "./ports.ts"
import { commandPath } from "./packages.ts"

/** Where libfaketime has its clock from: `+1h`, or nothing for the true time. */
export type Shift = string | null

/** A client and a server of chrony on loopback. Neither ever touches the clock of this machine: both run with `-x`. */
export interface ChronyPair {
  /** The client's command socket. */
  readonly socket: string
  /** Paths to ask it by. */
  readonly chronyc: readonly string[]
  /** Start the server, its time shifted. */
  startServer(shift?: Shift): Promise<void>
  /** SIGKILL to the server: the client hears nobody any more. */
  stopServer(): Promise<void>
  stop(): Promise<void>
}

/** How server and client prove themselves: a shared key, not at all, or NTS by these PEM files. */
export type ChronyProof =
  "key" | "none" | { readonly certificate: string; readonly key: string; readonly trusted: string }

/** Starts the client; it asks its server 16 times a second, so that all goes fast. */
export async function startChrony(proof: ChronyProof): Promise<ChronyPair> {
  const chronyd = commandPath("chronyd")
  const chronyc = commandPath("chronyc")
  if (chronyd === null || chronyc === null) throw new Error("chrony is not here: see test/peers/debian-packages.txt")
  const folder = mkdtempSync(join(tmpdir(), "lockgate-chrony-"))
  const [port, ntsPort] = await freePorts(2)
  const keys = join(folder, "keys")
  writeFileSync(keys, `1 SHA256 HEX:${randomBytes(32).toString("hex")}\n`, { mode: 0o600 })
  const nts = typeof proof === "object" ? proof : null
  const write = (name: string, lines: readonly string[]): string => {
    const own = join(folder, name)
    mkdirSync(own, { recursive: true })
    chmodSync(own, 0o700)
    const usual = ["cmdport 0", `bindcmdaddress ${own}/chronyd.sock`, `pidfile ${own}/pid`, `keyfile ${keys}`]
    writeFileSync(join(own, "conf"), [...usual, ...lines, ""].join("\n"))
    return own
  }
  const how = nts !== null ? `nts ntsport ${ntsPort!}` : proof === "key" ? "key 1" : ""
  const client = write("client", [
    `server ${nts === null ? "127.0.0.1" : "localhost"} port ${port!} ${how} minpoll -4 maxpoll -4 iburst`,
    "port 0",
    ...(nts === null ? [] : [`ntstrustedcerts ${nts.trusted}`]),
  ])
  const server = write("server", [
    `port ${port!}`,
    "bindaddress 127.0.0.1",
    "allow 127.0.0.0/8",
    "local stratum 5",
    ...(nts === null ? [] : [`ntsport ${ntsPort!}`, `ntsserverkey ${nts.key}`, `ntsservercert ${nts.certificate}`]),
  ])
  const user = spawnSync("id", ["-un"], { encoding: "utf8" }).stdout.trim()
  const args = (own: string): string[] => ["-x", "-d", "-U", "-u", user, "-f", join(own, "conf")]
  const children = new Set<ChildProcess>()
  const launch = async (own: string, words: readonly string[]): Promise<ChildProcess> => {
    // A group of its own: faketime starts chronyd as its child, and both are ended together.
    const child = spawn(words[0]!, words.slice(1), { stdio: "ignore", detached: true })
    children.add(child)
    child.once("close", () => children.delete(child))
    const until = performance.now() + 5_000
    while (!existsSync(join(own, "chronyd.sock"))) {
      if (child.exitCode !== null || performance.now() > until) throw new Error("chronyd did not start")
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return child
  }
  const end = async (child: ChildProcess, own: string): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const closed = new Promise<void>((resolve) => child.once("close", () => resolve()))
      killGroup(child)
      await closed
    }
    for (const left of ["pid", "chronyd.sock"]) rmSync(join(own, left), { force: true })
  }
  const atExit = (): void => children.forEach(killGroup)
  process.once("exit", atExit)
  const asking = await launch(client, [chronyd, ...args(client)])
  let serving: ChildProcess | null = null
  const stopServer = async (): Promise<void> => {
    if (serving !== null) await end(serving, server)
    serving = null
  }
  return {
    socket: join(client, "chronyd.sock"),
    chronyc: [chronyc],
    async startServer(shift = null) {
      const under = shift === null ? [] : [commandPath("faketime") ?? "faketime", "-f", shift]
      serving = await launch(server, [...under, chronyd, ...args(server)])
    },
    stopServer,
    async stop() {
      await stopServer()
      await end(asking, client)
      process.off("exit", atExit)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
  } catch {
    // It has ended by itself.
  }
}
