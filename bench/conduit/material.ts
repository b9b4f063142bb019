/** Keys and certificates of a run, made anew in its temporary folder: two zones, as a gateway between them needs. */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { CLIENTS, ROLES } from "./message.ts"

/** One end's TLS files, PEM: its key, its certificate, and the authority that vouches for the other end. */
export interface TlsEnd {
  readonly keyFile: string
  readonly certificateFile: string
  readonly authorityFile: string
}

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

/** The common name in the certificate of client `index`: its role and its subject's name. */
function commonName(index: number): string {
  return `r${String(index % ROLES).padStart(2, "0")}.${clientId(index)}`
}

/** Read `end` into the options that `node:tls` takes. */
export function readTls(end: TlsEnd): { key: Buffer; cert: Buffer; ca: Buffer } {
  return {
    key: readFileSync(end.keyFile),
    cert: readFileSync(end.certificateFile),
    ca: readFileSync(end.authorityFile),
  }
}

/** Make the material of a run in `folder`, which exists. */
export async function makeMaterial(folder: string): Promise<Material> {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" })
  const key = (name: string): void =>
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", `${name}.key`)
  const authority = (name: string): void => {
    key(name)
    openssl(
      ...["req", "-x509", "-key", `${name}.key`, "-subj", `/CN=${name}`, "-days", "2", "-out", `${name}.pem`],
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    )
  }
  const issue = (name: string, by: string, cn: string, usage: string): TlsEnd => {
    key(name)
    writeFileSync(
      join(folder, `${name}.ext`),
      `subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=${usage}\n` +
        "basicConstraints=critical,CA:FALSE\n",
    )
    openssl("req", "-new", "-key", `${name}.key`, "-subj", `/CN=${cn}`, "-out", `${name}.csr`)
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", `${by}.pem`, "-CAkey", `${by}.key`, "-CAcreateserial"],
      ...["-days", "2", "-extfile", `${name}.ext`, "-out", `${name}.pem`],
    )
    return {
      keyFile: join(folder, `${name}.key`),
      certificateFile: join(folder, `${name}.pem`),
      authorityFile: join(folder, `${by}.pem`),
    }
  }
  authority("field")
  authority("control")
  return {
    folder,
    clients: Array.from({ length: CLIENTS }, (_, k) => issue(`client-${k}`, "field", commonName(k), "clientAuth")),
    proxyServer: issue("proxy-server", "field", "gateway", "serverAuth"),
    proxyClient: issue("proxy-client", "control", "gateway", "clientAuth"),
    broker: issue("broker", "control", "broker", "serverAuth"),
  }
}
