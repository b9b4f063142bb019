/** Keys and certificates of a run, made anew in its temporary folder: two zones, as a gateway between them needs. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { createAuthority, issue } from "../../provisioning/owner/authority.ts"
import { CLIENTS, ROLES } from "./message.ts"
import type { TlsEnd } from "./tls-files.ts"

/** Everything that the ends of a measured path need. */
export interface Material {
  /** Where all files lie. */
  readonly folder: string
  /** The clients, `CN=r07.client-07`; they trust the field authority. */
  readonly clients: readonly TlsEnd[]
  /** The proxy towards the clients. */
  readonly proxyServer: TlsEnd
  /** The proxy towards the broker. */
  readonly proxyClient: TlsEnd
  readonly broker: TlsEnd
}

/** The MQTT client id of client `index`: its subject's name, with a suffix for those beyond the last certificate. */
export function clientId(index: number): string {
  const name = `client-${String(index % CLIENTS).padStart(2, "0")}`
  return index < CLIENTS ? name : `${name}-${index}`
}

/** The common name in the certificate of client `index`: its role and its subject's name. A broker knows it as user. */
export function commonName(index: number): string {
  return `r${String(index % ROLES).padStart(2, "0")}.${clientId(index)}`
}

/** Make the material of a run in `folder`, which exists. */
export async function makeMaterial(folder: string): Promise<Material> {
  const validity = { notBeforeAt: Date.now() - 3_600_000, notAfterAt: Date.now() + 86_400_000 }
  const write = (name: string, text: string): string => {
    const file = join(folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  /** An authority, and the writer of what it issues. */
  const zone = async (name: string) => {
    const authority = await createAuthority({ name, validity })
    const authorityFile = write(`${name}.pem`, authority.certificate)
    return async (file: string, cn: string, usage: "client" | "server"): Promise<TlsEnd> => {
      const san = usage === "server" ? { dns: ["localhost"], ip: ["127.0.0.1"] } : {}
      const { key, certificate } = await issue(authority, { ...validity, subject: { cn }, san, usage })
      return { keyFile: write(`${file}.key`, key), certificateFile: write(`${file}.pem`, certificate), authorityFile }
    }
  }
  const [field, control] = await Promise.all([zone("field"), zone("control")])
  return {
    folder,
    clients: await Promise.all(
      Array.from({ length: CLIENTS }, (_, k) => field(`client-${k}`, commonName(k), "client")),
    ),
    proxyServer: await field("proxy-server", "gateway", "server"),
    proxyClient: await control("proxy-client", "gateway", "client"),
    broker: await control("broker", "broker", "server"),
  }
}
