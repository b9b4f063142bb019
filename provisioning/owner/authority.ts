/**
 * The asset owner's certificate authority, in its first form: plain values in, PEM out, no file and no clock touched.
 *
 * Keys are ECDSA P-256, signatures SHA-256. What is issued is exactly what `policy/identity/path.ts` accepts, and no
 * wider: a leaf is no authority, and bears only the purpose that it was asked for.
 *
 * @see RFC 5280 section 4.2, IEC 62443-4-2 CR 1.8
 */
import "reflect-metadata"
import * as x509 from "@peculiar/x509"
import { InputError } from "../../policy/base/errors.ts"

/** An authority with its key: whoever holds this value can issue. Keep `key` where keys are kept. */
export interface Authority {
  /** PEM, PKCS#8. */
  readonly key: string
  /** PEM of the authority itself. */
  readonly certificate: string
  /** PEM of what stands between it and its root: itself first, the root left out; empty for a root. */
  readonly chain: string
}

/** From when to when a certificate is good. */
export interface Validity {
  /** Milliseconds since 1970; cut to whole seconds. */
  readonly notBeforeAt: number
  readonly notAfterAt: number
}

/** What an authority is made with. */
export interface AuthorityRequest {
  /** Common name, 1..64 characters. */
  readonly name: string
  readonly validity: Validity
  /** How many authorities may stand below it; default 0: it issues leaves only. */
  readonly pathLength?: number
  /** Who issues it; absent for a root. */
  readonly issuer?: Authority
}

/** What a certificate is issued for. */
export interface LeafRequest extends Validity {
  readonly subject: { readonly cn: string }
  readonly san: { readonly uri?: readonly string[]; readonly dns?: readonly string[]; readonly ip?: readonly string[] }
  readonly usage: "client" | "server" | "both"
  /** Role of Modbus/TCP Security, 1..120 bytes in UTF-8. @see MODBUS/TCP Security Protocol Specification section 8.4 */
  readonly modbusRole?: string
  /** SPKI, DER, of a key that its owner keeps; absent: a key is made here. */
  readonly publicKey?: Uint8Array
}

/** A certificate as it was issued. */
export interface IssuedCertificate {
  /** PEM, PKCS#8; null if the key was not made here. */
  readonly key: string | null
  /** PEM: the leaf, then the authorities up to but without the root. What a TLS end is given. */
  readonly certificate: string
}

/** An issued certificate whose key was made here. */
export type IssuedCredential = IssuedCertificate & { readonly key: string }

/** A WebCrypto key; the name of its type is not among the globals of every runtime. */
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const
const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags

/**
 * A new authority with a new key: a root, or one below `issuer`.
 *
 * @throws InputError `ERR_ISSUE` for a name, validity or path length that no certificate can have
 */
export async function createAuthority(request: AuthorityRequest): Promise<Authority> {
  const pathLength = request.pathLength ?? 0
  if (!Number.isInteger(pathLength) || pathLength < 0 || pathLength > 9) {
    throw new InputError("ERR_ISSUE", "a path length is a whole number from 0 to 9")
  }
  const keys = await newKeys()
  const certificate = await sign(request.name, request.validity, keys.publicKey, request.issuer ?? keys.privateKey, [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
  ])
  const chain = request.issuer === undefined ? "" : certificate + request.issuer.chain
  return { key: await pemOf(keys.privateKey), certificate, chain }
}

/**
 * A certificate for a device, a broker or a gateway, signed by `authority`; with its key, unless `publicKey` was given.
 *
 * @throws InputError `ERR_ISSUE` for a name, validity, alternative name or public key that no certificate can have
 */
export function issue(
  authority: Authority,
  request: LeafRequest & { readonly publicKey?: never },
): Promise<IssuedCredential>
/**
 * The same for a request that may bring the public key of somebody else: then nobody but them has the private one.
 *
 * @throws InputError `ERR_ISSUE`, as above
 */
export function issue(authority: Authority, request: LeafRequest): Promise<IssuedCertificate>
/** Both of the forms above. @throws InputError `ERR_ISSUE` */
export async function issue(authority: Authority, request: LeafRequest): Promise<IssuedCertificate> {
  const keys = request.publicKey === undefined ? await newKeys() : null
  const publicKey = keys?.publicKey ?? (await importPublicKey(request.publicKey ?? new Uint8Array()))
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage
  const purposes = { client: [clientAuth], server: [serverAuth], both: [clientAuth, serverAuth] }
  const names = alternativeNames(request.san)
  const leaf = await sign(request.subject.cn, request, publicKey, authority, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(purposes[request.usage]),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ...(request.modbusRole === undefined ? [] : [roleExtension(request.modbusRole)]),
  ])
  return { key: keys === null ? null : await pemOf(keys.privateKey), certificate: leaf + authority.chain }
}

function roleExtension(role: string): x509.Extension {
  const text = new TextEncoder().encode(role)
  if (text.length < 1 || text.length > 120 || /\p{Cc}/u.test(role)) {
    throw new InputError("ERR_ISSUE", "a Modbus role has 1 to 120 bytes and no control characters")
  }
  return new x509.Extension("1.3.6.1.4.1.50316.802.1", false, Uint8Array.of(0x0c, text.length, ...text))
}

async function sign(
  commonName: string,
  validity: Validity,
  publicKey: Key,
  by: Authority | Key,
  extensions: readonly x509.Extension[],
): Promise<string> {
  if (!/^[^\p{Cc}]{1,64}$/u.test(commonName)) throw new InputError("ERR_ISSUE", "a common name has 1 to 64 characters")
  const subject = new x509.Name([{ CN: [{ utf8String: commonName }] }])
  const above = "certificate" in by ? importCertificate(by.certificate) : null
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    // The issuer's own encoding of its name, since names are compared byte for byte.
    issuer: above === null ? subject : above.subjectName,
    ...dates(validity),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: "certificate" in by ? await importPrivateKey(by.key) : by,
    extensions: [
      ...extensions,
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(above === null ? publicKey : above.publicKey),
    ],
  })
  const signedBy = above === null ? publicKey : above.publicKey
  if (!(await certificate.verify({ publicKey: signedBy, signatureOnly: true }))) {
    throw new InputError("ERR_ISSUE", "the authority's key does not belong to its certificate")
  }
  return `${certificate.toString("pem")}\n`
}

function dates({ notBeforeAt, notAfterAt }: Validity): { notBefore: Date; notAfter: Date } {
  const [from, to] = [Math.floor(notBeforeAt / 1000), Math.floor(notAfterAt / 1000)]
  // The last second that X.509 can name is that of the year 9999.
  if (!(from >= 0 && to > from && to <= 253402300799)) throw new InputError("ERR_ISSUE", "a validity without duration")
  return { notBefore: new Date(from * 1000), notAfter: new Date(to * 1000) }
}

function alternativeNames(san: LeafRequest["san"]): x509.JsonGeneralNames {
  const { uri = [], dns = [], ip = [] } = san
  if ([...uri, ...dns, ...ip].some((value) => !/^[\x21-\x7e]{1,255}$/.test(value))) {
    throw new InputError("ERR_ISSUE", "an alternative name has 1 to 255 printable characters without spaces")
  }
  // The X.509 package takes 10.0.0.256 for 10.0.0.0.
  if (!ip.every(isAddress)) throw new InputError("ERR_ISSUE", "an IP name is an IPv4 or IPv6 address")
  return [
    ...uri.map((value) => ({ type: "url" as const, value })),
    ...dns.map((value) => ({ type: "dns" as const, value })),
    ...ip.map((value) => ({ type: "ip" as const, value })),
  ]
}

function isAddress(text: string): boolean {
  const parts = text.split(".")
  if (parts.length === 4) return parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  return text.includes(":") && /^[0-9A-Fa-f:.]+$/.test(text) && URL.canParse(`http://[${text}]/`)
}

/** 16 random bytes, positive and without leading zeros. */
function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
}

async function newKeys(): Promise<{ publicKey: Key; privateKey: Key }> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])
}

async function pemOf(key: Key): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`
}

function importCertificate(pem: string): x509.X509Certificate {
  try {
    return new x509.X509Certificate(pem)
  } catch {
    throw new InputError("ERR_ISSUE", "the authority's certificate cannot be read")
  }
}

async function importPrivateKey(pem: string): Promise<Key> {
  try {
    const [der = new ArrayBuffer(0)] = x509.PemConverter.decode(pem)
    return await crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"])
  } catch {
    throw new InputError("ERR_ISSUE", "the authority's key is not a P-256 key in PKCS#8")
  }
}

async function importPublicKey(spki: Uint8Array): Promise<Key> {
  try {
    return await crypto.subtle.importKey("spki", Uint8Array.from(spki), ALGORITHM, true, ["verify"])
  } catch {
    throw new InputError("ERR_ISSUE", "the public key is not a P-256 key in SPKI form")
  }
}
