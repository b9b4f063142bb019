import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** What the openssl command issued, as files in PEM. `chain` is the certificate and the intermediates above it. */
export interface Issued {
  readonly key: string
  readonly cert: string
  readonly chain: string
}

export type KeyAlgorithm = "EC" | "ED25519"

/** What a leaf certificate is to say. */
export interface IssueOptions {
  readonly issuer: Issued
  readonly usage: "client" | "server"
  /** Subject alternative names in OpenSSL's words: `URI:urn:x`, `DNS:localhost`, `IP:127.0.0.1`. */
  readonly san?: readonly string[]
  /** Role of Modbus/TCP Security. */
  readonly modbusRole?: string
  /** Default: EC, P-256. */
  readonly algorithm?: KeyAlgorithm
  /** Default: from yesterday until in 30 days. */
  readonly from?: Date
  readonly until?: Date
}

const DAY_MS = 86_400_000

/** A certificate authority made by openssl in `folder`: its own root, or an intermediate under `issuer`. */
export function opensslAuthority(
  folder: string,
  name: string,
  issuer: Issued | null = null,
  algorithm: KeyAlgorithm = "EC",
): Issued {
  const extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
  return issue(folder, name, { issuer, extensions, algorithm, ...lifetime({}) })
}

/** A client's or server's certificate made by openssl in `folder`. */
export function opensslCertificate(folder: string, name: string, options: IssueOptions): Issued {
  const extensions = [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    `extendedKeyUsage=${options.usage}Auth`,
    ...(options.modbusRole === undefined ? [] : [`1.3.6.1.4.1.50316.802.1=ASN1:UTF8String:${options.modbusRole}`]),
    ...(options.san === undefined ? [] : [`subjectAltName=${options.san.join(",")}`]),
  ]
  return issue(folder, name, {
    issuer: options.issuer,
    extensions,
    algorithm: options.algorithm ?? "EC",
    ...lifetime(options),
  })
}

/** A list of revoked certificates by openssl, PEM in `<folder>/<name>`; answers its path. */
export function opensslCrl(
  folder: string,
  name: string,
  options: {
    readonly issuer: Issued
    readonly number: number
    readonly revoked?: readonly Issued[]
    readonly nextUpdate?: Date
  },
): string {
  const file = join(folder, name)
  const run = (...args: string[]): string => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" }).toString()
  const rows = (options.revoked ?? []).map(({ cert }) => {
    const serial = run("x509", "-in", cert, "-noout", "-serial").trim().replace("serial=", "")
    return `R\t400101000000Z\t260101000000Z\t${serial}\tunknown\t/CN=gone\n`
  })
  const hex = options.number.toString(16)
  writeFileSync(join(folder, "crl-index"), rows.join(""))
  writeFileSync(join(folder, "crl-number"), hex.length % 2 === 0 ? hex : `0${hex}`)
  const section = "database=crl-index\ndefault_md=sha256\ncrlnumber=crl-number\n"
  writeFileSync(join(folder, "crl.cnf"), `[ca]\ndefault_ca=it\n[it]\n${section}`)
  const by = ["-config", "crl.cnf", "-cert", options.issuer.cert, "-keyfile", options.issuer.key]
  const dates = ["-crl_lastupdate", asn1Time(new Date(Date.now() - 2 * DAY_MS))]
  dates.push("-crl_nextupdate", asn1Time(options.nextUpdate ?? new Date(Date.now() + 7 * DAY_MS)))
  run("ca", "-gencrl", ...by, ...dates, "-out", file)
  return file
}

/** A certificate's lifetime that is over: ended yesterday. */
export function expired(): { from: Date; until: Date } {
  return { from: new Date(Date.now() - 30 * DAY_MS), until: new Date(Date.now() - DAY_MS) }
}

function lifetime(options: { readonly from?: Date; readonly until?: Date }): { from: Date; until: Date } {
  return {
    from: options.from ?? new Date(Date.now() - DAY_MS),
    until: options.until ?? new Date(Date.now() + 30 * DAY_MS),
  }
}

interface Order {
  readonly issuer: Issued | null
  readonly extensions: readonly string[]
  readonly algorithm: KeyAlgorithm
  readonly from: Date
  readonly until: Date
}

/** By `openssl ca`, the only one of its commands (in OpenSSL 3.0) that can date a certificate back. */
function issue(folder: string, name: string, order: Order): Issued {
  const [key, cert, chain, request] = ["key", "crt", "chain", "csr"].map((end) => join(folder, `${name}.${end}`))
  const file = { key: key!, cert: cert!, chain: chain! }
  const run = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" })
  const config = join(folder, "openssl-ca.cnf")
  if (!existsSync(config)) {
    writeFileSync(join(folder, "index.txt"), "")
    writeFileSync(join(folder, "index.txt.attr"), "unique_subject = no\n")
    const section = `database=index.txt\nnew_certs_dir=.\ndefault_md=default\nrand_serial=yes\npolicy=any\n`
    writeFileSync(
      config,
      `[ca]\ndefault_ca=it\n[it]\n${section}[any]\ncommonName=supplied\n[req]\ndistinguished_name=none\n[none]\n`,
    )
  }
  const extensions = ["subjectKeyIdentifier=hash", ...order.extensions]
  writeFileSync(join(folder, `${name}.ext`), extensions.join("\n"))
  const curve = order.algorithm === "EC" ? ["-pkeyopt", "ec_paramgen_curve:P-256"] : []
  run("genpkey", "-algorithm", order.algorithm, ...curve, "-out", file.key)
  run("req", "-new", "-config", config, "-key", file.key, "-subj", `/CN=${name}`, "-out", request!)
  const signer = order.issuer === null ? ["-selfsign"] : ["-cert", order.issuer.cert]
  const dates = ["-startdate", asn1Time(order.from), "-enddate", asn1Time(order.until)]
  const from = ["-config", config, "-keyfile", order.issuer?.key ?? file.key, ...signer, ...dates]
  run("ca", "-batch", "-notext", ...from, "-extfile", `${name}.ext`, "-in", request!, "-out", file.cert)
  // A root stands for itself; what it issues carries no root in its chain.
  const above = order.issuer === null || isRoot(order.issuer) ? "" : readFileSync(order.issuer.chain, "utf8")
  writeFileSync(file.chain, readFileSync(file.cert, "utf8") + above)
  return file
}

function isRoot(issuer: Issued): boolean {
  const names = execFileSync("openssl", ["x509", "-in", issuer.cert, "-noout", "-subject_hash", "-issuer_hash"])
  const [subject, above] = names.toString().trim().split("\n")
  return subject === above
}

function asn1Time(at: Date): string {
  return `${at.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`
}
