import { suite } from "uvu"
import * as assert from "uvu/assert"
import { X509Certificate } from "node:crypto"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { ConnectionOptions } from "node:tls"
import { generate } from "mqtt-packet"
import { mosquittoPub } from "../peers/mosquitto-clients.ts"
import { opensslAuthority, opensslCertificate, type Issued, type IssueOptions } from "../peers/openssl.ts"
import { rawPeer, type RawPeerSeen } from "../support/raw-peer.ts"
import { POLICY, startRig, type LoggedLine, type Rig } from "../support/rig.ts"

const test = suite("system/peers-refused")
const CONNECT = generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, clientId: "s1" })
/** Were a byte of it parsed, there would be an entry `conduit.protocol-error`. */
const NONSENSE = Buffer.from("this is no MQTT")
/** So old that a gateway knows it without a clock. */
const LONG_OVER = { from: new Date("2019-01-01T00:00:00Z"), until: new Date("2020-01-01T00:00:00Z") }

let rig: Rig
let elsewhere: Issued
let namesake: Issued
const refusals = new Map<string, Refusal>()

test.before(async () => {
  rig = await startRig()
  const other = join(rig.folder, "other")
  mkdirSync(other)
  elsewhere = opensslAuthority(other, "other-ca")
  namesake = opensslAuthority(other, "field-ca")
  // Refusals for one reason within a second are one entry with the facts of the first: so each wave has a reason once.
  for (const wave of [1, 2, 3]) await refuseAll(CASES.filter((c) => c.wave === wave))
})
test.after(() => rig.stop())

let made = 0
function certificate(options: Partial<IssueOptions> & { uri?: string }): Issued {
  const { uri = "urn:test:sensor:s1", ...rest } = options
  const order = { issuer: rig.fieldCa, usage: "client", san: [`URI:${uri}`], ...rest } as const
  return opensslCertificate(join(rig.folder, "pki"), `refused-${++made}`, order)
}

function showing(peer: Issued): ConnectionOptions {
  return { key: readFileSync(peer.key), cert: readFileSync(peer.chain) }
}

/** Connections that the broker has seen, refused ones too. */
const brokerConnections = (): number => rig.broker.logs().split("New connection from").length - 1

function fingerprint(peer: Issued): string {
  return new X509Certificate(readFileSync(peer.cert)).fingerprint256.replaceAll(":", "").toLowerCase()
}

/** How a stranger comes, and what is to be said of it. */
interface Case {
  readonly what: string
  readonly wave: 1 | 2 | 3
  readonly peer?: () => Issued
  readonly tls?: ConnectionOptions
  readonly say?: Uint8Array
  readonly early?: boolean
  readonly reason: string
  readonly issuer?: string
  readonly faults?: string
}

interface Refusal {
  readonly seen: RawPeerSeen
  readonly entry: LoggedLine
  readonly shown: Issued | null
  readonly upstreams: number
}

/** TLS 1.1 is not even offered by OpenSSL unless it is asked to forget its scruples. */
const OLD = { minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" } as const

const CASES: readonly Case[] = [
  {
    what: "with a certificate of an unknown authority",
    wave: 1,
    peer: () => certificate({ issuer: elsewhere }),
    reason: "unknown-issuer",
    issuer: "other-ca",
  },
  {
    what: "with a certificate of an authority that only has the name of ours",
    wave: 1,
    peer: () => certificate({ issuer: namesake }),
    reason: "bad-signature",
    issuer: "field-ca",
  },
  {
    what: "with a certificate that is over",
    wave: 1,
    peer: () => certificate(LONG_OVER),
    reason: "expired",
    issuer: "field-ca",
  },
  {
    what: "with a certificate that no rule names",
    wave: 1,
    peer: () => certificate({ uri: "urn:test:visitor:s1" }),
    reason: "no-subject",
    issuer: "field-ca",
  },
  {
    what: "with a certificate for servers",
    wave: 1,
    peer: () => certificate({ usage: "server" }),
    reason: "extended-key-usage",
    issuer: "field-ca",
  },
  { what: "without a certificate", wave: 1, reason: "no-certificate" },
  {
    what: "with a certificate that is over and of an unknown authority",
    wave: 2,
    peer: () => certificate({ issuer: elsewhere, ...LONG_OVER }),
    reason: "unknown-issuer",
    issuer: "other-ca",
    faults: "unknown-issuer expired",
  },
  {
    what: "with a certificate that is over and has a forged signature",
    wave: 2,
    peer: () => certificate({ issuer: namesake, ...LONG_OVER }),
    reason: "bad-signature",
    issuer: "field-ca",
    faults: "bad-signature expired",
  },
  {
    what: "with a good certificate over TLS 1.2",
    wave: 2,
    peer: () => certificate({}),
    tls: { maxVersion: "TLSv1.2" },
    reason: "ERR_SSL_UNSUPPORTED_PROTOCOL",
  },
  {
    what: "that says CONNECT together with the last flight of the handshake",
    wave: 2,
    early: true,
    reason: "no-certificate",
  },
  {
    what: "that says nonsense together with the last flight of the handshake",
    wave: 2,
    peer: () => certificate({ uri: "urn:test:visitor:s2" }),
    say: NONSENSE,
    early: true,
    reason: "no-subject",
    issuer: "field-ca",
  },
  {
    what: "with a certificate of the wrong zone",
    wave: 3,
    peer: () => certificate({ issuer: rig.controlCa }),
    reason: "unknown-issuer",
    issuer: "control-ca",
  },
  {
    what: "with a good certificate over TLS 1.1",
    wave: 3,
    peer: () => certificate({}),
    tls: { ...OLD, maxVersion: "TLSv1.1" },
    reason: "ERR_SSL_UNSUPPORTED_PROTOCOL",
  },
]

async function refuseAll(cases: readonly Case[]): Promise<void> {
  const before = (await rig.audit()).length
  const peers = cases.map((c) => c.peer?.() ?? null)
  const upstreams = brokerConnections()
  const seen = await Promise.all(
    cases.map(({ tls, say = CONNECT, early = false }, i) => {
      const shown = peers[i]
      return rawPeer({ port: rig.port, tls: { ...(shown ? showing(shown) : {}), ...tls }, say, early })
    }),
  )
  for (const [i, { what, reason }] of cases.entries()) {
    const fits = (e: LoggedLine) => e.seq >= before && e.event === "conduit.peer-refused" && e.reason === reason
    refusals.set(what, { seen: seen[i]!, entry: await rig.entry(fits), shown: peers[i]!, upstreams: 0 })
  }
  const opened = brokerConnections() - upstreams
  for (const { what } of cases) refusals.set(what, { ...refusals.get(what)!, upstreams: opened })
}

for (const { what, reason, issuer, faults, tls, early } of CASES) {
  test(`[CR 1.2] a peer ${what} is cut off unheard, no upstream is opened, and the log says ${reason}`, () => {
    const { seen, entry, shown, upstreams } = refusals.get(what)!
    assert.is(seen.bytes, 0, "not a byte of MQTT came back")
    assert.ok(seen.closed, "it was cut off")
    assert.is(upstreams, 0, "no upstream was opened")
    assert.equal(
      [entry.category, entry.outcome, entry.subject, entry.conduit, entry.object, entry.reason, entry.count],
      ["access-control", "denied", null, "telemetry", "127.0.0.0/24", reason, 1],
    )
    assert.is(entry.detail!["address"], "127.0.0.1")
    assert.is(entry.detail!["faults"], faults)
    if (tls === undefined) {
      assert.ok(seen.handshake, "TLS 1.3 lets the peer believe that it is in")
      assert.is(entry.detail!["fingerprint"], shown === null ? undefined : fingerprint(shown))
      if (issuer !== undefined) assert.match(String(entry.detail!["issuer"]), new RegExp(`\\b${issuer}\\b`))
    } else {
      assert.not(seen.handshake)
      assert.match(seen.error, /ALERT_PROTOCOL_VERSION/)
    }
    if (early === true) assert.ok(seen.joined, "flight and words were one write")
  })
}

test("[CR 1.2] of none of them a byte was parsed: the same words of a peer of ours are answered, or a protocol error", async () => {
  const strange = ["conduit.protocol-error", "conduit.connected", "conduit.connect-refused", "conduit.disconnected"]
  const before = await rig.audit()
  assert.equal(
    before.filter((e) => strange.includes(e.event)),
    [],
  )
  assert.is((await rig.status()).conduits[0]!.counters!.accepted, 0)
  const tls = showing(certificate({}))
  const connections = brokerConnections()
  const trusted = await rawPeer({ port: rig.port, tls, say: CONNECT, early: true })
  assert.ok(trusted.joined)
  assert.is(trusted.bytes, 4, "CONNACK")
  assert.is(brokerConnections(), connections + 1)
  await rawPeer({ port: rig.port, tls, say: NONSENSE, early: true })
  await rig.entry((e) => e.seq >= before.length && e.event === "conduit.protocol-error")
})

test("[CR 1.2] mosquitto_pub with a certificate of the wrong zone or none at all does not get in either", async () => {
  const [wrong, right] = [certificate({ issuer: rig.controlCa }), certificate({})]
  for (const [peer, inside] of [
    [wrong, false],
    [null, false],
    [right, true],
  ] as const) {
    const shown = peer === null ? {} : { cert: peer.chain, key: peer.key }
    const { code, output } = await mosquittoPub({
      host: "127.0.0.1",
      port: rig.port,
      id: "s1",
      tls: { ca: rig.fieldCa.cert, ...shown },
      topic: "plant/s1/x",
      message: "x",
      qos: 1,
    })
    assert.is(code === 0, inside, output)
  }
})

test("[CR 4.3] a zone that admits TLS 1.2 by name gets it with forward secrecy and authenticated encryption only", async () => {
  const policy = POLICY.replace("field: { level: 2,", 'field: { level: 2, tls-min: "1.2",')
  assert.is.not(policy, POLICY)
  const answer = await rig.command("policy.activate", { bundle: await rig.bundle(2, policy) })
  assert.ok(answer.ok, JSON.stringify(answer))
  const knock = (ciphers: string) =>
    rawPeer({
      port: rig.port,
      tls: { ...showing(certificate({})), maxVersion: "TLSv1.2", ciphers },
      say: CONNECT,
    })
  assert.ok((await knock("ECDHE-ECDSA-AES128-GCM-SHA256")).bytes >= 4)
  for (const weak of ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"]) {
    const seen = await knock(weak)
    assert.equal([seen.handshake, seen.bytes], [false, 0], weak)
  }
  // Another reason than those of the last second, so that the entry has this one's facts.
  const stranger = certificate({ usage: "server" })
  const seen = await rawPeer({
    port: rig.port,
    tls: { ...showing(stranger), maxVersion: "TLSv1.2" },
    say: CONNECT,
  })
  assert.equal([seen.bytes, seen.closed], [0, true])
  const print = fingerprint(stranger)
  await rig.entry((e) => e.event === "conduit.peer-refused" && e.detail?.["fingerprint"] === print)
})

test.run()
