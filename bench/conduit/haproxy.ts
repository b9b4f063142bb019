/** HAProxy in TCP mode: the peer that plants know. */
import { spawn, spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { once } from "node:events"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { freePort } from "../../test/peers/ports.ts"
import { pinned } from "./lines.ts"
import type { Proxy, Transport } from "./proxy.ts"
import type { TlsEnd } from "./tls-files.ts"

/** The first line of `haproxy -v`, or null if there is none here. */
export function haproxyVersion(): string | null {
  const { stdout, error } = spawnSync("haproxy", ["-v"], { encoding: "utf8" })
  return error === undefined ? (/HAProxy version (\S+)/.exec(stdout)?.[1] ?? null) : null
}

/** HAProxy, one thread; `splice` lets the kernel move the bytes (TCP only). */
export function haproxy(transport: Transport, splice = false): Proxy {
  return {
    name: splice ? "haproxy, splice" : "haproxy",
    transport,
    async start({ upstreamPort, material, core }) {
      const port = await freePort()
      // One PEM with key and chain, as HAProxy wants it.
      const pem = (name: string, end: TlsEnd): string => {
        const file = join(material.folder, `haproxy-${name}.pem`)
        writeFileSync(file, readFileSync(end.certificateFile, "utf8") + readFileSync(end.keyFile, "utf8"), {
          mode: 0o600,
        })
        return `ssl crt ${file} ca-file ${end.authorityFile} ssl-min-ver TLSv1.3`
      }
      const tls = transport === "tls"
      const config = `
global
  nbthread 1
  maxconn 2000
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  ${splice ? "option splice-request\n  option splice-response" : ""}
listen bench
  bind 127.0.0.1:${port} ${tls ? `${pem("server", material.proxyServer)} verify required` : ""}
  server sink 127.0.0.1:${upstreamPort} ${tls ? `${pem("client", material.proxyClient)} verify required` : ""}
`
      const file = join(material.folder, `haproxy-${transport}${splice ? "-splice" : ""}.cfg`)
      writeFileSync(file, config)
      const line = pinned(core, ["haproxy", "-db", "-q", "-f", file])
      const child = spawn(line[0]!, line.slice(1), { stdio: ["ignore", "inherit", "inherit"] })
      const end = (): void => void child.kill("SIGKILL")
      process.on("exit", end)
      await listening(port, () => child.exitCode !== null)
      return {
        pid: child.pid!,
        port,
        async stop() {
          process.off("exit", end)
          const gone = once(child, "exit")
          if (child.exitCode === null) end()
          await gone
        },
      }
    },
  }
}

/** Resolves when something listens on `port`; rejects after ten seconds, or when `ended()` says that nothing will. */
export async function listening(port: number, ended: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (ended()) throw new Error("the proxy ended before it listened")
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy()
        resolve(true)
      }).on("error", () => resolve(false))
    })
    if (open) return
    await sleep(20)
  }
  throw new Error(`nothing listens on port ${port}`)
}
