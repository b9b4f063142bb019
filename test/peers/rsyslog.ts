import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commandPath } from "./packages.ts"

/** A syslog daemon that runs, in a folder of its own. */
export interface Rsyslogd {
  /** What the daemon has said on its standard error so far. */
  logs(): string
  /** Orderly stop; its folder is gone afterwards. */
  stop(): Promise<void>
  /** SIGKILL, as a crash; resolves when it is gone. */
  kill9(): Promise<void>
}

const START_MS = 10_000

/** Starts the real rsyslogd with these lines of configuration; answers once `port` on loopback takes connections. */
export async function runRsyslogd(lines: readonly string[], port: number): Promise<Rsyslogd> {
  const command = commandPath("rsyslogd")
  if (command === null) throw new Error("rsyslog is not installed: see test/peers/debian-packages.txt")
  const folder = mkdtempSync(join(tmpdir(), "lockgate-rsyslog-"))
  const file = join(folder, "rsyslog.conf")
  writeFileSync(file, `global(workDirectory="${folder}")\n${lines.join("\n")}\n`, { mode: 0o600 })
  let log = ""
  const child = spawn(command, ["-n", "-C", "-f", file, "-i", join(folder, "pid")], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (log += chunk.toString()))
  const closed = new Promise<void>((resolve) => child.on("close", () => resolve()))
  const kill = (): void => void child.kill("SIGKILL")
  process.once("exit", kill)
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    const patience = setTimeout(kill, 5000)
    child.kill(signal)
    await closed
    clearTimeout(patience)
    process.off("exit", kill)
    rmSync(folder, { recursive: true, force: true })
  }
  const until = performance.now() + START_MS
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > until) {
      await end("SIGKILL")
      throw new Error(`rsyslogd did not start:\n${log}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { logs: () => log, stop: () => end("SIGTERM"), kill9: () => end("SIGKILL") }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })
}
