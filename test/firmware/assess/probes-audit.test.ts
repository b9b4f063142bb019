import { suite } from "uvu"
import * as assert from "uvu/assert"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AuditView, ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { brokerShowsLog, strangersReadNoAudit } from "../../../firmware/assess/probes/audit.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { mosquittoPub } from "../../peers/mosquitto-clients.ts"
import { startMosquitto } from "../../peers/mosquitto.ts"
import { opensslAuthority, opensslCertificate } from "../../peers/openssl.ts"
import { breaks } from "../../support/probe-world.ts"

const test = suite("firmware/assess/probes-audit")
const folder = mkdtempSync(join(tmpdir(), "lockgate-probes-audit-"))
test.after(() => rmSync(folder, { recursive: true }))
const ca = opensslAuthority(folder, "ca")
const own = opensslCertificate(folder, "broker", { issuer: ca, usage: "server", san: ["IP:127.0.0.1"] })
const gateway = opensslCertificate(folder, "gateway", { issuer: ca, usage: "client" })

/** What the probe says of a real broker that holds the audit of `gw`. */
async function probed(options: { requireCert: boolean; acl?: string }): Promise<ProbeResult> {
  const { requireCert, ...rest } = options
  const broker = await startMosquitto({ tls: { ca: ca.cert, cert: own.cert, key: own.key, requireCert }, ...rest })
  const tls = { ca: ca.cert, cert: gateway.cert, key: gateway.key }
  const message = { topic: "lockgate/gw/log/edge", message: "edge", retain: true, qos: 1 } as const
  await mosquittoPub({ host: "127.0.0.1", port: broker.tlsPort, tls, ...message })
  const at = `127.0.0.1:${broker.tlsPort}`
  const context = {
    audit: { gateway: "gw" },
    interfaces: [{ name: "management/mqtt", direction: "dials", kind: "tcp-tls", at }],
  }
  const result = await strangersReadNoAudit.run(context as unknown as ProbeContext)
  await broker.stop()
  return result
}

test("[CR 3.9] a real broker that demands certificates, or has the access list, shows a stranger nothing", async () => {
  const closed = await probed({ requireCert: true })
  assert.is(closed.outcome, "passed", JSON.stringify(closed))
  const listed = await probed({ requireCert: false, acl: "user gateway\ntopic readwrite lockgate/gw/#\n" })
  assert.match(JSON.stringify(listed), /"passed".*let in, shown nothing/)
})

test("[CR 3.9] [CR 6.1] a broker that shows the audit to anybody fails, and it is said how to mend that", async () => {
  const open = await probed({ requireCert: false })
  assert.is(open.outcome, "failed", JSON.stringify(open))
  assert.match(JSON.stringify(open), "lockgate audit acl")
})

test("what cannot be asked is not tested", async () => {
  const run = (interfaces: unknown, readBack?: AuditView["readBack"]) => {
    const context = { interfaces, audit: { gateway: "gw", readBack } } as unknown as ProbeContext
    return Promise.all([strangersReadNoAudit.run(context), readBack === undefined ? null : brokerShowsLog.run(context)])
  }
  const [none, off] = await run([], async () => "off")
  assert.equal([none.outcome, off?.outcome], ["not-tested", "not-tested"])
  const [gone, offline] = await run([{ name: "management/mqtt", at: "127.0.0.1:1" }], async () => "offline")
  assert.equal([gone.outcome, offline?.outcome], ["not-tested", "not-tested"])
})

test("[CR 6.1] [CR 6.1 RE(1)] a broker that takes the log and does not show it is found", async () => {
  await breaks(
    () => ({ audit: { gateway: "gw", readBack: async () => "not-shown", witnesses: () => [] } }),
    ["audit.broker-shows-log"],
  )
})

test.run()
