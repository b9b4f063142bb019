/**
 * Certificates made by the real `openssl` command, with any fault that a test wants: what Lockgate reads is thereby not
 * only what Lockgate writes. Everything lies in one temporary folder; `remove` it at the end.
 */
import { execFileSync } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A certificate with its key, as files and as text. */
export interface OpensslCertificate {
  readonly keyFile: string
  readonly certificateFile: string
  /** PEM. */
  readonly key: string
  /** PEM of this certificate alone. */
  readonly certificate: string
}

/** What a certificate is to say, sound or not. */
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

/** What a list of revoked certificates is to say. */
export interface CrlRequest {
  /** Certificates that it revokes, or serial numbers in hex, with a reason or without. */
  readonly revoked?: readonly (
    OpensslCertificate | string | { readonly of: OpensslCertificate | string; readonly reason: string }
  )[]
  /** Decimal; default one more than the last of this PKI. Null for none. */
  readonly number?: number | null
  readonly lastUpdateAt?: number
  readonly nextUpdateAt?: number
  /** Lines of its extension section, beside the number. */
  readonly extensions?: readonly string[]
  readonly digest?: string
  readonly more?: readonly string[]
}

/** Authorities made by the `openssl` command, in a folder of their own. */
export interface OpensslPki {
  readonly folder: string
  /** A CA, self-signed or issued by `issuer`. */
  authority(name: string, request?: OpensslRequest, issuer?: OpensslCertificate): OpensslCertificate
  leaf(name: string, issuer: OpensslCertificate, request?: OpensslRequest): OpensslCertificate
  /** A certificate that is its own issuer. */
  selfSigned(name: string, request?: OpensslRequest): OpensslCertificate
  /** A list of revoked certificates of `issuer`, PEM, with the next CRL number unless the request says another. */
  crl(issuer: OpensslCertificate, request?: CrlRequest): string
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

  let crlNumber = 0
  const crl = (issuer: OpensslCertificate, request: CrlRequest = {}): string => {
    const number = request.number === undefined ? ++crlNumber : request.number
    const utc = (ms: number): string =>
      new Date(ms)
        .toISOString()
        .replace(/[-:T]|\.\d+/g, "")
        .slice(2)
    const rows = (request.revoked ?? []).map((one) => {
      const of = typeof one === "string" ? one : "of" in one ? one.of : one
      const reason = typeof one === "object" && "reason" in one ? `,${one.reason}` : ""
      const hex = typeof of === "string" ? of : new X509Certificate(of.certificate).serialNumber
      return `R\t400101000000Z\t${utc(Date.now() - DAY_MS)}${reason}\t${hex}\tunknown\t/CN=gone\n`
    })
    writeFileSync(at("crl-index"), rows.join(""))
    writeFileSync(at("crl-index.attr"), "unique_subject = no\n")
    if (number !== null)
      writeFileSync(
        at("crl-number"),
        number
          .toString(16)
          .padStart(2, "0")
          .replace(/^(?=(..)*.$)/, "0"),
      )
    const section = request.extensions === undefined || request.extensions.length === 0 ? "" : "crl_extensions=e\n"
    const lines = section === "" ? "" : `[e]\n${(request.extensions ?? []).join("\n")}\n`
    const numbered = number === null ? "" : `crlnumber=${at("crl-number")}\n`
    writeFileSync(at("crl.cnf"), `[ca]\ndefault_ca=d\n[d]\ndatabase=${at("crl-index")}\ndefault_md=sha256\n${numbered}${section}${lines}`) // prettier-ignore
    const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "")
    run(
      ...["ca", "-gencrl", "-config", "crl.cnf", "-cert", issuer.certificateFile, "-keyfile", issuer.keyFile],
      ...["-md", request.digest ?? "sha256", "-out", "made.crl"],
      ...["-crl_lastupdate", stamp(request.lastUpdateAt ?? Date.now() - DAY_MS)],
      ...["-crl_nextupdate", stamp(request.nextUpdateAt ?? Date.now() + 7 * DAY_MS)],
      ...(request.more ?? []),
    )
    return readFileSync(at("made.crl"), "utf8")
  }

  return {
    folder,
    run,
    crl,
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
