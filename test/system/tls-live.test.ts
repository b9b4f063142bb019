/** The TLS of a running gateway, as `openssl s_client` finds it: before and after its certificate was exchanged. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { freePorts } from "../peers/ports.ts"
import { opensslCertificate } from "../peers/openssl.ts"
import { sClient } from "../peers/s-client.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/tls-live")

const POLICY = `
lockgate-policy: 1
name: two versions
zones:
  field: { level: 2, authorities: [field-ca] }
  legacy: { level: 2, authorities: [field-ca], tls-min: "1.2" }
  control: { level: 3, authorities: [control-ca] }
  cell: { level: 1, clear-text: true }
roles:
  sensor: reports
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [sensor] }
  - { zone: legacy, match: { san-uri: "urn:test:sensor:{name}" }, modbus-role: Viewer, roles: [sensor] }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
  drives: { from: legacy, to: cell, protocol: modbus, transport: { to: tcp } }
rules:
  - { id: report, allow: publish, roles: [sensor], topics: ["plant/%u/#"], qos: 1 }
  - { id: look, allow: read-holding-registers, roles: [sensor], units: 1, registers: 0-9 }
`

let rig: Rig
let drives = 0
test.before(async () => {
  const [port = 0, unused = 0] = await freePorts(2)
  drives = port
  rig = await startRig({
    policy: POLICY,
    conduits: [
      `drives: { listen: { address: 127.0.0.1, port: ${port}, credential: field-end }, upstream: { url: "modbus://127.0.0.1:${unused}" } }`,
    ],
  })
})
test.after(() => rig.stop())

/** Once with these arguments, as a peer that the policy lets in. */
function says(port: number, args: readonly string[], renegotiate = false): Promise<string> {
  const { chain, key } = rig.peer("probe", { modbusRole: "Viewer" })
  return sClient({ port, cert: chain, key, args, renegotiate })
}

const REFUSED = /alert (protocol version|handshake failure)|no protocols available|no cipher match|wrong version/
const WEAK_13 = [
  ["-tls1_2"],
  ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
  ["-tls1_3", "-groups", "P-521"],
  ["-tls1_3", "-groups", "ffdhe2048"],
  ["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"],
  ["-tls1_3", "-sigalgs", "ECDSA+SHA512"],
]
const WEAK_12 = [
  ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
  ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
  ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8"],
  ["-tls1_2", "-cipher", "AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256"],
  ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-groups", "P-521"],
]

/** Everything that must hold of the listeners, whatever credential they show. */
async function isStrict(when: string): Promise<void> {
  const full = /New, TLSv1\.3, Cipher is TLS_/
  const session = (name: string): string => join(rig.folder, `${name}-${when}`)
  const [first13, first12, renegotiated, ...weak] = await Promise.all([
    says(rig.port, ["-tls1_3", "-sess_out", session("13")]),
    says(drives, ["-tls1_2", "-sess_out", session("12")]),
    says(drives, ["-tls1_2"], true),
    ...WEAK_13.map((args) => says(rig.port, args)),
    ...WEAK_12.map((args) => says(drives, args)),
  ])
  assert.match(first13, full)
  // OpenSSL says the name of a session all the same (32 bytes; a ticket that holds one has 160 and more): of one that is kept nowhere.
  for (const [, ticket] of first13.matchAll(/TLS session ticket:\n((?: +[0-9a-f]{4} - .*\n)*)/g))
    assert.is(ticket!.trim().split("\n").length, 2, ticket)
  assert.match(first12, /New, TLSv1\.2, Cipher is ECDHE-ECDSA-/)
  assert.not.match(first12, "TLS session ticket:")
  assert.match(renegotiated, /RENEGOTIATING[^]*no renegotiation/)
  ;[...WEAK_13, ...WEAK_12].forEach((args, n) => {
    assert.match(weak[n]!, REFUSED, args.join(" "))
    assert.match(weak[n]!, "Cipher is (NONE)", args.join(" "))
  })
  const [again13, again12] = await Promise.all([
    says(rig.port, ["-tls1_3", "-sess_in", session("13")]),
    says(drives, ["-tls1_2", "-sess_in", session("12")]),
  ])
  for (const again of [again13, again12]) {
    assert.match(again, "New, TLSv1.")
    assert.not.match(again, /\nReused, /)
  }
}

test("[CR 3.1, CR 4.3] nothing is resumed, renegotiated or spoken below what policy admits", () => isStrict("first"))

test("[CR 1.8] nor after the certificate was exchanged, which is shown at once", async () => {
  const pki = join(rig.folder, "pki")
  const serial = async (port: number, args: readonly string[]): Promise<string> =>
    /-----BEGIN CERTIFICATE-----[^-]*/.exec(await says(port, args))?.[0] ?? "none"
  const before = await Promise.all([serial(rig.port, ["-tls1_3"]), serial(drives, ["-tls1_2"])])
  const fresh = opensslCertificate(pki, "fresh", {
    issuer: rig.fieldCa,
    usage: "server",
    san: ["IP:127.0.0.1", "DNS:localhost"],
  })
  copyFileSync(fresh.chain, join(pki, "gateway-field.chain"))
  copyFileSync(fresh.key, join(pki, "gateway-field.key"))
  const reloaded = await rig.command("trust.reload")
  assert.ok(reloaded.ok, JSON.stringify(reloaded))
  const after = await Promise.all([serial(rig.port, ["-tls1_3"]), serial(drives, ["-tls1_2"])])
  after.forEach((shown, n) => assert.is.not(shown, before[n]))
  await isStrict("reloaded")
})

test("[CR 4.3] Ed25519 in every certificate, of authorities and at all ends", async () => {
  const other = await startRig({ algorithm: "ED25519" })
  try {
    const seen = await other.watch("plant/#")
    const peer = await mqttPeer(other, { name: "edwards" })
    assert.is(await peer.publish("plant/edwards/x", "signed by a curve"), 0)
    assert.is((await seen.take(1))[0]?.payload.toString(), "signed by a curve")
    const { chain, key } = other.peer("edwards")
    const said = await sClient({ port: other.port, cert: chain, key, args: ["-tls1_3"] })
    assert.match(said, /PKEY: ED25519|signature type: Ed25519/i)
    await peer.end()
    await seen.stop()
  } finally {
    await other.stop()
  }
})

test.run()
