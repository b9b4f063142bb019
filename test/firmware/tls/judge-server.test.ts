import { suite } from "uvu"
import * as assert from "uvu/assert"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { connect, createServer } from "node:tls"
import { judgeServer } from "../../../firmware/tls/accept-peer.ts"
import type { ServerTrust, ServerVerdict } from "../../../firmware/tls/accept-peer.ts"
import { clientOptions } from "../../../firmware/tls/options.ts"
import { factsFromPem } from "../../../firmware/tls/pem.ts"
import { bearsName } from "../../../firmware/tls/server-name.ts"
import { createAuthority, issue } from "../../../provisioning/owner/authority.ts"
import type { Authority, IssuedCredential, LeafRequest } from "../../../provisioning/owner/authority.ts"
import { fakeLeaf } from "../../support/fake-certificates.ts"

const test = suite("firmware/tls/judge-server")

const DAY_MS = 86_400_000
const now = Date.now()
const validity = { notBeforeAt: now - DAY_MS, notAfterAt: now + DAY_MS }
const root = await createAuthority({ name: "control", validity, pathLength: 1 })
const sub = await createAuthority({ name: "control sub", validity, issuer: root })
const stranger = await createAuthority({ name: "stranger", validity })
const gateway = await issueTo(root, { usage: "client" })

function issueTo(authority: Authority, changes: Partial<Omit<LeafRequest, "publicKey">>): Promise<IssuedCredential> {
  const san = { dns: ["broker.plant.example"], ip: ["127.0.0.1", "::1"] }
  const request = {
    subject: { cn: "broker" },
    san,
    usage: "server" as const,
    ...validity,
    ...changes,
  }
  return issue(authority, request)
}

const trust: ServerTrust = {
  anchors: factsFromPem(root.certificate),
  now: { earliestAt: now, latestAt: now + 1000 },
  serverName: "broker.plant.example",
}

interface Dialled {
  readonly verdict: ServerVerdict
  readonly askedFor: string | false | null
  readonly authorized: boolean
  readonly peer: string | null
}

async function dial(broker: IssuedCredential, by: ServerTrust): Promise<Dialled> {
  let askedFor: string | false | null = null
  let peer: string | null = null
  const options = { key: broker.key, cert: broker.certificate, requestCert: true, rejectUnauthorized: false }
  const listener = createServer(options, (socket) => {
    askedFor = socket.servername
    peer = socket.getPeerX509Certificate()?.subject ?? null
    socket.on("error", () => undefined)
    socket.resume()
  })
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const socket = connect({
    ...clientOptions({ credential: gateway, serverName: by.serverName }),
    host: "127.0.0.1",
    port: (listener.address() as AddressInfo).port,
  })
  await once(socket, "secureConnect")
  const verdict = judgeServer(socket, by)
  const { authorized } = socket
  socket.end()
  await once(socket, "close")
  await new Promise((resolve) => listener.close(resolve))
  return { verdict, askedFor, authorized, peer }
}

function outcome(verdict: ServerVerdict): string {
  return verdict.ok ? verdict.time : verdict.faults.join(" ")
}

test("[CR 1.2] the broker that was meant is trusted, by name and by address, with its intermediate", async () => {
  const broker = await issueTo(sub, {})
  const named = await dial(broker, trust)
  assert.is(outcome(named.verdict), "yes")
  assert.is(named.askedFor, "broker.plant.example")
  assert.is(named.peer, "CN=broker")
  const addressed = await dial(broker, { ...trust, serverName: "127.0.0.1" })
  assert.is(outcome(addressed.verdict), "yes")
  assert.is(addressed.askedFor, false, "an address is not a name to ask for")
  assert.not.ok(addressed.authorized, "trust is never read off Node's own verdict")
})

test("[CR 1.2] any other broker is refused, with every fault named", async () => {
  const past = { notBeforeAt: now - 2 * DAY_MS, notAfterAt: now - DAY_MS }
  const cases: [IssuedCredential, Partial<ServerTrust>, string][] = [
    [await issueTo(stranger, {}), {}, "unknown-issuer"],
    [await issueTo(root, past), {}, "expired"],
    [await issueTo(stranger, past), { serverName: "other" }, "unknown-issuer expired server-name"],
    [await issueTo(root, { usage: "client" }), {}, "extended-key-usage"],
    [await issueTo(root, {}), { serverName: "broker.plant.example.org" }, "server-name"],
    [await issueTo(root, {}), { serverName: "127.0.0.2" }, "server-name"],
    [await issueTo(root, { san: {} }), { serverName: "broker" }, "server-name"],
    [await issueTo(root, {}), { anchors: [] }, "unknown-issuer"],
  ]
  for (const [broker, changes, expected] of cases) {
    assert.is(outcome((await dial(broker, { ...trust, ...changes })).verdict), expected)
  }
})

test("[CR 2.11] an uncertain clock means the same towards a broker as towards a peer", async () => {
  const broker = await issueTo(root, {})
  const { verdict } = await dial(broker, { ...trust, now: { earliestAt: now, latestAt: Infinity } })
  assert.is(outcome(verdict), "uncertain")
})

test("[CR 4.3] a broker that speaks TLS 1.2 is refused unless 1.2 is admitted", async () => {
  const broker = await issueTo(root, {})
  const listener = createServer({ key: broker.key, cert: broker.certificate, maxVersion: "TLSv1.2" })
  listener.on("tlsClientError", () => undefined)
  listener.listen(0, "127.0.0.1")
  await once(listener, "listening")
  const { port } = listener.address() as AddressInfo
  const strict = connect({ ...clientOptions({ credential: gateway, serverName: "broker" }), port })
  const [error] = (await once(strict, "error")) as [NodeJS.ErrnoException]
  assert.match(error.code ?? "", /^ERR_SSL/)
  const lenient = connect({ ...clientOptions({ credential: gateway, serverName: "broker", tlsMin: "1.2" }), port })
  await once(lenient, "secureConnect")
  assert.is(lenient.getProtocol(), "TLSv1.2")
  lenient.destroy()
  await new Promise((resolve) => listener.close(resolve))
})

test("[CR 1.2] names: exact, without case, a star for the first label only, addresses as addresses", () => {
  const cases: [string[], string[], string, boolean][] = [
    [["broker.example.org"], [], "broker.example.org", true],
    [["Broker.EXAMPLE.org"], [], "broker.example.ORG", true],
    [["broker.example.org"], [], "broker.example.org.", true],
    [["*.example.org"], [], "broker.example.org", true],
    [["*.example.org"], [], "example.org", false],
    [["*.example.org"], [], "a.b.example.org", false],
    [["*.example.org"], [], ".example.org", false],
    [["b*.example.org"], [], "broker.example.org", false],
    [["broker.*.org"], [], "broker.example.org", false],
    [["*.org"], [], "example.org", false],
    [["*"], [], "broker", false],
    [["broker"], [], "broker", true],
    [["xbroker.example.org"], [], "broker.example.org", false],
    [["10.0.0.1"], [], "10.0.0.1", false],
    [["*.0.0.1"], [], "10.0.0.1", false],
    [[], ["10.0.0.1"], "10.0.0.1", true],
    [[], ["10.0.0.1"], "10.0.0.10", false],
    [[], ["2001:db8::1"], "2001:0DB8:0:0::1", true],
    [[], ["fe80::1"], "fe80::1%eth0", true],
    [[], [], "broker", false],
  ]
  for (const [sanDns, sanIp, name, expected] of cases) {
    assert.is(
      bearsName(fakeLeaf("broker", "ca", { sanDns, sanIp }), name),
      expected,
      `${sanDns.join()} ${sanIp.join()} ${name}`,
    )
  }
})

test.run()
