/**
 * Certificates made by the real `openssl` command, with any fault that a test wants: what Lockgate reads is thereby not
 * only what Lockgate writes. Everything lies in one temporary folder; `remove` it at the end.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface OpensslCertificate {
  readonly keyFile: string
  readonly certificateFile: string
  /** PEM. */
  readonly key: string
  /** PEM of this certificate alone. */
  readonly certificate: string
}

export interface OpensslRequest {
  /** Default `/CN=<name>`. */
  readonly subject?: string
  /** Lines of an extension section; default those of a sound CA or leaf. None at all makes a version 1 certificate. */
  readonly extensions?: readonly string[]
  /** Milliseconds since 1970; default one day ago and thirty days ahead. */
  readonly notBeforeAt?: number
  readonly notAfterAt?: number
  /** Arguments of `openssl req -newkey`; default EC P-256. */
  readonly newkey?: readonly string[]
  readonly digest?: string
  /** Whose key to use instead of a new one. */
  readonly keyOf?: OpensslCertificate
  /** Further arguments of `openssl ca`, e.g. for RSA-PSS. */
  readonly more?: readonly string[]
}

export interface OpensslPki {
  readonly folder: string
  /** A CA, self-signed or issued by `issuer`. */
  authority(name: string, request?: OpensslRequest, issuer?: OpensslCertificate): OpensslCertificate
  leaf(name: string, issuer: OpensslCertificate, request?: OpensslRequest): OpensslCertificate
  /** A certificate that is its own issuer. */
  selfSigned(name: string, request?: OpensslRequest): OpensslCertificate
  /** Run openssl; its standard output. Throws when it fails. */
  run(...args: string[]): string
  remove(): void
}

const DAY_MS = 86_400_000
const CA_EXTENSIONS = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
const LEAF_EXTENSIONS = [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "extendedKeyUsage=clientAuth,serverAuth",
]
const P256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

/** An empty PKI in a new temporary folder. */
export function createOpensslPki(): OpensslPki {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-pki-"))
  const at = (name: string): string => join(folder, name)
  const run = (...args: string[]): string =>
    execFileSync("openssl", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  writeFileSync(at("index"), "")
  writeFileSync(at("index.attr"), "unique_subject = no\n")
  writeFileSync(
    at("ca.cnf"),
    `[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=${folder}\ndatabase=${at("index")}\npolicy=p\ndefault_md=sha256\n` +
      "rand_serial=yes\nemail_in_dn=no\npreserve=yes\nstring_mask=utf8only\n[p]\ncommonName=optional\norganizationName=optional\n" +
      "organizationalUnitName=optional\ncountryName=optional\n" +
      "[req]\ndistinguished_name=n\nstring_mask=utf8only\nutf8=yes\n[n]\n",
  )

  const make = (name: string, issuer: OpensslCertificate | null, request: OpensslRequest): OpensslCertificate => {
    const keyFile = request.keyOf?.keyFile ?? at(`${name}.key`)
    const certificateFile = at(`${name}.pem`)
    const key = request.keyOf
      ? ["-key", keyFile]
      : ["-newkey", ...(request.newkey ?? P256), "-noenc", "-keyout", keyFile]
    const subject = request.subject ?? `/CN=${name}`
    run("req", "-new", "-config", "ca.cnf", "-utf8", ...key, "-subj", subject, "-multivalue-rdn", "-out", "request.csr")
    writeFileSync(at("extensions"), (request.extensions ?? []).join("\n") + "\n")
    const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "")
    run(
      ...["ca", "-batch", "-notext", "-config", "ca.cnf", "-in", "request.csr", "-out", certificateFile],
      ...["-startdate", stamp(request.notBeforeAt ?? Date.now() - DAY_MS)],
      ...["-enddate", stamp(request.notAfterAt ?? Date.now() + 30 * DAY_MS)],
      ...["-md", request.digest ?? "sha256", "-extfile", "extensions"],
      ...(issuer ? ["-cert", issuer.certificateFile, "-keyfile", issuer.keyFile] : ["-selfsign", "-keyfile", keyFile]),
      ...(request.more ?? []),
    )
    const [pem] = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n/.exec(
      readFileSync(certificateFile, "utf8"),
    )!
    return { keyFile, certificateFile, key: readFileSync(keyFile, "utf8"), certificate: pem }
  }

  return {
    folder,
    run,
    authority: (name, request = {}, issuer) => make(name, issuer ?? null, { extensions: CA_EXTENSIONS, ...request }),
    leaf: (name, issuer, request = {}) => make(name, issuer, { extensions: LEAF_EXTENSIONS, ...request }),
    selfSigned: (name, request = {}) => make(name, null, { extensions: LEAF_EXTENSIONS, ...request }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The extension lines of a sound leaf, with alternative names (`URI:...`, `DNS:...`, `IP:...`). */
export function leafExtensions(...names: string[]): string[] {
  return names.length === 0 ? LEAF_EXTENSIONS : [...LEAF_EXTENSIONS, `subjectAltName=${names.join(",")}`]
}
