import { suite } from "uvu"
import * as assert from "uvu/assert"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { DEFAULT_AUDIT, DEFAULT_LIMITS, type GatewayConfig } from "../../../firmware/config/gateway-config.ts"
import { judgePeerChain } from "../../../firmware/tls/accept-peer.ts"
import { certificateFacts } from "../../../firmware/tls/certificate-facts.ts"
import { factsFromPem, parsePemChain } from "../../../firmware/tls/pem.ts"
import { openTrust, type TrustKeeper } from "../../../firmware/trust/keeper.ts"
import { createFileKeyStore } from "../../../hal/linux/key-store.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { Condition } from "../../../policy/posture.ts"
import { posture } from "../../../policy/posture.ts"
import type { TimeInterval } from "../../../policy/time/interval.ts"
import { makeSigner } from "../../support/bundles.ts"
import { createOpensslPki, leafExtensions } from "../../support/openssl-pki.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/trust/keeper")

const pki = createOpensslPki()
test.after(() => pki.remove())
const DAY_MS = 86_400_000
const NOW = Date.now()
const at = (name: string): string => join(pki.folder, name)

const field = pki.authority("field")
const server = pki.leaf("server", field, { notAfterAt: NOW + 40 * DAY_MS })
const thief = pki.leaf("thief", field, { extensions: leafExtensions("URI:urn:x:thief"), notAfterAt: NOW + DAY_MS })
const signer = await makeSigner("owner")
writeFileSync(at("owner.pub.pem"), signer.publicPem)
const config: GatewayConfig = {
  format: 1,
  gateway: "gw",
  board: "simulated",
  stateFolder: pki.folder,
  trust: {
    authorities: { "field-ca": field.certificateFile },
    crls: { "field-ca": at("field.crl") },
    policySigners: { owner: at("owner.pub.pem") },
    policyThreshold: 1,
    timeSigners: {},
  },
  credentials: {},
  lines: {},
  time: { network: "any", rtcErrorMs: null, chronySocket: null },
  gpio: { inputs: [], outputs: [] },
  workers: 1,
  keys: null,
  packetFilter: "off",
  inspector: "refuse",
  policyBundleFile: null,
  conduits: {
    a: {
      protocol: "mqtt",
      points: [],
      listen: { address: "127.0.0.1", port: 0, credential: "own" },
      upstream: { kind: "tls", host: "127.0.0.1", port: 1, serverName: "x", credential: "own", authority: "field-ca" },
    },
  },
  management: { socket: at("s"), mqtt: null, mqttVersion: "3.1.1" },
  limits: DEFAULT_LIMITS,
  audit: DEFAULT_AUDIT,
  trialSeconds: 60,
}

/** A keeper on a store that stays from one to the next, told what time it is. */
function world() {
  const storage = new MemoryStorage()
  const events: AuditEvent[] = []
  const conditions = new Set<Condition>()
  let now: TimeInterval = { earliestAt: NOW, latestAt: NOW }
  return {
    storage,
    events,
    conditions,
    ids: (): string[] => events.map(({ id }) => id),
    setTime: (earliestAt: number, latestAt: number) => (now = { earliestAt, latestAt }),
    open: (): Promise<TrustKeeper> =>
      openTrust({
        config,
        keyStore: createFileKeyStore(storage, {
          own: { keyFile: server.keyFile, certificateFile: server.certificateFile },
        }),
        storage,
        interval: () => now,
        note: (event) => events.push(event),
        condition: (condition, holds) => (holds ? conditions.add(condition) : conditions.delete(condition)),
      }),
  }
}
const put = (text: string): void => writeFileSync(at("field.crl"), text)

test("[CR 1.9] a stale list is a condition and one event, closes nothing, and under an untrusted clock is only uncertain", async () => {
  const w = world()
  put(pki.crl(field, { revoked: [thief], nextUpdateAt: NOW + DAY_MS }))
  const keeper = await w.open()
  const stale = (): string => keeper.report().authorities[0]!.lists[0]!.stale
  keeper.look()
  assert.equal([stale(), [...w.conditions]], ["no", []])
  // The clock was lost: the time is not before the floor, and nothing bounds it from above.
  w.setTime(NOW - 900 * DAY_MS, Infinity)
  keeper.look()
  assert.equal([stale(), [...w.conditions]], ["uncertain", []])
  const revoked = keeper.revoked("field-ca")
  const judge = (now: TimeInterval) =>
    judgePeerChain([...parsePemChain(thief.certificate)], { anchors: factsFromPem(field.certificate), zone: "z", subjects: [], now, revoked }) // prettier-ignore
  const uncertain = judge({ earliestAt: NOW - 900 * DAY_MS, latestAt: Infinity })
  assert.equal([uncertain.ok, !uncertain.ok && uncertain.reason], [false, "revoked"])
  w.setTime(NOW + 2 * DAY_MS, Infinity)
  for (let n = 0; n < 3; n++) keeper.look()
  assert.equal([stale(), [...w.conditions]], ["yes", ["crl-stale"]])
  assert.equal([posture(w.conditions).normal, posture(w.conditions).essential], ["open", "open"])
  assert.is(w.ids().filter((id) => id === "trust.crl-stale").length, 1)
  // Expired as well by now, and still it is the revocation that is told first.
  const late = judge({ earliestAt: NOW + 2 * DAY_MS, latestAt: Infinity })
  assert.equal(!late.ok && late.faults, ["revoked", "expired"])
  await keeper.offer(pki.crl(field, { revoked: [thief], nextUpdateAt: NOW + 9 * DAY_MS }))
  assert.equal([...w.conditions], [])
})

test("[CR 1.8] an own certificate alarms 30, 7 and 1 days ahead and when it has expired, once each, and closes nothing", async () => {
  const w = world()
  put(pki.crl(field))
  const keeper = await w.open()
  const told = (): string[] => w.events.filter(({ id, object }) => id.startsWith("certificate.") && object === "conduit/a").map(({ reason }) => reason!) // prettier-ignore
  const end = certificateFacts(parsePemChain(server.certificate)[0]!).notAfterAt
  for (const days of [31, 30, 20, 7, 5, 1, 0.5]) {
    w.setTime(end - days * DAY_MS, Infinity)
    keeper.look()
    keeper.look()
  }
  assert.equal(told(), ["30-days", "7-days", "1-day"])
  assert.equal([...w.conditions].filter((condition) => condition === "certificate-expired"), []) // prettier-ignore
  w.setTime(end + 1000, Infinity)
  keeper.look()
  assert.equal(told().at(-1), "expired")
  assert.ok(w.conditions.has("certificate-expired"))
  assert.equal([posture(w.conditions).normal, posture(w.conditions).essential], ["open", "open"])
})

test("[CR 1.9] lists are kept over restarts, whatever lies in the file; a damaged store is told, and the file counts again", async () => {
  const w = world()
  put(pki.crl(field, { number: 500, revoked: [thief] }))
  await w.open()
  put(pki.crl(field, { number: 499 }))
  const again = await w.open()
  const { serial, issuerDer } = factsFromPem(thief.certificate)[0]!
  assert.ok(again.revoked("field-ca")(issuerDer, serial))
  assert.not.ok(again.revoked("other")(issuerDer, serial))
  put("rubbish")
  assert.ok((await w.open()).revoked("field-ca")(issuerDer, serial))
  assert.equal(w.ids(), ["trust.crl-accepted", "trust.crl-refused"])
  const stored = (await w.storage.read("trust/crl-field-ca.json"))!
  const text = Buffer.from(stored).toString()
  for (const bad of [
    text.slice(0, 90),
    text.replace('"format":1', '"format":9'),
    text.replace(/"crl":"M/, '"crl":"N'),
    text.replace(/"remembered":\[/, '"remembered":["x"'),
    "null",
    "[]",
    '{"format":1,"lists":[null]}',
  ]) {
    // prettier-ignore
    w.events.length = 0
    await w.storage.write("trust/crl-field-ca.json", Buffer.from(bad))
    const keeper = await w.open()
    assert.is(w.ids()[0], "trust.crl-damaged", bad.slice(0, 40))
    assert.equal(keeper.report().authorities[0]!.lists, [])
  }
})

test("[CR 1.9] nothing counts before it is on disk, and a refused reload leaves everything as it was", async () => {
  const w = world()
  put(pki.crl(field, { number: 600 }))
  const keeper = await w.open()
  let told = 0
  keeper.onChange(async () => {
    told++
  })
  const write = w.storage.write.bind(w.storage)
  w.storage.write = async () => Promise.reject(new Error("no disk"))
  const newer = pki.crl(field, { number: 601, revoked: [thief] })
  await keeper.offer(newer).then(() => assert.unreachable(), () => undefined) // prettier-ignore
  assert.is(keeper.report().authorities[0]!.lists[0]!.entries, 0)
  w.storage.write = write
  put("rubbish")
  await rejects(() => keeper.reload(), "ERR_PEM")
  assert.is(told, 0)
  put(newer)
  assert.equal((await keeper.reload()).lists.map((one) => one.number), [(601).toString(16)]) // prettier-ignore
  assert.is(told, 1)
  await rejects(() => keeper.offer("not base64!"), "ERR_PEM")
  await rejects(() => keeper.offer(pki.crl(field, { number: 3 })), "ERR_CRL_REFUSED")
})

test.run()
