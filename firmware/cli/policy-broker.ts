import { X509Certificate } from "node:crypto"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { brokersOf, writeBroker } from "../../policy/export/broker.ts"
import type { GatewayConfig } from "../config/gateway-config.ts"
import { readText, reasonOf } from "../config/read-text.ts"
import { certificateFacts } from "../tls/certificate-facts.ts"
import { endsOf } from "../config/ends.ts"
import { readBoardFile } from "./board-file.ts"
import { readArguments } from "./handler.ts"
import type { CliIo } from "./handler.ts"
import { tellError, writeWhole } from "./policy-file.ts"
import { readPolicyFile } from "./policy-source.ts"

const USAGE =
  "lockgate policy broker <policy.yaml> --config <gateway.yaml> [--broker <host:port>] [--identity <credential>=<common name>]... [--operator <common name>]... [--collector <common name>]... [--files <folder on the broker>] [--listen <address>] [-o <folder>]"

const MAX_CERTIFICATE = 64 * 1024

/**
 * `lockgate policy broker`: what the policy means for the mosquitto behind the gateway: `lockgate.conf` and `lockgate.acl`,
 * printed one after the other, or written into a folder.
 */
export async function policyBroker(args: readonly string[], io: CliIo): Promise<number> {
  const options = {
    config: { type: "string" },
    broker: { type: "string" },
    identity: { type: "string", multiple: true },
    operator: { type: "string", multiple: true },
    collector: { type: "string", multiple: true },
    files: { type: "string" },
    listen: { type: "string" },
    out: { type: "string", short: "o" },
  } as const
  const read = readArguments(args, options, 1, USAGE, io)
  if (read === null) return 2
  const { values } = read
  const [file = ""] = read.positionals
  const policy = await readPolicyFile(file, io)
  const config = await readBoardFile(values.config, io)
  if (policy === null || config === null) return 2
  const ends = endsOf(config)
  const brokers = brokersOf(ends)
  const [only = ""] = brokers
  if (values.broker === undefined && brokers.length !== 1) {
    io.err(`for which broker? give --broker, one of ${brokers.join(", ") || "none: the board file names no broker"}\n`)
    return 2
  }
  const folder = values.files ?? "/etc/mosquitto/lockgate"
  const files = {
    authority: join(folder, "gateway-ca.pem"),
    certificate: join(folder, "broker.pem"),
    key: join(folder, "broker.key.pem"),
    acl: join(folder, "lockgate.acl"),
  }
  try {
    const identities = { ...(await commonNames(config)), ...given(values.identity ?? []) }
    const readers = { operators: values.operator ?? [], collectors: values.collector ?? [] }
    const listen = values.listen ?? null
    const made = writeBroker(policy, ends, values.broker ?? only, { identities, files, listen, readers })
    if (values.out === undefined) {
      io.out(`# ---- lockgate.conf\n${made.configuration}\n# ---- lockgate.acl\n${made.acl}`)
      return 0
    }
    await mkdir(values.out, { recursive: true })
    const conf = await writeWhole(made.configuration, join(values.out, "lockgate.conf"), io)
    const acl = await writeWhole(made.acl, join(values.out, "lockgate.acl"), io)
    if (!conf || !acl) return 1
    io.err(`on the broker, in ${folder}: lockgate.acl, gateway-ca.pem (who vouches for the gateway), broker.pem, broker.key.pem\n`) // prettier-ignore
    return 0
  } catch (error) {
    if (error instanceof Error && "syscall" in error) {
      io.err(`${values.out ?? ""}: cannot be written: ${reasonOf(error)}\n`)
      return 1
    }
    return tellError(values.config ?? "", error, io)
  }
}

/** Common names of the certificates that are here; at a desk they may not be. */
export async function commonNames(config: GatewayConfig): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  for (const [name, { certificateFile }] of Object.entries(config.credentials)) {
    const text = await readText(certificateFile, MAX_CERTIFICATE)
    if (!text.ok) continue
    const common = commonNameOf(text.value)
    if (common !== null) found[name] = common
  }
  return found
}

function commonNameOf(pem: string): string | null {
  try {
    return certificateFacts(new X509Certificate(pem).raw).commonName
  } catch {
    return null
  }
}

/** `credential=common name`, each once. */
export function given(list: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    list.map((one) => [one.slice(0, Math.max(0, one.indexOf("="))), one.slice(one.indexOf("=") + 1)]),
  )
}
