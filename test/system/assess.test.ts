import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { RowResult } from "../../firmware/assess/run.ts"
import { listenersOf, socketsOf } from "../support/kernel-sockets.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { opensslCrl } from "../peers/openssl.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/assess")
// prettier-ignore
const OWNED = [
  "CR 1.2", "CR 1.5", "CR 1.7", "CR 1.9", "CR 2.1", "CR 2.1 RE(1)", "CR 2.1 RE(2)", "CR 2.1 RE(3)", "CR 2.1 RE(4)", "CR 2.10", "CR 2.11", "CR 2.11 RE(2)", "CR 2.12", "CR 2.8", "CR 2.9", "CR 2.9 RE(1)", "CR 3.1", "CR 3.1 RE(1)", "CR 3.5", "CR 3.7", "CR 3.9", "CR 4.1", "CR 4.3", "CR 6.1", "CR 6.1 RE(1)", "CR 6.2", "CR 7.1", "CR 7.1 RE(1)", "CR 7.2", "CR 7.7", "EDR 2.4", "EDR 2.4 RE(1)", "NDR 2.4", "NDR 2.4 RE(1)", "NDR 5.2", "NDR 5.2 RE(1)", "NDR 5.2 RE(2)", "NDR 5.2 RE(3)", "NDR 5.3",
]

/** Claimed, but with nothing to be tested on here: no GPIO, no packet filter, no radio, no untrusted zone, no network time, nobody with an account, no rule that records. */
// prettier-ignore
const NOT_HERE = [
  "CR 1.1", "CR 1.1 RE(1)", "CR 1.1 RE(2)", "CR 1.10", "CR 1.11", "CR 1.12", "CR 1.3", "CR 1.4", "CR 1.7 RE(1)", "CR 1.7 RE(2)", "CR 2.11 RE(1)", "CR 2.12 RE(1)", "CR 2.2", "CR 2.5", "CR 2.6", "CR 2.7", "CR 3.6", "CR 3.8", "CR 5.1", "EDR 3.11", "EDR 3.11 RE(1)", "NDR 1.13", "NDR 1.13 RE(1)", "NDR 1.6", "NDR 1.6 RE(1)",
  "NDR 3.11", "NDR 3.11 RE(1)",
]

let rig: Rig
test.before(async () => {
  rig = await startRig({
    board: "limits: { half-open-time: 1s }\ntime: { network: none }",
    trust: (folder, issuer, controlCa) => {
      opensslCrl(folder, "field.crl", { issuer, number: 1, revoked: [controlCa] })
      return "crls: { field-ca: pki/field.crl }"
    },
  })
})
test.after(() => rig.stop())

async function assessed(of: Rig): Promise<{ code: number | null; rows: readonly RowResult[] }> {
  const { code, out } = await of.lockgate("assess", "run", "--json")
  return { code, rows: JSON.parse(out) as readonly RowResult[] }
}

/** What each probe that failed has seen: what a red test is understood by. */
function failures(rows: readonly RowResult[]): string[] {
  const all = rows.flatMap(({ probes }) => probes)
  return [...new Set(all.map(({ id, result }) => (result.outcome === "failed" ? `${id}: ${result.seen}` : "")))]
    .filter((text) => text !== "")
    .sort()
}

function ids(rows: readonly RowResult[], result: RowResult["result"]): string[] {
  return rows
    .filter((row) => row.result === result)
    .map((row) => row.requirement)
    .sort()
}

test(`${OWNED.map((row) => `[${row}]`).join(" ")} the live gateway meets the ${OWNED.length} rows that it claims, and claims no other`, async () => {
  const { code, rows } = await assessed(rig)
  assert.equal(failures(rows), [])
  assert.is(code, 0)
  assert.equal(ids(rows, "met"), OWNED)
  assert.equal(ids(rows, "not met"), [])
  assert.is(ids(rows, "not tested").length, rows.length - OWNED.length)
  for (const row of rows) {
    const owned = OWNED.includes(row.requirement)
    const claimed = owned || NOT_HERE.includes(row.requirement)
    assert.is(row.claim !== null, claimed, row.requirement)
    assert.is(row.probes.length > 0, claimed, row.requirement)
    if (owned) for (const { id, result } of row.probes) assert.is(result.outcome, "passed", id)
  }
  const entry = await rig.entry((e) => e.event === "assess.run")
  assert.equal(
    [entry.outcome, entry.detail],
    ["success", { met: OWNED.length, notMet: 0, notTested: rows.length - OWNED.length }],
  )
})

test("[CR 7.1] an assessment disturbs nobody: a client that publishes meanwhile is neither denied nor cut off", async () => {
  const peer = await mqttPeer(rig, { name: "s1" })
  let running = true
  const codes = new Set<number>()
  const publishing = (async () => {
    while (running) codes.add(await peer.publish("plant/s1/x", "x"))
  })()
  const { rows } = await assessed(rig)
  running = false
  await publishing
  assert.equal(failures(rows), [])
  assert.equal(ids(rows, "met"), OWNED)
  assert.equal([[...codes], peer.closed], [[0], 0])
  await peer.end()
})

test("[CR 7.7] seen from outside, no socket is open beyond the interface table: before, during and after traffic", async () => {
  const listens = [`tcp 127.0.0.1:${rig.port}`, `unix ${join(rig.folder, "run", "command.sock")}`]
  const now = async () => (await listenersOf(rig.gateway.pid)).map((s) => `${s.kind} ${s.at}`).sort()
  assert.equal(await now(), listens)
  const peers = await Promise.all(["s1", "s2", "s3"].map((name) => mqttPeer(rig, { name })))
  assert.equal(await now(), listens)
  const broker = `127.0.0.1:${rig.broker.tlsPort}`
  const open = async () => {
    const connected = (await socketsOf(rig.gateway.pid)).filter((s) => s.kind !== "unix" && s.state === "connected")
    const dialled = connected.filter((s) => s.to === broker)
    return { connected, dialled, accepted: connected.filter((s) => s.at === `127.0.0.1:${rig.port}`) }
  }
  // Those of the assessments before are on their way out: each is closed as the kernel gets to it.
  const endMs = performance.now() + 5_000
  while ((await open()).accepted.length > 3 && performance.now() < endMs) await sleep(20)
  const { connected, dialled, accepted } = await open()
  assert.is(dialled.length, 4, "three upstreams and the log's own")
  assert.is(accepted.length, 3)
  assert.is(dialled.length + accepted.length, connected.length, JSON.stringify(connected))
  await Promise.all(peers.map((peer) => peer.end()))
  assert.equal(await now(), listens)
})

test("the view from outside would see a listener of each kind that nobody declared", async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const six = createServer().listen(0, "::1")
  await once(six, "listening").catch(() => undefined)
  const udp = createSocket("udp4").bind(0, "127.0.0.1")
  await once(udp, "listening")
  const found = (await listenersOf(process.pid)).map((s) => `${s.kind} ${s.at}`)
  assert.ok(found.includes(`tcp 127.0.0.1:${(server.address() as AddressInfo).port}`))
  assert.ok(found.includes(`udp 127.0.0.1:${udp.address().port}`))
  const port = (six.address() as AddressInfo | null)?.port
  if (port !== undefined) assert.ok(found.some((at) => at.startsWith("tcp [") && at.endsWith(`:${port}`)))
  server.close()
  six.close()
  udp.close()
})

test("[NDR 5.2 RE(2)] in island mode what needs a listener is not tested, and nothing that was not tested is met", async () => {
  assert.ok((await rig.command("island", { state: "on" })).ok)
  const { code, rows } = await assessed(rig)
  assert.is(code, 0)
  assert.equal(ids(rows, "not met"), [])
  for (const requirement of ["CR 1.2", "CR 4.3", "NDR 5.2"]) {
    const row = rows.find((r) => r.requirement === requirement)!
    assert.is(row.result, "not tested", requirement)
    assert.ok(row.probes.some(({ result }) => result.outcome === "not-tested" && result.why === "no conduit listens"))
  }
  for (const row of rows.filter((r) => r.result === "met"))
    assert.ok(row.probes.length > 0 && row.probes.every(({ result }) => result.outcome === "passed"), row.requirement)
  assert.equal(
    (await listenersOf(rig.gateway.pid)).map((s) => s.kind),
    ["unix"],
  )
  assert.is((await rig.status()).island, true, "the probes left the order as it was")
  assert.ok((await rig.command("island", { state: "off" })).ok)
  assert.equal(ids((await assessed(rig)).rows, "met"), OWNED)
})

test("[NDR 5.2 RE(1)] without a policy no row about traffic is met", async () => {
  const empty = await startRig({ withoutPolicy: true, board: "time: { network: none }" })
  try {
    const { code, rows } = await assessed(empty)
    assert.is(code, 0)
    assert.equal(ids(rows, "met"), [
      "CR 1.5",
      "CR 1.7",
      "CR 2.1 RE(3)",
      "CR 2.1 RE(4)",
      "CR 2.11",
      "CR 2.11 RE(2)",
      "CR 2.12",
      "CR 2.8",
      "CR 2.9 RE(1)",
      "CR 3.7",
      "CR 3.9",
      "CR 6.1",
      "CR 6.1 RE(1)",
      "CR 6.2",
      "CR 7.7",
    ])
    assert.equal(ids(rows, "not met"), [])
  } finally {
    await empty.stop()
  }
})

test.run()
