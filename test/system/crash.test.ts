import { suite } from "uvu"
import * as assert from "uvu/assert"
import { spawn } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"
import type { Worker } from "node:worker_threads"
import { createSimulatedBoard } from "../../hal/linux/simulated-board.ts"
import { readGatewayConfig } from "../../firmware/config/read-gateway-config.ts"
import { startGateway, type Gateway } from "../../firmware/gateway.ts"
import { killGateway } from "../storm/gateway-kill.ts"
import { STORM, tellStorm } from "../storm/figures.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/crash")
const KILLS = STORM ? 50 : 3
const DEATHS = STORM ? 30 : 2

let rig: Rig
test.before(async () => {
  rig = await startRig()
})
test.after(() => rig.stop())

test(`[CR 2.8] [CR 7.4] ${KILLS} times kill -9 under load: log whole, what was acknowledged still there, policy as confirmed, clients go on`, async () => {
  const figures = await killGateway(KILLS, rig)
  tellStorm("process kill", "the gateway under load", figures)
  assert.is(figures.kills, KILLS)
  assert.is(figures.entriesLost, 0)
  assert.is(figures.entriesChanged, 0)
  assert.is(figures.damages, 0)
  assert.is(figures.wrongPolicies, 0)
  assert.is(figures.messagesLost, 0)
  assert.ok(figures.repairs <= figures.tornTails, "an alarm about a repair for each torn tail, and no other")
  assert.ok(figures.messagesAcknowledged >= KILLS * 3 * 10 && figures.entriesAcknowledged >= KILLS * 2)
})

test("[CR 7.1] [CR 2.8] a blocked engine stops the feeding, the watchdog resets the board, the next start audits why", async () => {
  await rig.gateway.stop()
  const script = fileURLToPath(new URL("../support/stalled-gateway.ts", import.meta.url))
  const before = (await rig.audit()).length
  const child = spawn(process.execPath, [...process.execArgv, script, rig.config], { stdio: "inherit" })
  const signal = await new Promise((resolve) => child.once("exit", (_, by) => resolve(by)))
  assert.is(signal, "SIGKILL")
  const stalled = (await rig.audit()).slice(before).find((e) => e.event === "gateway.loop-stalled")
  assert.equal([stalled?.object, stalled?.source, stalled?.outcome], ["conduits", "health", "failure"])
  await rig.gateway.start()
  const reset = await rig.entry((e) => e.seq >= before && e.event === "gateway.restarted-by-watchdog")
  const started = (await rig.audit()).filter((e) => e.event === "gateway.started")
  assert.is(started.at(-1)!.detail!["reset"], "watchdog")
  assert.ok(reset.seq > stalled!.seq)
  const peer = await mqttPeer(rig, { name: "s1" })
  assert.is(await peer.publish("plant/s1/x", "x"), 0)
  await peer.end()
})

/** The rig's gateway in this process, and the thread in which its engine runs now. */
async function inProcess(): Promise<{ gateway: Gateway; thread(): Worker; stop(): Promise<void> }> {
  await rig.gateway.stop()
  let worker: Worker | null = null
  const started = (message: unknown): void => {
    const { worker: made } = message as { worker: Worker }
    if (made.threadName === "conduits") worker = made
  }
  subscribe("worker_threads", started)
  const read = await readGatewayConfig(rig.config)
  if (!read.ok) throw new Error("the board file is faulty")
  const board = await createSimulatedBoard(read.value.stateFolder, { credentials: read.value.credentials })
  const gateway = await startGateway(board, read.value)
  return {
    gateway,
    thread: () => worker!,
    stop: async () => {
      unsubscribe("worker_threads", started)
      await gateway.stop()
      await board.close()
    },
  }
}

/** Until `fits`, or 5 s. */
async function until(fits: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 5_000
  while (!(await fits())) {
    if (performance.now() > end) throw new Error(`${what} did not come`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function knock(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(rig.port, "127.0.0.1", () => resolve(true))
    socket.once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })
}

test(`[NDR 5.2 RE(3)] the engine's thread dies ${DEATHS} times: nothing passes meanwhile, then listeners and policy are back by themselves`, async () => {
  const { gateway, thread, stop } = await inProcess()
  const before = gateway.log.size
  const boots = (await rig.audit()).filter((e) => e.event === "gateway.started").map((e) => e.detail!["reset"])
  assert.equal(boots.slice(-2), ["watchdog", "power"], "a reset is told once")
  let slowestRecoveryMs = 0
  try {
    const bundle = await rig.bundle(1_000, POLICY.replace('["plant/%u/#"]', '["fresh/%u/#"]'))
    const owner = { name: "test", permissions: ["policy", "island"], via: "local" } as const
    assert.ok((await gateway.commands.execute(owner, { command: "policy.activate", arguments: { bundle } })).ok)
    assert.ok((await gateway.commands.execute(owner, { command: "policy.confirm", arguments: { version: 1_000 } })).ok)
    for (let i = 0; i < DEATHS; i++) {
      const peer = await mqttPeer(rig, { name: "s1" })
      const dead = thread()
      const diedMs = performance.now()
      void dead.terminate()
      await peer.until(() => peer.closed === 1, "the cut")
      await until(() => gateway.listening.length === 0, "the gateway's knowledge of it")
      assert.not(await knock())
      await until(() => gateway.listening.length === 1, "the listener")
      assert.is.not(thread(), dead)
      const next = await mqttPeer(rig, { name: "s1" })
      assert.equal([await next.publish("fresh/s1/x", "x"), await next.publish("plant/s1/x", "x")], [0, 0x87])
      slowestRecoveryMs = Math.max(slowestRecoveryMs, performance.now() - diedMs)
      await next.end()
    }
    const entries = (await rig.audit()).slice(before)
    const died = entries.filter((e) => e.event === "conduit.closed" && e.reason === "engine-died")
    assert.is(died.length, DEATHS)
    assert.ok(entries.filter((e) => e.event === "conduit.listening").length >= DEATHS)

    // Ordered while nobody lives who could carry it out: it holds for the thread that comes.
    void thread().terminate()
    await until(() => gateway.listening.length === 0, "the gateway's knowledge of it")
    let ordered = false
    const order = gateway.commands.execute(owner, { command: "island", arguments: { state: "on" } })
    void order.then(({ ok }) => (ordered = ok))
    await until(() => ordered, "the answer to the order")
    assert.not(await knock())
    assert.equal([gateway.listening.length, gateway.status().posture.normal], [0, "closed"])
    assert.ok((await gateway.commands.execute(owner, { command: "island", arguments: { state: "off" } })).ok)
    assert.ok(await knock())
    tellStorm("dead thread", "the conduit engine's thread ends", {
      deaths: DEATHS + 1,
      slowestRecoveryMs: Math.round(slowestRecoveryMs),
    })
  } finally {
    await stop()
    await rig.gateway.start()
  }
})

test.run()
