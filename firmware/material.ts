import { readFile } from "node:fs/promises"
import type { KeyStore } from "../hal/key-store.ts"
import { InputError } from "../policy/base/errors.ts"
import type { CertificateFacts } from "../policy/identity/certificate.ts"
import { trustFaults, type TrustStore } from "../policy/identity/trust-store.ts"
import { readTrustedSigner, type TrustedSigner } from "./bundles/signer-key.ts"
import type { EngineConduit, TlsCredential } from "./conduits/messages.ts"
import type { GatewayConfig, UpstreamEnd } from "./config/gateway-config.ts"
import { certificateFacts } from "./tls/certificate-facts.ts"
import { factsFromPem } from "./tls/pem.ts"

/** Keys and certificates that the board file names, read at start and on `trust.reload`. */
export interface Material {
  /** Authority name to PEM. */
  readonly authorities: Readonly<Record<string, string>>
  /** Who may sign policy. */
  readonly signers: readonly TrustedSigner[]
  /** Who may sign the time: the same, and those that the board file names beside. */
  readonly timeSigners: readonly TrustedSigner[]
  readonly conduits: readonly EngineConduit[]
  /** For the gateway's own MQTT connection; null when it has none. */
  readonly management: { readonly end: UpstreamEnd; readonly credential: TlsCredential } | null
  /** Leaf certificates that the gateway shows, by interface name. */
  readonly ownCertificates: ReadonlyMap<string, CertificateFacts>
}

/**
 * Read everything that the board file points at.
 *
 * @throws InputError `ERR_FILE_UNREADABLE`, `ERR_PEM`, `ERR_CERTIFICATE`, `ERR_CREDENTIAL_EMPTY`, `ERR_KEY_...`; `ERR_TRUST`
 *   naming every entry that cannot stand
 */
export async function loadMaterial(config: GatewayConfig, keyStore: KeyStore): Promise<Material> {
  const authorities = await readAll(config.trust.authorities)
  const signers: TrustedSigner[] = []
  for (const [name, file] of Object.entries(config.trust.policySigners)) {
    signers.push(await readTrustedSigner(name, await readText(file)))
  }
  const timeSigners = [...signers]
  for (const [name, file] of Object.entries(config.trust.timeSigners)) {
    timeSigners.push(await readTrustedSigner(name, await readText(file)))
  }
  expectSound({
    owner: {
      authorities: new Map(Object.entries(authorities).map(([name, pem]) => [name, factsFromPem(pem)])),
      policySigners: signers,
      policyThreshold: config.trust.policyThreshold,
    },
    // Comes with the image; until then no key may sign firmware.
    supplier: { firmwareSigners: [], firmwareThreshold: 1 },
  })
  const ownCertificates = new Map<string, CertificateFacts>()
  const credential = async (slot: string, use: string): Promise<TlsCredential> => {
    const chain = await keyStore.certificate(slot)
    const leaf = chain?.[0]
    if (chain === null || leaf === undefined) {
      throw new InputError(
        "ERR_CREDENTIAL_EMPTY",
        `credential ${slot}: there is no certificate for its key (the first in the chain must be for it)`,
      )
    }
    ownCertificates.set(use, certificateFacts(leaf))
    return { key: await keyStore.tlsKey(slot), certificate: chain.map(toPem).join("") }
  }
  const conduits: EngineConduit[] = []
  for (const [name, { protocol, listen, upstream, points, timeoutMs }] of Object.entries(config.conduits)) {
    const line = upstream.kind === "line" ? upstream.line : null
    conduits.push({
      name,
      listen: { address: listen.address, port: listen.port },
      serverCredential: listen.credential === null ? null : await credential(listen.credential, `conduit/${name}`),
      upstream:
        upstream.kind === "line"
          ? null
          : {
              host: upstream.host,
              port: upstream.port,
              serverName: "serverName" in upstream ? upstream.serverName : "",
            },
      clientCredential: upstream.kind === "tls" ? await credential(upstream.credential, `upstream/${name}`) : null,
      upstreamAuthority: upstream.kind === "tls" ? (authorities[upstream.authority] ?? "") : "",
      ...(protocol === "modbus" ? { modbus: { line, points, ...(timeoutMs === undefined ? {} : { timeoutMs }) } } : {}),
    })
  }
  const end = config.management.mqtt
  const management = end === null ? null : { end, credential: await credential(end.credential, "management/mqtt") }
  return { authorities, signers, timeSigners, conduits, management, ownCertificates }
}

function expectSound(store: TrustStore): void {
  const faults = trustFaults(store).map(({ side, name, reason }) => `${side} ${name}: ${reason}`)
  if (faults.length > 0) throw new InputError("ERR_TRUST", `the trust store cannot stand: ${faults.join("; ")}`)
}

async function readAll(files: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const texts: Record<string, string> = {}
  for (const [name, file] of Object.entries(files)) texts[name] = await readText(file)
  return texts
}

/** A file's text. @throws InputError `ERR_FILE_UNREADABLE` naming the file */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable"
    throw new InputError("ERR_FILE_UNREADABLE", `${file}: ${code}`, { cause: error })
  }
}

function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
}
