import { suite } from "uvu"
import * as assert from "uvu/assert"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { connect, createServer } from "node:tls"
import { duplexPair } from "node:stream"
import type { ConnectionOptions, TlsOptions } from "node:tls"
import { judgePeer, judgePeerChain } from "../../../firmware/tls/accept-peer.ts"
import type { PeerTrust, PeerVerdict } from "../../../firmware/tls/accept-peer.ts"
import { certificateFacts, createFactsCache } from "../../../firmware/tls/certificate-facts.ts"
import { closeFailedHandshakes } from "../../../firmware/tls/handshake-failure.ts"
import { serverOptions } from "../../../firmware/tls/options.ts"
import { factsFromPem, parsePemChain } from "../../../firmware/tls/pem.ts"
import type { SubjectRule } from "../../../policy/language/policy.ts"
import { createOpensslPki, leafExtensions } from "../../support/openssl-pki.ts"
import type { OpensslCertificate } from "../../support/openssl-pki.ts"

const test = suite("firmware/tls/accept-peer")

const DAY_MS = 86_400_000
const now = Date.now()
const past = { notBeforeAt: now - 90 * DAY_MS, notAfterAt: now - 60 * DAY_MS }

const pki = createOpensslPki()
test.after(() => pki.remove())

const field = pki.authority("field")
const sub = pki.authority("field-sub", {}, field)
const stranger = pki.authority("stranger")
const server = pki.leaf("gateway", field, { extensions: leafExtensions("DNS:localhost") })

function sensor(name: string, issuer: OpensslCertificate, request: Parameters<typeof pki.leaf>[2] = {}) {
  return pki.leaf(name, issuer, { extensions: leafExtensions(`URI:urn:plant:sensor:${name}`), ...request })
}

const good = sensor("good", field)
const below = sensor("below", sub)
const foreign = sensor("foreign", stranger)
const expired = sensor("expired", field, past)
const expiredForeign = sensor("expired-foreign", stranger, past)
const selfMade = pki.selfSigned("self-made")
const nobody = pki.leaf("nobody", field)
const hostile = pki.leaf("hostile", field, { extensions: ["2.5.29.17=DER:3005820361006200"] })

const subjects: SubjectRule[] = ["field", "control"].map((zone) => ({
  id: `${zone}-sensors`,
  zone,
  source: "san-uri",
  prefix: zone === "field" ? "urn:plant:sensor:" : "urn:plant:broker:",
  suffix: "",
  fixedName: null,
  roles: ["sensor"],
  clientId: "%u",
}))

const trust: PeerTrust = {
  zone: "field",
  anchors: factsFromPem(field.certificate),
  subjects,
  now: { earliestAt: now, latestAt: now + 1000 },
  cache: createFactsCache(),
}

interface Meeting {
  /** Null: the handshake failed. */
  readonly verdict: PeerVerdict | null
  /** What the data listener was given; it is attached only to an accepted peer. */
  readonly read: string
  readonly authorized: boolean
  readonly protocol: string | null
  readonly failure: string | null
}

const ours = serverOptions({
  credential: { key: server.key, certificate: server.certificate },
  tlsMin: "1.3",
  handshakeTimeoutMs: 5000,
})
const ours12 = serverOptions({
  credential: { key: server.key, certificate: server.certificate },
  tlsMin: "1.2",
  handshakeTimeoutMs: 5000,
})

/** A client that sends one byte as early as it can meets a server that does what a conduit does. */
async function meet(client: ConnectionOptions, options: TlsOptions = ours, by: PeerTrust = trust): Promise<Meeting> {
  let meeting: Meeting = { verdict: null, read: "", authorized: false, protocol: null, failure: null }
  const listener = createServer(options, (socket) => {
    const verdict = judgePeer(socket, by)
    meeting = { ...meeting, verdict, authorized: socket.authorized, protocol: socket.getProtocol() }
    socket.on("error", () => undefined)
    if (!verdict.ok) {
      socket.destroy()
      return
    }
    socket.on("data", (bytes: Buffer) => {
      meeting = { ...meeting, read: meeting.read + bytes.toString() }
      socket.end()
    })
  })
  closeFailedHandshakes(listener, ({ code }) => (meeting = { ...meeting, failure: code }))
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const socket = connect({ port: (listener.address() as AddressInfo).port, rejectUnauthorized: false, ...client })
  socket.on("error", () => undefined)
  socket.on("secureConnect", () => socket.write("!"))
  socket.resume()
  await new Promise((resolve) => socket.on("close", resolve))
  await new Promise((resolve) => listener.close(resolve))
  return meeting
}

function shows(certificate: OpensslCertificate, ...above: OpensslCertificate[]): ConnectionOptions {
  return { key: certificate.key, cert: [certificate, ...above].map((one) => one.certificate).join("") }
}

function reasonOf(meeting: Meeting): string {
  if (meeting.verdict === null) return `handshake: ${meeting.failure ?? "none"}`
  return meeting.verdict.ok ? meeting.verdict.subject.name : meeting.verdict.faults.join(" ")
}

test("[CR 1.2] a good peer is who its certificate says, and is heard", async () => {
  const meeting = await meet(shows(good))
  assert.ok(meeting.verdict?.ok)
  assert.equal(meeting.verdict.subject, {
    name: "good",
    roles: ["sensor"],
    ruleId: "field-sensors",
    clientIdPattern: "%u",
  })
  assert.is(meeting.verdict.leaf.commonName, "good")
  assert.is(meeting.verdict.time, "yes")
  assert.is(meeting.read, "!")
  assert.is(meeting.protocol, "TLSv1.3")
})

test("[CR 1.2] a peer is refused with every fault named, and the byte that it sent early is never read", async () => {
  const cases: [ConnectionOptions, string][] = [
    [{}, "no-certificate"],
    [shows(foreign), "unknown-issuer"],
    [shows(expired), "expired"],
    [shows(expiredForeign), "unknown-issuer expired"],
    [shows(selfMade), "self-signed-leaf"],
    [shows(below), "unknown-issuer"],
    [shows(nobody), "no-subject"],
    [shows(hostile), "malformed"],
    [shows(foreign, field), "unknown-issuer"],
    [shows(good, hostile), "malformed"],
  ]
  for (const [client, expected] of cases) {
    for (const options of [ours, ours12]) {
      const meeting = await meet(client, options)
      assert.is(reasonOf(meeting), expected)
      assert.is(meeting.read, "")
      assert.not.ok(meeting.verdict?.ok)
    }
  }
})

test("[CR 1.2] the whole chain arrives, in whatever order and company it is sent", async () => {
  assert.is(reasonOf(await meet(shows(below, sub))), "below")
  assert.is(reasonOf(await meet(shows(below, stranger, sub, field, sub))), "below")
  assert.is(reasonOf(await meet(shows(below, sub), ours12)), "below")
  const heap = Array.from({ length: 99 }, () => stranger)
  assert.is(reasonOf(await meet(shows(good, ...heap))), "too-deep")
})

test("[CR 1.2] a certificate of another zone is refused: by its authority, or by the subject rules", async () => {
  const control: PeerTrust = { ...trust, zone: "control" }
  assert.is(reasonOf(await meet(shows(good), ours, control)), "no-subject")
  const otherAuthority: PeerTrust = { ...control, anchors: factsFromPem(stranger.certificate) }
  assert.is(reasonOf(await meet(shows(good), ours, otherAuthority)), "unknown-issuer")
  assert.is(reasonOf(await meet(shows(good), ours, { ...trust, anchors: [] })), "unknown-issuer")
})

test("[CR 2.11] with an unbounded clock a peer is admitted as uncertain; one surely expired is not", async () => {
  const uncertain: PeerTrust = { ...trust, now: { earliestAt: now, latestAt: Infinity } }
  const meeting = await meet(shows(good), ours, uncertain)
  assert.is(meeting.verdict?.ok && meeting.verdict.time, "uncertain")
  assert.is(reasonOf(await meet(shows(expired), ours, uncertain)), "expired")
})

test("[CR 1.2] a revoked serial is refused", async () => {
  const { serial, issuerDer } = factsFromPem(good.certificate)[0]!
  const revoked: PeerTrust = { ...trust, revoked: (issuer, number) => issuer === issuerDer && number === serial }
  assert.is(reasonOf(await meet(shows(good), ours, revoked)), "revoked")
})

test("[CR 2.8] a refusal names fingerprint, issuer and serial of what was shown, readable or not", async () => {
  for (const shown of [foreign, hostile]) {
    const { verdict } = await meet(shows(shown))
    assert.ok(verdict !== null && !verdict.ok)
    const wanted = pki.run("x509", "-in", shown.certificateFile, "-noout", "-fingerprint", "-sha256")
    assert.is(verdict.fingerprint, wanted.trim().split("=")[1]!.replaceAll(":", "").toLowerCase())
    assert.is(verdict.issuer, shown === foreign ? "CN=stranger" : null)
  }
  const { verdict } = await meet({})
  assert.is(!verdict?.ok && verdict?.fingerprint, null)
})

test("[CR 1.2] nobody is `authorized` in Node's sense, so code that asked it would refuse everybody", async () => {
  assert.equal([ours.ca, ours12.ca], [[], []])
  for (const client of [shows(good), shows(below, sub), shows(foreign)]) {
    assert.not.ok((await meet(client)).authorized)
  }
})

test("[CR 4.3] TLS below 1.3 is refused, and TLS 1.2 is spoken only where it is admitted", async () => {
  for (const maxVersion of ["TLSv1.1", "TLSv1.2"] as const) {
    const client: ConnectionOptions = {
      ...shows(good),
      minVersion: maxVersion,
      maxVersion,
      ciphers: "DEFAULT@SECLEVEL=0",
    }
    assert.is(reasonOf(await meet(client)), "handshake: ERR_SSL_UNSUPPORTED_PROTOCOL")
    if (maxVersion === "TLSv1.1") assert.match(reasonOf(await meet(client, ours12)), /^handshake: ERR_SSL/)
  }
  const meeting = await meet({ ...shows(good), maxVersion: "TLSv1.2" }, ours12)
  assert.is(meeting.protocol, "TLSv1.2")
  assert.is(reasonOf(meeting), "good")
})

test("[CR 4.3] weak suites, groups and signatures are refused; the permitted ones are spoken", async () => {
  const weak: ConnectionOptions[] = [
    { ciphers: "ECDHE-ECDSA-AES128-SHA", maxVersion: "TLSv1.2" },
    { ciphers: "ECDHE-ECDSA-AES128-SHA256", maxVersion: "TLSv1.2" },
    { ciphers: "AES128-GCM-SHA256", maxVersion: "TLSv1.2" },
    { ciphers: "DHE-RSA-AES128-GCM-SHA256", maxVersion: "TLSv1.2" },
    { ciphers: "TLS_AES_128_CCM_SHA256" },
    { ecdhCurve: "P-521" },
  ]
  for (const client of weak) {
    assert.match(
      reasonOf(await meet({ ...shows(good), ...client }, ours12)),
      /^handshake: ERR_SSL_NO_(SHARED|SUITABLE)/,
    )
  }
  // A key that is not permitted cannot even sign: its bearer is left without a certificate to show.
  const p521 = sensor("p521", field, { newkey: ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"] })
  assert.is(reasonOf(await meet(shows(p521))), "no-certificate")
  for (const ciphers of ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"]) {
    assert.is(reasonOf(await meet({ ...shows(good), ciphers, maxVersion: "TLSv1.2" }, ours12)), "good")
  }
  assert.is(
    reasonOf(await meet({ ...shows(good), ciphers: "TLS_CHACHA20_POLY1305_SHA256", ecdhCurve: "P-384" })),
    "good",
  )
})

test("[CR 1.2] over any duplex the same holds: a `tls.Server` is given it, and no refused peer is heard", async () => {
  const cases: [ConnectionOptions, string, string][] = [
    [shows(good), "good", "!"],
    [{}, "no-certificate", ""],
    [shows(foreign), "unknown-issuer", ""],
    [shows(expired), "expired", ""],
  ]
  for (const [client, expected, heard] of cases) {
    let read = ""
    let outcome = ""
    const closed = Promise.withResolvers<undefined>()
    const listener = createServer(ours, (socket) => {
      const verdict = judgePeer(socket, trust)
      socket.on("close", () => closed.resolve(undefined))
      outcome = verdict.ok ? verdict.subject.name : verdict.reason
      if (!verdict.ok) {
        socket.destroy()
        return
      }
      socket.on("data", (bytes: Buffer) => {
        read += bytes.toString()
        socket.destroy()
      })
    })
    const [near, far] = duplexPair()
    listener.emit("connection", far)
    const socket = connect({ socket: near, rejectUnauthorized: false, ...client })
    socket.on("secureConnect", () => socket.write("!"))
    socket.on("error", () => undefined)
    socket.resume()
    await closed.promise
    socket.destroy()
    assert.equal([outcome, read], [expected, heard])
  }
})

test("[CR 1.2] a chain in hand is judged as the connection was, for judging anew when something changes", () => {
  const chain = parsePemChain(below.certificate + sub.certificate)
  const verdict = judgePeerChain(chain, trust)
  assert.is(verdict.ok && verdict.subject.name, "below")
  assert.is(judgePeerChain(chain, { ...trust, anchors: [] }).ok, false)
  assert.is(judgePeerChain([], trust).ok, false)
})

test("[CR 3.5] whatever bytes stand for a chain, judging them does not throw", () => {
  const { der } = certificateFacts(parsePemChain(good.certificate)[0]!)
  for (const bytes of [new Uint8Array(), Uint8Array.of(0x30), der.subarray(0, 50), Buffer.concat([der, der])]) {
    for (const chain of [[bytes], [der, bytes], [bytes, der], Array.from({ length: 200 }, () => bytes)]) {
      const verdict = judgePeerChain(chain, trust)
      assert.ok(!verdict.ok && verdict.faults.includes("malformed"))
    }
  }
})

test.run()
