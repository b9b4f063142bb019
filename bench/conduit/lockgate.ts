/** Our own gateway as a proxy under test: the command line, a board file, a signed policy, nothing left out. */
import { spawn } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import { once } from "node:events"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { signBundle } from "../../firmware/bundles/sign.ts"
import { readSigningKey } from "../../firmware/bundles/signer-key.ts"
import { freePort } from "../../test/peers/ports.ts"
import { listening } from "./haproxy.ts"
import { pinned } from "./lines.ts"
import type { Material } from "./material.ts"
import { CELLS, ROLES, topicOf } from "./message.ts"
import type { Proxy, Transport } from "./proxy.ts"

const CLI = fileURLToPath(new URL("../../firmware/cli.ts", import.meta.url))

/**
 * The gateway under a policy of `rules` rules; null where there is none to start yet. `flags` go to its Node. In clear text
 * all clients come from one address, so they are one subject, which bears all roles.
 */
export function lockgate(
  rules: number,
  name = "lockgate",
  flags: readonly string[] = [],
  transport: Transport = "tls",
): Proxy | null {
  if (!existsSync(CLI)) return null
  return {
    name,
    transport,
    async start({ upstreamPort, material, core }) {
      const port = await freePort()
      const folder = join(material.folder, `gateway-${port}`)
      // The command socket lives there: the gateway insists on a folder that is its own.
      mkdirSync(folder, { mode: 0o700 })
      const config = await writeGateway(folder, material, rules, port, upstreamPort, transport)
      const node = [
        process.execPath,
        "--disallow-code-generation-from-strings",
        "--disable-warning=ExperimentalWarning",
      ]
      const line = pinned(core, [...node, ...flags, CLI, "run", "--config", config])
      // As `firmware/launcher.js` starts it.
      const env = { NODE_COMPILE_CACHE: fileURLToPath(new URL("../../.cache/node", import.meta.url)), ...process.env }
      const child = spawn(line[0]!, line.slice(1), { stdio: ["ignore", "pipe", "pipe"], env })
      let said = ""
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
      const end = (): void => void child.kill("SIGKILL")
      process.on("exit", end)
      try {
        await listening(port, () => child.exitCode !== null)
      } catch (error) {
        end()
        throw new Error(`the gateway did not start:\n${said}`, { cause: error })
      }
      return {
        pid: child.pid!,
        port,
        async stop() {
          process.off("exit", end)
          if (child.exitCode !== null) return
          const gone = once(child, "exit")
          child.kill("SIGTERM")
          const timer = setTimeout(end, 3_000)
          await gone
          clearTimeout(timer)
        },
      }
    },
  }
}

/** The board file of the gateway and all that it names, written to `folder`; returns its path. */
async function writeGateway(
  folder: string,
  material: Material,
  rules: number,
  port: number,
  upstreamPort: number,
  transport: Transport,
): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string
  const bundle = await signBundle(
    {
      version: 1,
      issuedAt: Date.now() - 60_000,
      notBeforeAt: null,
      notAfterAt: null,
      gateways: ["*"],
      predecessor: null,
      policy: policyText(rules, undefined, transport),
      cases: null,
    },
    await readSigningKey("bench", pem),
  )
  writeFileSync(join(folder, "owner.pub.pem"), publicKey.export({ type: "spki", format: "pem" }))
  writeFileSync(join(folder, "policy.jws"), bundle)
  const { proxyServer, proxyClient } = material
  const tls = transport === "tls"
  const board = {
    "lockgate-gateway": 1,
    gateway: "bench",
    // The sockets, files and keys of a real board, without its watchdog.
    board: "simulated",
    state: join(folder, "state"),
    trust: {
      // Each end's files name the authority of its own zone.
      authorities: { "field-ca": proxyServer.authorityFile, "control-ca": proxyClient.authorityFile },
      "policy-signers": { owner: join(folder, "owner.pub.pem") },
    },
    credentials: {
      "field-end": { key: proxyServer.keyFile, certificate: proxyServer.certificateFile },
      "control-end": { key: proxyClient.keyFile, certificate: proxyClient.certificateFile },
    },
    "policy-bundle": join(folder, "policy.jws"),
    conduits: {
      telemetry: {
        listen: { address: "127.0.0.1", port, ...(tls ? { credential: "field-end" } : {}) },
        upstream: tls
          ? { url: `mqtts://127.0.0.1:${upstreamPort}`, credential: "control-end", authority: "control-ca" }
          : { url: `mqtt://127.0.0.1:${upstreamPort}` },
      },
    },
    management: { socket: join(folder, "command.sock") },
    // All clients come at once from one address, some of them as one subject: what would be a flood in a plant.
    limits: {
      "max-connections": 100_000,
      "max-subject-connections": 100_000,
      "max-source-connections": 100_000,
      "source-handshakes": "100000/s",
      handshakes: "100000/s",
      "max-half-open": 10_000,
    },
    // Nobody confirms the policy here: the trial outlasts the bench.
    trial: "24h",
  }
  const file = join(folder, "gateway.yaml")
  writeFileSync(file, JSON.stringify(board, null, 2))
  return file
}

/**
 * A policy of `rules` rules that allows what the clients send, as JSON (which is YAML, too).
 *
 * From a thousand on, every topic in use has a rule of its own (a third exact, a third with `+`, a third with `#`), and the
 * rest are for topics that nobody uses; below, few rules with `#` speak for all. Rules that could share an entry do from ten
 * thousand on (`perEntry`), since a policy document has a bounded size.
 */
export function policyText(
  rules: number,
  perEntry = rules >= 10 * CELLS ? 10 : 1,
  transport: Transport = "tls",
): string {
  const roles = Array.from({ length: ROLES }, (_, k) => `r${String(k).padStart(2, "0")}`)
  return JSON.stringify({
    "lockgate-policy": 1,
    name: `bench, ${rules} rules`,
    zones: {
      field: { level: 2, authorities: ["field-ca"], "clear-text": transport === "tcp" },
      control: { level: 3, authorities: ["control-ca"], "clear-text": transport === "tcp" },
    },
    roles: Object.fromEntries(roles.map((role) => [role, "publishes on its own line"])),
    subjects:
      transport === "tcp"
        ? [{ zone: "field", match: { address: "127.0.0.1" }, name: "client", roles, "client-id": "%u*" }]
        : roles.map((role) => ({
            zone: "field",
            match: { cn: `${role}.{name}` },
            roles: [role],
            "client-id": "%u*",
          })),
    conduits: { telemetry: { from: "field", to: "control", protocol: "mqtt", transport } },
    rules: rules < CELLS ? fewRules(rules, roles) : manyRules(rules, roles, perEntry),
  })
}

function fewRules(rules: number, roles: readonly string[]): object[] {
  return Array.from({ length: rules }, (_, rule) => ({
    id: `rule-${rule}`,
    allow: "publish",
    roles: roles.filter((_, k) => k % rules === rule),
    topics: roles.filter((_, k) => k % rules === rule).map((role) => `plant/line-${role.slice(1)}/#`),
  }))
}

function manyRules(rules: number, roles: readonly string[], perEntry: number): object[] {
  return Array.from({ length: rules / perEntry }, (_, entry) => ({
    id: `rule-${entry}`,
    allow: "publish",
    roles: [roles[entry % ROLES]],
    topics: Array.from({ length: perEntry }, (_, n) => filterOf(entry + n * (rules / perEntry))),
  }))
}

/** The filter that allows `cell`: one third exact, one third with `+`, one third with `#`. */
export function filterOf(cell: number): string {
  const topic = topicOf(cell)
  if (cell % 3 === 1) return topic.replace("/sensor-00/", "/+/")
  if (cell % 3 === 2) return topic.replace("/sensor-00/raw", "/#")
  return topic
}
