/**
 * An attack mix at full speed while honest clients publish: connection, handshake and random-byte floods, slowloris, giant
 * packets, peers that do not read. The attackers are processes of their own, from many addresses of 127.0.0.0/8.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { socketsOf } from "../support/kernel-sockets.ts"
import { mqttPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import type { Rig } from "../support/rig.ts"
import type { AttackOrder } from "./attacker.ts"

/** What an attack counted. */
export interface AttackFigures {
  readonly clients: number
  /** Connections that the attackers began. */
  readonly attacks: number
  readonly messages: number
  /** Messages of honest clients that were not acknowledged with success. */
  readonly lost: number
  /** Times that an honest client was cut off. */
  readonly cut: number
  readonly quietP99Ms: number
  readonly attackedP99Ms: number
  readonly mostSockets: number
  readonly mostMemoryMib: number
}

const SOCKETS: Readonly<Record<AttackOrder["kind"], number>> = {
  connections: 30,
  handshakes: 20,
  slowloris: 150,
  random: 20,
  giant: 4,
  "slow-reader": 4,
}

/** Attack `rig` for that long; quiet is measured before, for a quarter of the time. */
export async function attackStorm(rig: Rig, seconds: number, clients: number): Promise<AttackFigures> {
  const honest = await Promise.all(Array.from({ length: clients }, (_, k) => mqttPeer(rig, { name: `honest-${k}` })))
  const quiet = await publishing(honest, seconds * 250)
  const watch = watchGateway(rig.gateway.pid)
  const attackers = (Object.keys(SOCKETS) as AttackOrder["kind"][]).map((kind) => attack(rig, kind, seconds))
  const attacked = await publishing(honest, seconds * 1_000)
  const came = await Promise.all(attackers)
  const most = watch.stop()
  const cut = honest.reduce((sum, peer) => sum + peer.closed, 0)
  await Promise.all(honest.map((peer) => peer.end(true)))
  return {
    clients,
    attacks: came.reduce((sum, count) => sum + count, 0),
    messages: quiet.times.length + attacked.times.length,
    lost: quiet.lost + attacked.lost,
    cut,
    quietP99Ms: p99(quiet.times),
    attackedP99Ms: p99(attacked.times),
    mostSockets: most.sockets,
    mostMemoryMib: most.memoryMib,
  }
}

function attack(rig: Rig, kind: AttackOrder["kind"], seconds: number): Promise<number> {
  const { cert, key } = rig.tls(rig.peer(`bad-${kind}`))
  const clientId = `bad-${kind}`
  return attacked({ kind, port: rig.port, seconds, sockets: SOCKETS[kind], tls: { cert, key }, clientId })
}

/** How often one attacker came, a process of its own, until its time was over. */
export function attacked(order: AttackOrder): Promise<number> {
  const file = fileURLToPath(new URL("attacker.ts", import.meta.url))
  const child = spawn(process.execPath, [file, JSON.stringify(order)], { stdio: ["ignore", "pipe", "pipe"] })
  const patience = setTimeout(() => child.kill("SIGKILL"), order.seconds * 1_000 + 10_000)
  let [said, complained] = ["", ""]
  child.stdout.on("data", (text: Buffer) => (said += text.toString()))
  child.stderr.on("data", (text: Buffer) => (complained += text.toString()))
  return new Promise((resolve, reject) => {
    child.once("close", () => {
      clearTimeout(patience)
      if (said === "") reject(new Error(`the attacker ${order.kind} said nothing: ${complained}`))
      else resolve((JSON.parse(said) as { came: number }).came)
    })
  })
}

/** Each client publishes with QoS 1 about twenty times a second and waits for each acknowledgement. */
async function publishing(peers: readonly MqttPeer[], durationMs: number): Promise<{ times: number[]; lost: number }> {
  const times: number[] = []
  let lost = 0
  const until = performance.now() + durationMs
  await Promise.all(
    peers.map(async (peer, k) => {
      for (let n = 0; performance.now() < until; n++) {
        const startedMs = performance.now()
        const code = await peer.publish(`plant/honest-${k}/x`, `${n}`).catch(() => -1)
        times.push(performance.now() - startedMs)
        if (code !== 0) lost++
        if (code === -1) return
        await new Promise((resolve) => setTimeout(resolve, 40 + ((k * 7) % 20)))
      }
    }),
  )
  return { times, lost }
}

function p99(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return Math.round((sorted[Math.floor(sorted.length * 0.99)] ?? 0) * 10) / 10
}

function watchGateway(pid: number): { stop(): { sockets: number; memoryMib: number } } {
  let [sockets, memoryMib] = [0, 0]
  const look = (): void => {
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    memoryMib = Math.max(memoryMib, Math.round(Number(rss ?? 0) / 1024))
    void socketsOf(pid).then((all) => (sockets = Math.max(sockets, all.length)))
  }
  const timer = setInterval(look, 500)
  return {
    stop() {
      clearInterval(timer)
      return { sockets, memoryMib }
    },
  }
}
