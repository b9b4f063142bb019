import { mkdtempSync, rmSync } from "node:fs"
import { connect, createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parser } from "mqtt-packet"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { median } from "../../bench/harness.ts"
import { makeMaterial } from "../../bench/conduit/material.ts"
import type { Material } from "../../bench/conduit/material.ts"
import { connectPacket, MESSAGE_BYTES, publishPackets } from "../../bench/conduit/message.ts"
import { nodePipe, pooledPipe } from "../../bench/conduit/proxy.ts"
import { startRig } from "../../bench/conduit/rig.ts"
import type { Rig } from "../../bench/conduit/rig.ts"
import { bootstrap, ratio } from "../../bench/conduit/statistics.ts"

const test = suite("conduit bench")
const folder = mkdtempSync(join(tmpdir(), "lockgate-bench-test-"))
let material: Material
let rig: Rig

test.before(async () => {
  material = await makeMaterial(folder)
  rig = await startRig(material, null, 800)
})

test.after(async () => {
  await rig.stop()
  rmSync(folder, { recursive: true, force: true })
})

for (const proxy of [nodePipe("tcp"), pooledPipe(), nodePipe("tls")]) {
  test(`a ${proxy.name} delivers all content over ${proxy.transport}, in every mode`, async () => {
    const upstreamPort = rig.upstreamPort(proxy.transport)
    const running = await proxy.start({ upstreamPort, material, core: null })
    try {
      await rig.connected(running.port, proxy.transport, async () => {
        const bulk = await rig.run(running.pid, { mode: "bulk", count: 400_000 })
        assert.is(bulk.messages, 400_000)
        assert.ok(bulk.proxyMs > 0)
        const batch = await rig.run(running.pid, { mode: "batch8", count: 1_600 })
        assert.is(batch.perRead, 8)
        const single = await rig.run(running.pid, { mode: "single", count: 200 })
        assert.is(single.perRead, 1)
        const paced = await rig.run(running.pid, { mode: "paced", count: 40, perSecond: 2_000 })
        assert.is(paced.latenciesUs.length, 40)
        assert.ok(paced.latenciesUs[0]! > 0)
      })
    } finally {
      await running.stop()
    }
  })
}

/** A run through a pipe that hands the messages of each client, from the hundredth on, to `meddle`. */
async function runThrough(meddle: (message: Buffer) => Buffer): Promise<void> {
  const server = createServer((client) => {
    const upstream = connect(rig.upstreamPort("tcp"), "127.0.0.1")
    upstream.pipe(client)
    for (const socket of [client, upstream]) socket.on("error", () => undefined)
    client.on("close", () => upstream.destroy())
    let seen = 0
    client.on("data", (chunk) => upstream.write(++seen === 100 ? meddle(chunk) : chunk))
  }).listen(0, "127.0.0.1")
  await new Promise((resolve) => server.once("listening", resolve))
  try {
    await rig.connected((server.address() as AddressInfo).port, "tcp", async () => {
      await rig.run(null, { mode: "single", count: 2_000 })
    })
  } finally {
    server.close()
  }
}

async function failureOf(action: () => Promise<unknown>): Promise<string> {
  try {
    await action()
  } catch (error) {
    return (error as Error).message
  }
  return "nothing failed"
}

test("a proxy that changes one bit of a message is found out", async () => {
  const failure = await failureOf(() =>
    runThrough((message) => {
      message[MESSAGE_BYTES - 20]! ^= 4
      return message
    }),
  )
  assert.match(failure, /not what was sent/)
})

test("a proxy that sends one message in place of another is found out", async () => {
  let other = publishPackets(0, 1)
  const failure = await failureOf(() =>
    runThrough((message) => {
      const before = other
      other = message
      return before
    }),
  )
  assert.match(failure, /not what was sent/)
})

test("a proxy that drops a message is found out, and the next run is sound", async () => {
  const failure = await failureOf(() => runThrough(() => Buffer.alloc(0)))
  assert.match(failure, /only \d+ of 2000 messages arrived/)
  assert.is(await failureOf(() => runThrough((message) => message)), "nothing failed")
})

test("what clients send is MQTT 3.1.1 and of the stated length", () => {
  const packets: any[] = []
  const mqtt = parser({ protocolVersion: 4 })
  mqtt.on("packet", (packet) => packets.push(packet))
  mqtt.parse(Buffer.concat([connectPacket("r03.client-03"), publishPackets(3, 2)]))
  assert.equal(
    packets.map(({ cmd }) => cmd),
    ["connect", "publish", "publish"],
  )
  assert.is(packets[0].protocolVersion, 4)
  assert.is(packets[1].topic, "plant/line-03/cell-00003/sensor-00/raw")
  assert.is(packets[2].topic, "plant/line-03/cell-00023/sensor-00/raw")
  assert.not.equal(packets[1].payload, packets[2].payload)
  assert.is(publishPackets(3, 2).length, 2 * MESSAGE_BYTES)
})

test("a ratio is taken round by round, and its interval holds it", () => {
  const base = [10, 20, 40, 80, 160]
  const twice = ratio(
    base.map((x) => 2 * x),
    base,
  )
  assert.equal(twice, { value: 2, low: 2, high: 2 })
  const spread = bootstrap([1, 2, 3, 4, 5, 6, 7, 8, 9], median)
  assert.is(spread.value, 5)
  assert.ok(spread.low >= 2 && spread.low < 5 && spread.high > 5 && spread.high <= 8)
})

test.run()
