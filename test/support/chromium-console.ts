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
  readonly broker: string
  readonly page: string
  stop(): Promise<void>
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
