import { createHash, X509Certificate } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { consoleUrl } from "../../firmware/cli/console.ts"
import { startConsole } from "../../firmware/console/server.ts"
import { startChromium, type Tab } from "../peers/chromium.ts"
import { startMosquitto } from "../peers/mosquitto.ts"
import { opensslAuthority, opensslCertificate } from "../peers/openssl.ts"
import { startFeeder, type Feeder, type MadeLog } from "./console-feed.ts"

/** A real browser at the page, a real broker with MQTT over WebSockets over TLS, and somebody who publishes there. */
export interface ConsoleRig {
  readonly feeder: Feeder
  readonly tab: Tab
  /** Address of the page that knows broker and keys; of each rig another, so that nothing is remembered of others. */
  address(...logs: readonly MadeLog[]): string
  /** Another address in the same tab loads nothing anew if only what stands behind # is another: by way of an empty page. */
  open(address: string): Promise<void>
  /** As who fills in the form anew: a connection of its own, with what the browser remembers, and no page to load. `more`: other key lines. */
  connect(log: MadeLog, ...more: readonly string[]): Promise<void>
  readonly broker: string
  readonly page: string
  stop(): Promise<void>
}

/** Whether the banner shows this verdict, as an expression in the page. */
export function verdict(is: string): string {
  return `document.querySelector("#verdict").dataset.verdict === "${is}"`
}

/** Whether the banner says this, likewise. */
export function says(text: string): string {
  return `document.querySelector("#verdict").innerText.includes(${JSON.stringify(text)})`
}

/** Starts all of it on loopback. */
export async function startConsoleRig(): Promise<ConsoleRig> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-console-"))
  const ca = opensslAuthority(folder, "ca")
  const san = ["DNS:localhost", "IP:127.0.0.1"]
  const { cert, key } = opensslCertificate(folder, "broker", { issuer: ca, usage: "server", san })
  const der = new X509Certificate(readFileSync(cert)).publicKey.export({ type: "spki", format: "der" })
  const trustedKeys = [createHash("sha256").update(der).digest("base64")]
  const tls = { ca: ca.cert, cert, key, requireCert: false }
  const [broker, chromium] = await Promise.all([
    startMosquitto({ plain: true, quiet: true, tls, config: ["protocol websockets"] }),
    startChromium({ trustedKeys }),
  ])
  const url = `wss://localhost:${broker.tlsPort}`
  const [feeder, tab, server] = await Promise.all([
    startFeeder(broker.port),
    chromium.tab(),
    startConsole({ port: 0, brokers: [url] }),
  ])
  await tab.size(1280, 800)
  // mosquitto 2.0 hands on over WebSockets when something else arrives, or after 100 ms: one of a plant is never still.
  const plant = setInterval(() => void feeder.send("plant/pulse", new Uint8Array(1)).catch(() => undefined), 4)
  return {
    feeder,
    tab,
    async open(address) {
      await tab.goto("about:blank")
      await tab.until(`location.href === "about:blank"`)
      await tab.goto(address)
    },
    async connect(log, ...more) {
      await tab.evaluate(`{
        document.querySelector("#url").value = ${JSON.stringify(url)}
        document.querySelector("#keys").value = ${JSON.stringify([log.keyLine, ...more].join("\n"))}
        document.querySelector("#setup-form").requestSubmit()
      }`)
    },
    broker: url,
    page: server.url,
    address: (...logs) =>
      consoleUrl(
        server.url,
        url,
        logs.map(({ keyLine }) => keyLine),
      ),
    async stop() {
      clearInterval(plant)
      await Promise.all([feeder.end(), chromium.stop(), server.stop()])
      await broker.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
